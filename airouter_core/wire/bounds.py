"""What one answer may take of this machine's memory, however it comes."""

from __future__ import annotations

from ..errors import ProtocolError
from ..values.events import (
    Alternative,
    Finish,
    MetadataReported,
    PartAdded,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
)

MOST = 64 * 1024 * 1024
"""Bytes of a body, and characters of what is collected of a stream."""
EACH = 32
"""What an event costs beside its text: many empty ones are no less of a flood."""


class Collected:
    """A body that is read piece by piece. Pieces may be tiny, and a million objects are more than a million bytes."""

    __slots__ = ("_body", "_first", "_limit", "_said")

    def __init__(self, limit: int, said: str | None = None) -> None:
        self._limit = limit
        self._said = said or f"the answer is longer than {limit} bytes"
        self._first = b""
        self._body: bytearray | None = None

    def add(self, data: bytes) -> None:
        """Take the next piece.

        Raises:
            ProtocolError: now it is too long.
        """
        if self._body is None and not self._first:
            self._first = data  # most bodies come whole, and need not be copied
            size = len(data)
        else:
            if self._body is None:
                self._body = bytearray(self._first)
            self._body += data
            size = len(self._body)
        if size > self._limit:
            raise ProtocolError(self._said)

    def whole(self) -> bytes:
        """All of it."""
        return self._first if self._body is None else bytes(self._body)


class Measure:
    """Adds up what is collected of a stream, whose length nobody announces.

    Attributes:
        finished: whether the end of the answer has gone by.
    """

    __slots__ = ("_size", "finished")

    def __init__(self) -> None:
        self._size = 0
        self.finished = False

    def add(self, event: StreamEvent) -> None:
        """Count an event.

        Raises:
            ProtocolError: it is too much for one answer.
        """
        kind = type(event)
        if kind is TextDelta or kind is ReasoningDelta:
            self._size += len(event.text) + EACH  # type: ignore[union-attr]  # both have it; isinstance takes longer
        else:
            self.finished = self.finished or kind is Finish
            self._size += _size_of(event) + EACH
        if self._size > MOST:
            raise ProtocolError(f"the provider streamed more than {MOST} bytes for one answer")


def _size_of(event: StreamEvent) -> int:
    match event:
        case ToolCallDelta():
            return len(event.arguments_json)
        case Alternative():
            return _size_of(event.event)
        case TextDelta() | ReasoningDelta():
            return len(event.text)
        case PartAdded():
            return len(getattr(event.part, "data", None) or b"")
        case MetadataReported() | ToolCallEnd():
            return len(repr(event.provider_metadata)) if event.provider_metadata else 0
    return 0
