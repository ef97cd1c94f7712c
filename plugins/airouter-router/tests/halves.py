"""The real drivers of both halves on the clock of a world: waits take no time, and deadlines end on it."""

from __future__ import annotations

import asyncio
import contextlib
import selectors
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from unittest import mock

from airouter_core.flow import blocking, deadlines
from airouter_core.flow.awaited import AsyncDriver
from airouter_core.flow.blocking import Driver
from airouter_core.flow.steps import Flow


class Selector(selectors.DefaultSelector):
    """Lets the time of a world pass where nothing else is to be waited for; ``None`` waits as ever."""

    world: Any = None

    def select(self, timeout: float | None = None) -> Any:
        if self.world is None or timeout is None or timeout <= 0:
            return super().select(timeout)
        found = super().select(0)
        if not found:
            self.world.now += timeout
        return found


@contextlib.contextmanager
def on_the_clock_of(world: Any) -> Iterator[None]:
    def sleep(seconds: float) -> None:
        world.now += seconds

    time = SimpleNamespace(monotonic=lambda: world.now, sleep=sleep)
    with mock.patch.object(deadlines, "time", time), mock.patch.object(blocking, "time", time):
        yield


def driven(world: Any, half: str, flow: Flow[Any]) -> tuple[list[Any], Any]:
    """The events that a reader saw, and the result or the error."""
    events: list[Any] = []
    try:
        with on_the_clock_of(world):
            if half == "blocking":
                driver = Driver(flow)
                events.extend(driver.events())
                return events, driver.result
            return events, _run(world, _awaited(flow, events))
    except Exception as error:
        return events, error


def _run(world: Any, coming: Any) -> Any:
    selector = Selector()
    loop = asyncio.SelectorEventLoop(selector)
    clock, selector.world = loop.time, world
    loop.time = lambda: world.now  # type: ignore[method-assign]
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        try:
            return runner.run(coming)
        finally:
            # A loop that closes waits for its threads with a timeout, which is no time of the world's.
            loop.time, selector.world = clock, None  # type: ignore[method-assign]


async def _awaited(flow: Flow[Any], events: list[Any]) -> Any:
    driver = AsyncDriver(flow)
    async with contextlib.aclosing(driver.events()) as coming:
        async for event in coming:
            events.append(event)
    return driver.result
