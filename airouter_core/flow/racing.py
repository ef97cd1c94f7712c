"""Two flows of which one wins: the step :class:`~airouter_core.flow.steps.Race`, in both halves.

Each flow has a driver of its own, in a thread or a task of its own, and puts what happens into one queue, in the order
in which it happens. The loser is stopped: its task is cancelled, its thread finds its connection ended.
"""

from __future__ import annotations

import contextlib
import contextvars
import queue
import threading
import time
from collections.abc import AsyncGenerator, Callable, Generator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from .stopping import STOP, Stop
from .threads import SIGHT

if TYPE_CHECKING:
    import asyncio

    from .awaited import AsyncDriver
    from .blocking import Driver
    from .stack import Stack
    from .steps import Flow, Race

AHEAD = 64
"""Events that a flow may be ahead of its reader."""


class _Happened(msgspec.Struct, frozen=True):
    """What happened to one of the flows: an event, its value, or its error."""

    place: int
    what: Literal["event", "value", "error"]
    it: Any


class _Standing:
    """How the race stands; the rules, which are the same in both halves."""

    def __init__(self, step: Race) -> None:
        self._step = step
        self._errors: dict[int, Exception] = {}
        self._begun = 0
        self._next_at: float | None = time.monotonic()

    @property
    def is_time(self) -> bool:
        """Whether another flow is to begin."""
        return self._next_at is not None and time.monotonic() >= self._next_at

    @property
    def loser(self) -> int | None:
        """Who has lost, once somebody has won."""
        return None if self._step.winner is None else 1 - self._step.winner

    def next(self) -> Flow[Any] | None:
        """The flow to begin now; ``None`` where there is none after all."""
        # The spare flow is made only when it is its time: making one may take a slot, or count as a call.
        if self._begun == 0:
            self._begun, self._next_at = 1, time.monotonic() + self._step.after
            return self._step.flow
        self._next_at = None
        flow = self._step.spare()
        self._begun += flow is not None
        return flow

    def wait(self, stack: Stack) -> float | None:
        """Seconds until there may be something to do although nothing happens.

        Raises:
            TransportTimeoutError: the deadline has passed.
        """
        waits = [] if stack.deadline is None else [stack.deadline.left()]
        if self._next_at is not None:
            waits.append(max(0.0, self._next_at - time.monotonic()))
        return min(waits, default=None)

    def take(self, happened: _Happened) -> bool:
        """Take note; whether the race is over.

        Raises:
            Exception: of the winner, or of the first flow where nobody is left.
        """
        step = self._step
        if happened.what == "error":
            # Before there is a winner an error is one hope less; after it, the winner's error is the race's.
            if happened.place == step.winner:
                raise happened.it
            self._errors[happened.place] = happened.it
            if step.winner is None and len(self._errors) == self._begun:
                raise self._errors[0]
            return False
        # The first to say anything has won, not the first to end: its reader is waiting.
        if step.winner is None:
            step.winner, self._next_at = happened.place, None
        if happened.place != step.winner or happened.what == "event":
            return False
        step.value = happened.it
        return True


def raced(step: Race, drive: Callable[[Flow[Any]], Driver], stack: Stack) -> Generator[Any, None, None]:
    """The events of the winner, blocking."""
    standing = _Standing(step)
    happened: queue.SimpleQueue[_Happened] = queue.SimpleQueue()
    runners: list[_Runner] = []
    try:
        while True:
            if standing.is_time and (flow := standing.next()) is not None:
                runners.append(_Runner(len(runners), drive(flow), happened))
            wait = standing.wait(stack)
            try:
                # Looked up from now and then: a thread that only waits would not see Ctrl-C on every system.
                found = happened.get(timeout=SIGHT if wait is None else min(SIGHT, wait))
            except queue.Empty:
                continue
            if standing.take(found):
                return
            # At once, so that its connection is closed and nobody pays for words that are not read.
            if (loser := standing.loser) is not None and loser < len(runners):
                runners[loser].stop()
            if found.place == step.winner:
                yield found.it
                runners[found.place].room.release()
    finally:
        for runner in runners:
            runner.stop()


class _Runner:
    """One flow in a thread of its own."""

    def __init__(self, place: int, driver: Driver, happened: queue.SimpleQueue[_Happened]) -> None:
        self.place = place
        self.room = threading.Semaphore(AHEAD)
        self._driver = driver
        self._happened = happened
        self._stop = Stop()
        self._over = False
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name=f"airouter-race-{place}", daemon=True).start()

    def stop(self) -> None:
        """End it, if it has not ended."""
        if not self._over:
            self._driver.stopped = True
            self._stop.now()

    def _run(self) -> None:
        STOP.set(self._stop)
        try:
            with contextlib.closing(self._driver.events()) as events:
                for event in events:
                    # A winner may not run ahead of its reader without bound; who waits here may have lost meanwhile.
                    while not self.room.acquire(timeout=SIGHT):
                        if self._driver.stopped:
                            return
                    self._happened.put(_Happened(self.place, "event", event))
            self._tell("value", self._driver.result)
        except Exception as error:
            self._tell("error", error)

    def _tell(self, what: Literal["value", "error"], it: Any) -> None:
        self._over = True
        self._happened.put(_Happened(self.place, what, it))


async def araced(step: Race, drive: Callable[[Flow[Any]], AsyncDriver], stack: Stack) -> AsyncGenerator[Any, None]:
    """The events of the winner, awaited."""
    import asyncio

    standing = _Standing(step)
    happened: asyncio.Queue[_Happened] = asyncio.Queue(AHEAD)
    tasks: list[asyncio.Task[None]] = []
    try:
        while True:
            if standing.is_time and (flow := standing.next()) is not None:
                tasks.append(asyncio.ensure_future(_arun(len(tasks), drive(flow), happened)))
            wait = standing.wait(stack)
            try:
                found = await asyncio.wait_for(happened.get(), wait)
            except TimeoutError:
                continue
            if standing.take(found):
                return
            if (loser := standing.loser) is not None and loser < len(tasks):
                tasks[loser].cancel()
            if found.place == step.winner:
                yield found.it
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _arun(place: int, driver: AsyncDriver, happened: asyncio.Queue[_Happened]) -> None:
    try:
        async with contextlib.aclosing(driver.events()) as events:
            async for event in events:
                await happened.put(_Happened(place, "event", event))
        await happened.put(_Happened(place, "value", driver.result))
    except Exception as error:
        await happened.put(_Happened(place, "error", error))
