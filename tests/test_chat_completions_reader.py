"""Answers in the chat-completions format: bodies and streams, as servers really write them."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.errors import (
    AirouterError,
    ExecutionError,
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.testing.compare import difference
from airouter_core.testing.recordings import Recording, load_recordings, pieces, wire_events
from airouter_core.values.arguments import arguments_text
from airouter_core.values.events import ToolCallEnd, ToolCallStart
from airouter_core.values.folding import fold
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage
from airouter_core.wire.failures import ErrorTable

DIALECT = ChatDialect(provider="p", errors=ErrorTable("p", COMMON_CODES))
WIRE = DIALECT.wire()


def sse(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join((*lines, "data: [DONE]\n\n" if done else "")).encode()


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {
        "id": "i",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


def body(message: Any, finish: str | None = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "i", "object": "chat.completion", "model": "m", "choices": [choice], **more}).encode()


def read_stream(data: bytes, dialect: ChatDialect = DIALECT, size: int | None = None) -> Response:
    parser = dialect.wire().open_stream()

    def events() -> Iterable[Any]:
        for piece in (data,) if size is None else pieces(data, size):
            yield from parser.feed(piece)
        yield from parser.close()

    return fold(events())


def read_body(data: bytes, dialect: ChatDialect = DIALECT) -> Response:
    return fold(dialect.wire().parse_body(data))


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}

PAIRS: dict[str, tuple[bytes, bytes]] = {
    "text": (
        sse(
            chunk({"role": "assistant", "content": ""}),
            chunk({"content": "Hel"}),
            chunk({"content": "lo"}),
            chunk(None, "stop"),
        ),
        body({"role": "assistant", "content": "Hello"}),
    ),
    "usage in a chunk without choices": (
        sse(chunk({"content": "a"}), chunk(None, "stop"), {**chunk(), "choices": [], "usage": USAGE}),
        body({"content": "a"}, usage=USAGE),
    ),
    "usage beside the finish reason": (
        sse(chunk({"content": "a"}), chunk(None, "stop", usage=USAGE)),
        body({"content": "a"}, usage=USAGE),
    ),
    "usage null, then given": (
        sse(chunk({"content": "a"}, usage=None), chunk(None, "stop", usage=None), chunk(usage=USAGE)),
        body({"content": "a"}, usage=USAGE),
    ),
    "reasoning": (
        sse(
            chunk({"role": "assistant", "content": None, "reasoning_content": "th"}),
            chunk({"reasoning_content": "ink"}),
            chunk({"content": "a"}),
            chunk(None, "stop"),
        ),
        body({"role": "assistant", "content": "a", "reasoning_content": "think"}),
    ),
    "reasoning and text in one delta": (
        sse(chunk({"content": "a", "reasoning": "think"}, "stop")),
        body({"content": "a", "reasoning": "think"}),
    ),
    "text and a tool call in one delta": (
        sse(
            chunk(
                {"content": "a", "tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]},
                "tool_calls",
            )
        ),
        body({"content": "a", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}, "tool_calls"),
    ),
    "refusal": (
        sse(chunk({"refusal": "I "}), chunk({"refusal": "cannot"}), chunk(None, "stop")),
        body({"content": None, "refusal": "I cannot"}),
    ),
    "tool calls": (
        sse(
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "id": "c0", "type": "function", "function": {"name": "f", "arguments": ""}}
                    ]
                }
            ),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a"'}}]}),
            chunk({"tool_calls": [{"index": 1, "id": "c1", "function": {"name": "g", "arguments": ""}}]}),
            chunk(
                {
                    "tool_calls": [
                        {"index": 0, "function": {"arguments": ":1}"}},
                        {"index": 1, "function": {"arguments": "{}"}},
                    ]
                }
            ),
            chunk(None, "tool_calls"),
        ),
        body(
            {
                "content": None,
                "tool_calls": [
                    {"id": "c0", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                    {"id": "c1", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            "tool_calls",
        ),
    ),
    "content in parts": (
        sse(
            chunk({"content": [{"type": "text", "text": "He"}, {"type": "other"}]}),
            chunk({"content": [{"text": "llo"}]}, "stop"),
        ),
        body({"content": [{"type": "text", "text": "Hello"}, {"type": "other"}]}),
    ),
    "finish reason without an index": (
        sse({"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"finish_reason": "stop"}]}),
        json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}).encode(),
    ),
    "few fields beside the metadata": (
        sse({"choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": "stop"}], "timings": {"n": 1}}),
        json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "timings": {"n": 1}}).encode(),
    ),
    "log probabilities": (
        sse(
            {
                **chunk(),
                "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a"}]}}],
            },
            {
                **chunk(),
                "choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [{"token": "b"}]}}],
            },
            chunk(None, "stop"),
        ),
        json.dumps(
            {
                **json.loads(body({"content": "ab"})),
                "choices": [
                    {
                        "index": 0,
                        "message": {"content": "ab"},
                        "logprobs": {"content": [{"token": "a"}, {"token": "b"}]},
                        "finish_reason": "stop",
                    }
                ],
            }
        ).encode(),
    ),
    "an error that is null": (
        sse(chunk({"content": "a"}, error=None), chunk(None, "stop", error=None)),
        body({"content": "a"}, error=None),
    ),
    "two answers": (
        sse(
            chunk({"content": "a"}),
            chunk({"content": "x"}, index=1),
            chunk({"content": "b"}),
            chunk({"content": "y"}, index=1),
            chunk(None, "length", index=1),
            chunk(None, "stop"),
        ),
        json.dumps(
            {
                **json.loads(body(None)),
                "choices": [
                    {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"},
                    {"index": 1, "message": {"content": "xy"}, "finish_reason": "length"},
                ],
            }
        ).encode(),
    ),
}


@pytest.mark.parametrize(("stream", "whole"), PAIRS.values(), ids=PAIRS)
def test_a_stream_adds_up_to_the_body(stream: bytes, whole: bytes) -> None:
    """The same answer, streamed or not, gives the same response, wherever the stream is cut."""
    expected = read_body(whole)
    assert read_stream(stream) == expected
    assert read_stream(stream, size=1) == expected
    assert expected.message.parts


def test_everything_said_of_an_answer() -> None:
    """Identity, usage with its parts, the raw usage object and metadata are all kept; unknown is not zero."""
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 3},
        "cost": 0.5,
    }
    dialect = ChatDialect(
        provider="p", errors=DIALECT.errors, cost=lambda usage: Cost(Decimal(str(usage["cost"])), "provider")
    )
    response = read_body(body({"content": "a"}, usage=usage, system_fingerprint="fp", service_tier=None), dialect)
    assert response.usage == Usage(9, 7, 4, 0, 3, usage)
    assert response.cost == Cost(Decimal("0.5"), "provider")
    assert (response.model, response.id) == ("m", "i")
    assert (response.finish_reason, response.raw_finish_reason) == ("stop", "stop")
    assert response.provider_metadata == {"p": {"system_fingerprint": "fp"}}
    bare = read_body(body({"content": "a"}, usage={"prompt_tokens": -1, "completion_tokens": None}))
    assert (bare.usage.input_tokens, bare.usage.output_tokens) == (None, None)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("stop", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "content_filter"),
        ("model_length", "length"),
        ("tool_use", "tool_calls"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("repetition", "other"),
    ],
)
def test_finish_reasons(raw: str, expected: str) -> None:
    """A reason has its canonical word, with the server's own beside it; one that is new is ``other``."""
    for response in (read_body(body({"content": "a"}, raw)), read_stream(sse(chunk({"content": "a"}, raw)))):
        assert (response.finish_reason, response.raw_finish_reason) == (expected, raw)


