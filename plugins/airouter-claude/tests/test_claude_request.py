"""What is sent: versions, parameters by model, blocks, tools, formats, caching, and who asks."""

from __future__ import annotations

import json
import warnings
from typing import Any

import pytest

from airouter_claude.config import ClaudeConfig
from airouter_claude.plugin import CLAUDE
from airouter_claude.provider import ClaudeProvider
from airouter_core.config.loading import load_config
from airouter_core.errors import (
    ConfigurationError,
    MissingApiKeyError,
    ParameterError,
    UnsupportedFeatureError,
    UnsupportedParameterWarning,
)
from airouter_core.provider.asking import ask_of
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.tools import Tool
from airouter_core.wire.http import HttpRequest

OLD, NEW = "2023-06-01", "2026-10-21"
LOOK = Tool("look", "Looks.", {"properties": {"what": {"type": "string"}}})
PNG = FilePart.from_data(b"\x89PNG\r\n\x1a\n")


class Said:
    """One request, as it would be sent."""

    def __init__(self, model: str = "claude-opus-5-5", messages: Any = "Hi", **more: Any) -> None:
        # A gateway may still have what the vendor has retired.
        config = {"base_url": "https://gateway.example", **more.pop("config", {"api_key": "sk-ant-test"})}
        stream = more.pop("stream", False)
        provider = ClaudeProvider(load_config(ClaudeConfig, config, provider="claude", environ={}), CLAUDE)
        if "options" in more:
            more["provider_options"] = {"claude": more.pop("options")}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnsupportedParameterWarning)
            prepared = provider.prepare(ask_of(model, messages, **more))
            provider.warn(prepared.cautions)
            self.request, self.known = prepared.request, prepared.known
        self.sent: HttpRequest = provider.wire.build_request(self.request, provider.config, stream=stream)
        self.body: dict[str, Any] = json.loads(self.sent.body or b"")
        self.version = self.sent.headers["anthropic-version"]

    def outcome(self, name: str) -> tuple[str, Any]:
        receipt = next(receipt for receipt in self.known["parameters"] if receipt.name == name)
        return receipt.outcome, receipt.sent_value if receipt.outcome != "omitted" else receipt.reason


@pytest.mark.parametrize(
    ("model", "config", "version", "sent"),
    [
        ("claude-opus-5-5", {}, NEW, False),
        ("claude-opus-4-7", {}, NEW, False),
        ("claude-opus-9", {}, NEW, False),
        ("claude-opus-4-6", {}, OLD, True),
        ("claude-haiku-4-5-20251001", {}, OLD, True),
        ("claude-3-opus-20240229", {}, OLD, True),
        ("some-other-model", {}, OLD, True),
        ("claude-opus-5-5", {"api_version": OLD}, OLD, False),
        ("claude-opus-4-6", {"api_version": NEW}, NEW, False),
        ("claude-3-opus-20240229", {"api_version": OLD}, OLD, True),
    ],
)
def test_version_follows_model_and_parameters(model: str, config: dict[str, Any], version: str, sent: bool) -> None:
    """Sampling parameters go with the older version to the models that take them, and are left out otherwise."""
    said = Said(model, parameters={"temp": 0.5}, config={"api_key": "sk-ant-test", **config})
    assert said.version == version
    assert ("temperature" in said.body) is sent
    assert said.outcome("temperature")[0] == ("sent" if sent else "omitted")


def test_version_without_sampling() -> None:
    """Without sampling parameters each model is asked in the newest version."""
    assert Said("claude-3-opus-20240229").version == NEW
    assert Said("claude-haiku-4-5", options={"temperature": 0.1}).version == OLD


