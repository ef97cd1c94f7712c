"""What each model takes, what becomes of the rest, and over which API it is asked."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import msgspec
import pytest

from airouter_core.config.loading import load_config
from airouter_core.errors import ConfigurationError, MissingApiKeyError, ParameterError
from airouter_core.plugins.factory import create_provider, validate_provider_config
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.profile.resolving import resolve
from airouter_core.provider.asking import ask_of
from airouter_core.values.messages import Message, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.tools import Tool, ToolChoice
from airouter_openai.catalog import limits_of
from airouter_openai.config import OpenAIConfig
from airouter_openai.families import FAMILIES, UNKNOWN, family_of
from airouter_openai.plugin import OPENAI
from airouter_openai.profile import api_of, chat_support, responses_support
from airouter_openai.wire import CHAT, RESPONSES

KEY = "sk-test-0123456789"


def config(**values: Any) -> OpenAIConfig:
    return load_config(OpenAIConfig, {"api_key": KEY, **values}, provider="openai", environ={})


def request(model: str, *, tools: bool = False, **parameters: Any) -> Request:
    offered = (Tool("weather"),) if tools else ()
    return Request(model=model, messages=(Message.user("Hi"),), tools=offered, parameters=parameters)


def taken(model: str, given: dict[str, Any], settings: OpenAIConfig | None = None, **more: Any) -> tuple[Any, Any]:
    """What is sent of these parameters, and why the rest is not."""
    settings = settings or config()
    draft = request(model, **more, **given)
    api = api_of(draft, settings)
    support = chat_support if api == "chat" else responses_support
    resolved = resolve(given, support(draft, settings), provider="openai")
    wire = CHAT if api == "chat" else RESPONSES
    asked = msgspec.structs.replace(request(model, **more, **resolved.values), rows=resolved.rows)
    built = wire.build_request(asked, settings, stream=False)
    body = json.loads(built.body or b"")
    return {name: body[name] for name in body if name not in ("model", "messages", "input", "store")}, resolved.omitted


@pytest.mark.parametrize(
    ("model", "api"),
    [
        ("gpt-3.5-turbo", "chat"),
        ("gpt-3.5-turbo-instruct", "completions"),
        ("davinci-002", "completions"),
        ("gpt-4", "chat"),
        ("gpt-4o-mini", "chat"),
        ("gpt-4.1", "chat"),
        ("chatgpt-4o-latest", "chat"),
        ("gpt-5-chat-latest", "chat"),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", "chat"),
        ("some-model", "chat"),
        ("gpt-5", "responses"),
        ("gpt-5-mini-2025-08-07", "responses"),
        ("gpt-5.6-luna", "responses"),
        ("gpt-6-astra", "responses"),
        ("gpt-6.2-sol", "responses"),
        ("gpt-10", "responses"),
        ("o1", "responses"),
        ("o4-mini", "responses"),
        ("ft:o4-mini:acme::abc", "responses"),
    ],
)
def test_auto_asks_each_model_over_the_api_it_is_best_at(model: str, api: str) -> None:
    """At OpenAI the model decides; at a compatible server it is chat; and the configuration has the last word."""
    assert api_of(request(model), config()) == api
    assert api_of(request(model), config(base_url="http://127.0.0.1:8080/v1")) == "chat"
    assert api_of(request(model), config(api="responses")) == "responses"
    assert api_of(request(model), config(api="chat")) == "chat"
    assert api_of(request(model), config(base_url="https://eu.api.openai.com/v1")) == api


def test_several_answers_are_asked_for_over_chat() -> None:
    """The Responses API makes one; with tools, models that call them only there stay there."""
    assert api_of(request("gpt-5", n=3), config()) == "chat"
    assert api_of(request("gpt-5", n=1), config()) == "responses"
    assert api_of(request("gpt-5", n=3, tools=True), config()) == "chat"
    assert api_of(request("gpt-6-astra", n=3, tools=True), config()) == "responses"
    assert api_of(request("gpt-6-sol", n=3, tools=True), config()) == "responses"
    assert api_of(request("gpt-6-sol", n=3, tools=True, reasoning_effort="none"), config()) == "chat"
    _, omitted = taken("gpt-6-astra", {"n": 3}, tools=True)
    assert "one answer" in omitted["n"]


def test_max_tokens_is_said_as_the_model_has_it() -> None:
    """Three names for one thing."""
    local = config(base_url="http://127.0.0.1:8080/v1")
    assert taken("gpt-4o", {"max_tokens": 50})[0] == {"max_completion_tokens": 50}
    assert taken("gpt-5", {"max_tokens": 50})[0]["max_output_tokens"] == 50
    assert taken("gpt-5", {"max_tokens": 50}, config(api="chat"))[0] == {"max_completion_tokens": 50}
    assert taken("gpt-5", {"max_tokens": 50}, local)[0] == {"max_completion_tokens": 50}
    assert taken("some-model", {"max_tokens": 50}, local)[0] == {"max_tokens": 50}


@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_model_that_reasons_takes_no_temperature(api: str) -> None:
    """It is left out with the reason, unless the model takes it when it does not reason."""
    settings = config(api=api)
    for name, value in {"temperature": 0.5, "top_p": 0.5, "logprobs": True, "top_logprobs": 2}.items():
        for model in ("o3", "gpt-5", "gpt-5.2", "gpt-6-sol"):
            sent, omitted = taken(model, {name: value}, settings)
            assert "thinks before it answers" in omitted[name]
            assert name not in sent
        _, omitted = taken("gpt-5.2", {name: value, "reasoning_effort": "none"}, settings)
        assert omitted == {}
        _, omitted = taken("gpt-4o", {name: value}, settings)
        assert omitted == {}


def test_only_chat_has_stop_and_seed_and_penalties() -> None:
    """The Responses API lacks them; o3 and o4-mini take no stop anywhere; reasoning models take no penalty."""
    given = {
        "stop": ["END"],
        "seed": 1,
        "presence_penalty": 0.5,
        "frequency_penalty": 0.5,
        "logit_bias": {"1": 1},
    }
    sent, omitted = taken("gpt-4o", given)
    assert set(sent) == set(given)
    assert omitted == {}
    sent, omitted = taken("gpt-4o", given, config(api="responses"))
    assert not set(sent) & set(given)
    assert set(omitted) == set(given)
    assert 'api="chat"' in omitted["seed"]
    sent, omitted = taken("o3", given, config(api="chat"))
    assert set(sent) == {"seed"}
    sent, omitted = taken("gpt-5", given, config(api="chat"))
    assert set(sent) == {"seed", "stop"}


def test_reasoning_effort_is_for_models_that_reason() -> None:
    """Others leave it out; a word that the model is known to refuse is an error before anything is sent."""
    assert taken("gpt-5", {"reasoning_effort": "minimal"})[0]["reasoning"] == {"effort": "minimal"}
    assert taken("gpt-5", {"reasoning_effort": "low"}, config(api="chat"))[0] == {"reasoning_effort": "low"}
    assert "does not think" in taken("gpt-4o", {"reasoning_effort": "low"})[1]["reasoning_effort"]
    with pytest.raises(ParameterError, match="one of low, medium, high"):
        taken("o4-mini", {"reasoning_effort": "minimal"})
    local = config(base_url="http://127.0.0.1:8080/v1")
    assert taken("gpt-oss", {"reasoning_effort": "high"}, local)[0] == {"reasoning_effort": "high"}


def test_what_only_local_engines_have_is_left_out() -> None:
    """With the way to send it all the same to a server that takes it."""
    for api in ("chat", "responses"):
        _, omitted = taken("gpt-4o", {"top_k": 5, "min_p": 0.1, "context": 4096}, config(api=api))
        assert "provider_options" in omitted["top_k"]
        assert set(omitted) == {"top_k", "min_p", "context"}


def test_parallel_tool_calls_need_tools_in_chat() -> None:
    """The API refuses them otherwise."""
    assert "tools" in taken("gpt-4o", {"parallel_tool_calls": False})[1]["parallel_tool_calls"]
    assert taken("gpt-4o", {"parallel_tool_calls": False}, tools=True)[0]["parallel_tool_calls"] is False


def test_log_probabilities_are_included_where_asked_for() -> None:
    """In the Responses API they are one of the things to include, and top_logprobs asks for them too."""
    responses = config(api="responses")
    included = ["message.output_text.logprobs"]
    assert taken("gpt-4o", {"logprobs": True}, responses)[0] == {"include": included}
    assert taken("gpt-4o", {"logprobs": False}, responses)[0] == {"include": []}
    assert taken("gpt-4o", {"top_logprobs": 2}, responses)[0] == {"include": included, "top_logprobs": 2}
    assert taken("gpt-4o", {"top_logprobs": 2})[0] == {"logprobs": True, "top_logprobs": 2}


def test_nothing_is_stored_unless_asked() -> None:
    """The Responses API stores by default, so it is told not to, and then the reasoning travels along, encrypted."""

    def body(settings: OpenAIConfig, model: str, wire: Any, **options: Any) -> Any:
        asked = Request(model=model, messages=(Message.user("Hi"),), provider_options=options)
        return json.loads(wire.build_request(asked, settings, stream=False).body)

    sent = body(config(), "gpt-5", RESPONSES)
    assert sent["store"] is False
    assert sent["include"] == ["reasoning.encrypted_content"]
    sent = body(config(store=True, reasoning_summary="auto"), "gpt-5", RESPONSES)
    assert sent["store"] is True
    assert "include" not in sent
    assert sent["reasoning"] == {"summary": "auto"}
    assert "include" not in body(config(), "gpt-4o", RESPONSES)
    assert "store" not in body(config(), "gpt-4o", CHAT)
    assert body(config(store=True), "gpt-4o", CHAT)["store"] is True


def test_provider_options_are_laid_over_the_body() -> None:
    """Objects are merged, tools and includes added, all else replaced."""
    asked = Request(
        model="gpt-5",
        messages=(Message.user("Hi"),),
        tools=(Tool("weather"),),
        parameters={"reasoning_effort": "low"},
        rows=(ParameterSupport("reasoning_effort", "reasoning.effort"),),
        provider_options={
            "reasoning": {"summary": "auto"},
            "tools": [{"type": "web_search"}],
            "include": ["web_search_call.action.sources"],
            "previous_response_id": "resp_1",
            "store": True,
        },
    )
    body = json.loads(RESPONSES.build_request(asked, config(), stream=False).body or b"")
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert [tool["type"] for tool in body["tools"]] == ["function", "web_search"]
    assert body["include"] == ["reasoning.encrypted_content", "web_search_call.action.sources"]
    assert (body["previous_response_id"], body["store"]) == ("resp_1", True)
    asked = msgspec.structs.replace(asked, tools=(), tool_choice=ToolChoice("none"))
    assert json.loads(RESPONSES.build_request(asked, config(), stream=False).body or b"")["tool_choice"] == "none"


def test_a_key_is_needed_by_openai_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one the message says which variable to set; a local server may have none; any key makes a provider."""
    for variable in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(variable, raising=False)
    valid, problem = validate_provider_config("openai", {})
    assert valid is False
    assert "OPENAI_API_KEY" in str(problem)
    with pytest.raises(MissingApiKeyError):
        create_provider("openai")
    create_provider("gpt", {"api_key": "invalid"}).close()
    create_provider("chatgpt", {"base_url": "http://127.0.0.1:8080/v1"}).close()
    assert validate_provider_config("openai", {"api_key": KEY}) == (True, None)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8080/v1")
    assert validate_provider_config("openai", {}) == (True, None)