def test_a_finish_reason_error_is_an_error() -> None:
    """An answer that its server broke off is an error with what had come, not an answer of no words."""
    for read, data in (
        (read_body, body({"content": "hal"}, "error")),
        (read_stream, sse(chunk({"content": "hal"}), chunk(None, "error"))),
    ):
        with pytest.raises(ServerError, match="broke the answer off") as caught:
            read(data)
        assert caught.value.retryable is True
        assert caught.value.partial is not None
        assert caught.value.partial.text == "hal"
    with pytest.raises(QuotaExceededError, match="no money"):
        read_stream(sse({**chunk(None, "error"), "error": {"message": "no money", "code": 402}}))


def test_a_word_for_no_reason_is_none() -> None:
    """Some servers write into each chunk that there is no reason yet; the one at the end counts."""
    data = sse(chunk({"content": "a"}, "null"), chunk({"content": "b"}, "null"), chunk(None, "length"))
    assert (read_stream(data).text, read_stream(data).finish_reason) == ("ab", "length")
    with pytest.raises(TruncatedStreamError):
        read_stream(sse(chunk({"content": "a"}, "null"), done=False))


def test_a_call_that_was_announced_and_not_sent_is_told() -> None:
    """Whoever waits for a call learns that there is none."""
    response = read_body(body({"content": "I'll look."}, "tool_calls"))
    assert (response.text, response.tool_calls) == ("I'll look.", ())
    assert "sent no call" in response.warnings[0]


def test_stop_with_tool_calls_means_tool_calls() -> None:
    """A server that says ``stop`` after calling tools has called tools."""
    call = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    response = read_body(body({"tool_calls": [call]}, "stop"))
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "stop")


# What ends a stream.

TEXT = chunk({"content": "hal"})


@pytest.mark.parametrize(
    "data", [sse(done=False), sse(TEXT, done=False), sse(TEXT, chunk(usage=USAGE), done=False), b""]
)
def test_a_stream_that_stops_is_truncated(data: bytes) -> None:
    """Without a finish reason and without [DONE] an answer is half an answer, and carries what came."""
    with pytest.raises(TruncatedStreamError) as caught:
        read_stream(data)
    assert caught.value.partial is not None
    assert caught.value.partial.text in ("hal", "")


def test_a_finish_reason_is_an_end() -> None:
    """Some servers send no [DONE]."""
    assert read_stream(sse(TEXT, chunk(None, "length"), done=False)).finish_reason == "length"


def test_done_is_an_end() -> None:
    """Some servers send no finish reason; what they meant is not known, and the caller is told."""
    response = read_stream(sse(TEXT))
    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("hal", "other", None)
    assert "without saying why" in response.warnings[0]


def test_usage_lost_at_the_end_is_told() -> None:
    """A stream cut after its finish reason is whole, and the caller learns that its usage may have been lost."""
    cut = read_stream(sse(TEXT, chunk(None, "stop"), done=False))
    assert (cut.text, cut.finish_reason, len(cut.warnings)) == ("hal", "stop", 1)
    assert "usage" in cut.warnings[0]
    for whole in (sse(TEXT, chunk(None, "stop")), sse(TEXT, chunk(None, "stop", usage=USAGE), done=False)):
        assert read_stream(whole).warnings == ()


FOREIGN_ERRORS = [
    b'data: {"message": "Compute error.", "type": "server_error", "code": 500}',
    b'data: {"detail": "Compute error."}',
    b'data: {"object": "error", "message": "Compute error."}',
    b'data: {"type": "error", "error": {"message": "Compute error."}}',
    b'data: {"errors": [{"code": 3030, "message": "Compute error."}], "success": false}',
    b'event: error\ndata: {"message": "Compute error."}',
    b'event: error\ndata: {"error": {"message": "Compute error."}}',
    b"event: error\ndata: Compute error.",
    b"event: error\ndata",
]


