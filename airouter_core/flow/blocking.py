"""The driver of flows that blocks."""

from __future__ import annotations

import collections
import contextlib
import functools
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from typing import Any

from ..wire.bounds import Collected
from .endpoints import Transport
from .layers import See
from .stack import Stack
from .steps import Do, Emit, Flow, Gather, Open, Pull, Race, ReadAll, ReadSome, Sleep, Step, Take
from .threads import as_they_finish, finished

# A driver is a loop: give the innermost flow what came of its step, get the next step, perform it. What fails while
# performing is raised inside the flow. Two methods do it: `run` for whoever wants the result, `events` for a reader.


class Driven:
    """A flow that one of the two drivers drives.

    Attributes:
        complete: whether the flow has ended with a result.
    """

    complete = False
    _stack: Stack

    @property
    def result(self) -> Any:
        """What the flow returned."""
        return self._stack.value

    @property
    def builder(self) -> Any:
        """What has arrived of the answer that was begun last."""
        return self._stack.builder


class Driver(Driven):
    """Drives one flow.

    Args:
        transport: for requests that no flow around lends connections to.
        around: the stack whose flow gathers this one among others.

    Attributes:
        stopped: set from another thread, to end at the next event or step.
    """

    def __init__(self, flow: Flow[Any], transport: Transport | None = None, around: Stack | None = None) -> None:
        self._stack = Stack(flow, around)
        self._transport = transport
        self.stopped = False

    def run(self) -> Any:
        """Go to the end; nobody reads the events."""
        stack = self._stack
        outcome: Any = None
        error: Exception | None = None
        try:
            while not self.stopped and (step := stack.resume(outcome, error)) is not None:
                outcome = error = None
                try:
                    if type(step) is Emit:
                        stack.passage.consume(step.events)
                    else:
                        outcome = self._perform(step)
                except Exception as failure:
                    error = stack.told(failure)
            self.complete = not self.stopped
            return stack.value
        finally:
            outcome = None  # who reports a failure shows its frames, and an answer may repeat a key
            self._close()

    def events(self) -> Generator[Any, None, Any]:  # noqa: C901, PLR0912  # every chunk of every stream comes by here
        """The events, as they come; the generator's value is the flow's. Closing it ends the flow."""
        stack = self._stack
        # The two steps of which a stream consists, reading a piece and handing on its events, are done in this very
        # frame: a method for each would cost more than parsing a chunk.
        resume = stack.resume
        outcome: Any = None
        error: Exception | None = None
        seeing: See | None = None
        try:
            while (step := resume(outcome, error)) is not None:
                outcome = error = None
                try:
                    if type(step) is ReadSome and stack.deadline is None:
                        outcome = stack.reading(step.response).read_some(step.timeout)
                    elif type(step) is Emit and (taps := stack.passage.taps) is not None:
                        # As `stack.seen`, without a frame for each event.
                        for event in step.events:
                            for seeing in taps:
                                seeing(event)
                            seeing = None
                            yield event
                            if self.stopped:
                                return None
                    elif (events := self._handed_on(step)) is not None:
                        with contextlib.closing(events):
                            for event in events:
                                yield event
                                if self.stopped:
                                    return None
                    else:
                        outcome = self._perform(step)
                        if self.stopped:
                            return None
                except Exception as failure:
                    if self.stopped:  # what has failed is what it was stopped by
                        return None
                    error, seeing = stack.told(failure, seeing), None
            self.complete = True
            return stack.value
        finally:
            outcome = None  # who reports a failure shows its frames, and an answer may repeat a key
            self._close()

    def _handed_on(self, step: Step) -> Generator[Any, None, None] | None:
        """What of a step the reader sees, if any."""
        if type(step) is Emit:
            return self._stack.passage.seen(step.events)
        if type(step) is Pull:
            return self._pulled(step)
        if type(step) is Gather and step.each:
            return (value for _, value in self._gathered(step))
        if type(step) is Race:
            return self._raced(step)
        return None

    def _perform(self, step: Any) -> Any:
        stack = self._stack
        match step:
            case ReadSome():
                return stack.reading(step.response).read_some(stack.patience(step.timeout))
            case Open():
                return self._open(stack.sending(step))
            case ReadAll():
                return self._read_all(stack.reading(step.response), step)
            case Sleep():
                return time.sleep(stack.wait(step.seconds))
            case Do():
                return step.function()
            case Take():
                return self._take(step)
            case Gather():
                return in_order(len(step.flows), self._gathered(step))
            case Pull():
                return collections.deque(self._pulled(step), maxlen=0)
            case Race():
                return collections.deque(self._raced(step), maxlen=0)
        raise TypeError(f"a flow yields steps, not {step!r}")

    def _open(self, step: Open) -> Any:
        via = step.via or self._stack.via
        transport = self._transport if via is None else via.transport
        if transport is None:
            raise TypeError("no flow around this request says whose connections it goes through")
        return self._stack.opened(
            transport.open(
                step.request,
                connect_timeout=step.connect_timeout,
                read_timeout=step.read_timeout,
                within=step.within,
            )
        )

    def _read_all(self, response: Any, step: ReadAll) -> Any:
        if self._stack.deadline is None:
            return response.read_all(step.timeout, step.limit)
        # Bytes that drip in must not outlast the deadline, so it is looked at after each piece.
        pieces = Collected(step.limit)
        while data := response.read_some(self._stack.patience(step.timeout)):
            pieces.add(data)
        return pieces.whole()

    def _take(self, step: Take) -> None:
        handed_over = threading.Event()
        # Either a slot is free now, or the one who gives one back sets the event: then the slot is ours already.
        if step.slots.take(handed_over.set):
            return
        try:
            deadline = self._stack.deadline
            if not handed_over.wait(None if deadline is None else deadline.left()) and deadline is not None:
                raise deadline.too_late()
        except BaseException:
            step.slots.forget(handed_over.set)
            raise

    def _pulled(self, step: Pull) -> Generator[Any, None, None]:
        source = step.blocking()
        try:
            yield from self._stack.passage.seen(source)
        finally:
            getattr(source, "close", lambda: None)()

    def _gathered(self, step: Gather) -> Iterator[tuple[int, Any]]:
        """Each flow's position, and its value or exception, as they come."""
        drivers = [Driver(flow, self._transport, self._stack) for flow in step.flows]
        if len(drivers) == 1:
            yield 0, _outcome(drivers[0])
            return
        # Each flow has a thread and a driver of its own. Threads cannot be cancelled: those that are wanted no longer
        # are told to stop, and do so at their next step, which nobody waits for.
        missing = step.enough
        try:
            for position, outcome in as_they_finish([functools.partial(_outcome, driver) for driver in drivers]):
                value = outcome()
                yield position, value
                if missing is not None and not isinstance(value, Exception):
                    missing -= 1
                    if missing <= 0:
                        return
        finally:
            for driver in drivers:
                driver.stopped = True

    def _raced(self, step: Race) -> Generator[Any, None, None]:
        from .racing import raced

        with contextlib.closing(
            raced(step, lambda flow: Driver(flow, self._transport, self._stack), self._stack)
        ) as events:
            for event in events:
                yield from self._stack.passage.seen((event,))

    def _close(self) -> None:
        stack = self._stack
        try:
            stack.close()
        finally:
            # Also where closing has failed: whoever was told of a start must be told of its end.
            while stack.due:
                finished(stack.due.pop(0)())


def in_order(count: int, gathered: Iterable[tuple[int, Any]]) -> list[Any]:
    """What was gathered, in the order of the flows."""
    values: list[Any] = [TimeoutError("others were enough")] * count
    for position, value in gathered:
        values[position] = value
    return values


def _outcome(driver: Driver) -> Any:
    try:
        return driver.run()
    except Exception as error:  # the flow that gathers is given it as a value
        return error
