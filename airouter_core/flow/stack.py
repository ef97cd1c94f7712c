"""The flows of one call, each run by the one below it: what both drivers have in common.

A driver resumes the innermost flow directly, so layers around it cost nothing for each step. Each flow on the stack
owns the response that it has open: it is closed as soon as that flow ends, well before the call does.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import inspect
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ..errors import TransportTimeoutError
from ..values.events import StreamEvent
from .layers import Gate, See, Tap
from .steps import Delegate, Do, Endpoint, Events, Flow, Open, Step
from .threads import finished

CLOCKS_DIFFER = 0.02
"""Seconds by which a wait may end before the deadline that it was cut to."""


# How the pieces play together. A flow that delegates yields a `Delegate`; the stack puts the flow outside aside and
# goes on with the one inside, so that the driver resumes the innermost flow directly, however many are around it. What
# the outer flow wants meanwhile hangs on the `Delegate`: who sees the events, whose connections are used, until when.
# When the inner flow ends, the outer one is taken up again with its value or its error, as `yield from` would do it.


class RaisedInLayer(Exception):  # noqa: N818  # never seen by anybody but the drivers
    """What a flow raised while events went through it: raised in that flow, and not in those inside."""

    def __init__(self, through: Any, error: Exception) -> None:
        self.through = through
        self.error = error


class _Once:
    """What is to be called when a flow has ended, once, whoever calls it; who comes later waits until it is over."""

    __slots__ = ("_called", "_lock", "_scope")

    def __init__(self, scope: Delegate) -> None:
        self._scope = scope
        self._lock = threading.Lock()
        self._called = False

    def __call__(self) -> Any:
        with self._lock:
            if self._called or self._scope.after is None:
                return None
            self._called = True
            return self._scope.after(self._scope)


class Stack:
    """The stack of one driver.

    Args:
        flow: the outermost flow.
        around: the stack whose flow gathers this one among others.

    Attributes:
        taps: what sees each event, innermost first; ``None`` when something does more than see.
        until: when all must be there, on the clock of ``time.monotonic``; ``None`` when there is no deadline.
        builder: what has arrived of the answer that was begun last.
        value: of the outermost flow, once it has ended.
        due: what is to be called now that its flow has ended.
        innermost: the delegation whose flow is resumed next.
    """

    __slots__ = (
        "_closed",
        "_deadline",
        "_doing",
        "_held",
        "_last",
        "_outer",
        "_scopes",
        "_suspended",
        "_top",
        "builder",
        "due",
        "innermost",
        "taps",
        "until",
        "value",
    )

    def __init__(self, flow: Flow[Any], around: Stack | None = None) -> None:
        self._top = flow
        self._scopes: list[Delegate] = []
        self._outer: list[tuple[Flow[Any], float | None, float]] = []
        self._held: list[tuple[int, Any]] = []
        self._last: Any = None
        self._suspended: tuple[Any, Exception | None] | None = None
        self._doing: _Once | None = None
        self._closed: tuple[tuple[See, ...], int] | None = None
        self.innermost: Delegate | None = None
        self._deadline = 0.0
        self.taps: tuple[See, ...] | None = ()
        self.until: float | None = None
        self.builder: Any = None
        self.value: Any = None
        self.due: list[_Once] = []
        if around is not None:
            self.innermost = around.innermost
            self.until, self._deadline = around.until, around._deadline

    def resume(self, outcome: Any, error: Exception | None) -> Step | None:  # noqa: C901, PLR0912  # once for each step
        """Give the innermost flow what came of its step; the next step, or ``None`` at the end."""
        # A step of the stack itself has come back: something that was due at the end of a flow has been called. Only
        # the driver may call it, since it may block or have to be awaited; so it goes out as a `Do`, before all else.
        if self._suspended is not None:
            if inspect.isawaitable(outcome):
                return Do(functools.partial(finished, outcome))
            # What was due has been done. If it failed, that is the error of the flow that wanted it.
            self._doing = None
            if error is not None:
                self._suspended = None, error
            if self.due:
                return self._next_due()
            (outcome, error), self._suspended = self._suspended, None
        elif type(error) is RaisedInLayer:
            error = self._left_to(error)
            if self.due:
                return self._later(None, error)
        # Each turn either gets a step for the driver or changes which flow is innermost: one in by a delegation, one
        # out by an end. Most calls take one turn.
        while True:
            try:
                step: Step = self._top.send(outcome) if error is None else self._top.throw(error)
            except StopIteration as end:
                outcome, error = end.value, None
                if not self._scopes:
                    self.value = outcome
                    return None
                self._leave(outcome, None)
            except Exception as raised:
                if not self._scopes:
                    raise
                outcome, error = None, raised
                self._leave(None, raised)
            else:
                if type(step) is not Delegate:
                    return step
                self._enter(step)
                outcome = error = None
            if self.due:
                return self._later(outcome, error)

    @property
    def via(self) -> Endpoint | None:
        """Whose connections the requests of the innermost flow go through."""
        scope = self.innermost
        while scope is not None:
            if scope.via is not None:
                return scope.via
            scope = scope.around
        return None

    # Events.

    def passed(self, events: Events) -> Iterable[StreamEvent]:
        """The events as the reader sees them, where more is done to them than seeing."""
        if self._closed is not None:
            yield from self._held_back(events, *self._closed)
            return
        yield from self._beyond(len(self._scopes), events)
        # A gate that has opened stands in the way no longer.
        self.look_for_taps()

    def _beyond(self, depth: int, events: Events) -> Events:
        # Wrapped from the inside out: the innermost flow that does something to events comes by them first.
        for scope in reversed(self._scopes[:depth]):
            if scope.through is not None:
                events = _through(scope.through, events)
        return events

    def _held_back(self, events: Events, taps: tuple[See, ...], depth: int) -> Iterator[StreamEvent]:
        """Events until one opens the gate of the flow at this depth, and all that come after it."""
        gate = self._scopes[depth].through
        assert isinstance(gate, Gate)
        hold, coming = gate.hold, iter(events)
        for event in coming:
            for see in taps:
                try:
                    see(event)
                except Exception as error:
                    raise RaisedInLayer(see, error) from error
            try:
                opens = hold(event)
            except Exception as error:
                raise RaisedInLayer(gate, error) from error
            if opens:
                held = gate.open()
                self.look_for_taps()
                yield from self._beyond(depth, held)
                yield from self.seen(coming)
                return

    def look_for_taps(self) -> None:
        """Find out anew what sees the events."""
        # Kept as a plain tuple of functions, since this is looked at for every chunk of every stream. It changes only
        # where a flow begins or ends, a gate opens, or a tap puts another function in its place.
        found: list[See] = []
        self._closed = None
        for depth in range(len(self._scopes) - 1, -1, -1):
            scope = self._scopes[depth]
            through = scope.through
            if isinstance(through, Tap):
                if through.see is not None:
                    found.append(through.see)
            elif isinstance(through, Gate):
                if not through.is_open:
                    self.taps, self._closed = None, (tuple(found), depth)
                    return
                if scope.opens_within is not None:
                    self._lift(scope)
            elif through is not None:
                self.taps = None
                return
        self.taps = tuple(found)

    def seen(self, events: Events) -> Generator[StreamEvent, None, None]:
        """Events as the reader sees them."""
        taps = self.taps
        if taps is None:
            yield from self.passed(events)
            return
        for event in events:
            for see in taps:
                # A tap belongs to the flow that has set it: its error must not look like one of the flow inside.
                try:
                    see(event)
                except Exception as error:
                    raise RaisedInLayer(see, error) from error
            yield event

    def consume(self, events: Events) -> None:
        """Let events go by that nobody reads."""
        taps = self.taps
        if taps is None:
            collections.deque(self.passed(events), maxlen=0)
            return
        for event in events:
            for see in taps:
                try:
                    see(event)
                except Exception as error:
                    raise RaisedInLayer(see, error) from error

    # Requests.

    def sending(self, step: Open) -> Open:
        """Before a request is sent: what its flow had open is closed, it is counted, and held to the deadline.

        Raises:
            TransportTimeoutError: the deadline has passed.
        """
        # One flow has one response open at a time: a retry or a further page lets go of the connection before.
        if self._last is not None:
            self._drop(len(self._scopes))
        scope = self.innermost
        while scope is not None:
            scope.requests += 1
            scope.retries += step.is_retry
            scope = scope.around
        if self.until is None:
            return step
        left = self.left()
        patience = min(step.read_timeout, left)
        within = left if step.within is None else min(left, step.within)
        return Open(step.request, min(step.connect_timeout, patience), patience, within, step.via)

    def opened(self, response: Any) -> Any:
        """Keep a response until its flow ends."""
        self._held.append((len(self._scopes), response))
        self._last = response
        # Everybody outside may want to look at the head: a router reads the limits that a vendor tells there.
        scope = self.innermost
        while scope is not None:
            scope.head, scope = response, scope.around
        return response

    def reading(self, response: Any) -> Any:
        """A response that is still open.

        Raises:
            TypeError: it is not: a flow reads only what it, or a flow around it, opened last.
        """
        if response is not self._last and not any(response is other for _, other in self._held):
            raise TypeError("a flow reads only the response that it opened last")
        return response

    # The deadline.

    def left(self) -> float:
        """Seconds until the deadline, where there is one.

        Raises:
            TransportTimeoutError: there are none.
        """
        assert self.until is not None
        left = self.until - time.monotonic()
        if left <= 0:
            raise self._too_late()
        return left

    def patience(self, seconds: float) -> float:
        """How long a step may take that would like to take so long.

        Raises:
            TransportTimeoutError: the deadline has passed.
        """
        return seconds if self.until is None else min(seconds, self.left())

    def wait(self, seconds: float) -> float:
        """Refuse a wait that would end too late before it begins.

        Raises:
            TransportTimeoutError: it would.
        """
        if self.until is not None and seconds >= self.left():
            raise self._too_late()
        return seconds

    def told(self, failure: Exception, seeing: See | None = None) -> Exception:
        """A failed step, as its flow is told of it: silence that the deadline cut short is the deadline's.

        Args:
            seeing: the tap that failed, if one did.
        """
        if seeing is not None:
            return RaisedInLayer(seeing, failure)
        if self.until is None or not isinstance(failure, TransportTimeoutError):
            return failure
        # Every wait was cut to the deadline, so silence at just that time says nothing of the server.
        if time.monotonic() < self.until - CLOCKS_DIFFER:
            return failure
        late = self._too_late()
        late.__cause__ = failure
        return late

    # The end.

    def close(self) -> None:
        """Close all that is still there, the innermost first, whatever that raises."""
        if self._doing is not None:
            self.due.insert(0, self._doing)
        if not self._scopes and not self._held:
            self._top.close()
            return
        # An exit stack goes on with the others where one fails to close, and raises that failure at the end.
        with contextlib.ExitStack() as stack:
            stack.callback(self._drop, 0)
            for _ in self._scopes:
                stack.callback(self._close_innermost)
            stack.callback(self._top.close)

    def _close_innermost(self) -> None:
        self._scopes[-1].cancelled = True
        self._leave(None, None)
        self._top.close()

    def _left_to(self, raised: RaisedInLayer) -> Exception:
        """Close the flows inside the one that has raised, as those of a reader who has gone."""
        # From the inside out, up to the flow whose tap or gate it was: that one is told, and may catch it.
        while self._scopes:
            scope = self._scopes[-1]
            self._top.close()
            scope.cancelled = True
            self._leave(None, None)
            if raised.through in (scope.through, getattr(scope.through, "see", None)):
                break
        return raised.error

    def _next_due(self) -> Do:
        self._doing = self.due.pop(0)
        return Do(self._doing)

    def _later(self, outcome: Any, error: Exception | None) -> Do:
        self._suspended = outcome, error
        return self._next_due()

    def _enter(self, scope: Delegate) -> None:
        # What holds outside is set aside as it is; inside, a deadline can only become tighter.
        around = scope.around = self.innermost
        self.innermost = scope
        self._outer.append((self._top, self.until, self._deadline))
        self._scopes.append(scope)
        self._top = scope.flow
        if scope.through is not None:
            self.look_for_taps()
            if isinstance(scope.through, Tap):
                scope.through.changed = self.look_for_taps
        if scope.deadline is not None or scope.opens_within is not None:
            now = time.monotonic()
            given = (scope.deadline, scope.opens_within)
            scope.ends = tuple((now + seconds, seconds) for seconds in given if seconds is not None)
            self._tighten(scope)
        if scope.builder is not None:
            self.builder = scope.builder
            # Whoever stands around sees what is being folded, so that a cancelled call can tell what had arrived.
            while around is not None:
                around.builder, around = scope.builder, around.around

    def _tighten(self, scope: Delegate) -> None:
        for until, seconds in scope.ends:
            if self.until is None or until < self.until:
                self.until, self._deadline = until, seconds

    def _lift(self, scope: Delegate) -> None:
        """A gate has opened in time: go on with the other deadlines."""
        scope.opens_within = None
        scope.ends = scope.ends[:1] if scope.deadline is not None else ()
        # All deadlines are laid anew, the outermost first: the one that fell away may have hidden others.
        _, self.until, self._deadline = self._outer[0]
        for position, inner in enumerate(self._scopes):
            self._outer[position] = self._outer[position][0], self.until, self._deadline
            self._tighten(inner)

    def _leave(self, value: Any, error: Exception | None) -> None:
        if self._last is not None:
            self._drop(len(self._scopes))
        scope = self._scopes.pop()
        self.innermost = scope.around
        self._top, self.until, self._deadline = self._outer.pop()
        scope.value, scope.error = value, error
        if scope.through is not None:
            self.look_for_taps()
        # Not called here, where nothing may block: the driver is given it as its next step.
        if scope.after is not None:
            self.due.append(_Once(scope))

    def _drop(self, depth: int) -> None:
        held = self._held
        # Responses lie in the order of their flows, so those of flows that have ended lie on top.
        while held and held[-1][0] >= depth:
            held.pop()[1].close()
        self._last = held[-1][1] if held else None

    def _too_late(self) -> TransportTimeoutError:
        return TransportTimeoutError(
            f"the call was not complete within its deadline of {self._deadline:g} s; raise `deadline`, or ask for less"
        )


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
