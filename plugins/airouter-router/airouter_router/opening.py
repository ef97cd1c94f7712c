"""The gate before an answer: nothing is handed on before something was said, so that another can still be asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

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


class Whole(Gate):
    """Of what nobody reads along: opens at the end only. First of all it tells who answers.

    Args:
        target: the address that was asked.

    Attributes:
        first: when something was first said; ``None`` where that is not known.
    """

    first: float | None = None

    def __init__(self, target: str, opens: Callable[[StreamEvent], bool] = says_something) -> None:
        super().__init__(opens)
        self._target = target

    def __call__(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        self._held.extend(events)
        return iter(())

    def open(self) -> list[StreamEvent]:
        """As of every gate; whoever reads along need not wait for the response to learn who answers."""
        return [MetadataReported({NAME: {SERVED_BY: self._target}}), *super().open()]


class Opening(Whole):
    """Opens at the first word.

    Args:
        seam: what is to be told before it.
    """

    def __init__(self, target: str, clock: Callable[[], float], seam: Warned | None = None) -> None:
        super().__init__(target, self._opens)
        self._seam = () if seam is None else (seam,)
        self._clock = clock
        self._count = 0
        self._bytes = 0

    def __call__(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        return Gate.__call__(self, events)

    def open(self) -> list[StreamEvent]:
        """As of every gate; where somebody else has begun the answer, that is told first."""
        return [*self._seam, *super().open()]

    def _opens(self, event: StreamEvent) -> bool:
        says = says_something(event)
        if says and self.first is None:
            self.first = self._clock()
        self._count += 1
        # What is held back is bounded, whatever a provider sends before it answers.
        return says or self._count >= MOST_EVENTS or self._is_too_much(event)

    def _is_too_much(self, event: StreamEvent) -> bool:
        self._bytes += len(repr(event))
        return self._bytes >= MOST_BYTES
