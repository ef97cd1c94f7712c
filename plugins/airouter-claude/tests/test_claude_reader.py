"""What is read: blocks in every order, ends of every kind, faults, and the vendor's own client beside ours."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_claude.errors import parse_error
from airouter_claude.wire import messages_wire
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.testing.recordings import pieces
from airouter_core.values.events import ToolCallStart
from airouter_core.values.folding import fold
from airouter_core.values.messages import ProviderPart, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.response import Response

WIRE = messages_wire()
Event = dict[str, Any]


def start(**more: Any) -> Event:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": []}
    return {"type": "message_start", "message": {**message, "usage": {"input_tokens": 5, "output_tokens": 1}, **more}}


def begin(index: int, **block: Any) -> Event:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **more: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **more}}


def stop(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


def finish(reason: str | None = "end_turn", usage: Any = None, **more: Any) -> list[Event]:
    return [
        {
            "type": "message_delta",
            "delta": {"stop_reason": reason, "stop_sequence": None, **more},
            "usage": usage or {},
        },
        {"type": "message_stop"},
    ]


TEXT = [begin(0, type="text", text=""), delta(0, "text_delta", text="Hi"), stop(0)]
PING = {"type": "ping"}


def sse(events: Iterable[Event]) -> bytes:
    return b"".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode() for event in events)


def read(*events: Event, size: int = 9) -> Response:
    def parsed() -> Any:
        parser = WIRE.open_stream()
        for piece in pieces(sse(events), size):
            yield from parser.feed(piece)
        yield from parser.close()

    return fold(parsed())


def test_an_end_without_a_reason_is_told() -> None:
    """A message that stops, and does not say why, may not be whole."""
    response = read(start(), *TEXT, {"type": "message_stop"})
    assert (response.text, response.finish_reason) == ("Hi", "other")
    assert "without saying why" in response.warnings[0]


def test_the_mark_of_another_format_ends_a_message_that_has_its_reason() -> None:
    """Gateways end streams with [DONE], some in place of message_stop; without a reason it is no end."""
    for events, whole in (((*TEXT, *finish()), True), ((*TEXT, finish()[0]), True), (TEXT, False)):
        parser = WIRE.open_stream()
        data = sse((start(), *events)) + b"data: [DONE]\n\n"
        if whole:
            assert fold([*parser.feed(data), *parser.close()]).finish_reason == "stop"
            continue
        with pytest.raises(TruncatedStreamError):
            fold([*parser.feed(data), *parser.close()])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "other"),
        ("something_new", "other"),
        (None, "other"),
    ],
)
def test_finish_reasons(raw: str | None, reason: str) -> None:
    """The vendor's reasons to end are told apart, and kept as they are."""
    response = read(start(), *TEXT, *finish(raw))
    assert (response.finish_reason, response.raw_finish_reason) == (reason, raw)
    body = {**start()["message"], "content": [{"type": "text", "text": "Hi"}], "stop_reason": raw}
    assert fold(WIRE.parse_body(json.dumps(body).encode())).finish_reason == reason


def test_refusal() -> None:
    """A refusal is an answer without text, whose details are metadata."""
    details = {"type": "refusal", "category": "cyber", "explanation": "no"}
    response = read(start(), *finish("refusal", stop_details=details))
    assert response.message.parts == ()
    assert response.provider_metadata["claude"]["stop_details"] == details


def test_usage_is_replaced_not_added() -> None:
    """Later counts replace earlier ones; what is missing later stands; the cache counts as input."""
    said = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}
    details = {"output_tokens": 20, "output_tokens_details": {"thinking_tokens": 12}, "input_tokens": None}
    usage = read(start(usage=said), *TEXT, *finish(usage=details)).usage
    assert (usage.input_tokens, usage.output_tokens, usage.reasoning_tokens) == (18, 20, 12)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (5, 3)
    assert read(start(usage=None), *TEXT, *finish()).usage.input_tokens is None


def test_blocks_that_stop_only_at_the_end() -> None:
    """llama.cpp stops all blocks at the end, and begins calls without an input."""
    response = read(
        start(),
        begin(0, type="thinking", thinking=""),
        delta(0, "thinking_delta", thinking="hm"),
        begin(1, type="text", text=""),
        delta(1, "text_delta", text="a"),
        begin(2, type="tool_use", id="t1", name="x"),
        delta(2, "input_json_delta", partial_json='{"a":'),
        begin(3, type="tool_use", id="t2", name="y"),
        delta(2, "input_json_delta", partial_json="1}"),
        delta(0, "signature_delta", signature=""),
        stop(0),
        stop(1),
        stop(2),
        stop(3),
        *finish("tool_use"),
    )
    assert response.message.parts == (
        ReasoningPart("hm"),
        TextPart("a"),
        ToolCallPart("t1", "x", '{"a":1}'),
        ToolCallPart("t2", "y", "{}"),
    )