@pytest.mark.parametrize(
    ("model", "effort", "body", "outcome"),
    [
        ("claude-opus-5-5", "max", {"effort": "max", "type": "adaptive"}, "sent"),
        ("claude-opus-5-5", "minimal", {"effort": "low", "type": "adaptive"}, "translated"),
        ("claude-opus-5-5", "none", {}, "omitted"),
        ("claude-fable-5-1", "none", {}, "omitted"),
        ("claude-sonnet-5-5", "none", {"type": "between_tools"}, "translated"),
        ("claude-sonnet-5", "none", {"type": "disabled"}, "translated"),
        ("claude-opus-4-6", "xhigh", {"effort": "high", "type": "adaptive"}, "translated"),
        ("claude-opus-4-5", "max", {"effort": "high"}, "translated"),
        ("claude-haiku-4-5", "high", {}, "omitted"),
        ("claude-haiku-4-5", "none", {"type": "disabled"}, "translated"),
        ("claude-2.1", "none", {}, "omitted"),
    ],
)
def test_effort_by_model(model: str, effort: str, body: dict[str, Any], outcome: str) -> None:
    """An effort is said as the model takes it; what it cannot do is left out with the reason."""
    said = Said(model, parameters={"reasoning_effort": effort})
    assert {**said.body.get("output_config", {}), **said.body.get("thinking", {})} == body
    assert said.outcome("reasoning_effort")[0] == outcome


@pytest.mark.parametrize(
    ("model", "parameters", "thinking"),
    [
        ("claude-haiku-4-5", {"budget_tokens": 2000}, {"type": "enabled", "budget_tokens": 2000}),
        ("claude-opus-4-6", {"budget_tokens": 2000, "max_tokens": 2001}, {"type": "enabled", "budget_tokens": 2000}),
        ("claude-opus-5-5", {"budget_tokens": 2000}, None),
        ("other", {"budget_tokens": 9000}, {"type": "enabled", "budget_tokens": 9000}),
    ],
)
def test_budget_by_model(model: str, parameters: dict[str, Any], thinking: Any) -> None:
    """A budget goes to models that take one, and leaves room for the answer."""
    said = Said(model, parameters=parameters)
    assert said.body.get("thinking") == thinking
    assert thinking is None or said.body["max_tokens"] > thinking["budget_tokens"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"budget_tokens": 2000, "max_tokens": 2000},
        {"budget_tokens": 1000},
        {"max_tokens": 64_001},
        {"reasoning_effort": "none", "budget_tokens": 2000},
        {"temperature": 1.1},
        {"service_tier": "flex"},
    ],
)
def test_out_of_range(parameters: dict[str, Any]) -> None:
    """What the vendor would refuse for its value is refused before anything is sent."""
    with pytest.raises(ParameterError):
        Said("claude-haiku-4-5", parameters=parameters)


def test_thinking_and_sampling() -> None:
    """A model that thinks takes no temperature but 1, and one of temperature and top_p, as the vendor has it."""
    said = Said("claude-haiku-4-5", parameters={"budget_tokens": 2000, "temperature": 0.2})
    assert said.outcome("temperature")[0] == "omitted"
    assert said.version == NEW
    assert Said("claude-haiku-4-5", parameters={"budget_tokens": 2000, "temperature": 1}).body["temperature"] == 1
    both = Said("claude-haiku-4-5", parameters={"top_p": 0.9, "temperature": 0.2})
    assert both.outcome("top_p")[0] == "omitted"
    assert Said("claude-sonnet-4-0", parameters={"top_p": 0.9, "temperature": 0.2}).body["top_p"] == 0.9


def test_display_of_thinking() -> None:
    """Options are laid over what parameters ask for."""
    wish = {"thinking": {"display": "summarized"}}
    assert Said(options=wish).body["thinking"] == {"type": "adaptive", "display": "summarized"}
    with_budget = Said("claude-haiku-4-5", options=wish, parameters={"budget_tokens": 1024})
    assert with_budget.body["thinking"] == {"type": "enabled", "budget_tokens": 1024, "display": "summarized"}
    replaced = Said(options={"thinking": {"type": "disabled"}}, parameters={"reasoning_effort": "low"})
    assert replaced.body["thinking"] == {"type": "disabled"}
    off = Said("claude-sonnet-5", options=wish, parameters={"reasoning_effort": "none"})
    assert off.body["thinking"] == {"type": "disabled"}
    with pytest.raises(ParameterError, match="needs a type"):
        Said("claude-haiku-4-5", options=wish)


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("claude-opus-5-5", 128_000),
        ("claude-haiku-4-5-20251001", 64_000),
        ("claude-3-opus-20240229", 4096),
        ("claude-3-5-haiku-latest", 8192),
        ("anthropic/claude-opus-4.1", 32_000),
        ("claude-opus-9", 32_000),
        ("other", 4096),
    ],
)
def test_max_tokens_by_model(model: str, limit: int) -> None:
    """Without max_tokens the model's own limit is sent."""
    assert Said(model).body["max_tokens"] == limit