@pytest.mark.parametrize("event", FOREIGN_ERRORS, ids=lambda event: event.decode())
def test_an_error_of_a_foreign_shape_is_an_error(event: bytes) -> None:
    """Half an answer, an error in whatever shape and [DONE] are an error with half an answer, never a whole one."""
    with pytest.raises(ProviderError, match=r"Compute error|does not say why") as caught:
        read_stream(sse(TEXT, done=False) + event + b"\n\ndata: [DONE]\n\n")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"


def test_an_error_of_a_foreign_shape_in_a_body() -> None:
    """The same in an answer that is no stream, under status 200."""
    with pytest.raises(RateLimitedError, match="slow down"):
        read_body(b'{"message": "slow down", "code": 429}')


def test_a_ping_says_nothing() -> None:
    """What only keeps the connection alive is no part of an answer that were to be told."""
    ping = b'event: ping\ndata: {"type": "ping"}\n\nevent: ping\ndata: 2026-11-30 12:00:01\n\ndata: : keepalive\n\n'
    response = read_stream(sse(TEXT, done=False) + ping + sse(chunk(None, "stop", usage=USAGE)))
    assert (response.text, response.warnings) == ("hal", ())


def test_what_is_no_part_of_an_answer_is_told() -> None:
    """A chunk of another format is passed over with a warning; those that belong to this one, without."""
    strange = {"response": "hi"}
    response = read_stream(
        sse(TEXT, strange, strange, {}, {"id": "i", "object": "chat.completion.chunk"}, chunk(None, "stop"))
    )
    assert (response.text, len(response.warnings)) == ("hal", 1)
    assert '"response"' in response.warnings[0]


@pytest.mark.parametrize("choice", [{"delta": "words"}, {"delta": [1]}, "words"])
def test_a_choice_that_cannot_be_read_is_an_error(choice: Any) -> None:
    """Words may stand in it, which must not be lost."""
    with pytest.raises(ProtocolError, match="no object"):
        read_stream(sse(TEXT, {"choices": [choice]}, chunk(None, "stop")))


def test_a_whole_message_adds_what_was_not_said() -> None:
    """A message in the chunk that ends the answer, or in each, is not said twice, and not lost either."""
    whole = {"role": "assistant", "content": "hallo", "reasoning": "hm"}
    last = {"choices": [{"index": 0, "delta": {}, "message": whole, "finish_reason": "stop"}]}
    for said in ([], [TEXT], [TEXT, chunk({"content": "lo"})]):
        assert read_stream(sse(*said, last)).text == "hallo"
    each = {"choices": [{"index": 0, "delta": {"content": "hal"}, "message": {"content": "hal"}}]}
    response = read_stream(sse(chunk({"reasoning": "hm"}), each, last))
    assert (response.text, response.reasoning) == ("hallo", "hm")
    assert read_stream(sse({"choices": [{"index": 0, "text": "hallo"}]}, chunk(None, "stop"))).text == "hallo"
    pieces_of_it = [{"choices": [{"index": 0, "message": {"content": piece}}]} for piece in ("hal", "lo")]
    assert read_stream(sse(*pieces_of_it, chunk(None, "stop"))).text == "hallo"
    other = read_stream(sse(chunk({"content": "quite another"}), last))
    assert other.text == "quite another"
    assert "differs" in other.warnings[0]