def test_texts_stay_apart_with_their_citations() -> None:
    """Each text block is a part of its own; citations are kept with theirs."""
    citation = {"type": "char_location", "cited_text": "x"}
    response = read(
        start(),
        *TEXT,
        begin(1, type="text", text="", citations=[]),
        delta(1, "citations_delta", citation=citation),
        delta(1, "text_delta", text="x"),
        stop(1),
        begin(2, type="text", text=""),
        stop(2),
        *finish(),
    )
    assert response.message.parts == (TextPart("Hi"), TextPart("x", {"claude": {"citations": [citation]}}))


def test_hidden_thoughts() -> None:
    """A thought that is not shown is kept with its signature, and one that is encrypted with its data."""
    response = read(
        start(),
        begin(0, type="thinking", thinking="", signature=""),
        delta(0, "signature_delta", signature="sig"),
        stop(0),
        begin(1, type="redacted_thinking", data="xyz"),
        stop(1),
        *finish(),
    )
    assert response.message.parts == (
        ReasoningPart("", {"claude": {"signature": "sig", "model": "claude-opus-5-5"}}),
        ReasoningPart("", {"claude": {"type": "redacted_thinking", "data": "xyz", "model": "claude-opus-5-5"}}),
    )
    assert not response.reasoning


def test_what_only_this_vendor_knows() -> None:
    """The vendor's own tools, and blocks and deltas not yet known, are kept whole."""
    response = read(
        start(),
        begin(0, type="server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query": '),
        delta(0, "input_json_delta", partial_json='"x"}'),
        stop(0),
        begin(1, type="compaction", content=None),
        delta(1, "compaction_delta", content="so "),
        delta(1, "compaction_delta", content="far"),
        stop(1),
        begin(2, type="of_the_future"),
        delta(2, "delta_of_the_future", new=[1]),
        stop(2),
        {"type": "event_of_the_future"},
        *finish(),
    )
    assert response.message.parts == (
        ProviderPart("claude", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "x"}}),
        ProviderPart("claude", {"type": "compaction", "content": "so far"}),
        ProviderPart("claude", {"type": "of_the_future", "new": [1]}),
    )


def test_after_the_end() -> None:
    """Whatever follows the end is nothing; a ping may stand anywhere."""
    late = [PING, {"type": "error", "error": {"type": "api_error", "message": "late"}}, start(id="msg_2")]
    assert read(PING, start(), PING, *TEXT, *finish(), *late).text == "Hi"


def test_doubled_beginning() -> None:
    """A doubled message_start of one message is nothing."""
    response = read(start(), start(), *TEXT, *finish())
    assert (response.id, response.text) == ("msg_1", "Hi")


def test_spliced_beginning() -> None:
    """Another message in the middle of one is no answer of either."""
    with pytest.raises(ProtocolError, match="another message") as caught:
        read(start(), *TEXT, start(id="msg_2"), *TEXT, *finish())
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hi"


@pytest.mark.parametrize("kept", range(1, 6))
def test_without_its_end(kept: int) -> None:
    """Without message_stop the answer is truncated, whatever reason it gave to end."""
    events = [start(), *TEXT, *finish()]
    with pytest.raises(TruncatedStreamError):
        read(*events[: min(kept, len(events) - 1)])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, OverloadedError),
        ({"type": "error", "error": {"type": "api_error", "message": "x"}}, ServerError),
        ({"code": 500, "message": "x", "type": "server_error"}, ServerError),
        ({"error": {"code": 400, "message": "x", "type": "exceed_context_size_error"}}, ContextLengthError),
    ],
)
def test_error_in_the_middle(error: Event, kind: type[ProviderError]) -> None:
    """An error event is raised with what had arrived, in the vendor's shape or llama.cpp's."""
    data = sse([start(), *TEXT]) + f"event: error\ndata: {json.dumps(error)}\n\n".encode()
    with pytest.raises(kind) as caught:
        fold(WIRE.open_stream().feed(data))
    assert caught.value.status == 200
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hi"


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"<html>", b'{"type": "message", "content": 1}'])
def test_bodies_that_are_no_message(body: bytes) -> None:
    """What is no message is an error of the provider's, not an empty answer."""
    with pytest.raises(ProtocolError):
        fold(WIRE.parse_body(body))