def test_a_wrong_setting_is_named() -> None:
    """An unknown word for the API, an unknown setting, an empty address; for Azure's older address, the newer."""
    for values, named in (
        ({"api": "both"}, "api"),
        ({"organisation": "o"}, "organization"),
        ({"base_url": ""}, "base_url"),
        ({"base_url": "https://x.example/openai/deployments/d?api-version=1"}, "https://x.example/openai/v1"),
    ):
        with pytest.raises(ConfigurationError, match=named):
            config(**values)


def test_the_organization_and_the_project_are_named_in_headers() -> None:
    """Over both APIs."""
    settings = config(organization="org-a", project="proj-b")
    for wire in (CHAT, RESPONSES):
        headers = wire.build_request(request("gpt-5"), settings, stream=False).headers
        assert (headers["OpenAI-Organization"], headers["OpenAI-Project"]) == ("org-a", "proj-b")
        assert headers["Authorization"] == f"Bearer {KEY}"


def test_every_family_has_its_own_names() -> None:
    """No row is hidden by one before it, and an unknown name is in none."""
    samples = [
        "gpt-5-chat-latest",
        "gpt-6-astra",
        "gpt-6-sol",
        "gpt-5.6-sol",
        "gpt-5.1",
        "gpt-5-pro",
        "o3",
        "o1",
        "gpt-3.5-turbo-instruct",
        "gpt-4",
    ]
    assert [family_of(sample) for sample in samples] == list(FAMILIES)
    assert family_of("mistral") is UNKNOWN
    assert family_of("openai/gpt-6-astra") is FAMILIES[1]
    assert family_of("ft:o4-mini:acme/team:x") is family_of("o4-mini")


