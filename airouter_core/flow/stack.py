"""The flows of one call, each run by the one below it: what both drivers have in common.

A driver resumes the innermost flow directly, so layers around it cost nothing for each step. Each flow on the stack
owns the response that it has open: it is closed as soon as that flow ends, well before the call does.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from typing import Any

from .deadlines import Deadline, tightest
from .endpoints import Endpoint
from .layers import See, Tap
from .passage import Passage, RaisedInLayer
from .steps import Delegate, Do, Flow, Open, Step
from .threads import Once, finished

# How the pieces play together. A flow that delegates yields a `Delegate`; the stack puts the flow outside aside and
# goes on with the one inside, so that the driver resumes the innermost flow directly, however many are around it. What
# the outer flow wants meanwhile hangs on the `Delegate`: who sees the events, whose connections are used, until when.
# When the inner flow ends, the outer one is taken up again with its value or its error, as `yield from` would do it.


class Stack:
    """The stack of one driver.

    Args:
        flow: the outermost flow.
        around: the stack whose flow gathers this one among others.

    Attributes:
        passage: the way that events take out to the reader.
        deadline: when all must be there; ``None`` where there is no such time.
        builder: what has arrived of the answer that was begun last.
        value: of the outermost flow, once it has ended.
        due: what is to be called now that its flow has ended.
        innermost: the delegation whose flow is resumed next.
    """

    __slots__ = (
        "_doing",
        "_held",
        "_last",
        "_outer",
        "_scopes",
        "_suspended",
        "_top",
        "builder",
        "deadline",
        "due",
        "innermost",
        "passage",
        "value",
    )

    def __init__(self, flow: Flow[Any], around: Stack | None = None) -> None:
        self._top = flow
        self._scopes: list[Delegate] = []
        self._outer: list[tuple[Flow[Any], Deadline | None]] = []
        self._held: list[tuple[int, Any]] = []
        self._last: Any = None
        self._suspended: tuple[Any, Exception | None] | None = None
        self._doing: Once | None = None
        self.innermost: Delegate | None = None
        self.passage = Passage(self._scopes, self._lift)
        self.deadline: Deadline | None = None
        self.builder: Any = None
        self.value: Any = None
        self.due: list[Once] = []
        if around is not None:
            self.innermost, self.deadline = around.innermost, around.deadline

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
        if self.deadline is None:
            return step
        left = self.deadline.left()
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

    def patience(self, seconds: float) -> float:
        """How long a step may take that would like to take so long.

        Raises:
            TransportTimeoutError: the deadline has passed.
        """
        return seconds if self.deadline is None else min(seconds, self.deadline.left())

    def wait(self, seconds: float) -> float:
        """How long a wait may take: as long as it would like to, or not at all.

        Raises:
            TransportTimeoutError: it would end too late.
        """
        return seconds if self.deadline is None else self.deadline.wait(seconds)

    def told(self, failure: Exception, seeing: See | None = None) -> Exception:
        """A failed step, as its flow is told of it: silence that the deadline cut short is the deadline's.

        Args:
            seeing: the tap that failed, if one did.
        """
        if seeing is not None:
            return RaisedInLayer(seeing, failure)
        return failure if self.deadline is None else self.deadline.judged(failure)

    # The end.

    def close(self) -> None:
        """Close all that is still there, the innermost first, whatever that raises."""
        self.passage.opened = None
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
            if raised.is_of(scope):
                break
        return raised.error

    def _next_due(self) -> Do:
        self._doing = self.due.pop(0)
        return Do(self._doing, self._doing.awaited)

    def _later(self, outcome: Any, error: Exception | None) -> Do:
        self._suspended = outcome, error
        return self._next_due()

    def _enter(self, scope: Delegate) -> None:
        # What holds outside is set aside as it is; inside, a deadline can only become tighter.
        around = scope.around = self.innermost
        self.innermost = scope
        self._outer.append((self._top, self.deadline))
        self._scopes.append(scope)
        self._top = scope.flow
        if scope.through is not None:
            self.passage.look()
            if isinstance(scope.through, Tap):
                scope.through.changed = self.passage.look
        if scope.deadline is not None or scope.opens_within is not None:
            given = (scope.deadline, scope.opens_within)
            scope.ends = tuple(Deadline.after(seconds) for seconds in given if seconds is not None)
            self.deadline = tightest(self.deadline, scope.ends)
        if scope.builder is not None:
            self.builder = scope.builder
            # Whoever stands around sees what is being folded, so that a cancelled call can tell what had arrived.
            while around is not None:
                around.builder, around = scope.builder, around.around

    def _lift(self, scope: Delegate) -> None:
        """A gate has opened in time: go on with the other deadlines."""
        scope.opens_within = None
        scope.ends = scope.ends[:1] if scope.deadline is not None else ()
        # All deadlines are laid anew, the outermost first: the one that fell away may have hidden others.
        self.deadline = self._outer[0][1]
        for position, inner in enumerate(self._scopes):
            self._outer[position] = self._outer[position][0], self.deadline
            self.deadline = tightest(self.deadline, inner.ends)

    def _leave(self, value: Any, error: Exception | None) -> None:
        if self._last is not None:
            self._drop(len(self._scopes))
        scope = self._scopes.pop()
        self.innermost = scope.around
        self._top, self.deadline = self._outer.pop()
        scope.value, scope.error = value, error
        if scope.through is not None:
            self.passage.look()
        # Not called here, where nothing may block: the driver is given it as its next step.
        if scope.after is not None:
            awaited = scope.after_awaited
            begin = None if awaited is None else functools.partial(awaited, scope)
            self.due.append(Once(functools.partial(scope.after, scope), begin))

    def _drop(self, depth: int) -> None:
        held = self._held
        # Responses lie in the order of their flows, so those of flows that have ended lie on top.
        while held and held[-1][0] >= depth:
            held.pop()[1].close()
        self._last = held[-1][1] if held else None