def test_arguments_without_a_call() -> None:
    """Arguments that belong to no call are an error, not lost."""
    with pytest.raises(ProtocolError, match="has not begun"):
        read(start(), delta(0, "input_json_delta", partial_json="{}"))


@pytest.mark.parametrize(
    ("status", "kind", "code", "expected", "retried"),
    [
        (400, "invalid_request_error", None, BadRequestError, False),
        (401, "authentication_error", None, AuthenticationError, False),
        (402, "billing_error", None, QuotaExceededError, False),
        (402, "billing_error", "linked_organization_spend_limit_reached", QuotaExceededError, False),
        (403, "permission_error", None, PermissionDeniedError, False),
        (404, "not_found_error", None, ModelNotFoundError, False),
        (409, "conflict_error", None, ServerError, True),
        (413, "request_too_large", None, BadRequestError, False),
        (429, "rate_limit_error", None, RateLimitedError, True),
        (429, "rate_limit_error", "ramp_limit_exceeded", RateLimitedError, True),
        (429, "rate_limit_error", "enforced_spend_limit_reached", QuotaExceededError, False),
        (429, "rate_limit_error", "contract_spend_limit_reached", QuotaExceededError, False),
        (500, "api_error", None, ServerError, True),
        (503, "api_error", "cmek_key_unreachable", ServerError, True),
        (504, "timeout_error", None, ServerError, True),
        (529, "overloaded_error", None, OverloadedError, True),
        (529, "overloaded_error", "compaction_unavailable", OverloadedError, True),
    ],
)
def test_errors(status: int, kind: str, code: str | None, expected: type[ProviderError], retried: bool) -> None:
    """Errors are told apart by type and code."""
    details = {"details": {"error_code": code}} if code else {}
    body = {"type": "error", "error": {"type": kind, "message": "words", **details}, "request_id": "req_1"}
    error = parse_error(status, {"request-id": "req_2"}, json.dumps(body).encode())
    assert type(error) is expected
    assert (error.status, error.error_type, error.request_id, error.retryable) == (
        status,
        kind,
        "req_1",
        retried,
    )
    assert "words" in str(error)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("prompt is too long: 250000 tokens > 200000 maximum", ContextLengthError),
        ("You have reached your specified API usage limits. You will regain access", QuotaExceededError),
        ("temperature: Extra inputs are not permitted", BadRequestError),
    ],
)
def test_errors_without_a_code(words: str, expected: type[ProviderError]) -> None:
    """Two failures are known by their words, as they have no code."""
    body = {"type": "error", "error": {"type": "invalid_request_error", "message": words}}
    error = parse_error(400, {"request-id": "req_2"}, json.dumps(body).encode())
    assert (type(error), error.error_type, error.request_id) == (expected, "invalid_request_error", "req_2")


# The vendor's own client reads the same streams.

said = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
numbers = st.integers(0, 10_000)
counted = st.integers(1, 10_000)
"""At the end, what was made: a 0 there is a gateway's, and ours keeps what was counted before."""
values = st.dictionaries(
    st.text(max_size=4), said | numbers | st.booleans() | st.lists(numbers, max_size=2), max_size=3
)


@st.composite
def streams(draw: st.DrawFn) -> list[Event]:
    """Messages as the vendor streams them: blocks of every kind, cut into deltas anywhere."""
    events: list[Event] = [start(usage={"input_tokens": draw(numbers), "output_tokens": 1})]
    for index in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"]))
        if kind == "text":
            events.append(begin(index, type="text", text=""))
            events += [delta(index, "text_delta", text=draw(said)) for _ in range(draw(st.integers(0, 3)))]
        elif kind == "thinking":
            events.append(begin(index, type="thinking", thinking="", signature=""))
            events += [delta(index, "thinking_delta", thinking=draw(said)) for _ in range(draw(st.integers(0, 3)))]
            events.append(delta(index, "signature_delta", signature="s"))
        elif kind == "redacted_thinking":
            events.append(begin(index, type=kind, data=draw(said)))
        else:
            name = "look" if kind == "tool_use" else "web_search"
            events.append(begin(index, type=kind, id=f"t{index}", name=name, input={}))
            written = json.dumps(draw(values), ensure_ascii=draw(st.booleans()))
            place = draw(st.integers(0, len(written)))
            cut = ("", written[:place], written[place:])
            events += [delta(index, "input_json_delta", partial_json=fragment) for fragment in cut]
        events += [stop(index), *draw(st.sampled_from([[], [PING], [{"type": "future_event"}]]))]
    reason = draw(st.sampled_from(["end_turn", "max_tokens", "tool_use", "refusal", "pause_turn"]))
    return [*events, *finish(reason, {"output_tokens": draw(counted)})]