@pytest.mark.parametrize(
    ("model", "ours"),
    [
        ("gpt-4", True),
        ("gpt-6-astra", True),
        ("o3", True),
        ("o4-mini", True),
        ("chatgpt-4o-latest", True),
        ("ft:gpt-4o-mini:acme::abc", True),
        ("dall-e-3", True),
        ("text-embedding-3-small", True),
        ("gpt-oss-20b", False),
        ("gpt-oss:20b", False),
        ("olmo-3", False),
        ("claude-opus-5", False),
        ("openai/gpt-4", False),
    ],
)
def test_a_manager_knows_openais_models_by_name(model: str, ours: bool) -> None:
    """Open models that others run, and names of other services, are not taken for OpenAI's."""
    assert any(fnmatchcase(model, pattern) for pattern in OPENAI.model_patterns) is ours


def test_an_empty_key_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's key is not for every server."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    local = {"base_url": "http://127.0.0.1:8080/v1"}
    for values, sent in ((local, True), ({**local, "api_key": ""}, False)):
        settings = load_config(OpenAIConfig, values, provider="openai", api_key_env=OPENAI.api_key_env)
        built = CHAT.build_request(request("m"), settings, stream=False)
        assert ("Authorization" in built.headers) is sent


@pytest.mark.parametrize(
    ("model", "limits"),
    [
        ("gpt-4", (8192, 4096)),
        ("gpt-4o", (128_000, 16_384)),
        ("gpt-4o-2024-05-13", (128_000, 4096)),
        ("gpt-4.1-nano-2025-04-14", (1_047_576, 32_768)),
        ("gpt-5-mini-2025-08-07", (400_000, 128_000)),
        ("gpt-5.2-pro", (400_000, 128_000)),
        ("gpt-6-astra", (1_050_000, 128_000)),
        ("o4-mini-2025-04-16", (200_000, 100_000)),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc", (128_000, 16_384)),
        ("gpt-7", (None, None)),
        ("gpt-4o-transcribe", (None, None)),
    ],
)
def test_context_lengths_are_known_or_unknown(model: str, limits: Any) -> None:
    """What no source says is not guessed from a similar name."""
    assert limits_of(model) == limits


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("strict", [None, True])
def test_alternatives_at_the_root_of_a_tool_are_one_object(api: str, strict: bool | None) -> None:
    """The vendor refuses them there; what goes together is told in words, to which no model can be held."""
    schema = {"anyOf": [{"properties": {"at": {}}, "required": ["at"]}, {"properties": {"near": {}}}]}
    with create_provider("openai", {"api_key": "sk-test-0123456789", "api": api}) as provider:
        ask = ask_of("gpt-5.5", "hi", tools=[Tool("look", "Look.", schema, strict=strict)])
        tool = json.loads(provider.http_request(ask).body)["tools"][0]
    tool = tool.get("function", tool)
    made = tool["parameters"]
    assert (made["type"], sorted(made["properties"]), "anyOf" in made) == ("object", ["at", "near"], False)
    assert "anyOf" in made["description"]
    assert not tool.get("strict")


