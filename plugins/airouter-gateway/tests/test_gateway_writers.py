"""What the writers write, the readers of our own providers read: the same answer comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    CallVetoedError,
    ContextLengthError,
    ExecutionError,
    OverloadedError,
    ParameterError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
)
from airouter_core.values.ask import Ask
from airouter_core.values.events import (
    Finish,
    ReasoningDelta,
    StreamEvent,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageReported,
)
from airouter_core.values.folding import fold
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_gateway.dialects import table
from airouter_gateway.dialects.dialect import Dialect
from airouter_gateway.dialects.openai.others import embeddings_body, read_embeddings
from airouter_gateway.dialects.question import NamedTool, Naming, Question
from airouter_gateway.dialects.refusals import refusal_of

NAMING = Naming("abc", 1_790_000_000, "stub")
SERVERS = {
    "claude": (table.MESSAGES, {"api_key": "sk-planted"}),
    "openai": (table.RESPONSES, {"api_key": "sk-planted", "api": "responses"}),
    "openrouter": (table.CHAT, {"api_key": "sk-planted"}),
    "ollama": (table.OLLAMA_CHAT, {}),
}
USAGE = UsageReported(Usage(input_tokens=7, output_tokens=5))

ANSWERS: dict[str, tuple[StreamEvent, ...]] = {
    "text": (StreamStart("m"), TextDelta("Hé"), TextDelta('l"lo\n'), USAGE, Finish("stop")),
    "thought": (StreamStart("m"), ReasoningDelta("hm"), TextDelta("yes"), USAGE, Finish("stop")),
    "cut": (StreamStart("m"), TextDelta("so"), Finish("length"), USAGE),
    "calls, mixed": (
        StreamStart("m"),
        TextDelta("I look"),
        ToolCallStart(3, "call_1", "f"),
        ToolCallDelta(3, '{"a"'),
        ToolCallStart(5, "call_2", "g"),
        ToolCallDelta(5, '{"b": '),
        ToolCallDelta(3, ": 1}"),
        ToolCallDelta(5, "2}"),
        ToolCallEnd(3),
        ToolCallEnd(5),
        Finish("tool_calls"),
        USAGE,
    ),
    "calls that nobody closes": (
        StreamStart("m"),
        ToolCallStart(0, "call_1", "f"),
        ToolCallDelta(0, '{"a": 1}'),
        ToolCallStart(1, "call_2", "g"),
        ToolCallDelta(1, "{}"),
        USAGE,
        Finish("tool_calls"),
    ),
}


def question() -> Question:
    """A question that asks for everything."""
    return Question(ask=Ask(model="m", messages=(Message.user("hi"),)), tools={"ns__h": NamedTool("h", "ns")})


def told(response: Response) -> dict[str, Any]:
    """What of an answer every dialect can say."""
    calls = [(call.name, call.arguments) for call in response.tool_calls]
    usage = (response.usage.input_tokens, response.usage.output_tokens)
    return {"text": response.text, "calls": calls, "reason": response.finish_reason, "usage": usage}


def written(dialect: Dialect, events: tuple[StreamEvent, ...]) -> bytes:
    """The stream of an answer."""
    writer = dialect.writer(question(), NAMING)
    return b"".join(map(writer.feed, events)) + writer.end(0.5)


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_stream_is_read_as_the_answer_it_was_made_of(name: str, answer: str) -> None:
    """Text, thoughts and calls, also such as come mixed or never end by themselves."""
    pytest.importorskip(f"airouter_{name}")
    dialect, config = SERVERS[name]
    with create_provider(name, config) as provider:
        parser = provider.wire_for(
            provider.prepare(Ask(model="m", messages=(Message.user("x"),))).request
        ).open_stream()
        stream = written(dialect, ANSWERS[answer])
        events = [event for byte in stream for event in parser.feed(bytes((byte,)))] + list(parser.close())
    expected = fold(ANSWERS[answer])
    assert told(fold(events)) == {**told(expected), "usage": (7, 5)}
    assert fold(events).reasoning == expected.reasoning


@pytest.mark.parametrize("name", SERVERS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_a_whole_answer_says_what_the_stream_says(name: str, answer: str) -> None:
    """The body is read by the provider's own parser."""
    pytest.importorskip(f"airouter_{name}")
    dialect, config = SERVERS[name]
    expected = fold(ANSWERS[answer])
    body = dialect.writer(question(), NAMING).whole(expected, 0.5)
    with create_provider(name, config) as provider:
        wire = provider.wire_for(provider.prepare(Ask(model="m", messages=(Message.user("x"),))).request)
        assert told(fold(wire.parse_body(body))) == told(expected)


