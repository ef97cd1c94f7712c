"""Cancelling a task at each place where it awaits, one after another: the places are counted, no clock is involved."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, Literal

import attrs

Moment = Literal["while waiting", "when it is there"]
"""Before what is awaited is there, or in the same breath: what has just been got must then be given back."""
MOMENTS: tuple[Moment, ...] = ("while waiting", "when it is there")
MOST = 1000
"""Places to await that no call has."""


@attrs.frozen
class Place:
    """Where a task is cancelled: at which of its awaits, counted from 0, and when."""

    number: int
    moment: Moment


async def cancelled_everywhere(
    make: Callable[[], Coroutine[Any, Any, Any]], after: Callable[[Place], Awaitable[None]]
) -> int:
    """Run a coroutine again and again, cancelled at its first await, its second, and so on until it has no more.

    Args:
        make: makes the coroutine.
        after: awaited after each time, to look at what was left behind.

    Returns:
        at how many places it was cancelled.

    Raises:
        AssertionError: it went on although it was cancelled, or ended in another way.
    """
    places = 0
    for moment in MOMENTS:
        for number in range(MOST):
            place = Place(number, moment)
            run = _Interrupted(make(), place)
            task = asyncio.ensure_future(_awaited(run))
            await asyncio.wait([task])
            if not run.reached:
                task.result()
                break
            if not task.cancelled():
                raise AssertionError(f"cancelled at await {number}, {moment}: it ended otherwise ({task!r})")
            places += 1
            await after(place)
    return places


class _Interrupted:
    """Awaits a coroutine, and has the task cancelled at one place."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], place: Place) -> None:
        self._coroutine = coroutine
        self._place = place
        self.reached = False

    def __await__(self) -> Generator[Any, Any, Any]:
        step, value = self._coroutine.send, None
        for number in range(MOST):
            try:
                awaited = step(value)
            except StopIteration as end:
                return end.value
            if number == self._place.number:
                self._cancel(awaited)
            try:
                step, value = self._coroutine.send, (yield awaited)
            except BaseException as error:
                step, value = self._coroutine.throw, error
        raise AssertionError(f"it awaits more than {MOST} times")

    def _cancel(self, awaited: Any) -> None:
        self.reached = True
        task = asyncio.current_task()
        assert task is not None
        if self._place.moment == "while waiting" or awaited is None:
            # Takes effect as soon as the task waits: it cancels what the task waits for.
            task.cancel()
        else:
            # Runs before the task wakes up, whose own call-back comes later.
            awaited.add_done_callback(lambda _: task.cancel())


async def _awaited(run: _Interrupted) -> Any:
    return await run
