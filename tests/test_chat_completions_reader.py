"""Answers in the chat-completions format: bodies and streams, as servers really write them."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.dialects.chat_completions.dialect import REASONING_FIELDS, ChatDialect
from airouter_core.errors import (
    AirouterError,
    ExecutionError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.testing.compare import difference
from airouter_core.testing.recordings import Recording, load_recordings, pieces, wire_events
from airouter_core.values.folding import fold
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage

from .chat_answers import DIALECT, USAGE, body, chunk, read_body, read_stream, sse

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


def test_reasoning_fields_in_order_of_preference() -> None:
    """A server that sends the same reasoning under two names has said it once; a value that is no text is skipped."""
    for field in REASONING_FIELDS:
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