def test_thoughts_among_the_parts_of_a_content() -> None:
    """A content may be a list whose parts are thoughts, texts and pictures, or an object where JSON was asked for."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
        {"type": "text", "text": "hal"},
        "lo",
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "reference", "reference_ids": [1]},
    ]
    for response in (
        read_body(body({"content": parts})),
        read_stream(sse(*(chunk({"content": [part]}) for part in parts), chunk(None, "stop"))),
        read_stream(
            sse(chunk({"content": parts[:2]}), chunk({"content": "hal"}), chunk({"content": parts[3:]}, "stop"))
        ),
    ):
        assert (response.text, response.reasoning, response.refusal) == ("hallo", "hmso", "no")
        assert [part.url for part in response.message.parts if isinstance(part, FilePart)] == [
            "https://example.com/a.png"
        ]
        assert response.provider_metadata["p"]["content_parts"] == [{"type": "reference", "reference_ids": [1]}]
    assert read_body(body({"content": {"a": [1]}})).json() == {"a": [1]}


def test_done_without_any_choice_is_no_answer() -> None:
    """A stream that says it is done and has said nothing is an error, not an empty answer."""
    for data in (sse(), sse({**chunk(), "choices": []})):
        with pytest.raises(TruncatedStreamError):
            read_stream(data)


def test_the_parser_says_when_it_is_done() -> None:
    """After [DONE] nothing need be waited for, and nothing is read."""
    parser = WIRE.open_stream()
    list(parser.feed(sse(TEXT, done=False)))
    assert not parser.done
    list(parser.feed(b"data: [DONE]\n\n"))
    assert parser.done
    assert list(parser.feed(b"data: {broken\n\n")) == []


@pytest.mark.parametrize("rest", [b"<html>", b"<html>\n\n", b"data: {broken\n\n", b"\xff\n\n", b"data: {"])
def test_what_follows_the_end_does_not_matter(rest: bytes) -> None:
    """A complete answer stays one, whatever a proxy adds to it, and wherever the bytes are cut."""
    data = sse(TEXT, chunk(None, "stop"))
    for size in (None, 1, 7, len(data)):
        assert read_stream(data + rest, size=size).text == "hal"


def test_done_with_a_space_behind_is_done() -> None:
    """[DONE] is recognised also where spaces follow it."""
    assert read_stream(sse(TEXT, chunk(None, "stop"), done=False) + b"data: [DONE] \n\n").finish_reason == "stop"


def test_one_of_two_answers_that_stops_is_truncated() -> None:
    """Each answer must reach its end, not only the first."""
    data = sse(TEXT, chunk({"content": "x"}, index=1), chunk(None, "stop"), done=False)
    with pytest.raises(TruncatedStreamError):
        read_stream(data)


@pytest.mark.parametrize("message", [None, [], 7])
def test_a_body_without_a_message_is_an_error(message: Any) -> None:
    """A choice in which nobody says anything is no empty answer, unless a filter has taken it away."""
    with pytest.raises(ProtocolError, match="without a message"):
        read_body(body(message))
    assert read_body(body(None, "content_filter")).finish_reason == "content_filter"


@pytest.mark.parametrize(
    "content", [{"choices": []}, {"choices": None}, {}, {"id": "i", "model": "m"}, {"choices": {}}]
)
def test_a_body_without_choices_is_an_error(content: Any) -> None:
    """A body in which nobody answers is an error, not an empty answer."""
    with pytest.raises(ProtocolError, match="without choices"):
        read_body(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty answer"),
        (b"  ", "an empty answer"),
        (b"<html><body>Bad gateway</body></html>", "a web page instead of JSON.*check base_url"),
        (b'{"choices": [', "no valid JSON"),
        (b"[1]", "no object"),
        (b"null", "no object"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[" * 200_000, "no valid JSON"),
    ],
)
def test_a_body_that_is_none(data: bytes, message: str) -> None:
    """What is not in the format is a ProtocolError that shows how it begins."""
    with pytest.raises(ProtocolError, match=message) as caught:
        read_body(data)
    assert len(str(caught.value)) < 250


def test_broken_json_in_a_stream_keeps_what_came() -> None:
    """A chunk that is no JSON is a ProtocolError, with the text before it."""
    with pytest.raises(ProtocolError, match="no valid JSON") as caught:
        read_stream(sse(TEXT, done=False) + b"data: {broken\n\n")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"


# Errors inside an answer.

ERRORS: list[tuple[Any, type[ProviderError], str | None]] = [
    ({"message": "no", "code": 429}, RateLimitedError, None),
    ({"message": "no", "code": "503"}, OverloadedError, "503"),
    (
        {"message": "no", "code": 502, "metadata": {"error_type": "overloaded_error"}},
        OverloadedError,
        "overloaded_error",
    ),
    ({"message": "no", "type": "server_error", "code": None}, ServerError, "server_error"),
    (
        {"message": "no", "type": "insufficient_quota", "code": "rate_limit_exceeded"},
        QuotaExceededError,
        "insufficient_quota",
    ),
    ({"message": "no", "code": "model_not_found"}, ModelNotFoundError, "model_not_found"),
    ("no", ProviderError, None),
    ({"detail": "no"}, ProviderError, None),
    ({}, ProviderError, None),
]


@pytest.mark.parametrize(("error", "kind", "error_type"), [row for row in ERRORS if row[0]], ids=str)
def test_errors_inside_an_answer(error: Any, kind: type[ProviderError], error_type: str | None) -> None:
    """An error object in a 200 is an error of the class that its code says, with what had come before it."""
    with pytest.raises(ProviderError, match="p: no") as caught:
        read_stream(sse(TEXT, {"error": error}))
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.error_type, caught.value.provider) == (200, error_type, "p")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"
    with pytest.raises(ProviderError, match="p: no") as caught:
        read_body(json.dumps({"error": error}).encode())
    assert type(caught.value) is kind


def test_an_error_inside_a_choice() -> None:
    """An error may stand in a choice, beside a finish reason."""
    choice = {
        "index": 0,
        "message": {"content": "hal"},
        "finish_reason": "error",
        "error": {"code": 503, "message": "no"},
    }
    with pytest.raises(OverloadedError) as caught:
        read_body(json.dumps({"id": "i", "model": "m", "choices": [choice]}).encode())
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"
    short = {"error": {"code": 503, "message": "no"}}
    with pytest.raises(OverloadedError):
        read_stream(sse({"choices": [short]}))


# Tool calls, as servers really write them.


def calls(*deltas: Any) -> tuple[ToolCallPart, ...]:
    response = read_stream(sse(*(chunk({"tool_calls": delta}) for delta in deltas), chunk(None, "tool_calls")))
    return response.tool_calls


def test_an_index_may_be_missing() -> None:
    """Without indexes, fragments belong to the call at their position, and a new id begins a new call."""
    assert calls(
        [{"id": "c0", "function": {"name": "f", "arguments": '{"a":'}}],
        [{"function": {"arguments": "1}"}}],
    ) == (ToolCallPart("c0", "f", '{"a":1}'),)
    assert calls(
        [{"id": "c0", "function": {"name": "f", "arguments": "{}"}}],
        [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}],
    ) == (ToolCallPart("c0", "f", "{}"), ToolCallPart("c1", "f", "{}"))


def test_indexes_may_have_gaps() -> None:
    """Indexes tell calls apart, and need not count from 0."""
    assert calls(
        [{"index": 3, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 7, "id": "b", "function": {"name": "g", "arguments": "{}"}}],
        [{"index": 3, "function": {"arguments": "}"}}],
    ) == (ToolCallPart("a", "f", "{}"), ToolCallPart("b", "g", "{}"))


def test_an_index_may_be_used_twice() -> None:
    """A new id and name at a known index are a new call; its id alone, repeated, is not."""
    assert calls(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"index": 0, "id": "b", "function": {"name": "f", "arguments": '{"x":'}}],
        [{"index": 0, "id": "b", "function": {"arguments": "2}"}}],
    ) == (ToolCallPart("a", "f", "{}"), ToolCallPart("b", "f", '{"x":2}'))


def test_a_name_may_come_late() -> None:
    """Arguments that come before the name are held back, not lost."""
    assert calls(
        [{"index": 0, "id": "a", "function": {"arguments": '{"x"'}}],
        [{"index": 0, "function": {"arguments": ":"}}],
        [{"index": 0, "function": {"name": "f", "arguments": "1}"}}],
    ) == (ToolCallPart("a", "f", '{"x":1}'),)


def test_an_id_may_be_missing() -> None:
    """A call without an id gets one that no other call of the conversation has, so that its result can refer to it."""
    answers = [
        calls(
            [{"index": 0, "function": {"name": "f", "arguments": "{}"}}],
            [{"index": 1, "function": {"name": "g", "arguments": "{}"}}],
        )
        for _ in range(2)
    ]
    assert [[call.name for call in answer] for answer in answers] == [["f", "g"]] * 2
    assert len({call.id for answer in answers for call in answer if call.id}) == 4


PARIS, ROME = '{"city":"Paris"}', '{"city":"Rome"}'


def named(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": "f", "arguments": arguments}, **more}


def bare(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"arguments": arguments}, **more}


TWO_CALLS = {
    "later fragments carry the id": [
        [named("", id="a")],
        [named("", id="b")],
        [bare(PARIS, id="a")],
        [bare(ROME, id="b")],
    ],
    "the id contradicts the index": [
        [named("", id="a", index=0)],
        [named("", id="b", index=1)],
        [bare(PARIS, id="a", index=1)],
        [bare(ROME, id="b", index=0)],
    ],
    "no id and no index, in two chunks": [[named(PARIS, id="")], [named(ROME, id="")]],
    "no id and no index, in one chunk": [[named(PARIS), named(ROME)]],
    "no id and no index, in fragments": [
        [named("", id=None)],
        [bare(PARIS)],
        [named("")],
        [bare(ROME[:5])],
        [bare(ROME[5:])],
    ],
    "no id and no index, side by side": [
        [named(""), named("")],
        [bare(PARIS[:5]), bare(ROME[:5])],
        [bare(PARIS[5:]), bare(ROME[5:])],
    ],
    "one index for both, without ids": [[named(PARIS, index=0)], [named(ROME, index=0)]],
    "one index for both, with ids": [
        [named(PARIS, index=0, id="a")],
        [named("", index=0, id="b")],
        [bare(ROME, index=0)],
    ],
    "one id for both": [[named(PARIS, index=0, id="a")], [named("", index=1, id="a")], [bare(ROME, index=1, id="a")]],
    "an id for each fragment": [
        [named(PARIS[:5], index=0, id="1"), named("", index=1, id="2")],
        [bare(PARIS[5:], index=0, id="3")],
        [bare(ROME, index=1, id="4")],
    ],
    "the name on each fragment": [
        [named(PARIS[:5], index=0)],
        [named(PARIS[5:], index=0)],
        [named(ROME[:5], index=1)],
        [named(ROME[5:], index=1)],
    ],
    "indexes that are texts": [
        [named(PARIS[:5], index="0", id="a"), named(ROME[:5], index="1", id="b")],
        [bare(PARIS[5:], index="0"), bare(ROME[5:], index="1")],
    ],
    "an id that comes late": [
        [named("", index=0)],
        [bare(PARIS, index=0, id="a")],
        [named("", index=1)],
        [bare(ROME, index=1, id="b")],
    ],
    "said once more at the end": [
        [named(PARIS, id="a", index=0), named(ROME, id="b", index=1)],
        [named(PARIS, id="a", index=0), named(ROME, id="b", index=1)],
    ],
}


@pytest.mark.parametrize("chunks", TWO_CALLS.values(), ids=TWO_CALLS)
def test_arguments_of_two_calls_are_never_joined(chunks: list[list[Any]]) -> None:
    """Whatever a server leaves out of its fragments, each call has its own arguments and an id of its own."""
    made = calls(*chunks)
    assert [call.arguments_json for call in made] == [PARIS, ROME]
    assert len({call.id for call in made}) == 2


def test_arguments_that_are_nobodys_are_an_error() -> None:
    """A second object without name, id and index is neither the first call's nor a call."""
    with pytest.raises(ProtocolError, match="without a name"):
        calls([named(PARIS)], [bare(ROME)])


