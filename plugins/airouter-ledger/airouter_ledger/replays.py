"""Answers in the form in which they are kept, and given again: all events, the times between them, and the value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from airouter_core.flow.steps import Emit, Flow, Sleep
from airouter_core.values.events import StreamEvent
from airouter_core.values.record import plain
from airouter_core.values.response import Response

LONGEST = 60.0
"""Seconds between two events beyond which no replay waits."""


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer: of a chat its events and response, of another kind its value.

    Attributes:
        delays: seconds before each event.
    """

    events: tuple[StreamEvent, ...] = ()
    delays: tuple[float, ...] = ()
    response: Response | None = None
    value: Any = None

    def encoded(self) -> bytes:
        """As JSON.

        Raises:
            TypeError: the value is of a kind that JSON cannot say.
        """
        return msgspec.json.encode(self, enc_hook=plain)

    @classmethod
    def decoded(cls, data: bytes) -> Kept:
        """Read what :meth:`encoded` has written.

        Raises:
            msgspec.MsgspecError: it is of another version, or damaged.
        """
        return msgspec.json.decode(data, type=cls)

    def given_again(self, *, paced: bool = False) -> Flow[Any]:
        """The flow that answers as the kept one did.

        Args:
            paced: with the times between the events that the provider took.
        """
        if self.response is None:
            yield from ()
            return self.value
        if not paced:
            yield Emit(self.events)
            return self.response
        for event, delay in zip(self.events, self.delays, strict=True):
            if delay > 0:
                yield Sleep(min(delay, LONGEST))
            yield Emit((event,))
        return self.response


def can_be_kept(value: Any) -> bool:
    """Whether JSON says all of a value and gives the same back: texts, numbers, lists of them."""
    if value is None or isinstance(value, str | bool | int | float):
        return True
    if isinstance(value, list):
        return all(map(can_be_kept, value))
    return isinstance(value, dict) and all(isinstance(name, str) and can_be_kept(item) for name, item in value.items())


class Watch:
    """Sees the events of an answer, and when each came."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._last = clock()
        self._events: list[StreamEvent] = []
        self._delays: list[float] = []

    def see(self, event: StreamEvent) -> None:
        """Take note of one."""
        now = self._clock()
        self._events.append(event)
        self._delays.append(round(now - self._last, 6))
        self._last = now

    def kept(self, result: Any) -> Kept | None:
        """What was seen, with the result; ``None`` where it cannot be kept."""
        if isinstance(result, Response):
            whole = msgspec.structs.replace(result, parsed=None)
            return Kept(tuple(self._events), tuple(self._delays), whole)
        return Kept(value=result) if can_be_kept(result) else None

    def __iter__(self) -> Iterator[StreamEvent]:
        return iter(self._events)
