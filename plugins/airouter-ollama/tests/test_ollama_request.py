"""What is sent: bodies that the vendor's schemas take, and nothing that the server would ignore."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.config.loading import load_config
from airouter_core.errors import ParameterError, UnsupportedFeatureError, UnsupportedParameterWarning
from airouter_core.profile.resolving import DEFAULT_TABLE
from airouter_core.testing.server import Answer
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_ollama.config import OllamaConfig
from airouter_ollama.create import create_body, model_options
from airouter_ollama.endpoints import COPY, DELETE, EMBED, EVALUATE, SHOW, UNLOAD
from airouter_ollama.models import full_name
from airouter_ollama.provider import OllamaProvider
from airouter_ollama.wire import WIRE

PICTURE = b"\x89PNG\r\n\x1a\n" + b"\0" * 8
WEATHER = Tool("get_weather", "The weather.", {"properties": {"city": {"type": "string"}}, "required": ["city"]})
GOOD = Answer.of_json(
    {"model": "m", "message": {"role": "assistant", "content": "Hi."}, "done": True, "done_reason": "stop"}
)


def config(**settings: Any) -> OllamaConfig:
    """A configuration that does not look at the environment."""
    return load_config(OllamaConfig, settings, provider="ollama", environ={})


def body_of(request: Request, *, stream: bool = False, **settings: Any) -> dict[str, Any]:
    """The JSON that is sent for a request."""
    sent = WIRE.build_request(request, config(**settings), stream=stream)
    assert (sent.method, sent.url) == ("POST", "http://127.0.0.1:11434/api/chat")
    assert isinstance(sent.body, bytes)
    content: dict[str, Any] = json.loads(sent.body)
    return content


def asking(*messages: Message, **more: Any) -> Request:
    """A request."""
    return Request(model="m", messages=messages or (Message.user("Hello."),), **more)


def conversation() -> Request:
    """A request with everything in it."""
    return asking(
        Message.system("Be brief."),
        Message("user", (TextPart("What is "), FilePart("image/png", data=PICTURE), TextPart("this?"))),
        Message.assistant(ReasoningPart("Hm."), "Let me see.", ToolCallPart("c1", "get_weather", '{"city":"Rome"}')),
        Message("tool", (ToolResultPart("c1", (TextPart("sunny"), FilePart("image/png", data=PICTURE))),)),
        tools=(WEATHER, Tool("now")),
        response_format=ResponseFormat("json_schema", {"type": "object"}),
        parameters={
            "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "max_tokens": 9,
            "context": 4096, "stop": ("a", "b"), "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.2,
            "repeat_penalty": 1.1, "repeat_last_n": 5, "logprobs": True, "top_logprobs": 2,
            "reasoning_effort": "minimal", "keep_alive": "5m",
        },
    )  # fmt: skip


def test_a_request_is_said_in_ollamas_words() -> None:
    """Texts are strings, pictures bare base64, arguments an object, results named, options where they belong."""
    body = body_of(conversation())
    picture = FilePart("image/png", data=PICTURE).base64
    assert body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is this?", "images": [picture]},
        {
            "role": "assistant",
            "content": "Let me see.",
            "thinking": "Hm.",
            "tool_calls": [{"id": "c1", "function": {"name": "get_weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "sunny", "tool_call_id": "c1", "tool_name": "get_weather", "images": [picture]},
    ]
    assert body["stream"] is False
    assert body["format"] == {"type": "object"}
    assert body["think"] == "low"
    assert body["keep_alive"] == "5m"
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert body["tools"][1]["function"] == {"name": "now", "parameters": {"type": "object", "properties": {}}}
    assert body["options"] == {
        "temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "typical_p": 0.9, "num_predict": 9,
        "num_ctx": 4096, "stop": ["a", "b"], "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.2,
        "repeat_penalty": 1.1, "repeat_last_n": 5,
    }  # fmt: skip


def _validators(shared: Path, name: str) -> list[Any]:
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    openapi = yaml.safe_load((shared / "specs" / "ollama.openapi.yaml").read_text())
    sdk = json.loads((shared / "specs" / "ollama.sdk.schema.json").read_text())
    registry: Registry[Any] = Registry().with_resources(
        [
            ("urn:openapi", Resource(contents=openapi, specification=DRAFT202012)),
            (sdk["$id"], Resource(contents=sdk, specification=DRAFT202012)),
        ]
    )
    references = [f"urn:openapi#/components/schemas/{name}", sdk["$id"] + sdk["x-entrypoints"][name]]
    return [jsonschema.Draft202012Validator({"$ref": reference}, registry=registry) for reference in references]


def _strictly(body: dict[str, Any], name: str, shared: Path) -> None:
    for validator in _validators(shared, name):
        validator.validate(body)


def test_bodies_are_valid_by_the_vendors_schemas(shared: Path) -> None:
    """The OpenAPI document and the SDK's types both take every body, chat and all others."""
    for request in (
        conversation(),
        asking(),
        asking(response_format=ResponseFormat(), parameters={"reasoning_effort": "none", "keep_alive": -1}),
        asking(tools=(WEATHER,), tool_choice=ToolChoice("none")),
        asking(provider_options={"options": {"num_thread": 2, "stop": "x"}, "truncate": False, "shift": False}),
    ):
        for stream in (False, True):
            _strictly(body_of(request, stream=stream), "ChatRequest", shared)
    for name, request in {
        "EmbedRequest": EMBED.build(config(keep_alive=60), ["a", "b"], "m", False),
        "ShowRequest": SHOW.build(config(), "m"),
        "DeleteRequest": DELETE.build(config(), "m"),
        "CopyRequest": COPY.build(config(), "a", "b"),
        "GenerateRequest": EVALUATE.build(config(), "text", "m"),
        "ChatRequest": UNLOAD.build(config(), "m", "api/chat", "messages"),
    }.items():
        _strictly(json.loads(request.body), name, shared)
    options = model_options({"context": 512, "num_thread": 1, "stop": ["a"]}, DEFAULT_TABLE)
    assert options == {"num_ctx": 512, "num_thread": 1, "stop": ["a"]}
    body = create_body("m", [], **{"from": "base", "parameters": options, "system": "Be brief.", "quantize": None})
    _strictly(body, "CreateRequest", shared)
    assert "quantize" not in body