@settings(deadline=None)
@given(st.data())
def test_fragments_find_their_call(data: st.DataObject) -> None:
    """However calls are cut and mixed, with ids on every fragment or indexes on every fragment, each gets its own."""
    wanted = data.draw(
        st.lists(st.dictionaries(st.sampled_from("abc"), st.text(max_size=5), min_size=1), min_size=1, max_size=4)
    )
    label = data.draw(st.sampled_from(["id", "index"]))
    queues = []
    for number, arguments in enumerate(wanted):
        written = json.dumps(arguments)
        cuts = sorted(data.draw(st.lists(st.integers(0, len(written)), max_size=4)))
        cut = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
        mark = {"id": f"c{number}"} if label == "id" else {"index": number}
        queues.append([named(cut[0], **mark), *(bare(piece, **mark) for piece in cut[1:])])
    chunks = [[queue.pop(0)] for queue in queues]
    while any(queues):
        chunks.append([data.draw(st.sampled_from([queue for queue in queues if queue])).pop(0)])
    assert [call.arguments for call in calls(*chunks)] == wanted


def test_unknown_fields_of_a_call_are_kept() -> None:
    """What a server adds to a call, beside it or in its function, in whichever fragment, is kept to be sent back."""
    sign = {"maker": {"signature": "c2ln"}}
    made = calls(
        [named("", id="a", index=0, extra_content=sign)],
        [{"index": 0, "function": {"arguments": "{}", "thought": "x"}, "note": None}],
    )
    assert made[0].provider_metadata == {"p": {"call_fields": {"extra_content": sign, "function": {"thought": "x"}}}}


