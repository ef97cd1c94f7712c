"""Flows: the order of input and output as generators that do none.

A flow yields steps and receives their results, as an authentication flow does in httpx. What happens in which order
(connect, retry, read, parse, ask somebody else) is written once; a driver performs the steps: the one of
:mod:`airouter_core.flow.blocking` blocks, the one of :mod:`airouter_core.flow.awaited` awaits. A step that fails is
raised inside the flow, where it may be caught. What a flow has opened is closed when it ends, however it ends.

Flows run other flows with ``yield from``, or with :func:`delegated`, which costs nothing for each step inside, and
lets the flow outside watch the events, lend its connections, set a deadline, and be told of the end.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..values.events import StreamEvent
from ..values.replaying import events_of
from ..values.response import Response
from ..wire.http import HttpRequest
from .deadlines import Deadline
from .endpoints import Endpoint, HttpResponse
from .slots import Slots
from .threads import finished

Result = TypeVar("Result")

if TYPE_CHECKING:
    Flow = Generator["Step", Any, Result]
else:  # a generator for type checkers; a name that help() can tell of, where an alias has no words of its own

    class Flow(Generator["Step", Any, Result], Generic[Result]):
        """The order of some input and output: a generator that yields steps, receives results, returns its own."""


Events = Iterable[StreamEvent]
Through = Callable[[Events], Events]
"""What a flow does to the events of one ``Emit`` of the flow inside it: watches, changes, holds back."""


# The steps. Each is a plain record: what is to be done, and nothing on how. A flow can so be tested by hand, with
# `send()` for what a driver would give back, and every step means the same in both halves.


class Open(msgspec.Struct, eq=False):
    """Send a request; the result is an :class:`HttpResponse`. What the same flow had open before is closed.

    Attributes:
        within: seconds in which the whole answer must be there, however it drips in.
        via: whose connections; unless given, those of the nearest flow around that names some.
        is_retry: whether the same was sent before and failed; for those who count.
    """

    request: HttpRequest
    connect_timeout: float
    read_timeout: float
    within: float | None = None
    via: Endpoint | None = None
    is_retry: bool = False


class ReadSome(msgspec.Struct, eq=False):
    """Read what has arrived, at least one byte; the result is empty at the end. ``timeout`` in seconds of silence."""

    response: HttpResponse
    timeout: float


class ReadAll(msgspec.Struct, eq=False):
    """Read to the end; more than ``limit`` bytes are a :class:`~airouter_core.errors.ProtocolError`."""

    response: HttpResponse
    timeout: float
    limit: int


class Sleep(msgspec.Struct, eq=False):
    """Wait."""

    seconds: float


class Do(msgspec.Struct, eq=False):
    """Call something that blocks; the result is what it returns. Where somebody awaits, it is called in a thread, and
    what it returns is awaited if it can be.

    Attributes:
        awaited: what to await in its place where somebody awaits, in no thread; it must not block.
    """

    function: Callable[[], Any]
    awaited: Callable[[], Awaitable[Any]] | None = None


class Take(msgspec.Struct, eq=False):
    """Wait for a slot, in no thread of its own. Whoever took it gives it back: ``slots.give_back()``."""

    slots: Slots


class Emit(msgspec.Struct, eq=False):
    """Hand events on to the reader; an error raised while iterating them is raised inside the flow."""

    events: Iterable[StreamEvent]


class Pull(msgspec.Struct, eq=False):
    """Hand on the events of something that does its own input and output, in the half that drives."""

    blocking: Callable[[], Iterator[StreamEvent]]
    awaited: Callable[[], AsyncIterator[StreamEvent]]


# Who runs flows side by side lends them nothing but its deadline and its connections: each has a driver of its own, so
# that one that fails, waits or is cancelled leaves the others alone.


class Gather(msgspec.Struct, eq=False):
    """Drive several flows at the same time; the result has the value, or the ``Exception``, of each, in their order.

    Their events go nowhere: each has a driver of its own.

    Attributes:
        enough: stop when so many have a value. The others are cancelled, and have a ``TimeoutError``; driven blocking,
            each of them ends at its next step, which nobody waits for.
        each: hand each value or ``Exception`` on to the reader as it comes, as events are.
    """

    flows: Sequence[Flow[Any]]
    enough: int | None = None
    each: bool = False


class Race(msgspec.Struct, eq=False):
    """Drive a flow, and another one beside it where it has neither said anything nor ended after some seconds.

    Who says something first, or ends with a value, is the winner: its events are handed on, as they come, and the other
    one is closed, with its connection. One that fails is out while the other is under way; where nobody is left, the
    error of the first is raised.

    Attributes:
        spare: gives the other flow, when it is time for it; ``None`` for none after all.
        after: seconds.
        winner: 0 for the first, 1 for the other, once it is known.
        value: what the winner returned.
    """

    flow: Flow[Any]
    spare: Callable[[], Flow[Any] | None]
    after: float
    winner: int | None = None
    value: Any = None


# The step that layers are made of. It is data that the driver fills in while the inner flow runs: so whoever delegated
# can be told afterwards how often something was sent, what had arrived, and whether the reader has gone.


class Delegate(msgspec.Struct, eq=False):
    """Run another flow to its value, as ``yield from`` does; but the driver resumes it without coming by here.

    While it runs, and when it has ended, this tells how it went. See :func:`delegated` for the first five, and for
    ``opens_within`` and ``after_awaited``.

    Attributes:
        around: the delegation that this one is inside of.
        value: what the flow returned.
        error: what it raised.
        cancelled: whether it was left before its end.
        requests: how many were sent, redirects and further pages included.
        retries: how many of them repeated one that had failed.
        head: of the answer that was opened last, in here: its status and headers, also where it refused.
        builder: what has arrived of the answer that was folded last, in here (``partial()`` gives it).
        call: of the innermost layer of a provider: which call this is.
        ends: when it must have ended, and when its gate must be open; the driver's.
    """

    flow: Flow[Any]
    through: Through | None = None
    via: Endpoint | None = None
    deadline: float | None = None
    after: Callable[[Delegate], Any] | None = None
    around: Delegate | None = None
    value: Any = None
    error: Exception | None = None
    cancelled: bool = False
    requests: int = 0
    retries: int = 0
    head: HttpResponse | None = None
    builder: Any = None
    call: Any = None
    opens_within: float | None = None
    after_awaited: Callable[[Delegate], Awaitable[Any]] | None = None
    ends: tuple[Deadline, ...] = ()

    @property
    def response(self) -> Response | None:
        """What has arrived of the answer, or what was reported of another kind's: usage, cost. ``None`` of nothing."""
        if isinstance(self.value, Response) or self.builder is None:
            return self.value if isinstance(self.value, Response) else None
        partial: Response = self.builder.partial()
        return partial


