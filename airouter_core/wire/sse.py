"""Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html describes them.

Two deviations, both seen in the field: an event that is not followed by a blank line is delivered at the end of the
stream, and what the specification keeps for reconnecting (``id``, ``retry``) is not kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import ProtocolError
from .lines import MAX_LINE, LineDecoder, text_of


class ServerSentEvent(NamedTuple):
    """One event: its name (``"message"`` when it has none) and its data."""

    event: str
    data: str


class SseDecoder:
    """Bytes, cut anywhere, to events. Comments and keep-alives give nothing."""

    def __init__(self, *, limit: int = MAX_LINE) -> None:
        self._lines = LineDecoder(carriage_returns=True, limit=limit)
        self._limit = limit
        self._first = True
        self._event = ""
        self._data: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> Iterable[ServerSentEvent]:
        """The events that ``data`` completes.

        Raises:
            ProtocolError: invalid UTF-8, or an event beyond the limit.
        """
        if data.endswith(b"\n\n") and not self._first and not self._event and not self._data and self._lines.idle:
            # Most servers send one event at a time, whole: it needs no taking apart and putting together.
            event = self._whole(data)
            if event is not None:
                return (event,)
        return self._events(data)

    def close(self) -> Iterator[ServerSentEvent]:
        """The last event, if no blank line followed it."""
        for line in self._lines.close():
            self._field(line)
        if self._data:
            yield self._take()

    def _whole(self, data: bytes) -> ServerSentEvent | None:
        """The one event that this is, if it is one of the plainest form."""
        name = ""
        body = data[:-2]
        if body.startswith(b"event: "):
            line, _, body = body.partition(b"\n")
            name = text_of(line[7:])
        if not body.startswith(b"data: ") or b"\n" in body or b"\r" in data or len(data) > self._limit:
            return None
        return ServerSentEvent(name or "message", text_of(body[6:]))

    def _events(self, data: bytes) -> Iterator[ServerSentEvent]:
        for line in self._lines.feed(data):
            if not line:
                if self._data:
                    yield self._take()
                self._event = ""
            elif line.startswith(b"data: ") and not self._first:
                self._add(line[6:])
            else:
                self._field(line)

    def _take(self) -> ServerSentEvent:
        data = self._data[0] if len(self._data) == 1 else "\n".join(self._data)
        event = ServerSentEvent(self._event or "message", data)
        self._data.clear()
        self._size = 0
        return event

    def _field(self, line: bytes) -> None:
        if self._first:
            self._first = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._add(value)
        elif name == b"event":
            self._event = text_of(value)

    def _add(self, value: bytes) -> None:
        self._size += len(value)
        if self._size > self._limit:
            raise ProtocolError(f"the provider sent an event of more than {self._limit} bytes")
        self._data.append(text_of(value))