def test_arguments_may_be_an_object() -> None:
    """Some servers send arguments as an object, some as nothing."""
    assert calls([{"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]) == (
        ToolCallPart("a", "f", '{"x": 1}'),
    )
    assert calls([{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}])[0].arguments == {}


def test_log_probabilities_in_columns() -> None:
    """Some hosts list tokens beside their probabilities, whole and in a stream."""
    columns = {"tokens": ["a", "b"], "token_logprobs": [-0.5, None], "token_ids": [1, 2]}
    said = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop", "logprobs": columns}
    response = read_body(json.dumps({"id": "i", "model": "m", "choices": [said]}).encode())
    assert response.provider_metadata["p"]["logprobs"] == [
        {"token": "a", "logprob": -0.5},
        {"token": "b", "logprob": None},
    ]


def test_a_call_may_stand_alone() -> None:
    """One call that stands where the list of calls should is one call."""
    response = read_body(body({"content": None, "tool_calls": named(PARIS, id="a")}, "tool_calls"))
    assert [call.arguments_json for call in response.tool_calls] == [PARIS]


def test_arguments_that_begin_with_none_are_those_that_follow() -> None:
    """Gateways to formats with objects say ``{}`` first, and the arguments then, in pieces or whole."""
    assert [call.arguments_json for call in calls([named("{}", id="a", index=0)], [bare(PARIS, index=0)])] == [PARIS]
    cut = [named("{}", id="a", index=0)], [bare(PARIS[:4], index=0)], [bare(PARIS[4:], index=0)]
    assert [call.arguments_json for call in calls(*cut)] == [PARIS]
    assert [call.arguments_json for call in calls([named("{", id="a", index=0)], [bare("}", index=0)])] == ["{}"]
    custom = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "{}{"}}
    assert [call.arguments_json for call in calls([custom])] == ["{}{"]


def test_a_line_break_inside_an_argument_is_understood_and_sent_back_as_json() -> None:
    """Models write it as it is; others are sent what they take."""
    made = ToolCallPart("a", "f", '{"text":"one\ntwo\té"}')
    assert made.arguments == {"text": "one\ntwo\té"}
    assert json.loads(arguments_text(made)) == made.arguments
    assert arguments_text(ToolCallPart("a", "f", '{\n "x": 1\n}')) == '{\n "x": 1\n}'


def test_custom_tools_have_input() -> None:
    """A custom tool's input is text of its own form."""
    assert calls([{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "SELECT 1"}}]) == (
        ToolCallPart("a", "f", "SELECT 1", {"p": {"call_fields": {"type": "custom"}}}),
    )


def test_a_call_that_never_gets_a_name_is_an_error() -> None:
    """A call with arguments and no name cannot be made, and must not be lost."""
    with pytest.raises(ProtocolError, match="without a name"):
        calls([{"index": 0, "id": "a", "function": {"arguments": "{}"}}])
    assert calls([{"index": 0, "function": {}}], [{}]) == ()


@pytest.mark.parametrize("last", [chunk(None, "tool_calls"), {"choices": []}])
def test_every_call_that_begins_ends(last: Any) -> None:
    """Each start of a call is followed by its end, with and without a finish reason."""
    parser = WIRE.open_stream()
    call = [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{}"}}]
    events = [*parser.feed(sse(chunk({"tool_calls": call}), last)), *parser.close()]
    assert [event.index for event in events if isinstance(event, ToolCallStart)] == [0]
    assert [event.index for event in events if isinstance(event, ToolCallEnd)] == [0]


def test_a_legacy_function_call_is_kept() -> None:
    """The format's old way of calling is kept as metadata."""
    response = read_body(body({"content": None, "function_call": {"name": "f", "arguments": "{}"}}, "function_call"))
    assert response.provider_metadata["p"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert response.finish_reason == "tool_calls"
    assert response.warnings == ()


def test_a_legacy_function_call_comes_in_pieces() -> None:
    """Its name and its arguments are joined, as those of a call of today are."""
    said = [{"name": "f", "arguments": ""}, {"arguments": '{"x"'}, {"arguments": ":1}"}]
    response = read_stream(sse(*(chunk({"function_call": piece}) for piece in said), chunk(None, "function_call")))
    assert response.provider_metadata["p"]["function_call"] == {"name": "f", "arguments": '{"x":1}'}


# Reasoning, files and what must be sent back.


def test_reasoning_fields_in_order_of_preference() -> None:
    """A server that sends the same reasoning under two names has said it once; a value that is no text is skipped."""
    for field in ("reasoning_content", "reasoning"):
        assert read_body(body({"content": "a", field: "think"})).reasoning == "think"
    assert read_body(body({"content": "a", "reasoning_content": "think", "reasoning": "think"})).reasoning == "think"
    assert read_body(body({"content": "a", "reasoning": {"x": 1}})).reasoning is None


PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def test_pictures_in_an_answer() -> None:
    """Pictures come as data: URLs beside the text."""
    images = [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}, {"image_url": {}}]
    response = read_body(body({"content": "a", "images": images}))
    assert response.message.parts[1] == FilePart("image/png", data=b"\x89PNG\r\n\x1a\n")


def test_sound_in_an_answer() -> None:
    """Sound comes in pieces of base64, with its words."""
    data = base64.b64encode(b"sound of several bytes").decode()
    response = read_stream(
        sse(
            chunk({"audio": {"id": "a", "transcript": "He"}}),
            chunk({"audio": {"data": data[:8]}}),
            chunk({"audio": {"data": data[8:], "transcript": "y", "expires_at": 9}}),
            chunk(None, "stop"),
        )
    )
    (part,) = [part for part in response.message.parts if isinstance(part, FilePart)]
    assert part.data == b"sound of several bytes"
    assert response.provider_metadata["p"]["audio"] == {"id": "a", "transcript": "Hey", "expires_at": 9}


@pytest.mark.parametrize(
    "message",
    [
        {"images": [{"image_url": {"url": "data:image/png;base64,!!!"}}]},
        {"images": [{"image_url": {"url": "nowhere"}}]},
        {"audio": {"data": "!!!"}},
    ],
)
def test_a_file_that_cannot_be_read_is_the_providers_fault(message: Any) -> None:
    """Files that are no base64 are a ProtocolError: the caller did nothing wrong."""
    with pytest.raises(ProtocolError):
        read_body(body(message))


def test_what_must_be_sent_back_is_kept_with_the_message() -> None:
    """Lists named by the dialect, annotations and log probabilities are kept with the last part, and as metadata."""
    dialect = ChatDialect(provider="p", errors=DIALECT.errors, part_fields=("details",))
    response = read_stream(
        sse(
            chunk({"reasoning": "r", "details": [{"a": 1}]}),
            chunk({"content": "t", "details": [{"b": 2}], "annotations": [{"url": "u"}]}),
            chunk(None, "stop"),
        ),
        dialect,
    )
    kept = {"details": [{"a": 1}, {"b": 2}], "annotations": [{"url": "u"}]}
    thought = ReasoningPart("r", {"p": {"reasoning_field": "reasoning"}})
    assert response.message == Message.assistant(thought, TextPart("t", {"p": kept}))
    assert response.provider_metadata == {"p": kept}


def test_the_native_finish_reason_is_kept() -> None:
    """Where a server passes on another's reason, both are kept."""
    choice = {"index": 0, "message": {"content": "a"}, "finish_reason": "stop", "native_finish_reason": "STOP"}
    response = read_body(json.dumps({"choices": [choice]}).encode())
    assert response.provider_metadata == {"p": {"native_finish_reason": "STOP"}}


# Whatever comes.

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 600) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


