"""The gate before an answer: nothing is handed on before something was said, so that another can still be asked."""

from __future__ import annotations

from collections.abc import Callable

from airouter_core.flow.layers import Gate
from airouter_core.values.events import (
    Alternative,
    MetadataReported,
    PartAdded,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallStart,
    Warned,
)

from .routes import Target

NAME = "router"
SERVED_BY = "served_by"
MOST_EVENTS = 64
MOST_BYTES = 256 * 1024
WORDS = (TextDelta, ReasoningDelta, RefusalDelta)


def says_something(event: StreamEvent) -> bool:
    """Whether it is of the answer itself. Its model, usage, cost and warnings are not."""
    if isinstance(event, WORDS):
        return bool(event.text)
    if isinstance(event, Alternative):
        return says_something(event.event)
    return isinstance(event, ToolCallStart | PartAdded)


class Opening(Gate):
    """Opens at the first word. First of all it tells who answers.

    Args:
        seam: what is to be told before that, where somebody else has begun the answer.

    Attributes:
        first: when something was first said, on the router's clock.
    """

    first: float | None = None

    def __init__(self, target: Target, clock: Callable[[], float], seam: Warned | None = None) -> None:
        super().__init__(self._opens_at)
        self._target = target
        self._seam = () if seam is None else (seam,)
        self._clock = clock
        self._count = 0
        self._bytes = 0

    def open(self) -> list[StreamEvent]:
        """As of every gate; whoever reads along need not wait for the response to learn who answers."""
        who = MetadataReported({NAME: {SERVED_BY: self._target.address}})
        return [*self._seam, who, *super().open()]

    def _opens_at(self, event: StreamEvent) -> bool:
        says = says_something(event)
        if says and self.first is None:
            self.first = self._clock()
        self._count += 1
        # What is held back is bounded, whatever a provider sends before it answers.
        return says or self._count >= MOST_EVENTS or self._is_too_much(event)

    def _is_too_much(self, event: StreamEvent) -> bool:
        self._bytes += len(repr(event))
        return self._bytes >= MOST_BYTES
