"""The binary framing: both directions, cut anywhere, damaged anywhere, and beside the AWS SDK's own reader."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airouter_bedrock.eventstream import MOST_PAYLOAD, EventMessage, EventStreamDecoder, decoded, encoded
from airouter_core.errors import ProtocolError
from airouter_core.testing.recordings import pieces

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20)
events = st.builds(EventMessage, st.dictionaries(names, st.text(max_size=30), max_size=4), st.binary(max_size=200))


def read(stream: bytes, size: int | None = None, seed: int = 0) -> list[EventMessage]:
    decoder = EventStreamDecoder()
    found = [message for piece in pieces(stream, size, seed=seed) for message in decoder.feed(piece)]
    return [*found, *decoder.close()]


@settings(deadline=None)
@given(st.lists(events, max_size=4), st.sampled_from([1, 2, 3, 7, None]), st.integers(0, 9))
def test_what_is_written_is_read(said: list[EventMessage], size: int | None, seed: int) -> None:
    """A stream gives its messages however its bytes are cut."""
    assert read(b"".join(map(encoded, said)), size, seed) == said


@settings(deadline=None)
@given(st.lists(events, min_size=1, max_size=3))
def test_the_sdk_reads_the_same(said: list[EventMessage]) -> None:
    """The AWS SDK's reader finds the same headers and payloads."""
    buffer = pytest.importorskip("botocore.eventstream").EventStreamBuffer()
    buffer.add_data(b"".join(map(encoded, said)))
    assert [(message.headers, message.payload) for message in buffer] == [tuple(message) for message in said]


@settings(deadline=None)
@given(events, st.data())
def test_damage_is_noticed(said: EventMessage, data: st.DataObject) -> None:
    """One changed bit anywhere is a ProtocolError, or bytes that are still waited for: never another message."""
    frame = bytearray(encoded(said))
    place = data.draw(st.integers(0, len(frame) - 1))
    frame[place] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ProtocolError):
        read(bytes(frame))


def test_an_end_in_the_middle_is_an_error() -> None:
    """A stream that stops inside a message has lost its rest."""
    frame = encoded(EventMessage({":event-type": "messageStart"}, b"{}"))
    for end in range(1, len(frame)):
        with pytest.raises(ProtocolError, match="rest did not come"):
            read(frame[:end])


def prelude(length: int, headers: int) -> bytes:
    lengths = struct.pack(">II", length, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("length", "headers"), [(15, 0), (16, 1), (MOST_PAYLOAD * 2, 0), (1000, 200_000), (0, 0), (2**32 - 1, 0)]
)
def test_lengths_that_cannot_be_are_refused(length: int, headers: int) -> None:
    """What is too long, or shorter than its own frame, is refused before its bytes are waited for."""
    with pytest.raises(ProtocolError, match=f"message of {length} bytes"):
        list(EventStreamDecoder().feed(prelude(length, headers)))


def test_what_is_no_event_stream_is_named() -> None:
    """A page or plain JSON in place of frames is told as what it is, with its first bytes."""
    with pytest.raises(ProtocolError, match=r"no message of an event stream.*HTTP"):
        list(EventStreamDecoder().feed(b"HTTP/1.1 502 Bad Gateway"))


def framed(headers: bytes, payload: bytes = b"") -> bytes:
    frame = prelude(16 + len(headers) + len(payload), len(headers)) + headers + payload
    return frame + struct.pack(">I", crc32(frame))


def test_headers_of_every_type_are_passed_over() -> None:
    """Booleans, numbers, bytes, times and UUIDs are not needed, and do not disturb the strings."""
    others = b"".join(
        b"\x01" + bytes([65 + kind]) + bytes([kind]) + value
        for kind, value in {
            **{kind: b"\0" * size for kind, size in {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}.items()},
            6: b"\x00\x02xy",
        }.items()
    )
    message = decoded(framed(others + b"\x01z\x07\x00\x02ok", b"payload"))
    assert message == EventMessage({"z": "ok"}, b"payload")


@pytest.mark.parametrize(
    "headers", [b"\x09a", b"\x01a\x07\x00\x09b", b"\x01a\x0bxx", b"\x01a\x07\x00\x01\xff", b"\x01a"]
)
def test_headers_that_cannot_be_read_are_an_error(headers: bytes) -> None:
    """Headers that end too early, or are of no known type, or no UTF-8: a ProtocolError, never another exception."""
    with pytest.raises(ProtocolError, match="headers cannot be read"):
        decoded(framed(headers))