@pytest.mark.parametrize(("api", "longest"), [("chat", 40), ("responses", 64)])
def test_ids_of_others_are_as_long_as_the_vendor_takes_them(api: str, longest: int) -> None:
    """A call's and its result's are shortened to the same; two that begin alike stay two."""
    given = [f"chatcmpl-tool-{'0' * 60}{number}" for number in (1, 2)] + ["call_1"]
    history = [
        Message.user("hi"),
        Message.assistant(*(ToolCallPart(identity, "look", "{}") for identity in given)),
        Message("tool", tuple(ToolResultPart(identity, "there") for identity in given)),
    ]
    with create_provider("openai", {"api_key": "sk-test-0123456789", "api": api}) as provider:
        body = json.loads(provider.http_request(ask_of("gpt-5.5", history, tools=[Tool("look")])).body)
    if api == "chat":
        calls = [call["id"] for message in body["messages"] for call in message.get("tool_calls", ())]
        results = [message["tool_call_id"] for message in body["messages"] if "tool_call_id" in message]
    else:
        calls = [item["call_id"] for item in body["input"] if item.get("type") == "function_call"]
        results = [item["call_id"] for item in body["input"] if item.get("type") == "function_call_output"]
    assert calls == results
    assert [len(identity) <= longest for identity in calls] == [True] * len(set(calls)) == [True] * 3
    assert calls[2] == "call_1"
