"""Server-sent events, as https://html.spec.whatwg.org/multipage/server-sent-events.html describes them.

Five deviations, all for the field. An event that is not followed by a blank line is delivered at the end of the
stream; objects that no blank line divides are events of their own. What the specification keeps for reconnecting
(``id``, ``retry``) is not kept. What keeps the connection alive says nothing: an event of blank data or of ``null``,
one named ``ping``, a comment that a proxy has put behind ``data:``; while one that is named ``error`` is delivered even
without data. And where a browser passes over a line that it does not know, here words of an answer could be lost with
it: such a line is an error, or, where it has the form of a field that might be anybody's own, a note for the reader.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from ..errors import ProtocolError
from .json import shown
from .lines import MAX_LINE, LineDecoder, text_of

FIELDS = (b"data", b"event", b"id", b"retry")
HARMLESS = re.compile(rb"(?!error\b)[a-z][a-z0-9_-]*: ?(?![\s{\[<\"])")
"""The beginning of a line that may be a server's own field: neither JSON nor HTML, nor words without a name."""
MOST_NOTES = 3
KEEP_ALIVES = frozenset({"ping", "heartbeat", "keepalive", "keep-alive"})
"""Names, and types, of events that keep the connection alive; servers put a time or a word of their own into them."""


class ServerSentEvent(NamedTuple):
    """One event: its name (``"message"`` when it has none) and its data."""

    event: str
    data: str


class SseDecoder:
    """Bytes, cut anywhere, to events. Comments and keep-alives give nothing.

    Attributes:
        notes: on lines that were passed over, for the reader of the answer.
    """

    def __init__(self, *, limit: int = MAX_LINE) -> None:
        self._lines = LineDecoder(carriage_returns=True, limit=limit)
        self._limit = limit
        self._first = True
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self.notes: list[str] = []

    def feed(self, data: bytes) -> Iterable[ServerSentEvent]:
        """The events that ``data`` completes.

        Raises:
            ProtocolError: invalid UTF-8, an event beyond the limit, or a line that belongs to no event stream.
        """
        if data.endswith(b"\n\n") and not self._first and not self._event and not self._data and self._lines.idle:
            # Most servers send one event at a time, whole: it needs no taking apart and putting together.
            event = self._whole(data)
            if event is not None:
                return (event,) if _says_something(event) else ()
        return self._events(data)

    def close(self) -> Iterator[ServerSentEvent]:
        """The last event, if no blank line followed it."""
        for line in self._lines.close():
            # A line without its end was cut off: what may have become a field is no fault.
            if not any(field.startswith(line) for field in FIELDS):
                self._field(line)
        yield from self._take()

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
                yield from self._take()
            elif line.startswith(b"data: ") and not self._first:
                self._add(line[6:])
            else:
                self._field(line)

    def _take(self) -> tuple[ServerSentEvent, ...]:
        if not self._data and not self._event:
            return ()
        lines = self._data if len(self._data) == 1 or _are_objects(self._data) else ["\n".join(self._data)]
        events = [ServerSentEvent(self._event or "message", data) for data in lines]
        self._data.clear()
        self._event = ""
        self._size = 0
        return tuple(filter(_says_something, events))

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
        elif name and name not in FIELDS:
            self._pass_over(line)

    def _pass_over(self, line: bytes) -> None:
        if not HARMLESS.match(line):
            raise ProtocolError(f"the provider sent a line that belongs to no event stream: {shown(line)}")
        if len(self.notes) < MOST_NOTES:
            self.notes.append(f"the stream held a field that is not known, and was passed over: {shown(line)}")

    def _add(self, value: bytes) -> None:
        self._size += len(value) + 1
        if self._size > self._limit:
            raise ProtocolError(f"the provider sent an event of more than {self._limit} bytes")
        self._data.append(text_of(value))


def _are_objects(lines: list[str]) -> bool:
    """Whether each line is an object, or the mark of the end: in no JSON an object follows another without a comma."""
    return len(lines) > 1 and all(
        (line.startswith("{") and line.endswith("}")) or line.startswith("[DONE]") for line in lines
    )


def _says_something(event: ServerSentEvent) -> bool:
    if event.event == "error":
        return True
    begins = event.data.lstrip()[:1]
    says = begins not in ("", ":") and event.data.strip() != "null" and event.event not in KEEP_ALIVES
    return begins == "{" or says
