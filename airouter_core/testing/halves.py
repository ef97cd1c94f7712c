"""The two halves of a provider, blocking and awaited, behind one face: a check is written once, and each half makes it.

The awaited half is driven from outside its event loop, which runs on in a thread of its own, as in a program that has
other things to await. What many threads ask at once is then awaited at once on one loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import functools
import importlib.util
import inspect
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Self, TypeVar

import attrs
import pytest

from ..provider.facade import Provider
from ..provider.http import HttpProvider

Result = TypeVar("Result")
Owner = TypeVar("Owner", bound=Provider[Any])
Check = TypeVar("Check", bound=Callable[..., Any])
NewLoop = Callable[[], asyncio.AbstractEventLoop]

END: Any = object()
LOOP_THREAD = "kit-event-loop"
"""Name of the thread in which the awaited half runs."""
ENDLESS = 60.0
"""Seconds after which something awaited will not end any more, however busy the machine is."""


@attrs.frozen
class Half:
    """One way to use a provider.

    Attributes:
        new_loop: makes the event loop to await on; ``None`` for the blocking half.
    """

    name: str
    new_loop: NewLoop | None = None

    def of(self, provider: Provider[Any]) -> Any:
        """The provider with its blocking methods, done by this half."""
        if self.new_loop is None:
            return provider
        if isinstance(provider, HttpProvider):
            need_aiohttp()
        return AwaitedProvider(provider, self.new_loop)


def _uvloop() -> asyncio.AbstractEventLoop:
    module = pytest.importorskip("uvloop", reason="runs on uvloop too where it is installed")
    loop: asyncio.AbstractEventLoop = module.new_event_loop()
    return loop


BLOCKING = Half("blocking")
AWAITED = Half("awaited", asyncio.new_event_loop)
ON_UVLOOP = Half("awaited on uvloop", _uvloop)


def in_each_half(check: Check) -> Check:
    """Mark a check that asks the provider under test: it is made once for each of ``Subject.halves``."""
    check.in_each_half = True  # type: ignore[attr-defined]  # functions take attributes
    return check


def is_for_each_half(subject: type, name: str) -> bool:
    """Whether a check is marked so, there or where it was overridden."""
    return any(getattr(vars(base).get(name), "in_each_half", False) for base in subject.__mro__)


def need_aiohttp() -> None:
    """Skip where awaiting is not installed."""
    if importlib.util.find_spec("aiohttp") is None:
        pytest.skip("awaiting needs aiohttp: pip install 'airouter-core[async]'")


def awaited(provider: Owner, call: Callable[[Owner], Awaitable[Result]]) -> Result:
    """What one awaited call gives; the provider is closed with its event loop."""

    async def asked() -> Result:
        async with provider:
            return await call(provider)

    return asyncio.run(asked())


class AwaitedProvider:
    """A provider whose every method that can be awaited is awaited: ``chat`` is ``achat``, run to its end."""

    def __init__(self, provider: Provider[Any], new_loop: NewLoop) -> None:
        self._provider = provider
        self._loop = _LoopThread(new_loop)

    @property
    def itself(self) -> Provider[Any]:
        """The provider, with both its halves."""
        return self._provider

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._provider, f"a{name}", None)
        return getattr(self._provider, name) if method is None else functools.partial(self._call, method)

    def _call(self, method: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        made = method(*arguments, **options)
        return self._loop.run(made) if inspect.isawaitable(made) else AwaitedStream(made, self._loop)

    def close(self) -> None:
        """Close the provider, then its loop; what the loop complained of is an error."""
        self._loop.run(self._provider.aclose())
        self._loop.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return repr(self._provider)


class AwaitedStream(Iterator[Any]):
    """An asynchronous stream or generator, awaited item by item."""

    def __init__(self, stream: Any, loop: _LoopThread) -> None:
        self._stream = stream
        self._loop = loop

    def __next__(self) -> Any:
        item = self._loop.run(anext(self._stream, END))
        if item is END:
            raise StopIteration
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def read(self) -> Any:
        """Go to the end, and return the whole answer."""
        return self._loop.run(self._stream.read())

    def close(self) -> None:
        """Stop here."""
        self._loop.run(self._stream.aclose())


class _LoopThread:
    """An event loop that runs in a thread until it is ended."""

    def __init__(self, new_loop: NewLoop) -> None:
        self._new_loop = new_loop
        self._complaints: list[str] = []
        self._ready = threading.Event()
        self._ended = False
        self._loop = new_loop()  # here, so that a loop that is not installed skips the check and not the thread
        self._thread = threading.Thread(target=self._serve, name=LOOP_THREAD, daemon=True)
        self._thread.start()
        self._ready.wait()

    def run(self, awaitable: Awaitable[Result]) -> Result:
        """Await something there, and wait for it; once the loop has ended, on another one."""
        if self._ended:
            with asyncio.Runner(loop_factory=self._new_loop) as runner:
                return runner.run(_awaited(awaitable))
        waiting = asyncio.run_coroutine_threadsafe(_awaited(awaitable), self._loop)
        try:
            return waiting.result(ENDLESS)
        except concurrent.futures.TimeoutError:
            if waiting.done():
                raise  # the awaited half's own
            waiting.cancel()
            raise AssertionError(f"what is awaited has not ended after {ENDLESS:g} s") from None

    def end(self) -> None:
        """Wait for the end of the thread.

        Raises:
            AssertionError: a task was lost, or an exception of one was not noticed.
        """
        if self._ended:
            return
        self._ended = True
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        if self._complaints:
            raise AssertionError(f"the event loop complains: {'; '.join(self._complaints)}")

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._until_ended())

    async def _until_ended(self) -> None:
        self._stop = asyncio.Event()
        self._loop.set_exception_handler(self._complain)
        self._ready.set()
        await self._stop.wait()

    def _complain(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._complaints.append(f"{context.get('message')} ({context.get('exception')!r})")


async def _awaited(awaitable: Awaitable[Result]) -> Result:
    return await awaitable