def test_the_only_fields_are_known_ones(shared: Path) -> None:
    """Beside the document's fields of a chat there are only those that the server's source has."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    openapi = yaml.safe_load((shared / "specs" / "ollama.openapi.yaml").read_text())
    known = set(openapi["components"]["schemas"]["ChatRequest"]["properties"])
    assert set(body_of(conversation())) <= known
    assert {"truncate", "shift"}.isdisjoint(known), "the document has caught up; this test can be simpler"


def test_a_tool_cannot_be_forced(stub: Callable[..., Any], provider_at: Callable[..., OllamaProvider]) -> None:
    """The choice "none" leaves the tools out; a tool that must be called is refused before anything is sent."""
    assert "tools" not in body_of(asking(tools=(WEATHER,), tool_choice=ToolChoice("none")))
    assert "tools" in body_of(asking(tools=(WEATHER,), tool_choice=ToolChoice("auto")))
    with stub(chat=GOOD) as server:
        provider = provider_at(server.url)
        for choice in ("required", "get_weather"):
            with pytest.raises(UnsupportedFeatureError, match=r"cannot (do|make)"):
                provider.stream_chat("m", "Hello", tools=[WEATHER], tool_choice=choice)
        assert server.requests == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"options": {"tempratur": 1}}, "did you mean 'temperature'"),
        ({"options": {"mirostat": 1}}, "no option 'mirostat' any more"),
        ({"options": {"num_ctx": "4096"}}, "num_ctx must be a whole number"),
        ({"options": {"temperature": 0.1}}, "give one of them"),
        ({"options": 5}, "options must be a mapping"),
        ({"num_ctx": 4096}, "give {'options'"),
        ({"keep_aliv": 5}, "did you mean 'keep_alive'"),
        ({"keep_alive": "30"}, '"30s"'),
        ({"messages": []}, "set by the call itself"),
    ],
)
def test_what_the_server_would_ignore_is_refused(
    options: dict[str, Any], says: str, provider_at: Callable[..., OllamaProvider]
) -> None:
    """Options that are unknown, gone, of the wrong type or in the wrong place are errors at once, with a hint."""
    provider = provider_at("http://127.0.0.1:9")
    with pytest.raises(ParameterError, match=says.replace("{", r"\{")):
        provider.stream_chat("m", "Hello", parameters={"temperature": 0.5}, provider_options={"ollama": options})


def test_own_options_are_sent(stub: Callable[..., Any], provider_at: Callable[..., OllamaProvider]) -> None:
    """Known options go out beside the parameters; a newer server's go unchecked, and a stranger is told of."""
    own = {"options": {"num_thread": 1}, "unchecked_options": {"brand_new": 2}, "novelty": True}
    with stub(chat=GOOD) as server:
        answer = provider_at(server.url, keep_alive=60, context=2048).chat(
            "m", "Hello", parameters={"temp": 0.5}, provider_options={"ollama": own}
        )
        sent = server.requests[0].json
    assert sent["options"] == {"temperature": 0.5, "num_ctx": 2048, "num_thread": 1, "brand_new": 2}
    assert (sent["keep_alive"], sent["novelty"], sent["truncate"]) == (60, True, False)
    assert any("'novelty'" in warning for warning in answer.warnings)


