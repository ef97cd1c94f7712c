"""What the rows say is what is sent: addresses, keys, parameters by family of model, tools, thoughts."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from airouter_compatible.plugin import ANY, COMPATIBLE, SERVICES
from airouter_compatible.profile import support_of
from airouter_compatible.service import Service
from airouter_compatible.wire import wire_of
from airouter_core import ProviderManager, create_provider, list_providers, validate_provider_config
from airouter_core.errors import (
    ConfigurationError,
    ParameterError,
    ProtocolError,
    RateLimitedError,
    UnsupportedFeatureError,
)
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import Message, ReasoningPart, TextPart

KEY = "a-key-0123456789"
PLACES: Mapping[str, Mapping[str, str]] = {
    "azure": {"endpoint": "https://res.openai.azure.com/"},
    "azure-classic": {"endpoint": "https://res.openai.azure.com", "api_version": "2024-10-21"},
    "cloudflare": {"account_id": "acc"},
    "databricks": {"host": "dbc-1.cloud.databricks.com"},
}
TOOL = {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}
README = Path(__file__).parents[1] / "README.md"
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "add-a-service.md"
ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}]}


def sent(name: str, model: str = "m", parameters: Mapping[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """The body that a chat is sent in."""
    with LoopbackServer(lambda request, connection: connection.answer(Answer.of_json(ANSWER))) as server:
        given = {"api_key": KEY, "base_url": server.url, **PLACES.get(name, {})}
        with create_provider(name, given) as provider, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            messages = more.pop("messages", "Hello")
            if more.pop("stream", False):
                provider.stream_chat(model, messages, parameters=parameters, **more).read()
            else:
                provider.chat(model, messages, parameters=parameters, **more)
        body: dict[str, Any] = server.requests[-1].json
        return body


def test_every_service_is_listed_by_its_names_and_claims_no_models() -> None:
    """Names and aliases find it; a model's bare name never does."""
    listed = {info.name: info for info in list_providers()}
    for service in SERVICES:
        assert listed[service.name].model_patterns == ()
        assert listed[service.name].listed == "when configured"
        assert service.sources, service.name
    assert len({service.name for service in SERVICES}) == len(SERVICES)


def test_the_readme_lists_every_service() -> None:
    """Name, aliases and the variable of the key."""
    page = README.read_text(encoding="utf-8")
    for service in (*SERVICES, ANY):
        assert f"| `{service.name}` |" in page
        for word in (*service.aliases, *service.api_key_env[:1]):
            assert f"`{word}`" in page, (service.name, word)


@pytest.mark.parametrize(
    ("name", "expected"),
    {
        "groq": "https://api.groq.com/openai/v1/chat/completions",
        "azure": "https://res.openai.azure.com/openai/v1/chat/completions",
        "azure-classic": (
            "https://res.openai.azure.com/openai/deployments/my%20model/chat/completions?api-version=2024-10-21"
        ),
        "cloudflare": "https://api.cloudflare.com/client/v4/accounts/acc/ai/v1/chat/completions",
        "databricks": "https://dbc-1.cloud.databricks.com/serving-endpoints/chat/completions",
        "perplexity": "https://api.perplexity.ai/chat/completions",
        "vllm": "http://localhost:8000/v1/chat/completions",
    }.items(),
)
def test_addresses(name: str, expected: str) -> None:
    """Chats go to the address of the row, with the user's settings in their places."""
    with create_provider(name, {"api_key": KEY, **PLACES.get(name, {})}) as provider:
        request = provider.wire.build_request(_request(provider, "my model"), provider.config, stream=False)
    assert request.url == expected


def _request(provider: Any, model: str) -> Any:
    from airouter_core.values.messages import Message
    from airouter_core.values.request import Request

    return Request(model=model, messages=(Message.user("hi"),))