def data_of(stream: bytes) -> list[dict[str, Any]]:
    """The objects of a stream of server-sent events."""
    lines = [line[6:] for line in stream.decode().splitlines() if line.startswith("data: {")]
    return [json.loads(line) for line in lines]


def test_events_of_responses_are_numbered_and_keep_their_ids() -> None:
    """Numbers without a gap, an index on every item, and at the end the very items that were streamed."""
    events = data_of(written(table.RESPONSES, ANSWERS["calls, mixed"]))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"] == done
    assert events[-1]["response"]["id"] == events[0]["response"]["id"]
    assert [item["id"] for item in done] == ["msg_abc_0", "fc_abc_1", "fc_abc_2"]
    assert {"id", "created_at", "model"} <= events[0]["response"].keys()


def test_a_tool_of_a_namespace_is_called_by_its_own_name() -> None:
    """It was offered under a name of ours; the client gets its own, with the namespace."""
    events = (ToolCallStart(0, "c", "ns__h"), ToolCallDelta(0, "{}"), ToolCallEnd(0), Finish("tool_calls"))
    (item,) = data_of(written(table.RESPONSES, events))[-1]["response"]["output"]
    assert (item["namespace"], item["name"], item["call_id"]) == ("ns", "h", "c")


def test_one_block_of_a_message_is_open_at_a_time() -> None:
    """Blocks are numbered from 0 without a gap, and each closes before the next opens."""
    events = data_of(written(table.MESSAGES, ANSWERS["calls, mixed"]))
    steps = [(event["type"], event["index"]) for event in events if "index" in event and "delta" not in event]
    assert steps == [(f"content_block_{what}", index) for index in range(3) for what in ("start", "stop")]
    assert events[0]["message"]["usage"]["input_tokens"] > 0  # what clients show as the size of the prompt
    assert events[-2]["usage"]["input_tokens"] == 7


def test_usage_comes_to_those_who_asked_for_it() -> None:
    """A last chunk without choices breaks clients that do not expect it."""
    asked = written(table.CHAT, ANSWERS["text"])
    assert data_of(asked)[-1]["usage"]["total_tokens"] == 12
    quiet = Question(ask=question().ask, include_usage=False)
    writer = table.CHAT.writer(quiet, NAMING)
    stream = b"".join(map(writer.feed, ANSWERS["text"])) + writer.end(0.5)
    assert all(chunk["choices"] for chunk in data_of(stream))
    assert stream.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("error", "status", "retries", "wait"),
    [
        (AuthenticationError("bad key sk-abcdefghijkl", status=401), 502, False, None),
        (RateLimitedError("slow down", retry_after=3600), 429, False, 60),
        (RateLimitedError("slow down"), 429, False, 1),
        (QuotaExceededError("empty"), 429, False, 60),
        (CallVetoedError("the budget is used up"), 429, False, 60),
        (OverloadedError("busy"), 503, False, 5),
        (ProviderError("odd", status=500), 502, False, None),
        (ProtocolError("cut"), 502, False, None),
        (ContextLengthError("too long", status=400), 400, None, None),
        (ParameterError("parameter top_p must be at most 1"), 400, None, None),
    ],
)
def test_an_error_says_whose_move_it_is(
    error: ExecutionError, status: int, retries: bool | None, wait: int | None
) -> None:
    """A bad key of ours is never the caller's 401; a wait is kept, and bounded; nobody is made to try in vain."""
    refusal = refusal_of(error)
    headers = dict(refusal.headers)
    assert refusal.status == status
    assert headers.get(b"retry-after") == (None if wait is None else str(wait).encode())
    assert headers.get(b"x-should-retry") == (None if retries is None else b"false")


