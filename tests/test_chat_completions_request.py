"""Requests in the chat-completions format: what is asked, as servers take it."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from airouter_core.config.http import HttpConfig
from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.endpoints import (
    base_model,
    created_at,
    embeddings_operation,
    models_operation,
    vectors_of,
)
from airouter_core.errors import ParameterError, ProtocolError, UnsupportedFeatureError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.folding import fold
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_core.wire.failures import ErrorTable
from airouter_core.wire.http import HttpRequest

ROWS = (ParameterSupport("temperature", "temperature"), ParameterSupport("stop", "options.stop"))
DIALECT = ChatDialect(provider="p", errors=ErrorTable("p"))
CONFIG = HttpConfig(base_url="http://h/v1/", api_key="a-key")


def sent(*messages: Message, dialect: ChatDialect = DIALECT, stream: bool = False, **more: Any) -> Any:
    """The body of a request for these messages."""
    request = Request(model="m", messages=messages or (Message.user("hi"),), **more)
    http_request: HttpRequest = dialect.wire().build_request(request, CONFIG, stream=stream)
    assert http_request.body is not None
    return json.loads(http_request.body)


def message_sent(*messages: Message, **more: Any) -> Any:
    (message,) = sent(*messages, **more)["messages"]
    return message


def test_the_least_that_is_sent() -> None:
    """Model and messages, to the path below the address, with the key where it belongs, and nothing else."""
    request: HttpRequest = DIALECT.wire().build_request(
        Request(model="m", messages=(Message.user("hi"),)), CONFIG, stream=False
    )
    assert (request.method, request.url) == ("POST", "http://h/v1/chat/completions")
    assert request.headers == {
        "Accept": "application/json",
        "Content-Type": "application/json",
        "Authorization": "Bearer a-key",
    }
    assert json.loads(request.body or b"") == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
    assert "a-key" not in repr(request)
    assert "hi" not in repr(request)


def test_without_a_key_no_header_is_sent() -> None:
    """A server without keys is not sent an empty one."""
    request = Request(model="m", messages=(Message.user("hi"),))
    http_request: HttpRequest = DIALECT.wire().build_request(request, HttpConfig(base_url="http://h"), stream=False)
    assert "Authorization" not in http_request.headers


def test_a_stream_is_asked_for_with_its_usage() -> None:
    """Streams report usage only when asked."""
    body = sent(stream=True)
    assert body["stream"] is True
    assert body["stream_options"] == {"include_usage": True}


MESSAGES: list[tuple[Message, dict[str, Any]]] = [
    (Message.system("s"), {"role": "system", "content": "s"}),
    (Message("user", "u", name="ann"), {"role": "user", "content": "u", "name": "ann"}),
    (Message("user", ()), {"role": "user", "content": ""}),
    (
        Message.user("a", "b"),
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
    ),
    (Message.assistant("a"), {"role": "assistant", "content": "a"}),
    (Message("assistant", ()), {"role": "assistant", "content": ""}),
    (Message.assistant(ReasoningPart("hm")), {"role": "assistant", "content": ""}),
    (
        Message.assistant(ReasoningPart("r"), "a", ProviderPart("other", {"x": 1})),
        {"role": "assistant", "content": "a"},
    ),
    (Message.assistant(RefusalPart("no")), {"role": "assistant", "content": None, "refusal": "no"}),
    (
        Message.assistant("t", ToolCallPart("1", "f", "")),
        {
            "role": "assistant",
            "content": "t",
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
    ),
    (
        Message.assistant(ToolCallPart("1", "f", '{"a":1}')),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}],
        },
    ),
    (Message.tool("1", "ok"), {"role": "tool", "tool_call_id": "1", "content": "ok"}),
    (
        Message.user(FilePart("image/png", data=b"x", detail="low"), "what?"),
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,eA==", "detail": "low"}},
                {"type": "text", "text": "what?"},
            ],
        },
    ),
    (
        Message.user(FilePart("image/*", url="https://h/a")),
        {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://h/a"}}]},
    ),
    (
        Message.user(FilePart("audio/mpeg", data=b"x")),
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "eA==", "format": "mp3"}}]},
    ),
    (
        Message.user(FilePart("application/pdf", data=b"x", name="a.pdf")),
        {
            "role": "user",
            "content": [
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,eA=="}}
            ],
        },
    ),
]


@pytest.mark.parametrize(("message", "expected"), MESSAGES, ids=[str(row[1])[:60] for row in MESSAGES])
def test_messages(message: Message, expected: dict[str, Any]) -> None:
    """Each kind of message and part has its form; what only another provider understands is not sent."""
    assert message_sent(message) == expected


def test_each_tool_result_is_a_message() -> None:
    """Several results in one message become one message each, in their order."""
    results = Message("tool", (ToolResultPart("1", "a"), ToolResultPart("2", "b")))
    assert [message["tool_call_id"] for message in sent(results)["messages"]] == ["1", "2"]


@pytest.mark.parametrize(
    "message",
    [
        Message.user(FilePart("audio/wav", url="https://h/a.wav")),
        Message("tool", (ToolResultPart("1", [FilePart("image/png", data=b"x")]),)),
    ],
)
def test_what_the_format_cannot_say_is_an_error(message: Message) -> None:
    """Sound by address and files as results have no form here; that is an error, not an omission."""
    with pytest.raises(UnsupportedFeatureError):
        sent(message)


def test_tools_and_choices() -> None:
    """Tools are nested; a choice is a word, or names its tool."""
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    tools = (Tool("f", "does f", schema, strict=True), Tool("g"))
    body = sent(tools=tools, tool_choice=ToolChoice("tool", "f"))
    assert body["tools"] == [
        {
            "type": "function",
            "function": {"name": "f", "description": "does f", "parameters": schema, "strict": True},
        },
        {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
    ]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "f"}}
    assert sent(tools=tools, tool_choice=ToolChoice("required"))["tool_choice"] == "required"
    assert "tool_choice" not in sent(tools=tools)
    assert "tool_choice" not in sent(tool_choice=ToolChoice("none"))
    own = {"tools": [{"type": "web_search"}]}
    assert sent(tool_choice=ToolChoice("none"), provider_options=own)["tool_choice"] == "none"


def test_response_formats() -> None:
    """Any JSON, or JSON that a schema accepts."""
    assert sent(response_format=ResponseFormat())["response_format"] == {"type": "json_object"}
    described = ResponseFormat("json_schema", {"type": "object"}, "n", True, "d")
    assert sent(response_format=described)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "n", "schema": {"type": "object"}, "description": "d", "strict": True},
    }


def test_parameters_and_options() -> None:
    """Parameters stand where their rows say; the provider's own options are laid over all."""
    body = sent(
        parameters={"temperature": 0.5, "stop": ("x",)},
        rows=ROWS,
        provider_options={"temperature": 1, "own": {"deep": True}},
    )
    assert body["options"] == {"stop": ["x"]}
    assert body["temperature"] == 1
    assert body["own"] == {"deep": True}