@pytest.mark.parametrize(
    ("name", "key", "header", "value"),
    [
        ("groq", KEY, "Authorization", f"Bearer {KEY}"),
        ("azure", KEY, "api-key", KEY),
        ("azure", "eyJhbGciOi.eyJh.sig", "Authorization", "Bearer eyJhbGciOi.eyJh.sig"),
    ],
)
def test_the_key_travels_as_the_service_wants_it(name: str, key: str, header: str, value: str) -> None:
    """As a bearer token, or bare in a header of its own; Azure takes both, told by what they look like."""
    with create_provider(name, {"api_key": key, **PLACES.get(name, {})}) as provider:
        headers = provider.wire.build_request(_request(provider, "m"), provider.config, stream=False).headers
    assert headers[header] == value
    assert list(headers.values()).count(value) == 1


def test_what_an_address_lacks_is_named() -> None:
    """Without the parts of it that each user has, the error names them and their variables."""
    valid, problem = validate_provider_config("cloudflare", {"api_key": KEY})
    assert not valid
    assert "account_id" in str(problem)
    assert "CLOUDFLARE_ACCOUNT_ID" in str(problem)
    assert validate_provider_config("cloudflare", {"api_key": KEY, "base_url": "http://h/v1"}) == (True, None)


def test_a_part_of_an_address_cannot_lead_to_another_host() -> None:
    """What stands in the path is escaped."""
    with create_provider("cloudflare", {"api_key": KEY, "account_id": "x@evil.example/?"}) as provider:
        url = provider.wire.build_request(_request(provider, "m"), provider.config, stream=False).url
    assert url.startswith("https://api.cloudflare.com/client/v4/accounts/x%40evil.example/%3F")


EFFORTS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("groq", "openai/gpt-oss-20b", "minimal", {"reasoning_effort": "low"}),
    ("groq", "openai/gpt-oss-20b", "none", {}),
    ("groq", "qwen/qwen3-32b", "high", {"reasoning_effort": "default", "reasoning_format": "parsed"}),
    ("groq", "qwen/qwen3-32b", "none", {"reasoning_effort": "none", "reasoning_format": "parsed"}),
    ("mistral", "mistral-medium-latest", "low", {"reasoning_effort": "high"}),
    ("deepseek", "deepseek-v4-pro", "medium", {"reasoning_effort": "high"}),
    ("deepseek", "deepseek-v4-pro", "none", {"thinking": {"type": "disabled"}}),
    ("xai", "grok-4.3", "none", {"reasoning_effort": "none"}),
    ("xai", "grok-4.7-fast", "none", {}),
    ("xai", "grok-4.20-beta", "high", {}),
    ("together", "openai/gpt-oss-20b", "max", {"reasoning_effort": "high"}),
    ("together", "deepseek-ai/DeepSeek-V4-Pro", "none", {"reasoning": {"enabled": False}}),
    ("cerebras", "zai-glm-4.7", "none", {"reasoning_effort": "none"}),
    ("moonshot", "kimi-k3", "xhigh", {"reasoning_effort": "max"}),
    ("moonshot", "kimi-k3", "none", {}),
    ("moonshot", "kimi-k2.6", "none", {"thinking": {"type": "disabled"}}),
    ("alibaba", "qwen3.8-max", "low", {"enable_thinking": True}),
    ("alibaba", "qwen3.8-max", "none", {"enable_thinking": False}),
    ("zai", "glm-4.7", "high", {"thinking": {"type": "enabled"}}),
    ("zai", "glm-5.2", "none", {"thinking": {"type": "disabled"}}),
    ("zai", "glm-5.2", "medium", {"reasoning_effort": "high"}),
    ("zai", "glm-5.3", "none", {}),
    ("minimax", "MiniMax-M2.5", "high", {}),
    ("nvidia", "nemotron", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
    ("baseten", "zai-org/GLM-5.2", "high", {"chat_template_args": {"enable_thinking": True}}),
    ("vercel", "openai/gpt-5", "low", {"reasoning": {"effort": "low"}}),
    ("vllm", "qwen", "none", {"chat_template_kwargs": {"enable_thinking": False}}),
]