def shaped(fields: str, inner: Any = JSON) -> Any:
    """An object with some of these fields, or anything else."""
    return st.fixed_dictionaries({}, optional=dict.fromkeys(fields.split(), inner)) | JSON


CALL = st.fixed_dictionaries(
    {}, optional={"index": JSON, "id": JSON, "function": shaped("name arguments"), "custom": shaped("name input")}
)
DELTA = st.fixed_dictionaries(
    {},
    optional={
        "content": JSON | st.lists(shaped("text type"), max_size=2),
        "tool_calls": JSON | st.lists(CALL | JSON, max_size=3),
        "reasoning": JSON,
        "refusal": JSON,
        "images": st.lists(st.fixed_dictionaries({"image_url": shaped("url")}), max_size=1) | JSON,
        "audio": shaped("data transcript id"),
        "annotations": JSON,
        "function_call": JSON,
        "role": JSON,
    },
)
CHOICE = st.fixed_dictionaries(
    {},
    optional={
        "index": JSON,
        "delta": DELTA | JSON,
        "message": DELTA | JSON,
        "finish_reason": JSON,
        "logprobs": shaped("content"),
        "error": shaped("code message type"),
    },
)
CHUNK = st.fixed_dictionaries(
    {},
    optional={
        "id": JSON,
        "model": JSON,
        "choices": st.lists(CHOICE | JSON, max_size=2) | JSON,
        "usage": shaped("prompt_tokens completion_tokens prompt_tokens_details"),
        "error": st.none() | shaped("code message type metadata"),
        "timings": JSON,
        "system_fingerprint": JSON,
    },
)


@given(st.lists(CHUNK | JSON, max_size=3), st.booleans())
def test_whatever_comes_is_an_answer_or_an_error_of_ours(chunks: list[Any], done: bool) -> None:
    """No JSON makes anything but a response or an ExecutionError, and it is the same however it is cut."""
    data = sse(*chunks, done=done)
    outcomes = []
    for size in (None, 3):
        try:
            outcomes.append(repr(read_stream(data, size=size)))
        except ExecutionError as error:
            outcomes.append(f"{type(error).__name__}: {error} {error.partial!r}")
    assert outcomes[0] == outcomes[1]
    for content in chunks[:1]:
        try:
            response = read_body(json.dumps(content).encode())
        except ExecutionError:
            continue
        assert all(isinstance(call.name, str) and isinstance(call.arguments_json, str) for call in response.tool_calls)
        assert isinstance(response.text, str)
        assert response.model is None or isinstance(response.model, str)


# Recorded answers.

RECORDINGS = pathlib.Path(__file__).parents[1].parent / "shared" / "recordings"
KINDS = ("openai-chat", "openrouter-chat", "llamacpp-chat", "ollama-compat-chat")
NEEDS_RECORDINGS = pytest.mark.skipif(not RECORDINGS.is_dir(), reason=f"no recordings at {RECORDINGS}")


def stated_cost(usage: Mapping[str, Any]) -> Cost | None:
    return None if usage.get("cost") is None else Cost(Decimal(str(usage["cost"])), "provider")


RECORDED = ChatDialect(provider="p", errors=DIALECT.errors, cost=stated_cost).wire()


def outcome_of(recording: Recording, size: int | None) -> Response | AirouterError:
    cut = None if size is None else lambda data: pieces(data, size)
    try:
        return fold(wire_events(RECORDED, recording, cut))
    except AirouterError as error:
        return error