def test_more_than_the_limit_in_trial() -> None:
    """With a feature in trial, limits are the vendor's to check."""
    said = Said("claude-haiku-4-5", parameters={"max_tokens": 100_000}, options={"betas": ["output-128k"]})
    assert said.body["max_tokens"] == 100_000
    assert said.sent.headers["anthropic-beta"] == "output-128k"


def test_parallel_tool_calls() -> None:
    """The word is turned round, as the vendor's field says the opposite."""
    said = Said(tools=[LOOK], parameters={"parallel_tool_calls": False})
    assert said.body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}
    assert said.outcome("parallel_tool_calls") == ("translated", True)
    assert Said(parameters={"parallel_tool_calls": False}).outcome("parallel_tool_calls")[0] == "omitted"
    none = Said(tools=[LOOK], tool_choice="none", parameters={"parallel_tool_calls": True})
    assert none.body["tool_choice"] == {"type": "none"}


@pytest.mark.parametrize(
    ("choice", "sent"),
    [("auto", {"type": "auto"}), ("required", {"type": "any"}), ("look", {"type": "tool", "name": "look"})],
)
def test_tool_choice(choice: str, sent: dict[str, Any]) -> None:
    """A tool may, must or must not be called."""
    assert Said("claude-haiku-4-5", tools=[LOOK], tool_choice=choice).body["tool_choice"] == sent


@pytest.mark.parametrize(
    ("model", "arguments", "words"),
    [
        ("claude-opus-5-5", {"tools": [LOOK], "tool_choice": "required"}, "cannot be made to call"),
        ("claude-sonnet-5-5", {"tools": [LOOK], "tool_choice": "look"}, "cannot be made to call"),
        ("claude-opus-4-6", {"messages": [Message.user("a"), Message.assistant("b")]}, "continue an answer"),
        ("claude-3-opus-20240229", {"response_format": {"type": "object", "properties": {}}}, "takes no schema"),
        ("claude-opus-5-5", {"messages": [Message.user(FilePart("image/bmp", data=b"BM"))]}, "image/bmp"),
        (
            "claude-opus-5-5",
            {"messages": [Message.user("a"), Message.assistant(FilePart("application/pdf", data=b"x"))]},
            "user",
        ),
    ],
)
def test_what_a_model_cannot_do(model: str, arguments: dict[str, Any], words: str) -> None:
    """What would be a 400 is refused with the way round it."""
    with pytest.raises(UnsupportedFeatureError, match=words):
        Said(model, **arguments)


def test_begun_answers() -> None:
    """Older models continue an answer; what a vendor's tool paused is sent back to newer ones too."""
    begun = [Message.user("a"), Message.assistant("b")]
    assert Said("claude-haiku-4-5", begun).body["messages"][1]["role"] == "assistant"
    search = ProviderPart("claude", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}})
    assert len(Said("claude-opus-5-5", [Message.user("a"), Message.assistant("b", search)]).body["messages"]) == 2


def test_tools() -> None:
    """Tools have a schema of type object; options add the vendor's own and lay fields over a tool."""
    own = [{"type": "web_search_20260318", "name": "web_search"}, {"name": "look", "defer_loading": True}]
    said = Said(tools=[Tool("look", strict=True, input_schema=LOOK.input_schema)], options={"tools": own})
    assert said.body["tools"] == [
        {
            "name": "look",
            "input_schema": {
                "properties": {"what": {"type": "string"}},
                "type": "object",
                "additionalProperties": False,
            },
            "strict": True,
            "defer_loading": True,
        },
        own[0],
    ]
    with pytest.raises(ParameterError, match="has no type"):
        Said(options={"tools": [{"name": "nothing"}]})