@pytest.mark.parametrize(("name", "model", "effort", "expected"), EFFORTS)
def test_efforts_are_said_in_each_services_words(name: str, model: str, effort: str, expected: dict[str, Any]) -> None:
    """By family of model; what cannot be said is left out."""
    body = sent(name, model, {"reasoning_effort": effort})
    fields = {"reasoning_effort", "reasoning_format", "thinking", "reasoning", "enable_thinking"}
    fields |= {"chat_template_kwargs", "chat_template_args"}
    assert {field: value for field, value in body.items() if field in fields} == expected


@pytest.mark.parametrize(
    ("name", "model", "given", "expected"),
    [
        ("mistral", "m", {"seed": 3, "max_tokens": 9}, {"random_seed": 3, "max_tokens": 9}),
        ("groq", "m", {"max_tokens": 9, "n": 2, "logprobs": True}, {"max_completion_tokens": 9}),
        ("together", "m", {"top_logprobs": 4, "repeat_penalty": 1.1}, {"logprobs": 4, "repetition_penalty": 1.1}),
        ("together", "m", {"logprobs": True}, {"logprobs": 1}),
        ("deepseek", "m", {"user": "u"}, {"user_id": "u"}),
        ("moonshot", "kimi-k3", {"temperature": 0.5, "max_tokens": 9}, {"max_completion_tokens": 9}),
        ("moonshot", "moonshot-v1-8k", {"temperature": 0.5}, {"temperature": 0.5}),
        ("azure", "gpt-5-mini", {"max_tokens": 9}, {"max_completion_tokens": 9}),
        ("azure", "my-deployment", {"max_tokens": 9}, {"max_tokens": 9}),
        ("vllm", "m", {"grammar": "root", "top_k": 4}, {"structured_outputs": {"grammar": "root"}, "top_k": 4}),
        ("alibaba", "m", {"thinking_budget": 50}, {"thinking_budget": 50}),
    ],
)
def test_parameters(name: str, model: str, given: dict[str, Any], expected: dict[str, Any]) -> None:
    """Taken, renamed, or left out, as the row and the family say."""
    body = sent(name, model, given)
    assert {field: value for field, value in body.items() if field not in ("model", "messages")} == expected


def test_a_parameter_beyond_a_services_range_is_refused() -> None:
    """Mistral's temperature goes to 1.5."""
    with pytest.raises(ParameterError, match=r"at most 1\.5"):
        sent("mistral", parameters={"temperature": 1.9})


def test_choices_of_tools() -> None:
    """Said in the service's words; refused where a model that thinks cannot be made to call one."""
    assert sent("mistral", tools=[TOOL], tool_choice="required")["tool_choice"] == "any"
    assert sent("groq", tools=[TOOL], tool_choice="required")["tool_choice"] == "required"
    with pytest.raises(UnsupportedFeatureError, match="reasoning_effort to 'none'"):
        sent("deepseek", parameters={"reasoning_effort": "high"}, tools=[TOOL], tool_choice="required")
    quiet = sent("deepseek", parameters={"reasoning_effort": "none"}, tools=[TOOL], tool_choice="required")
    assert quiet["tool_choice"] == "required"
    with pytest.raises(UnsupportedFeatureError, match="tool_choice"):
        sent("moonshot", tools=[TOOL], tool_choice="required")


def test_names_of_messages_and_usage_of_streams() -> None:
    """Groq answers 400 to names; Mistral sends usage unasked and knows no stream_options."""
    named = [{"role": "user", "name": "ada", "content": "Hello"}]
    assert "name" not in sent("groq", messages=named)["messages"][0]
    assert sent("mistral", messages=named)["messages"][0]["name"] == "ada"
    asked = {service.name: sent(service.name, stream=True).get("stream_options") for service in SERVICES}
    unasked = {name for name, options in asked.items() if options is None}
    assert unasked == {"databricks", "fireworks", "groq", "mistral", "perplexity", "together"}
    assert asked["alibaba"] == {"include_usage": True}


def test_mistral_is_told_of_an_answer_that_is_to_be_gone_on_with() -> None:
    """It refuses a last message of the assistant that does not say so."""
    said = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "One,"}]
    assert sent("mistral", messages=said)["messages"][-1] == {"role": "assistant", "content": "One,", "prefix": True}
    assert "prefix" not in sent("mistral", messages=[*said, {"role": "user", "content": "Go on."}])["messages"][1]


