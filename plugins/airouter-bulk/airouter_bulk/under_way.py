"""What of a run is under way: calls, and what is being written of them; and waiting until something has happened."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from .journal.writer import Together, Writer

Piece = TypeVar("Piece")
Result = TypeVar("Result")


class UnderWay:
    """Calls and writes that have begun and not ended.

    Attributes:
        broken: what nobody awaits has failed with this; the run is to be given up.
    """

    def __init__(self, writer: Writer) -> None:
        self.broken: BaseException | None = None
        self._writer = writer
        self._calls: set[asyncio.Task[None]] = set()
        self._unwritten = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return self._unwritten + len(self._calls)

    def begin(self, call: Coroutine[Any, Any, None]) -> None:
        """Make a call."""
        task = asyncio.create_task(call)
        self._calls.add(task)
        task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Give up all calls."""
        for task in self._calls:
            task.cancel()

    def write(self, function: Together[Piece, Result], piece: Piece, then: Callable[[Result], None]) -> None:
        """Have something written; ``then`` goes on with what came of it."""
        self._unwritten += 1
        self._writer.put(function, piece, functools.partial(self._written, then))

    def wake(self) -> None:
        """Something has happened."""
        self._wake.set()

    async def woken(self, seconds: float | None = None) -> None:
        """Wait until something has happened, or for so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def drained(self) -> None:
        """Wait until nothing is under way."""
        while len(self):
            await self.woken()

    def _written(self, then: Callable[[Any], None], result: Any, error: Exception | None) -> None:
        try:
            if error is not None:
                raise error
            then(result)
        except Exception as failure:  # nobody awaits this
            self.broken = self.broken or failure
        self._unwritten -= 1
        self._wake.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.broken = self.broken or error
        self._wake.set()