def test_nothing_is_dropped_in_silence(stub: Callable[..., Any], provider_at: Callable[..., OllamaProvider]) -> None:
    """Parameters that Ollama lacks have a receipt and a reason; names, strict tools and failed results a warning."""
    lacking = {"n": 2, "grammar": "root ::= x", "reasoning_budget": 100, "user": "u", "parallel_tool_calls": True}
    messages = [
        Message("user", "Hello", name="ada"),
        Message.assistant(ToolCallPart("c1", "now")),
        Message.tool("c1", "no", is_error=True),
    ]
    with stub(chat=GOOD) as server, pytest.warns(UnsupportedParameterWarning):
        answer: Response = provider_at(server.url).chat(
            "m", messages, parameters=lacking, tools=[Tool("now", strict=True)]
        )
    receipts = {receipt.name: receipt for receipt in answer.parameters}
    assert {name: receipts[name].outcome for name in lacking} == dict.fromkeys(lacking, "omitted")
    assert all(receipts[name].reason for name in lacking)
    for word in ("names of messages", "strict tools", "are errors"):
        assert any(word in warning for warning in answer.warnings), word
    with stub(chat=GOOD) as server:
        answer = provider_at(server.url).chat(
            "gpt-oss:20b", "Hello", parameters={"effort": "none"}, tools=[WEATHER], response_format="json"
        )
    for word in ("call no tool", "not to think"):
        assert any(word in warning for warning in answer.warnings), word


@pytest.mark.parametrize("value", [300, 0, -1, 1.5, "5m", "1h30m", "-1m", "0", "1.5h"])
def test_durations_that_are_taken(value: Any) -> None:
    """Seconds, and durations as Go writes them."""
    assert body_of(asking(parameters={"keep_alive": value}))["keep_alive"] == value


@pytest.mark.parametrize("value", ["30", "abc", "5 minutes", "", True, None, float("inf"), [5]])
def test_durations_that_are_not(value: Any) -> None:
    """What the server would refuse, or take for something else, is refused here."""
    with pytest.raises(ParameterError, match="keep_alive must be"):
        body_of(asking(parameters={"keep_alive": value}))


@pytest.mark.parametrize("written", ["", "{}"])
def test_a_call_without_arguments_has_an_empty_object(written: str) -> None:
    """On the wire there is always an object."""
    called = Message.assistant(ToolCallPart("c1", "now", written))
    sent = body_of(asking(Message.user("Hello"), called))["messages"][-1]
    assert sent["tool_calls"] == [{"id": "c1", "function": {"name": "now", "arguments": {}}}]


@pytest.mark.parametrize(
    ("name", "same", "other"),
    [
        ("mistral", "mistral:latest", "mistral:7b"),
        ("Mistral", "mistral", "mixtral"),
        ("library/mistral", "mistral", "ada/mistral"),
        ("registry.ollama.ai/library/mistral:7b", "mistral:7B", "hf.co/library/mistral:7b"),
        ("https://registry.ollama.ai/library/mistral", "mistral", "mistral-nemo"),
        ("hf.co/Ada/Tiny-GGUF:Q4_K_M", "hf.co/ada/tiny-gguf:q4_k_m", "hf.co/ada/tiny-gguf"),
        ("localhost:5000/ada/tiny", "localhost:5000/ada/tiny:latest", "ada/tiny"),
        ("mistral@sha256:abc", "mistral", "mistral:abc"),
    ],
)
def test_names_are_compared_as_ollama_means_them(name: str, same: str, other: str) -> None:
    """Without regard to case, with what a name leaves out filled in."""
    assert full_name(name) == full_name(same)
    assert full_name(name) != full_name(other)


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("", {}),
        ("null", {}),
        ('{"a": 1}', {"a": 1}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
    ],
)
def test_arguments_are_sent_as_an_object(written: str, sent: dict[str, Any]) -> None:
    """None mean an empty one; what the model wrote that is none stands in one."""
    request = asking(Message.user("hi"), Message.assistant(ToolCallPart("c", "now", written)), Message.tool("c", "x"))
    assert body_of(request)["messages"][1]["tool_calls"][0]["function"]["arguments"] == sent