@NEEDS_RECORDINGS
@pytest.mark.parametrize("kind", KINDS)
def test_recorded_answers(kind: str) -> None:
    """Each recorded answer is read as the vendor's own client reads it, however it is cut."""
    recordings = load_recordings(RECORDINGS, kind)
    assert len(recordings) > 40
    wrong = []
    for recording in recordings:
        # The order of content and of what else was kept is the format's; a vendor's own codes are its plugin's.
        if recording.expected_error is not None:
            assert isinstance(outcome_of(recording, None), ProviderError), recording.id
            continue
        for size in (None, 7):
            wrong += [f"{recording.id}: {point}" for point in difference(recording, outcome_of(recording, size))]
    assert wrong == []


@pytest.mark.parametrize(
    "pieces_of_it",
    [
        [{"name": "get_"}, {"name": "weather", "arguments": '{"city":'}, {"arguments": '"x"}'}],
        [{"name": "get_", "arguments": ""}, {"name": "wea"}, {"name": "ther"}, {"arguments": '{"city":"x"}'}],
        [{"name": "get_"}, {"name": "get_weather"}, {"name": "get_weather", "arguments": '{"city":"x"}'}],
        [{"name": "get_weather"}, {"name": ""}, {"name": None, "arguments": '{"city":"x"}'}],
    ],
)
def test_a_name_may_come_in_pieces(pieces_of_it: list[dict[str, Any]]) -> None:
    """One call, whose name is what the vendor's own client makes of it, or what was said last from its beginning."""
    deltas = [[{"index": 0, "function": function}] for function in pieces_of_it]
    (call,) = calls(*deltas)
    assert (call.name, call.arguments) == ("get_weather", {"city": "x"})


def test_two_calls_without_arguments_stay_two() -> None:
    """Names are joined only where nothing says that another call begins."""
    first, second = ([{"index": 0, "id": f"c{n}", "function": {"name": f"n{n}"}}] for n in (1, 2))
    assert [(call.id, call.name) for call in calls(first, second)] == [("c1", "n1"), ("c2", "n2")]


def test_an_index_may_be_a_number_of_another_kind() -> None:
    """Where every number has a point, calls are told apart all the same."""
    begun = [{"index": float(n), "function": {"name": f"n{n}", "arguments": "{"}} for n in (0, 1)]
    rest = [[{"index": float(n), "function": {"arguments": f'"n":{n}}}'}}] for n in (1, 0)]
    assert [(call.name, call.arguments) for call in calls(begun, *rest)] == [("n0", {"n": 0}), ("n1", {"n": 1})]


def test_calls_may_follow_the_reason() -> None:
    """A call that stands behind the reason why the answer ended is read, and nothing says that it was missing."""
    call = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "n", "arguments": "{}"}}]}
    response = read_stream(sse(chunk({}, "tool_calls"), chunk(call)))
    assert ([call.name for call in response.tool_calls], response.finish_reason) == (["n"], "tool_calls")
    assert response.warnings == ()


@pytest.mark.parametrize("numbers", [(0, 0), (None, None), (3, 3)])
def test_answers_side_by_side_are_never_joined(numbers: tuple[Any, Any]) -> None:
    """Several choices are several answers, though a server numbers all alike, or none."""
    indexes = [{} if number is None else {"index": number} for number in numbers]
    said = [
        {**index, "message": {"content": text}, "finish_reason": "stop"}
        for index, text in zip(indexes, "AB", strict=True)
    ]
    pieces_of_it = [{**index, "delta": {"content": text}} for index, text in zip(indexes, "AB", strict=True)]
    ends = [{**index, "delta": {}, "finish_reason": "stop"} for index in indexes]
    for response in (
        read_body(json.dumps({"choices": said}).encode()),
        read_stream(sse({"choices": pieces_of_it}, {"choices": ends})),
    ):
        assert [response.text, *(other.text for other in response.alternatives)] == ["A", "B"]


def test_the_only_choice_is_the_answer() -> None:
    """Whatever its number: some count from one."""
    data = {"choices": [{"index": 1, "message": {"content": "Hi"}, "finish_reason": "stop"}]}
    assert read_body(json.dumps(data).encode()).text == "Hi"


@pytest.mark.parametrize(
    "told",
    [
        [{"prompt_tokens": 5, "completion_tokens": 1}, {"prompt_tokens": 5, "completion_tokens": 7}],
        [{"prompt_tokens": 5}, {"completion_tokens": 7}],
        [{"prompt_tokens": 5, "completion_tokens": 0}, {"prompt_tokens": 0, "completion_tokens": 7}],
        [{"prompt_tokens": 5.0, "completion_tokens": 7.0}, {"prompt_tokens": 0, "completion_tokens": 0}],
        [{"prompt_tokens": 5, "completion_tokens": 7}, {"prompt_tokens": None, "completion_tokens": None}],
    ],
)
def test_usage_may_come_in_pieces(told: list[dict[str, Any]]) -> None:
    """Totals that grow, halves, halves with a 0 for the other: what was counted once stays counted."""
    usages = [{"id": "i", "model": "m", "choices": [], "usage": usage} for usage in told]
    usage = read_stream(sse(chunk({"content": "Hi"}, "stop"), *usages)).usage
    assert (usage.input_tokens, usage.output_tokens) == (5, 7)


@pytest.mark.parametrize("rest", ["[done]", '"[DONE]"', "END", '{"id": "i", "usa'])
def test_what_cannot_be_read_behind_the_end_is_told(rest: str) -> None:
    """An answer whose reason to end has come is whole, whatever marks the end of its stream."""
    response = read_stream(sse(chunk({"content": "Hi"}, "stop"), done=False) + f"data: {rest}\n\n".encode())
    assert response.text == "Hi"
    assert any("behind the end" in warning for warning in response.warnings)
    with pytest.raises(ProtocolError):
        read_stream(sse(chunk({"content": "Hi"}), done=False) + f"data: {rest}\n\n".encode())