def test_schema_of_the_answer() -> None:
    """A schema is closed as the vendor wants it, and what it refuses is told in the descriptions."""
    schema = {
        "type": "object",
        "properties": {
            "properties": {"type": "array", "items": {"type": "object", "properties": {"a": {"type": "string"}}}},
            "score": {"type": "integer", "description": "How good.", "minimum": 1, "maximum": 9},
            "tags": {"type": "array", "items": {"oneOf": [{"const": 1}, {"const": 2}]}, "minItems": 2},
            "when": {"type": "string", "format": "date", "minLength": 3},
        },
    }
    sent = Said(response_format=schema).body["output_config"]["format"]
    assert sent["type"] == "json_schema"
    assert sent["schema"]["additionalProperties"] is False
    assert sent["schema"]["properties"] == {
        "properties": {
            "type": "array",
            "items": {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False},
        },
        "score": {"type": "integer", "description": "How good. (minimum: 1, maximum: 9)"},
        "tags": {
            "type": "array",
            "items": {"anyOf": [{"const": 1}, {"const": 2}]},
            "description": "(minItems: 2)",
        },
        "when": {"type": "string", "format": "date", "description": "(minLength: 3)"},
    }
    assert "additionalProperties" not in schema
    effort = Said(response_format=schema, parameters={"reasoning_effort": "low"}).body["output_config"]
    assert effort == {"effort": "low", "format": sent}


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"open": {"type": "object", "additionalProperties": {"type": "integer"}}}},
        {"type": "object", "properties": {"open": {"type": "object", "properties": {}, "additionalProperties": True}}},
        {"type": "object", "properties": {"any": {"type": ["object", "null"]}}},
        {**NODE, "$defs": {"Node": NODE}},
    ],
    ids=str,
)
def test_a_schema_that_cannot_bind_is_asked_for_in_words(schema: Any) -> None:
    """The vendor refuses open and recursive schemas: they go into the prompt, and a tool is sent without strict."""
    said = Said(response_format=schema, tools=[Tool("look", input_schema=schema, strict=True)])
    assert "output_config" not in said.body
    assert json.dumps(schema) in said.body["system"]
    assert (said.body["tools"][0]["strict"], said.body["tools"][0]["input_schema"]) == (False, schema)
    assert [note for note in notes_on(said) if "system prompt" in note or "without strict" in note] == notes_on(said)
    assert len(notes_on(said)) == 2


def test_json_mode() -> None:
    """JSON without a schema is asked for in the system prompt, beside what is there."""
    said = Said(messages=[Message.system("Be brief."), Message.user("Hi")], response_format="json")
    assert said.body["system"][0]["text"] == "Be brief."
    assert "JSON" in said.body["system"][1]["text"]
    assert "output_config" not in said.body


def test_system_messages() -> None:
    """System messages lead the prompt wherever they stand, unless they are to stay in place."""
    later = [Message.system("a"), Message.user("Hi"), Message.system("b"), Message.user("!")]
    said = Said(messages=later)
    assert said.body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert [message["role"] for message in said.body["messages"]] == ["user", "user"]
    stays = Message("system", "b", provider_metadata={"claude": {"in_place": True}})
    assert [message["role"] for message in Said(messages=[later[1], stays]).body["messages"]] == ["user", "system"]
    assert Said(messages=later[:2]).body["system"] == "a"


def test_results_of_tools() -> None:
    """Results of parallel calls and what follows are one turn of the user, results first; images and errors pass."""
    history = [
        Message.user("?"),
        Message.assistant(
            TextPart("  "), ToolCallPart("call|1", "look", '{"a": 1}'), ToolCallPart("call_2", "look", '{"a":')
        ),
        Message.tool("call|1", "x"),
        Message("tool", (ToolResultPart("call_2", (TextPart("no"), PNG), is_error=True),)),
        Message.user("go on"),
    ]
    _, assistant, user = Said(messages=history).body["messages"]
    assert assistant["content"] == [
        {"type": "tool_use", "id": "call_1", "name": "look", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_2", "name": "look", "input": {"INVALID_JSON": '{"a":'}},
    ]
    assert user["content"] == [
        {"type": "tool_result", "tool_use_id": "call_1", "content": "x"},
        {
            "type": "tool_result",
            "tool_use_id": "call_2",
            "is_error": True,
            "content": [
                {"type": "text", "text": "no"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG.base64}},
            ],
        },
        {"type": "text", "text": "go on"},
    ]