@settings(max_examples=150, deadline=None)
@given(events=streams(), size=st.integers(1, 64))
def test_vendors_client_reads_the_same(events: list[Event], size: int) -> None:
    """Whatever the vendor may stream, its client and ours make the same message of it."""
    streaming = pytest.importorskip("anthropic.lib.streaming._messages", reason="the vendor's client is not installed")
    theirs: Any = None
    buffers: dict[int, bytes] = {}
    for event in events:
        if event["type"] not in ("ping", "future_event"):
            typed = {**event}
            if typed["type"] == "message_delta":
                typed["delta"] = {"stop_details": None, "container": None, **typed["delta"]}
            theirs = streaming.accumulate_event(event=typed, current_snapshot=theirs, json_bufs=buffers)
    ours = read(*events, size=size)
    content = theirs.content
    assert ours.text == "".join(block.text for block in content if block.type == "text")
    assert (ours.reasoning or "") == "".join(block.thinking for block in content if block.type == "thinking")
    assert [(call.id, call.name, call.arguments) for call in ours.tool_calls] == [
        (block.id, block.name, block.input) for block in content if block.type == "tool_use"
    ]
    own = [part.value for part in ours.message.parts if isinstance(part, ProviderPart)]
    assert [(block["id"], block["input"]) for block in own] == [
        (block.id, block.input) for block in content if block.type == "server_tool_use"
    ]
    assert ours.raw_finish_reason == theirs.stop_reason
    assert ours.usage.input_tokens == theirs.usage.input_tokens
    assert ours.usage.output_tokens == theirs.usage.output_tokens


def stream(*pieces_of_it: bytes) -> Response:
    parser = WIRE.open_stream()

    def events() -> Iterable[Any]:
        yield from parser.feed(b"".join(pieces_of_it))
        yield from parser.close()

    return fold(events())


@pytest.mark.parametrize(
    "event",
    [
        b"event: error\ndata: Overloaded, upstream died",
        b'event: error\ndata: {"message": "upstream died"}',
        b'data: {"error": {"message": "upstream died"}}',
        b'data: {"message": "upstream died", "code": 500}',
        b"event: error",
    ],
    ids=lambda event: event.decode(),
)
def test_an_error_of_a_foreign_shape_is_an_error(event: bytes) -> None:
    """Half an answer, an error in whatever shape, and the end are an error with half an answer."""
    with pytest.raises(ProviderError, match=r"upstream died|does not say why") as caught:
        stream(sse([start(), *TEXT]), event + b"\n\n", sse(finish()))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hi"


def test_what_is_no_part_of_an_answer_is_told() -> None:
    """An object of no type is told of; an unknown type, and an event whose type stands in its name alone, are known."""
    unnamed = {name: value for name, value in TEXT[1].items() if name != "type"}
    by_name = f"event: content_block_delta\ndata: {json.dumps(unnamed)}\n\n".encode()
    response = stream(sse([start(), TEXT[0]]), by_name, sse([{"type": "news"}, TEXT[2]]), sse(finish()))
    assert (response.text, response.warnings) == ("Hi", ())
    response = stream(sse([start(), *TEXT]), b'data: {"response": "x"}\n\n', sse(finish()))
    assert ['"response"' in warning for warning in response.warnings] == [True]


def test_calls_of_one_index_and_of_none() -> None:
    """Two calls at one index are two; where no index is given, input belongs to the call begun last; ids are unique."""

    def call(index: int | None, city: str) -> list[Event]:
        where = {} if index is None else {"index": index}
        made = [
            begin(0, type="tool_use", id="", name="weather", input={}),
            delta(0, "input_json_delta", partial_json=city),
        ]
        return [{**{name: value for name, value in event.items() if name != "index"}, **where} for event in made]

    for index in (0, None):
        made = stream(sse([start(), *call(index, '{"a":1}'), *call(index, '{"a":2}'), *finish("tool_use")])).tool_calls
        assert [made_call.arguments for made_call in made] == [{"a": 1}, {"a": 2}]
        assert len({made_call.id for made_call in made if made_call.id}) == 2


