"""Blocking work, awaited: in threads, so that the event loop goes on.

asyncio and its threads are imported where they are used: a program that awaits nothing would pay for them with a third
of its start (measured in ``benchmarks/``).
"""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from ..errors import ConfigurationError

if TYPE_CHECKING:
    import asyncio

Item = TypeVar("Item")
Result = TypeVar("Result")

SIGHT = 0.2
"""Seconds after which a waiting thread looks up: on Windows, only then does it see Ctrl-C."""


def loop_of_asyncio() -> asyncio.AbstractEventLoop:
    """The event loop that runs.

    Raises:
        ConfigurationError: it is none of asyncio's.
    """
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        pass
    raise ConfigurationError(
        "what is awaited here needs an event loop of asyncio (in a forked process a new one); under trio, call the "
        "method without the 'a' in a thread: trio.to_thread.run_sync(provider.chat, ...)"
    )


async def awaited(function: Callable[..., Result], *arguments: Any) -> Result:
    """Call in a thread."""
    import asyncio

    loop_of_asyncio()
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
    """Call for each item, all in threads at the same time; the results in order, or the first error in that order.

    Ctrl-C ends the waiting, and the program, at once; a pool of the standard library would wait for its threads.
    """
    waiting = list(items)
    if len(waiting) <= 1:
        return [function(item) for item in waiting]
    results = dict(as_they_finish([functools.partial(function, item) for item in waiting]))
    return [results[place]() for place in range(len(waiting))]


def as_they_finish(calls: Sequence[Callable[[], Result]]) -> Iterator[tuple[int, Callable[[], Result]]]:
    """The place of each call as it has finished, and what gives its result or raises its error.

    Each runs in a copy of the caller's context, so that context variables reach it.
    """
    import contextvars
    import queue

    # Daemon threads and a queue in place of a pool: the interpreter waits for the threads of a pool when it ends, so
    # that Ctrl-C would seem to do nothing until the slowest answer is there.
    arrived: queue.SimpleQueue[tuple[int, Callable[[], Result]]] = queue.SimpleQueue()

    def run(place: int, call: Callable[[], Result]) -> None:
        try:
            arrived.put((place, functools.partial(_given, call())))
        except BaseException as error:  # it is raised where the result is wanted
            arrived.put((place, functools.partial(_raised, error)))

    for place, call in enumerate(calls):
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(run, place, call), name=f"airouter-{place}", daemon=True).start()
    for _ in calls:
        while True:
            try:
                yield arrived.get(timeout=SIGHT)
                break
            except queue.Empty:
                continue


async def awaited_iterator(start: Callable[[], Iterator[Result]]) -> AsyncIterator[Result]:
    """Iterate in threads, one item at a time. Cancelled in mid-item, the iterator is closed when that item is there."""
    import asyncio

    # One thread call for each item keeps the event loop free while an item is made. A generator cannot be closed
    # while it runs, so a cancelled one is closed by the thread that comes back from it.
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


class Once:
    """Something that is called once, whoever calls it; who comes later waits until it is over.

    Args:
        begin: what is awaited in place of the call where somebody awaits.
    """

    __slots__ = ("_begin", "_begun", "_call", "_lock")

    def __init__(self, call: Callable[[], Any], begin: Callable[[], Awaitable[Any]] | None = None) -> None:
        self._lock = threading.Lock()
        self._call: Callable[[], Any] | None = call
        self._begin = begin
        self._begun: asyncio.Future[Any] | None = None

    @property
    def awaited(self) -> Callable[[], Awaitable[Any]] | None:
        """Awaits it, once, whoever does: one who is cancelled meanwhile does not end it. ``None`` without ``begin``."""
        return None if self._begin is None else self._await

    def __call__(self) -> Any:
        with self._lock:
            call, self._call = self._call, None
            return None if call is None else call()

    def _await(self) -> Awaitable[Any]:
        import asyncio

        if self._begun is None:
            assert self._begin is not None
            self._begun = asyncio.ensure_future(self._begin())
        return asyncio.shield(self._begun)


class Work:
    """What a thread was given to do. One that was left by who awaited it may not have begun yet, or be at it still."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._begun = self._abandoned = False

    def __call__(self) -> Any:
        with self._lock:
            if self._abandoned:
                return None
            self._begun = True
        try:
            return self._function()
        finally:
            self._over.set()

    def wait(self) -> None:
        """Until it is over, if it has begun; otherwise it shall not begin any more."""
        with self._lock:
            self._abandoned = True
            if not self._begun:
                return
        self._over.wait()


def _given(result: Result) -> Result:
    return result


def _raised(error: BaseException) -> NoReturn:
    raise error


def _close_after(close: Callable[[], None], step: asyncio.Future[Any]) -> None:
    if not step.cancelled():
        step.exception()  # read, so that asyncio does not report it as lost
    close()


def _nothing() -> None:
    """Nothing is left to close."""
