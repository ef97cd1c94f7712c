"""How events go by the flows of one stack, from the one that emits them out to the reader."""

from __future__ import annotations

import collections
from collections.abc import Callable, Generator, Iterator
from typing import Any

from ..values.events import StreamEvent
from .layers import Gate, See, Tap
from .steps import Delegate, Events

Shown = Generator[StreamEvent, None, None]


class RaisedInLayer(Exception):  # noqa: N818  # never seen by anybody but the drivers
    """What a flow raised while events went through it: raised in that flow, and not in those inside."""

    def __init__(self, through: Any, error: Exception) -> None:
        self.through = through
        self.error = error

    def is_of(self, scope: Delegate) -> bool:
        """Whether it is this flow that has set what raised it."""
        return self.through in (scope.through, getattr(scope.through, "see", None))


# Most flows around do nothing to events, some look at them, few hold back or change any. So what only looks is kept as
# a plain tuple of functions, since it is gone through for every event of every stream, and a gate that is shut is
# handed the events without a frame for each. It changes only where a flow begins or ends, a gate opens, or a tap puts
# another function in its place.


class Passage:
    """The way of the events.

    Args:
        scopes: the flows of the stack, the innermost last; the stack changes them, and has it looked again.
        opened: is told of a gate that stands open and had to open in time.

    Attributes:
        opened: taken away at the end: what it belongs to holds the passage, and both would wait for the collector.
        taps: what sees each event, innermost first; ``None`` when something does more than see.
    """

    __slots__ = ("_scopes", "_shut", "opened", "taps")

    def __init__(self, scopes: list[Delegate], opened: Callable[[Delegate], None]) -> None:
        self._scopes = scopes
        self.opened: Callable[[Delegate], None] | None = opened
        self._shut: tuple[tuple[See, ...], int] | None = None
        self.taps: tuple[See, ...] | None = ()

    def look(self) -> None:
        """Find out anew what sees the events."""
        found: list[See] = []
        self._shut = None
        for depth in range(len(self._scopes) - 1, -1, -1):
            scope = self._scopes[depth]
            through = scope.through
            if isinstance(through, Tap):
                if through.see is not None:
                    found.append(through.see)
            elif isinstance(through, Gate):
                if not through.is_open:
                    self.taps, self._shut = None, (tuple(found), depth)
                    return
                if scope.opens_within is not None and self.opened is not None:
                    self.opened(scope)
            elif through is not None:
                self.taps = None
                return
        self.taps = tuple(found)

    def seen(self, events: Events) -> Shown:
        """Events as the reader sees them."""
        return self.passed(events) if self.taps is None else _shown(events, self.taps)

    def consume(self, events: Events) -> None:
        """Let events go by that nobody reads."""
        collections.deque(self.seen(events), maxlen=0)

    def passed(self, events: Events) -> Shown:
        """The events as the reader sees them, where more is done to them than seeing."""
        if self._shut is not None:
            yield from self._held_back(events, *self._shut)
            return
        yield from self._beyond(len(self._scopes), events)
        # A gate that has opened stands in the way no longer.
        self.look()

    def _beyond(self, depth: int, events: Events) -> Events:
        # Wrapped from the inside out: the innermost flow that does something to events comes by them first.
        for scope in reversed(self._scopes[:depth]):
            if scope.through is not None:
                events = _through(scope.through, events)
        return events

    def _held_back(self, events: Events, taps: tuple[See, ...], depth: int) -> Shown:
        """Events until one opens the gate of the flow at this depth, and all that come after it."""
        gate = self._scopes[depth].through
        assert isinstance(gate, Gate)
        hold, coming = gate.hold, iter(events)
        for event in _shown(coming, taps):
            try:
                opens = hold(event)
            except Exception as error:
                raise RaisedInLayer(gate, error) from error
            if opens:
                held = gate.open()
                self.look()
                yield from self._beyond(depth, held)
                yield from self.seen(coming)
                return


def _shown(events: Events, taps: tuple[See, ...]) -> Shown:
    """Events, each after the taps have looked at it."""
    for event in events:
        for see in taps:
            # A tap belongs to the flow that has set it: its error must not look like one of the flow inside.
            try:
                see(event)
            except Exception as error:
                raise RaisedInLayer(see, error) from error
        yield event


def _through(through: Any, events: Events) -> Iterator[StreamEvent]:
    """Events as they come through; what fails on the way is told apart from what fails at their source."""
    source = _Source(events)
    try:
        yield from through(source)
    except Exception as error:
        if error is source.error or type(error) is RaisedInLayer:
            raise
        raise RaisedInLayer(through, error) from error


class _Source:
    """Events, and the error that their making ended with."""

    error: Exception | None = None

    def __init__(self, events: Events) -> None:
        self._events = iter(events)

    def __iter__(self) -> Iterator[StreamEvent]:
        return self

    def __next__(self) -> StreamEvent:
        try:
            return next(self._events)
        except StopIteration:
            raise
        except Exception as error:
            self.error = error
            raise
