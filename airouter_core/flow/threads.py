"""Blocking work, awaited: in threads, so that the event loop goes on.

asyncio and its threads are imported where they are used: a program that awaits nothing would pay for them with a third
of its start (measured in ``benchmarks/``).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import asyncio

Item = TypeVar("Item")
Result = TypeVar("Result")


async def awaited(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call in a thread."""
    import asyncio

    return await asyncio.to_thread(function, *arguments)


def finished(value: Any) -> Any:
    """A value; of what can only be awaited, what it comes to, in an event loop of its own."""
    if not inspect.isawaitable(value):
        return value
    import asyncio

    async def come() -> Any:
        return await value

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(come())
    # The caller blocks an event loop, which is the caller's choice; another one cannot run in the same thread.
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="airouter") as pool:
        return pool.submit(asyncio.run, come()).result()


def at_once(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Call for each item, all in threads at the same time; the results in order."""
    waiting = list(items)
    if len(waiting) <= 1:
        return [function(item) for item in waiting]
    import concurrent.futures

    with concurrent.futures.ThreadPoolExecutor(len(waiting), thread_name_prefix="airouter") as pool:
        return list(pool.map(function, waiting))


async def all_awaited(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """Await all at the same time; the results in order."""
    import asyncio

    return list(await asyncio.gather(*coroutines))


def in_order_of_arrival(calls: Iterable[Callable[[], Result]]) -> Iterator[Result]:
    """Call all in threads at the same time; each result as it comes. Closed early, what has not begun is not begun."""
    import concurrent.futures

    waiting = list(calls)
    pool = concurrent.futures.ThreadPoolExecutor(len(waiting) or 1, thread_name_prefix="airouter")
    try:
        for future in concurrent.futures.as_completed([pool.submit(call) for call in waiting]):
            yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


async def awaited_in_order_of_arrival(coroutines: Iterable[Coroutine[Any, Any, Result]]) -> AsyncIterator[Result]:
    """Await all at the same time; each result as it comes. Closed early, the others are cancelled."""
    import asyncio

    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        for next_done in asyncio.as_completed(tasks):
            yield await next_done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def awaited_iterator(start: Callable[[], Iterator[Result]]) -> AsyncIterator[Result]:
    """Iterate in threads, one item at a time. Cancelled in mid-item, the iterator is closed when that item is there."""
    import asyncio

    items = await asyncio.to_thread(start)
    close: Callable[[], None] = getattr(items, "close", lambda: None)
    end: Any = object()
    try:
        while True:
            step = asyncio.ensure_future(asyncio.to_thread(functools.partial(next, items, end)))
            try:
                item = await asyncio.shield(step)
            except asyncio.CancelledError:
                step.add_done_callback(functools.partial(_close_after, close))
                close = _nothing
                raise
            if item is end:
                return
            yield item
    finally:
        close()


def _close_after(close: Callable[[], None], step: asyncio.Future[Any]) -> None:
    if not step.cancelled():
        step.exception()  # read, so that asyncio does not report it as lost
    close()


def _nothing() -> None:
    """Nothing is left to close."""