def test_what_a_server_does_its_own_way() -> None:
    """A dialect may rename the system's role, add to each message and adapt the body."""
    dialect = ChatDialect(
        provider="p",
        errors=ErrorTable("p"),
        path="other/path",
        headers=lambda config: {"X-Key": config.api_key},
        system_role=lambda model: f"{model}-system",
        sent_message=lambda sent, message: {**sent, "mark": len(message.parts)},
        adapt=lambda body, request, config: {**body, "adapted": request.model, "for": config.base_url},
    )
    body = sent(Message.system("s"), dialect=dialect)
    assert body["messages"] == [{"role": "m-system", "content": "s", "mark": 1}]
    assert (body["adapted"], body["for"]) == ("m", "http://h/v1/")
    request: HttpRequest = dialect.wire().build_request(
        Request(model="m", messages=(Message.user("x"),)), CONFIG, stream=False
    )
    assert request.url == "http://h/v1/other/path"
    assert request.headers["X-Key"] == "a-key"


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}])
def test_what_json_cannot_say_is_an_error(value: Any) -> None:
    """Options that are no JSON are the caller's fault, and found before anything is sent."""
    with pytest.raises(ParameterError, match="cannot be written as JSON"):
        sent(provider_options={"x": value})


def test_any_text_can_be_sent() -> None:
    """Text is sent as it is, whatever characters it has."""
    text = "é\u2028🦙\x00"
    assert message_sent(Message.user(text))["content"] == text


def test_half_of_a_character_is_refused_with_its_place() -> None:
    """A lone surrogate cannot be said in UTF-8, wherever it stands; two halves side by side are one character."""
    assert message_sent(Message.user("a\ud83e\udd99"))["content"] == "a🦙"
    for message, place in (
        (Message.user("\ud83e", "b"), r"messages\[0\]\.content\[0\]\.text"),
        (Message.assistant(ToolCallPart("c", "f", '{"a": "\udd99"}')), r"messages\[0\]\.tool_calls\[0\]\.function"),
    ):
        with pytest.raises(ParameterError, match=place + ".*half of a character"):
            message_sent(message)


@pytest.mark.parametrize(
    ("written", "sent_back"),
    [
        ("", "{}"),
        ("  ", "{}"),
        ("null", "{}"),
        ('{"a": 1}', '{"a": 1}'),
        ('{"a": ', '{"INVALID_JSON": "{\\"a\\": "}'),
        ("[1]", '{"INVALID_JSON": "[1]"}'),
    ],
)
def test_arguments_go_back_as_an_object(written: str, sent_back: str) -> None:
    """Servers refuse a history whose arguments are none: none means an empty one, and broken text stands in one."""
    call = ToolCallPart("c", "f", written)
    assert message_sent(Message.assistant(call))["tool_calls"][0]["function"]["arguments"] == sent_back


def round_trip(message: Any, provider: str = "p") -> dict[str, Any]:
    """What is sent back of an answer's message, to ``provider``."""
    answer = {"model": "m", "choices": [{"message": message, "finish_reason": "stop"}]}
    dialect = ChatDialect(provider="p", errors=ErrorTable("p"))
    said = fold(dialect.wire().parse_body(json.dumps(answer).encode())).message
    other = ChatDialect(provider=provider, errors=ErrorTable(provider))
    request = other.wire().build_request(Request(model="m", messages=(said,)), CONFIG, stream=False)
    return dict(json.loads(request.body or b"")["messages"][0])