def test_what_providers_say_is_passed_on_without_keys() -> None:
    """Advisory 13: upstream texts may repeat a key, or its visible end."""
    said = [
        "Incorrect API key provided: sk-proj-abc***********wxyz",
        "header was Bearer abc.def.ghi",
        "key AIzaSyA-1234567890abcdef is disabled",
    ]
    for text in said:
        for error in (AuthenticationError(text, status=401), ContextLengthError(text, status=400), ProviderError(text)):
            message = refusal_of(error).message
            assert "wxyz" not in message
            assert "abc.def" not in message
            assert "AIza" not in message


SHAPES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "chat": lambda body: set(body["error"]) == {"message", "type", "param", "code"},
    "responses": lambda body: set(body["error"]) == {"message", "type", "param", "code"},
    "messages": lambda body: body["type"] == "error" and set(body["error"]) == {"type", "message"},
    "ollama chat": lambda body: isinstance(body["error"], str),
    "ollama generate": lambda body: isinstance(body["error"], str),
}
DIALECTS = (table.CHAT, table.RESPONSES, table.MESSAGES, table.OLLAMA_CHAT, table.OLLAMA_GENERATE)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_refusal_has_the_form_of_its_dialect(dialect: Dialect) -> None:
    """As a body; and in a stream that has begun, which then has no end mark."""
    refusal = refusal_of(QuotaExceededError("x"))
    _, body, headers = dialect.refused(refusal, "req_1")
    assert SHAPES[dialect.name](json.loads(body))
    if dialect is table.MESSAGES:  # without it Claude Code tries again without end
        assert (b"anthropic-ratelimit-unified-status", b"rejected") in headers
    in_stream = dialect.writer(question(), NAMING).failure(refusal)
    assert b"[DONE]" not in in_stream
    assert b"message_stop" not in in_stream
    assert b"response.completed" not in in_stream
    assert b'"done":true' not in in_stream


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nul",
        b"[]",
        b"{}",
        b'{"model":1}',
        b'{"model":"m","messages":1,"input":1,"prompt":1}',
        b'{"model":"m","messages":[1],"input":[1],"prompt":[]}',
        b'{"model":"m","messages":[{"role":"user","content":{"a":1}}],"input":[{"role":1}],"prompt":{}}',
        b'{"model":"m","messages":[{"role":"x","content":"y"}],"input":[{"type":"function_call"}],"images":"x"}',
        b'{"model":"m","stream":"yes","messages":[{"role":"user","content":"x"}],"input":"x","prompt":"x"}',
        b'{"model":"m","tools":[{"type":"function"},{"name":1}],"messages":[{"role":"user","content":"x"}],"input":"x","prompt":"x"}',
        b"[" * 100_000,
        b'{"model":"\xff"}',
    ],
)
def test_a_body_that_is_none_is_the_caller_s_fault(dialect: Dialect, body: bytes) -> None:
    """Whatever is wrong with it, the error is one that names it, and never another."""
    with pytest.raises(ParameterError):
        dialect.read(body, {})


def test_vectors_come_in_the_form_asked_for() -> None:
    """As base64 of little-endian 32-bit floats where that is asked, else as numbers."""
    for form, expected in (("base64", "AACAPwAAAMA="), ("float", [1.0, -2.0])):
        asked = read_embeddings(json.dumps({"model": "m", "input": "a", "encoding_format": form}).encode())
        body = json.loads(embeddings_body(asked, [[1.0, -2.0]], 9))
        assert body["data"][0]["embedding"] == expected