def test_thoughts() -> None:
    """Thoughts go back signed and unchanged to the model that had them, and to no other."""
    signed = ReasoningPart("hm", {"claude": {"signature": "s", "model": "claude-opus-5-5-20261101"}})
    hidden = ReasoningPart("", {"claude": {"type": "redacted_thinking", "data": "x"}})
    foreign = ReasoningPart("hm", {"openai": {"id": "rs_1"}})
    history = [Message.user("?"), Message.assistant(signed, hidden, foreign, "a"), Message.user("!")]
    answer = {"type": "text", "text": "a"}
    assert Said("claude-opus-5-5", history).body["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "x"},
        answer,
    ]
    assert Said("claude-opus-5", history).body["messages"][1]["content"][0]["type"] == "redacted_thinking"
    assert Said("a-gateways-name", history).body["messages"][1]["content"][0]["type"] == "thinking"


def test_documents() -> None:
    """Files are documents with a title, by bytes, address or text; metadata adds what only this vendor knows."""
    cited = {"claude": {"citations": {"enabled": True}, "context": "c"}}
    parts = [
        FilePart("application/pdf", data=b"%PDF-", name="a.pdf", provider_metadata=cited),
        FilePart("application/pdf", url="https://example.com/a.pdf"),
        FilePart("text/csv", data=b"a,b"),
        FilePart("application/json", data=b"{}"),
        FilePart("image/jpg", data=b"j"),
        FilePart("image/*", url="https://example.com/a"),
        FilePart("image/png", provider_metadata={"claude": {"source": {"type": "file", "file_id": "file_1"}}}),
    ]
    assert Said(messages=[Message.user(*parts)]).body["messages"][0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": "a.pdf",
            "citations": {"enabled": True},
            "context": "c",
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.com/a.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "{}"}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "ag=="}},
        {"type": "image", "source": {"type": "url", "url": "https://example.com/a"}},
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ]
    with pytest.raises(ParameterError, match="UTF-8"):
        Said(messages=[Message.user(FilePart("text/plain", data=b"\xff"))])


@pytest.mark.parametrize("messages", ["", " \n", [Message.system("a")], ["a", Message.user("")]])
def test_nothing_said(messages: Any) -> None:
    """A conversation in which the user says nothing is refused."""
    messages = [Message.user(part) if isinstance(part, str) else part for part in messages]
    with pytest.raises(ParameterError):
        Said(messages=messages or "")


def test_options() -> None:
    """Options reach the body, are merged into objects that are there, and some are headers."""
    said = Said(
        parameters={"user": "u"},
        options={
            "metadata": {"more": 1},
            "speed": "fast",
            "betas": "b",
            "workspace_id": "w",
            "user_profile_id": "p",
            "api_version": OLD,
        },
        config={"api_key": "sk-ant-test", "betas": ["a", "b"]},
    )
    assert said.body["metadata"] == {"user_id": "u", "more": 1}
    assert said.body["speed"] == "fast"
    assert not {"betas", "workspace_id", "user_profile_id", "api_version"} & said.body.keys()
    assert said.sent.headers["anthropic-beta"] == "a,b"
    assert said.sent.headers["anthropic-workspace-id"] == "w"
    assert said.sent.headers["anthropic-user-profile-id"] == "p"
    assert said.version == OLD


MARK = {"type": "ephemeral"}


def test_cached_prefix() -> None:
    """The switch marks the end of what never changes and the end of the history."""
    thought = ReasoningPart("hm", {"claude": {"signature": "s"}})
    history = [Message.system("Be brief."), Message.user("a"), Message.assistant("b", thought), Message.user("c")]
    said = Said(messages=history, tools=[LOOK], options={"cache_prompt": True})
    assert said.body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": MARK}]
    assert "cache_control" not in said.body["tools"][0]
    assert said.body["messages"][1]["content"][0]["cache_control"] == MARK
    assert "cache_control" not in json.dumps([said.body["messages"][0], said.body["messages"][2]])
    hour = Said(tools=[LOOK], config={"api_key": "sk-ant-test", "cache_prompt": True, "cache_ttl": "1h"})
    assert hour.body["tools"][0]["cache_control"] == {**MARK, "ttl": "1h"}


