"""Frames of ``application/vnd.amazon.eventstream``, in both directions: bytes, cut anywhere, to messages and back.

A message is a prelude (its whole length, the length of its headers, a checksum of these two), headers, a payload, and a
checksum of all before it. The prelude is judged as soon as it is there: a length that is wrong would make the rest of
the stream a part of this message. Source: botocore 1.44.8, ``eventstream.py``.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zlib import crc32

from airouter_core.errors import ProtocolError

EVENT_STREAM = "application/vnd.amazon.eventstream"
PRELUDE = struct.Struct(">III")
CHECKSUM = struct.Struct(">I")
SHORT = struct.Struct(">H")
AROUND = PRELUDE.size + CHECKSUM.size
"""Bytes of a message that are neither headers nor payload."""
MOST_HEADERS = 128 * 1024
MOST_PAYLOAD = 24 * 1024 * 1024

BYTES, STRING = 6, 7
SIZES = {0: 0, 1: 0, 2: 1, 3: 2, 4: 4, 5: 8, 8: 8, 9: 16}
"""Lengths of header values by their type, for those whose length is fixed: booleans, numbers, a time, a UUID."""


class EventMessage(NamedTuple):
    """One message: the headers whose values are strings, and the payload."""

    headers: Mapping[str, str]
    payload: bytes


class EventStreamDecoder:
    """Bytes, cut anywhere, to messages; a :class:`~airouter_core.wire.streams.FrameDecoder`."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = PRELUDE.size

    def feed(self, data: bytes) -> Iterator[EventMessage]:
        """The messages that ``data`` completes.

        Raises:
            ProtocolError: a checksum or a length is wrong, or a message is longer than the service's may be.
        """
        self._buffer += data
        while len(self._buffer) >= self._needed:
            if self._needed == PRELUDE.size:
                self._needed = _length(self._buffer)
                continue
            frame = bytes(self._buffer[: self._needed])
            del self._buffer[: self._needed]
            self._needed = PRELUDE.size
            yield decoded(frame)

    def close(self) -> Iterator[EventMessage]:
        """The end of the stream; nothing is completed by it.

        Raises:
            ProtocolError: it came in the middle of a message.
        """
        if self._buffer:
            raise ProtocolError(f"{len(self._buffer)} bytes of a message whose rest did not come")
        return iter(())


def decoded(frame: bytes) -> EventMessage:
    """A message from all its bytes.

    Raises:
        ProtocolError: a checksum is wrong, or its headers are none.
    """
    _length(frame)
    (checksum,) = CHECKSUM.unpack(frame[-CHECKSUM.size :])
    if crc32(frame[: -CHECKSUM.size]) != checksum:
        raise ProtocolError("the provider sent a message with a wrong checksum: it was damaged on the way")
    end = PRELUDE.size + PRELUDE.unpack_from(frame)[1]
    try:
        headers = dict(_headers(frame[PRELUDE.size : end]))
    except (IndexError, KeyError, struct.error, UnicodeDecodeError) as error:
        raise ProtocolError("the provider sent a message whose headers cannot be read") from error
    return EventMessage(headers, frame[end : -CHECKSUM.size])


def encoded(message: EventMessage) -> bytes:
    """All bytes of a message."""
    headers = b"".join(_header(name, value) for name, value in message.headers.items())
    lengths = struct.pack(">II", AROUND + len(headers) + len(message.payload), len(headers))
    frame = lengths + CHECKSUM.pack(crc32(lengths)) + headers + message.payload
    return frame + CHECKSUM.pack(crc32(frame))


def _length(prelude: bytes | bytearray) -> int:
    """The length of the message that begins with this prelude."""
    length, headers, checksum = PRELUDE.unpack_from(prelude)
    if crc32(prelude[:8]) != checksum:
        raise ProtocolError(
            f"the provider sent what is no message of an event stream ({bytes(prelude[:12])!r}…); "
            "check base_url and any proxy"
        )
    if headers > MOST_HEADERS or length > MOST_PAYLOAD + MOST_HEADERS or length < AROUND + headers:
        raise ProtocolError(f"the provider sent a message of {length} bytes with {headers} bytes of headers")
    return int(length)


def _headers(data: bytes) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(data):
        end = position + 1 + data[position]
        name, kind = data[position + 1 : end].decode(), data[end]
        position = end + 1
        size = SIZES.get(kind)
        if size is None:
            if kind not in (BYTES, STRING):
                raise KeyError(kind)
            (size,) = SHORT.unpack_from(data, position)
            position += SHORT.size
        value = data[position : position + size]
        if len(value) != size:
            raise IndexError(position)
        if kind == STRING:
            yield name, value.decode()
        position += size


def _header(name: str, value: str) -> bytes:
    label, said = name.encode(), value.encode()
    return bytes([len(label)]) + label + bytes([STRING]) + SHORT.pack(len(said)) + said