Step = Open | ReadSome | ReadAll | Sleep | Do | Take | Emit | Pull | Gather | Race | Delegate


def given(value: Result) -> Flow[Result]:
    """A flow of no steps, whose result is there already."""
    yield from ()
    return value


def gathered(flows: Sequence[Flow[Any]], *, each: bool = False) -> Flow[Any]:
    """What the step :class:`Gather` gives."""
    return (yield Gather(flows, each=each))


def replayed(response: Response) -> Flow[Response]:
    """A flow of an answer that is there already: its events for whoever reads along, and the answer as its result."""
    yield Emit(events_of(response))
    return response


def done(function: Callable[..., Any], *arguments: Any) -> Flow[Any]:
    """Call something that blocks, or that is a coroutine; in either half."""
    result = yield Do(functools.partial(function, *arguments))
    if inspect.isawaitable(result):
        # Nobody awaits here, or the driver had.
        result = yield Do(functools.partial(finished, result))
    return result


def delegated(
    flow: Flow[Result],
    *,
    through: Through | None = None,
    via: Endpoint | None = None,
    deadline: float | None = None,
    after: Callable[[Delegate], Any] | None = None,
    opens_within: float | None = None,
    after_awaited: Callable[[Delegate], Awaitable[Any]] | None = None,
) -> Flow[Result]:
    """Run a flow as ``yield from`` does, at no cost for each of its steps.

    Args:
        through: what becomes of each ``Emit`` inside: :func:`~airouter_core.flow.layers.tapped` only watches, a
            :class:`~airouter_core.flow.layers.Gate` holds back. What it raises is raised here, not inside.
        via: whose connections the requests inside go through that name none.
        deadline: seconds that it may take, with everything it runs in its turn; one further in can only be tighter.
        after: called exactly once when it has ended, however it ends, also when whoever reads has gone; where somebody
            awaits, in a thread. It is given the :class:`Delegate`, which says how it ended.
        opens_within: seconds within which the :class:`~airouter_core.flow.layers.Gate` given as ``through`` must open;
            once it has, they count no longer.
        after_awaited: what to await in place of ``after`` where somebody awaits, in no thread; it must not block.

    Raises:
        TransportTimeoutError: it did not end within its ``deadline``, or its gate did not open in time.
    """
    value: Result = yield Delegate(
        flow, through, via, deadline, after, opens_within=opens_within, after_awaited=after_awaited
    )
    return value