def test_own_marks() -> None:
    """Whoever marks something has marked all there is to mark."""
    mine = TextPart("a", {"claude": {"cache_control": MARK}})
    said = Said(messages=[Message.system("x"), Message.user(mine), Message.user("b")], options={"cache_prompt": True})
    assert said.body["system"] == "x"
    assert said.body["messages"][0]["content"] == [{"type": "text", "text": "a", "cache_control": MARK}]


def test_a_mark_beside_a_message() -> None:
    """It is the last block's that can bear one; a mark of a block's own is stronger."""
    beside = {"*": {"cache_control": MARK}}
    thought = ReasoningPart("hm", {"claude": {"signature": "s"}})
    other = TextPart("c", {"claude": {"cache_control": {**MARK, "ttl": "1h"}}})
    messages = [{"role": "system", "content": "x", "cache_control": MARK}, Message.user("a")]
    messages += [Message("assistant", ("b", thought), provider_metadata=beside)]
    said = Said(messages=[*messages, Message("user", (other, "d"), provider_metadata=beside)])
    assert said.body["system"] == [{"type": "text", "text": "x", "cache_control": MARK}]
    sent = [block.get("cache_control") for message in said.body["messages"] for block in message["content"]]
    assert sent == [None, MARK, None, {**MARK, "ttl": "1h"}, None]


@pytest.mark.parametrize(
    ("given", "environ", "header", "value"),
    [
        ({"api_key": "sk-key-1"}, {}, "x-api-key", "sk-key-1"),
        ({"auth_token": "token-1"}, {}, "Authorization", "Bearer token-1"),
        ({}, {"ANTHROPIC_API_KEY": "sk-key-2"}, "x-api-key", "sk-key-2"),
        ({}, {"ANTHROPIC_AUTH_TOKEN": "token-2"}, "Authorization", "Bearer token-2"),
        ({}, {"ANTHROPIC_AUTH_TOKEN": "token-2", "ANTHROPIC_API_KEY": "sk-key-2"}, "x-api-key", "sk-key-2"),
        ({"auth_token": "token-1"}, {"ANTHROPIC_API_KEY": "sk-key-2"}, "Authorization", "Bearer token-1"),
        ({"api_key": "sk-key-1"}, {"ANTHROPIC_AUTH_TOKEN": "token-2"}, "x-api-key", "sk-key-1"),
        ({"custom_headers": {"Authorization": "Bearer x"}}, {"ANTHROPIC_API_KEY": "sk-key-2"}, None, None),
        ({"base_url": "http://127.0.0.1:9/v1"}, {}, None, None),
    ],
)
def test_one_credential(given: dict[str, Any], environ: dict[str, str], header: Any, value: Any) -> None:
    """Key or token, never both; what the configuration says goes before the environment."""
    config = load_config(ClaudeConfig, given, provider="claude", environ=environ, api_key_env=CLAUDE.api_key_env)
    provider = ClaudeProvider(config, CLAUDE)
    request = provider.request_of(ask_of("m", "Hi"))
    sent = provider.wire.build_request(request, config, stream=False)
    found = {name: text for name, text in sent.headers.items() if name.lower() in ("x-api-key", "authorization")}
    assert found == ({header: value} if header else {})
    assert sent.url in ("https://api.anthropic.com/v1/messages", "http://127.0.0.1:9/v1/messages")
    assert all(secret not in repr(config) for secret in (*environ.values(), "token-1", "sk-key-1"))
    assert set(config.secrets) >= {text for text in (config.api_key, config.auth_token) if text}