def test_what_a_server_added_goes_back_to_it_alone() -> None:
    """Unknown fields of calls, thoughts in their field, and fields for the next turn return to where they came from."""
    call = {
        "id": "c",
        "type": "function",
        "function": {"name": "f", "arguments": "{}", "seal": "s"},
        "extra_content": {"maker": {"signature": "c2ln"}},
    }
    for field in ("reasoning_content", "reasoning"):
        said = {"role": "assistant", "content": "a", field: "hm", "tool_calls": [call], "extra_content": {"x": 1}}
        assert round_trip(said) == said
        plain = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        assert round_trip(said, "q") == {"role": "assistant", "content": "a", "tool_calls": [plain]}


def test_thoughts_among_the_parts_of_a_content_go_back_there() -> None:
    """A server that thinks inside its content gets its thoughts back inside it."""
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    content = [thinking, {"type": "text", "text": "a"}]
    assert round_trip({"content": content}) == {"role": "assistant", "content": content}
    assert round_trip({"content": content}, "q") == {"role": "assistant", "content": "a"}


def test_a_custom_call_goes_back_as_one() -> None:
    """Its input is a text of its own form, which no object stands around."""
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "SELECT 1"}}
    assert round_trip({"content": None, "tool_calls": [call]})["tool_calls"] == [call]


# The endpoints beside chat.


def test_models_are_listed() -> None:
    """Entries with an id become models; what the list says beside is kept."""
    operation = models_operation(lambda entry: base_model("p", entry))
    request = operation.build(CONFIG)
    assert (request.method, request.url, request.body) == ("GET", "http://h/v1/models", None)
    entries = [{"id": "m", "created": 1700000000, "owned_by": "me", "x": 1}, {"id": 7}, "m", {"id": "n", "owned_by": 3}]
    first, second = operation.parse(json.dumps({"data": entries}).encode())
    assert (first.id, first.name, first.provider, first.family) == ("m", "m", "p", "me")
    assert first.created is not None
    assert first.created.year == 2023
    assert first.raw == entries[0]
    assert (second.id, second.created, second.family) == ("n", None, None)


@pytest.mark.parametrize("content", [{}, {"data": None}, {"data": {}}])
def test_a_list_of_models_that_is_none(content: Any) -> None:
    """A list without entries is not a list of no models."""
    operation = models_operation(lambda entry: base_model("p", entry))
    with pytest.raises(ProtocolError, match="without data"):
        operation.parse(json.dumps(content).encode())


@pytest.mark.parametrize("seconds", [None, True, "1700000000", -1, 0, 1e12, math.nan])
def test_a_time_that_is_none(seconds: Any) -> None:
    """What is no time is unknown."""
    assert created_at(seconds) is None


def test_embeddings_are_asked_for() -> None:
    """The texts, the model if one is named, and whatever is added."""
    operation = embeddings_operation(options={"encoding_format": "float"})
    body = json.loads(operation.build(CONFIG, ("a", "b"), "m", {"dimensions": 3}).body or b"")
    assert body == {"input": ["a", "b"], "encoding_format": "float", "dimensions": 3, "model": "m"}
    assert "model" not in json.loads(operation.build(CONFIG, ["a"], None).body or b"")


def test_vectors_come_in_the_order_of_the_texts() -> None:
    """Entries are put in order by their index; base64 is read as little-endian floats."""
    data = [{"index": 1, "embedding": [3, 4.5]}, {"index": 0, "embedding": "AACAPwAAAEA="}]
    assert vectors_of(json.dumps({"data": data}).encode()) == [[1.0, 2.0], [3.0, 4.5]]


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        ["x"],
        [{}],
        [{"embedding": None}],
        [{"embedding": "!"}],
        [{"embedding": "AAA="}],
        [{"embedding": [1, "x"]}],
        [{"embedding": [1, None]}],
        [{"embedding": [1, [2]]}],
    ],
    ids=str,
)
def test_vectors_that_are_none(data: Any) -> None:
    """What is no list of numbers is the provider's fault."""
    with pytest.raises(ProtocolError):
        vectors_of(json.dumps({"data": data}).encode())


def test_part_types_are_told_apart() -> None:
    """A message of one text is a string, of more a list; an empty text is not lost among others."""
    assert message_sent(Message.user(TextPart("")))["content"] == ""
    assert len(message_sent(Message.user("", FilePart("image/png", data=b"x")))["content"]) == 2


@pytest.mark.parametrize(
    ("media_type", "said"),
    [("audio/x-wav", "wav"), ("audio/wave", "wav"), ("audio/mpeg", "mp3"), ("audio/flac", "flac")],
)
def test_sound_is_named_as_the_format_names_it(media_type: str, said: str) -> None:
    """Media types have several names for one format; this API has one."""
    sent_part = message_sent(Message.user(FilePart(media_type, data=b"x")))["content"][0]
    assert sent_part["input_audio"]["format"] == said
