"""Server-sent events: the same events however the bytes are cut."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airouter_core.errors import ProtocolError
from airouter_core.testing.recordings import everywhere
from airouter_core.wire.sse import ServerSentEvent, SseDecoder

Outcome = tuple[list[tuple[str, str]], str | None]


def decode(pieces: Iterable[bytes], limit: int = 1 << 20) -> Outcome:
    """The events of these bytes, and the error that ended them."""
    decoder = SseDecoder(limit=limit)
    events: list[tuple[str, str]] = []

    def all_of() -> Iterator[ServerSentEvent]:
        for piece in pieces:
            yield from decoder.feed(piece)
        yield from decoder.close()

    try:
        for event in all_of():
            events.append((event.event, event.data))  # what came before an error counts
    except ProtocolError as error:
        return events, str(error)
    return events, None


def messages(*texts: str) -> Outcome:
    return [("message", text) for text in texts], None


EXAMPLES: list[tuple[str, bytes, Outcome]] = [
    ("nothing", b"", messages()),
    ("line feeds", b"data: a\n\ndata: b\n\n", messages("a", "b")),
    ("carriage returns", b"data: a\r\rdata: b\r\r", messages("a", "b")),
    ("both", b"data: a\r\n\r\ndata: b\r\n\r\n", messages("a", "b")),
    ("mixed", b"data: a\r\n\ndata: b\n\r\ndata: c\r\r\n", messages("a", "b", "c")),
    ("byte order mark", b"\xef\xbb\xbfdata: a\n\n", messages("a")),
    ("no space", b"data:a\n\n", messages("a")),
    ("one space only", b"data:  a \n\n", messages(" a ")),
    ("several lines", b"data: a\ndata:\ndata: b\n\n", messages("a\n\nb")),
    (
        "objects undivided",
        b'data: {"a": 1}\ndata: {"b": {}}\ndata: [DONE]\n\n',
        messages('{"a": 1}', '{"b": {}}', "[DONE]"),
    ),
    ("an object over lines", b'data: {"a":\ndata: {"b": 1}}\n\n', messages('{"a":\n{"b": 1}}')),
    ("null", b"data: null\n\ndata: a\n\n", messages("a")),
    ("empty data says nothing", b"data\n\ndata:\n\ndata:  \n\nevent: ping\ndata:\n\ndata: a\n\n", messages("a")),
    ("an error without data", b"data: a\n\nevent: error\n\n", ([("message", "a"), ("error", "")], None)),
    ("comments", b": OPENROUTER PROCESSING\n\n:\n\ndata: a\n: in the middle\ndata: b\n\n", messages("a\nb")),
    ("names", b"event: ping\ndata: {}\n\ndata: a\n\n", ([("ping", "{}"), ("message", "a")], None)),
    ("pings", b"event: ping\ndata: 2026-11-30 12:00:01\n\nevent: heartbeat\ndata: alive\n\ndata: a\n\n", messages("a")),
    ("comments behind data", b"data: : keepalive\n\ndata::\n\ndata: a\n\ndata:  : b\n\n", messages("a")),
    ("name after data", b"data: a\nevent: late\n\n", ([("late", "a")], None)),
    ("name without data", b"event: lost\n\ndata: a\n\n", messages("a")),
    ("name said twice", b"event: one\nevent: two\ndata: a\n\n", ([("two", "a")], None)),
    ("other fields", b"id: 7\nretry: 10\nwhatever: x\ndata: a\n\n", messages("a")),
    ("no blank line at the end", b"data: a\n\ndata: b\n", messages("a", "b")),
    ("no line end at the end", b"data: a\n\ndata: b", messages("a", "b")),
    ("separators that only Unicode knows", 'data: "\u2028\u0085\u000b"\n\n'.encode(), messages('"\u2028\u0085\u000b"')),
    ("characters of four bytes", "data: 🦙é\n\n".encode(), messages("🦙é")),
    ("a NUL", b"data: a\x00b\n\n", messages("a\x00b")),
]


@pytest.mark.parametrize(("data", "expected"), [row[1:] for row in EXAMPLES], ids=[row[0] for row in EXAMPLES])
def test_examples(data: bytes, expected: Outcome) -> None:
    """What the specification says, and what servers do, is understood wherever the bytes are cut."""
    for pieces in everywhere(data):
        assert decode(pieces) == expected


FOREIGN_LINES = [
    b"Data: b",
    b"\x00data: b",
    b" data: b",
    b"\xef\xbb\xbfdata: b",
    b"dat\xff: b",
    b'dbta: {"a": 1}',
    b'{"error": {"message": "upstream died"}}',
    b"<html>502</html>",
    b"error: upstream died",
    b"upstream connect error or disconnect/reset before headers",
    b"nonsense",
    b"note: <b>gone</b>",
]


@pytest.mark.parametrize("line", FOREIGN_LINES)
def test_a_line_that_belongs_to_no_stream_is_an_error(line: bytes) -> None:
    """What may have been words of the answer is not passed over: the error shows it, after the events before it."""
    for pieces in everywhere(b"data: a\n\n" + line + b"\n\ndata: c\n\n"):
        events, error = decode(pieces)
        assert events == [("message", "a")]
        assert "belongs to no event stream" in str(error)


@pytest.mark.parametrize("field", [b"data: x", b"event: x", b"id: x", b"retry: 7"])
def test_a_field_cut_off_at_the_end_is_no_fault_of_the_sender(field: bytes) -> None:
    """The beginning of a field at the very end says no more than that the stream was cut."""
    for end in range(1, field.index(b":")):
        assert decode([b"data: a\n\n" + field[:end]]) == messages("a")


def test_a_field_of_the_servers_own_is_noted() -> None:
    """A field that nobody knows is passed over, as the specification asks, and the reader is told; once is enough."""
    for pieces in everywhere(b"data: a\n\nx-trace: 17\n\n"):
        decoder = SseDecoder()
        for piece in pieces:
            list(decoder.feed(piece))
        list(decoder.close())
        assert ["x-trace: 17" in note for note in decoder.notes] == [True]
    list(decoder.feed(b"x-trace: 17\n" * 100))
    assert len(decoder.notes) < 10


def test_fields_without_content_are_bounded() -> None:
    """An event of very many empty lines is beyond the limit too: each is kept until the event ends."""
    assert "20 bytes" in str(decode([b"data:\n" * 100], limit=20)[1])


def test_invalid_utf8_in_data_is_an_error() -> None:
    """Bytes that are no text are the provider's fault; the events before them are given first."""
    for pieces in everywhere(b"data: a\n\ndata: \xff\n\ndata: b\n\n"):
        events, error = decode(pieces)
        assert events == [("message", "a")]
        assert "UTF-8" in str(error)