def test_words_in_the_wrong_block_are_not_lost() -> None:
    """A text that is said in the block of a call is text all the same, and input in the block of a text an error."""
    call = begin(0, type="tool_use", id="a", name="f", input={})
    response = stream(sse([start(), call, delta(0, "text_delta", text="Hi"), stop(0), *finish("tool_use")]))
    assert (response.text, response.tool_calls[0].name) == ("Hi", "f")
    with pytest.raises(ProtocolError, match="has not begun"):
        stream(sse([start(), TEXT[0], delta(0, "input_json_delta", partial_json="{}"), *finish()]))


def test_calls_count_from_zero_and_read_the_same_streamed_and_whole() -> None:
    """Indexes are those of the calls, not of the blocks; input beyond ASCII is one text either way."""
    inputs = [{"city": "Zürich"}, {"city": "東京"}, {}]
    content: list[Any] = [{"type": "text", "text": "Hi"}]
    events = [start(), *TEXT]
    for number, wanted in enumerate(inputs, start=1):
        block = {"type": "tool_use", "id": f"t{number}", "name": "look", "input": wanted}
        content.append(block)
        events += [begin(number, **block), stop(number)]
    parser = WIRE.open_stream()
    streamed = [*parser.feed(sse([*events, *finish("tool_use")])), *parser.close()]
    assert [event.index for event in streamed if isinstance(event, ToolCallStart)] == [0, 1, 2]
    body = {"id": "msg_1", "model": "claude-opus-5-5", "content": content, "stop_reason": "tool_use"}
    whole = fold(WIRE.parse_body(json.dumps(body).encode()))
    assert fold(streamed).tool_calls == whole.tool_calls
    written = [json.dumps(wanted, ensure_ascii=False) for wanted in inputs]
    assert [call.arguments_json for call in whole.tool_calls] == written


def test_calls_as_servers_of_others_write_them() -> None:
    """One id for two calls, and arguments that are JSON in a text."""
    block = {"type": "tool_use", "id": "t", "name": "look", "input": '{"at": 1}'}
    answer = {"type": "message", "content": [block, {**block, "input": {"at": 2}}], "stop_reason": "tool_use"}
    first, second = fold(WIRE.parse_body(json.dumps(answer).encode())).tool_calls
    assert (first.id, first.arguments, second.arguments) == ("t", {"at": 1}, {"at": 2})
    assert second.id != "t"
    with pytest.raises(ProtocolError, match="without a name"):
        read(start(), begin(0, type="tool_use", id="t", input={}), stop(0), *finish("tool_use"))


def test_a_content_may_be_a_text() -> None:
    """As it may be in a request."""
    answer = {"type": "message", "content": "Hi", "stop_reason": "end_turn"}
    assert fold(WIRE.parse_body(json.dumps(answer).encode())).text == "Hi"


def test_a_zero_replaces_no_count() -> None:
    """Gateways know the prompt's count at the beginning, and write 0 for it at the end, or the other way round."""
    usage = {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 9}
    read_usage = read(start(), *TEXT, *finish(usage=usage)).usage
    assert (read_usage.input_tokens, read_usage.output_tokens) == (5, 9)
    late = start(usage={"input_tokens": 0, "output_tokens": 0})
    read_usage = read(late, *TEXT, *finish(usage={"input_tokens": 5, "output_tokens": 9})).usage
    assert (read_usage.input_tokens, read_usage.output_tokens) == (5, 9)


def test_another_format_is_named() -> None:
    """Who speaks chat completions at this address is asked by another provider."""
    choice = {"index": 0, "finish_reason": "stop"}
    with pytest.raises(ProtocolError, match="speaks chat completions: use the provider"):
        fold(WIRE.parse_body(json.dumps({"choices": [{**choice, "message": {"content": "Hi"}}]}).encode()))
    with pytest.raises(ProtocolError, match="speaks chat completions: use the provider"):
        stream(b"data: " + json.dumps({"choices": [{**choice, "delta": {"content": "Hi"}}]}).encode() + b"\n\n")


def test_an_input_of_any_depth_is_kept() -> None:
    """What the vendor's own tool is given is read as far as it can be, and otherwise kept as it was written."""
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    block = begin(0, type="server_tool_use", id="s", name="web_search", input={})
    (part,) = read(start(), block, delta(0, "input_json_delta", partial_json=deep), stop(0), *finish()).message.parts
    assert isinstance(part, ProviderPart)
    assert part.value["input"] == {"INVALID_JSON": deep}