def test_thoughts_go_back_to_cerebras_as_each_model_takes_them() -> None:
    """In a field of their own; to models of Z.ai's between tags in the text."""
    thought = [
        Message.user("Count."),
        Message.assistant(ReasoningPart("One?"), TextPart("One.")),
        Message.user("Go on."),
    ]
    assert sent("cerebras", "gpt-oss-120b", messages=thought)["messages"][1]["reasoning"] == "One?"
    told = sent("cerebras", "zai-glm-4.7", messages=thought)["messages"][1]
    assert told == {"role": "assistant", "content": "<think>One?</think>One."}


def test_ids_of_calls_that_mistral_takes() -> None:
    """Nine letters and digits; those of another service are replaced, in the call and in its result alike."""
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "user", "content": "Look."},
        {"role": "assistant", "content": None, "tool_calls": [call, {**call, "id": "abcDEF123"}]},
        {"role": "tool", "tool_call_id": "call_0123456789", "content": "a"},
        {"role": "tool", "tool_call_id": "abcDEF123", "content": "b"},
    ]
    _, asked, *results = sent("mistral", messages=messages, tools=[TOOL])["messages"]
    identities = [item["id"] for item in asked["tool_calls"]]
    assert identities[1] == "abcDEF123"
    assert identities[0].isalnum()
    assert len(identities[0]) == 9
    assert [result["tool_call_id"] for result in results] == identities


# Lists of models.


def models(name: str, *pages: Any, **settings: Any) -> list[Any]:
    """What is listed, where these are the pages that the service sends."""

    def answer(request: Any, connection: Any) -> None:
        connection.answer(Answer.of_json(pages[min(len(server.requests), len(pages)) - 1]))

    with LoopbackServer(answer) as server:
        given = {"api_key": KEY, "base_url": f"{server.url}/ai/v1", **PLACES.get(name, {}), **settings}
        with create_provider(name, given) as provider:
            return provider.list_models()


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"id": "a", "context_length": 9}, {"no": "name"}, 5, None, {"id": "b"}]},
        [{"id": "a", "max_model_len": 9}, {"id": "b"}],
        {"models": [{"name": "a", "context_window": 9}, "b"]},
        {"result": [{"model": "a", "limits": {"context": 9}}, {"model": "b", "limits": []}]},
    ],
)
def test_lists_of_models_in_every_shape(answer: Any) -> None:
    """A bare list or one in a field, of objects or names; what is no model is passed over."""
    found = models("compatible", answer, model_fields={"context_length": "limits.context"})
    assert [model.id for model in found] == ["a", "b"]
    assert [model.context_length for model in found] == [9, None]


def test_what_is_no_list_of_models_is_an_error() -> None:
    """It names the fields that were looked for."""
    with pytest.raises(ProtocolError, match="without data or models"):
        models("groq", {"message": "hello"})


def test_pages_of_models() -> None:
    """They are asked for until one is not full, or says nothing new."""
    full = {"result": [{"id": "u", "name": f"@cf/{number}"} for number in range(100)], "success": True}
    rest = {"result": [{"id": "u", "name": "@cf/last"}], "success": True}
    assert [model.id for model in models("cloudflare", full, rest)][-2:] == ["@cf/99", "@cf/last"]
    assert len(models("cloudflare", full)) == 100


# A server of one's own.


def own(**settings: Any) -> Any:
    return create_provider("compatible", {"base_url": "http://127.0.0.1:9/v1", **settings})


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"reasoning_field": ["a"]}, "did you mean 'reasoning_fields'"),
        ({"colour": "red"}, "known are"),
        ({"parameters": {"temprature": "t"}}, "did you mean 'temperature'"),
        ({"parameters": {"top_k": {"feild": "k"}}}, "parameters.top_k has 'feild'"),
        ({"parameters": {"top_k": 3}}, "must be the name of a field, false, or a table"),
        ({"families": [{"parameters": {}}]}, "families[0] needs names"),
        ({"families": "all"}, "list of tables"),
        ({"errors": {"E42": "quotas"}}, "there are authentication"),
        ({"finish_reasons": {"done": "finished"}}, "finish_reasons has 'finished'"),
        ({"capabilities": ["chat", "smell"]}, "capabilities has 'smell'"),
        ({"forced_tools": "never"}, "must be one of always, without_thinking"),
        ({"base_url": ""}, "base_url is missing"),
    ],
)
def test_a_wrong_field_says_which_there_are(settings: dict[str, Any], told: str) -> None:
    """The error names the place, the nearest word and all there are."""
    with pytest.raises(ConfigurationError) as caught:
        own(**settings)
    assert told in str(caught.value)


