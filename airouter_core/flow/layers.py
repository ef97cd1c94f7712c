"""Layers: what stands between whoever asks and whoever answers, for every kind of ask.

Whatever answers is a function from an ask to a flow. A layer is such a function around another one: it may wait, hand
on another ask, ask somebody else or nobody, watch the events as they go by, and change the result::

    def patient(ask: Ask, answer: Answer) -> Flow[Any]:
        yield Sleep(1)
        return (yield from answer(ask))

The result of a chat is its :class:`~airouter_core.values.response.Response`, since the innermost layer folds the
events; of other kinds it is what the operation gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from ..values.ask import Ask
from ..values.calls import Identity
from ..values.events import StreamEvent
from .steps import Events, Flow


class Answer(Protocol):
    """What answers asks: a provider, with the layers that are further in."""

    @property
    def provider(self) -> Identity:
        """Whose answer it is."""
        ...

    def __call__(self, ask: Ask, /) -> Flow[Any]: ...


class Layer(Protocol):
    """A flow around a flow: waits, watches, replaces the ask, answers itself, or asks again or elsewhere.

    One that hands every ask on as it came, or refuses it, may say so by an attribute ``passes_on = True``. Where all
    do, what is wrong with a stream that is asked for is told at once, and not with its first event.
    """

    def __call__(self, ask: Ask, answer: Answer, /) -> Flow[Any]: ...


# Layers are put together once for each provider, not for each call: asking is then one function call for each layer,
# and a layer that only delegates is not come by again until its inner flow has ended.


class Layered:
    """An answer behind one layer."""

    __slots__ = ("_inner", "_layer", "provider")

    def __init__(self, layer: Layer, inner: Answer) -> None:
        self._layer = layer
        self._inner = inner
        self.provider = inner.provider

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        return self._layer(ask, self._inner)


def layered(answer: Answer, layers: Iterable[Layer]) -> Answer:
    """The answer behind layers, the first of them outermost."""
    for layer in reversed(tuple(layers)):
        answer = Layered(layer, answer)
    return answer


See = Callable[[StreamEvent], Any]


class Tap:
    """A ``through`` that only watches: the driver calls ``see`` with each event, and no frame stands between.

    Attributes:
        see: is shown each event; ``None`` when it has seen enough.
        changed: what to call when another ``see`` was put in its place; the driver's.
    """

    changed: Callable[[], None]

    def __init__(self, see: See) -> None:
        self.see: See | None = see

    def __call__(self, events: Events) -> Iterator[StreamEvent]:
        # Only where another `through` around it changes events; else the driver calls `see` itself.
        for event in events:
            if self.see is not None:
                self.see(event)
            yield event


def tapped(see: See) -> Tap:
    """A ``through`` for :func:`~airouter_core.flow.steps.delegated` that lets ``see`` look at each event.

    What ``see`` raises ends the flow inside, and is raised in the flow that delegates.
    """
    return Tap(see)


def silent(events: Events) -> Events:
    """A ``through`` after which nobody sees the events: for whoever wants the result alone."""
    for _ in events:
        pass
    return ()


class Gate:
    """A ``through`` that holds events back until one comes that opens it. Whoever routes can then still change sides.

    Args:
        opens: whether an event is worth handing on; all that came before it go first. Unless given, it is opened by
            hand alone.

    Attributes:
        hold: keeps an event, and says whether it opens the gate; the driver calls it, and no frame stands between.
    """

    hold: Callable[[StreamEvent], bool | None]

    def __init__(self, opens: Callable[[StreamEvent], bool] | None = None) -> None:
        self._opens = opens
        self._held: list[StreamEvent] = []
        self.hold = self._held.append if opens is None else self._hold
        self.is_open = False

    def _hold(self, event: StreamEvent) -> bool:
        self._held.append(event)
        return self._opens is not None and self._opens(event)

    def __call__(self, events: Events) -> Iterator[StreamEvent]:
        # Only where another `through` inside it changes events; else the driver calls `hold` itself.
        for event in events:
            if self.is_open:
                yield event
            elif self.hold(event):
                yield from self.open()

    def open(self) -> list[StreamEvent]:
        """Open it by hand; the events that it held, for an ``Emit``."""
        # In one piece: what was held goes before what comes, and the list is let go of.
        self.is_open = True
        held, self._held = self._held, []
        return held