def test_credentials_that_cannot_be() -> None:
    """Two credentials are an error of the configuration; none is one of the call, told before a stream begins."""
    with pytest.raises(ConfigurationError, match="not both"):
        load_config(ClaudeConfig, {"api_key": "sk-key-1", "auth_token": "token-1"}, provider="claude", environ={})
    with pytest.raises(ConfigurationError, match="betas"):
        load_config(ClaudeConfig, {"betas": "a\r\nx: y"}, provider="claude", environ={})
    provider = ClaudeProvider(ClaudeConfig(), CLAUDE)
    with pytest.raises(MissingApiKeyError, match="ANTHROPIC_API_KEY"):
        provider.stream_chat("claude-opus-5-5", "Hi")


def notes_on(said: Said) -> list[str]:
    return list(ClaudeProvider.wire.notes(said.request, None))


def test_blanks_at_the_end_of_a_prefill_are_left_out() -> None:
    """An answer that is to be gone on with must not end in blanks, and the caller is told; one in the middle may."""
    begun = [Message.user("hi"), Message.assistant("So: \n"), Message.user("go"), Message.assistant("Well, ")]
    said = Said("claude-haiku-4-5", messages=begun)
    texts = [message["content"][-1]["text"] for message in said.body["messages"]]
    assert texts == ["hi", "So: \n", "go", "Well,"]
    assert any("blanks at the end" in note for note in notes_on(said))
    assert not any("blanks" in note for note in notes_on(Said(messages="hi ")))


def test_blank_texts_in_stop_are_left_out() -> None:
    """The vendor refuses a stop of blanks alone."""
    said = Said(parameters={"stop": ["END", "\n\n"]})
    assert said.body["stop_sequences"] == ["END"]
    assert any("blank texts in stop" in note for note in notes_on(said))


def test_calls_of_one_id_get_ids_of_their_own() -> None:
    """Servers that count their calls from 0 in each turn are understood here too: each result finds its call."""

    def turn(city: str, *more: str) -> list[Message]:
        calls = [ToolCallPart("call_0", "look", json.dumps({"what": what})) for what in (city, *more)]
        results = tuple(ToolResultPart("call_0", what) for what in (city, *more))
        return [Message.assistant(*calls), Message("tool", results)]

    said = Said(messages=[Message.user("hi"), *turn("a"), *turn("b", "c"), Message.user("so?")])
    blocks = [block for message in said.body["messages"] for block in message["content"]]
    calls = {block["id"]: block["input"]["what"] for block in blocks if block["type"] == "tool_use"}
    results = {block["tool_use_id"]: block["content"] for block in blocks if block["type"] == "tool_result"}
    assert len(calls) == 3
    assert calls == results
    assert any("more than once" in note for note in notes_on(said))


def test_a_budget_of_thought_that_is_the_usual_limit_raises_it() -> None:
    """The limit must be above the budget: a budget as large as the usual limit needs more than that."""
    usual = Said("some-other-model").body["max_tokens"]
    said = Said("some-other-model", parameters={"reasoning_budget": usual})
    assert said.body["max_tokens"] > usual
    assert Said("some-other-model", parameters={"reasoning_budget": usual - 1}).body["max_tokens"] == usual


def test_a_users_text_keeps_its_citations_in_the_old_version_alone() -> None:
    """The new version refuses them in words of the user; the old one takes them as they are."""
    quoted = Message.user(TextPart("Hi", {"claude": {"citations": [{"type": "char_location"}]}}))
    old = Said(messages=[quoted], config={"api_key": "sk-ant-test", "api_version": OLD})
    assert old.body["messages"][0]["content"][0]["citations"] == [{"type": "char_location"}]
    new = Said(messages=[quoted], config={"api_key": "sk-ant-test", "api_version": NEW})
    assert "citations" not in new.body["messages"][0]["content"][0]


@pytest.mark.parametrize("strict", [None, True])
def test_alternatives_at_the_root_of_a_tool_are_one_object(strict: bool | None) -> None:
    """This API refuses them there; what goes together is told in words."""
    schema = {"oneOf": [{"properties": {"at": {}}, "required": ["at"]}, {"properties": {"near": {}}}]}
    made = Said(tools=[Tool("look", "Look.", schema, strict=strict)]).body["tools"][0]["input_schema"]
    assert (made["type"], sorted(made["properties"]), "oneOf" in made) == ("object", ["at", "near"], False)
    assert "oneOf" in made["description"]