def test_a_described_server_is_asked_as_described() -> None:
    """Fields of a row are settings."""
    with LoopbackServer(lambda request, connection: connection.answer(Answer.of_json(ANSWER))) as server:
        settings = {
            "base_url": f"{server.url}/v2",
            "api_key": KEY,
            "key_header": "x-acme-key",
            "path": "{model}/chat",
            "query": {"version": "7"},
            "parameters": {"max_tokens": "max_completion_tokens", "top_k": False, "temperature": {"maximum": 1}},
            "families": [{"names": "think-.*", "parameters": {"temperature": False}, "body": {"deep": True}}],
            "no_reasoning": {"field": "thinking", "said_as": {"none": "off"}},
        }
        with create_provider("compatible", settings) as provider, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            provider.chat("plain", "Hi", parameters={"max_tokens": 5, "temperature": 0.5, "reasoning_effort": "none"})
            provider.chat("think-1", "Hi", parameters={"temperature": 0.5, "top_k": 4})
            with pytest.raises(ParameterError, match="at most 1"):
                provider.chat("plain", "Hi", parameters={"temperature": 1.5})
        plain, thinking = server.requests
    assert plain.path == "/v2/plain/chat?version=7"
    assert {name.lower(): value for name, value in plain.headers.items()}["x-acme-key"] == KEY
    assert {"max_completion_tokens": 5, "temperature": 0.5, "thinking": "off"}.items() <= plain.json.items()
    assert "deep" not in plain.json
    assert thinking.json["deep"] is True
    assert not {"temperature", "top_k"} & set(thinking.json)


def test_the_guides_row_is_one() -> None:
    """It is under forty lines, and makes a wire that does what it says."""
    (code,) = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert len(code.splitlines()) < 40
    made: dict[str, Any] = {}
    exec(code, made)
    service: Service = made["ACME"]
    rows = {row.name: row for row in support_of(service)(_request(None, "acme-think-1"), None)}
    assert rows["max_tokens"].field == "max_completion_tokens"
    assert rows["temperature"].field is rows["seed"].field is None
    assert rows["reasoning_effort"].said_as["medium"] == "high"
    error = wire_of(service).parse_error(429, {"x-acme-reset": "3s"}, b'{"error": {"message": "Slow down, please."}}')
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 3


def test_the_guides_settings_describe_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table of a settings file makes a provider of one's own name."""
    (text,) = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("ACME_KEY", KEY)
    path = tmp_path / "airouter.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with ProviderManager.from_config(path) as manager:
        provider: Any = manager.provider("acme")
        request = provider.wire.build_request(_request(None, "m"), provider.config, stream=False)
    assert request.url == "https://api.acme.example/v2/chat/completions"
    assert request.headers["x-acme-key"] == KEY


def test_capabilities_that_are_left_out_are_refused() -> None:
    """A described server can do what its settings say."""
    with own(capabilities=["chat", "stream"]) as provider, pytest.raises(UnsupportedFeatureError, match="tools"):
        provider.chat("m", "Hi", tools=[TOOL])


def test_rows_are_values() -> None:
    """A row holds nothing that would have to be imported to list it: it can be written as JSON."""
    for service in SERVICES:
        assert isinstance(service, Service)
        json.dumps({name: repr(getattr(service, name)) for name in service.__struct_fields__})
    assert {info.target for info in COMPATIBLE} == {"airouter_compatible.provider:CompatibleProvider"}