def test_invalid_utf8_in_a_name_is_an_error() -> None:
    """The name of an event is text too."""
    assert "UTF-8" in str(decode([b"event: \xff\ndata: a\n\n"])[1])


def test_invalid_utf8_in_a_comment_does_not_matter() -> None:
    """Comments are not read."""
    assert decode([b": \xff\ndata: a\n\n"]) == messages("a")


@pytest.mark.parametrize("fault", [b"data: " + b"x" * 30, b"data: " + b"x" * 12 + b"\ndata: " + b"x" * 12])
@pytest.mark.parametrize("after", [b"", b"\n", b"\n\ndata: b\n\n"])
def test_limit_holds_wherever_the_bytes_are_cut(fault: bytes, after: bytes) -> None:
    """A line or an event beyond the limit is an error, after the events before it, in one piece or in many."""
    for pieces in everywhere(b"data: a\n\n" + fault + after):
        events, error = decode(pieces, limit=20)
        assert events == [("message", "a")]
        assert "20 bytes" in str(error)


def test_events_within_the_limit_are_many() -> None:
    """The limit is for one event, not for a stream."""
    data = b"data: 0123456789\n\n" * 50
    for pieces in ([data], [data[at : at + 7] for at in range(0, len(data), 7)]):
        assert decode(pieces, limit=20) == messages(*["0123456789"] * 50)


LINES = st.one_of(
    st.sampled_from([b"", b"data", b"data:", b"data: x", b":c", b"event: e", b"id: 1", b"\xef\xbb\xbf", b"\xc3\xa9"]),
    st.text(max_size=12).map(lambda text: b"data: " + json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")),
    st.binary(max_size=8),
)
STREAMS = st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r", b"\r\n"])), max_size=12).map(
    lambda lines: b"".join(line + end for line, end in lines)
)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=6), st.sampled_from([1 << 20, 15]))
@example(b"data: a\r\n\r\n", [8, 10], 15)
def test_any_bytes_cut_anywhere_give_the_same(data: bytes, cuts: list[int], limit: int) -> None:
    """Whatever arrives, its events and its error do not depend on where it was cut."""
    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    assert decode(pieces, limit) == decode([data], limit)
    assert decode((data[at : at + 1] for at in range(len(data))), limit) == decode([data], limit)


@given(st.lists(st.tuples(st.sampled_from(["message", "pinged", "x"]), st.text(min_size=1, max_size=20)), max_size=6))
def test_what_was_written_is_read(events: list[tuple[str, str]]) -> None:
    """Events written as the specification says come back as they were, whatever characters JSON holds."""
    sent = [(name, json.dumps(text, ensure_ascii=True)) for name, text in events]
    data = "".join(f"event: {name}\ndata: {text}\n\n" for name, text in sent).encode()
    assert decode([data]) == (sent, None)
