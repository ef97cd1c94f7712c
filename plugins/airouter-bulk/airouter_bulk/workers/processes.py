"""Workers in processes of this machine: for more calls a second than one process makes.

Each is this Python, begun anew, and speaks with its parent through its standard input and output: it asks for calls,
and reports how they ended. So the engine, its limits, its budget and its journal stay with the parent, as on a cluster.
A worker that dies, or says nothing for long, is replaced; one whose parent is gone sees the end of its input, and ends
at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from airouter_core.errors import ConfigurationError, ExecutionError
from airouter_core.provider.facade import Provider

from ..answering import Heard
from .channel import Channel
from .copied import copied
from .pool import LOOKED, Lease, Pool
from .worker import SILENT

LOGGER = logging.getLogger("airouter.bulk")
COMMAND = ("-P", "-m", "airouter_bulk.workers.process")
"""What Python is told: nothing is imported from the folder that it happens to stand in."""
PARKED = 1.0
"""Seconds for which a worker's wish for calls waits here."""
BEGUN = 120.0
"""Seconds in which a worker must be ready."""
ENDING = 10.0
"""Seconds that a worker has to end, with the engines that it has started."""
FAILURES = 3
"""Workers that may die before they have begun, one after another, before the run is paused."""


class Crew:
    """The worker processes of one run.

    Args:
        provider: who is asked; each worker makes one with the same settings.
        in_flight: calls at a time, of all together.

    Attributes:
        pool: where calls wait for them.
        heard: is given what their answers say of the limits of whoever asks.
        failed: is told when no worker can be had any more.

    Raises:
        ConfigurationError: the provider cannot be made in another process.
    """

    def __init__(self, provider: Provider[Any], workers: int, in_flight: int) -> None:
        if getattr(sys, "frozen", False):
            raise ConfigurationError("a frozen program has no Python to begin workers with: leave them out")
        self.pool = Pool(in_flight, workers)
        self.heard: Heard = lambda limits: None
        self.failed: Callable[[BaseException], None] = lambda error: None
        self._source = copied(provider)
        self._workers = workers
        self._begun = False
        self._started = self._failures = 0
        self._over = False
        self._there: dict[str, tuple[asyncio.subprocess.Process, Channel]] = {}
        self._lives: set[asyncio.Task[None]] = set()

    @contextlib.asynccontextmanager
    async def hired(self) -> AsyncIterator[None]:
        """Have all of them, for as long as a run lasts.

        Raises:
            ExecutionError: a worker cannot be started.
        """
        watching = asyncio.create_task(self._watched())
        try:
            await asyncio.gather(*(self._hire() for _ in range(self._workers)))
            self._begun = True
            yield
        finally:
            watching.cancel()
            await self._end()

    def _hire(self) -> asyncio.Future[None]:
        """Start a worker; the result is there when it is ready, or says why it cannot be."""
        self._started += 1
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        life = asyncio.create_task(self._life(f"worker {self._started}", ready))
        self._lives.add(life)
        life.add_done_callback(self._lives.discard)
        return ready

    async def _end(self) -> None:
        """Let all go; what they have under way is given up."""
        self._over = True
        for _, channel in self._there.values():
            channel.close()
        await asyncio.gather(*self._lives, return_exceptions=True)

    async def _life(self, name: str, ready: asyncio.Future[None]) -> None:
        pipe = asyncio.subprocess.PIPE
        try:
            process = await asyncio.create_subprocess_exec(sys.executable, *COMMAND, stdin=pipe, stdout=pipe)
        except OSError as error:
            ready.set_exception(ExecutionError(f"{name} cannot be started: {error}"))
            self._replace(name, ready)
            return
        assert process.stdin is not None
        assert process.stdout is not None
        channel = Channel(process.stdout, process.stdin)
        self._there[name] = process, channel
        try:
            if (refused := await self._refused(name, channel)) is not None:
                ready.set_exception(refused)
                return
            ready.set_result(None)
            self._failures = 0
            await self._served(name, channel)
        except EOFError:
            pass
        finally:
            del self._there[name]
            channel.close()
            await _ended(process)
            self._replace(name, ready)

    async def _refused(self, name: str, channel: Channel) -> BaseException | None:
        """Have a worker begin; the result is why it cannot."""
        channel.send((name, self._source))
        try:
            async with asyncio.timeout(BEGUN):
                refused: BaseException | None = await channel.receive()
        except EOFError:
            return ExecutionError(f"{name} has ended before it had begun; it may say why above")
        except TimeoutError:
            self._there[name][0].kill()
            return ExecutionError(f"{name} was not ready within {BEGUN:g} seconds")
        self.pool.heard(name)
        return refused

    async def _watched(self) -> None:
        """End those that have stopped, so that others make their calls."""
        while True:
            await asyncio.sleep(LOOKED)
            for name, seconds in self.pool.quiet().items():
                if seconds > SILENT and name in self._there:
                    LOGGER.warning("%s has said nothing for %d seconds, and is ended", name, seconds)
                    self._there[name][0].kill()

    async def _served(self, name: str, channel: Channel) -> None:
        """Give a worker calls, and take over how they ended, until it ends."""
        giving: set[asyncio.Task[None]] = set()
        try:
            while True:
                wants, results, limits = await channel.receive()
                self.pool.heard(name)
                if limits:
                    self.heard(limits)
                for call, result in results:
                    self.pool.take(call, result)
                if wants:
                    task = asyncio.create_task(self._given(name, channel))
                    giving.add(task)
                    task.add_done_callback(giving.discard)
        finally:
            for task in giving:
                task.cancel()

    async def _given(self, name: str, channel: Channel) -> None:
        began = time.monotonic()
        given = await self.pool.give(name, PARKED)
        channel.send(Lease("", 0, given, time.monotonic() - began))

    def _replace(self, name: str, ready: asyncio.Future[None]) -> None:
        """What it had under way is lost; somebody else goes on."""
        lost = self.pool.lose(name)
        if self._over or not self._begun:
            return
        LOGGER.warning("%s has ended, with %d calls under way; another one takes its place", name, lost)
        error = ready.exception()
        self._failures += error is not None
        if error is not None and self._failures >= FAILURES:
            self.failed(error)
            return
        self._hire().add_done_callback(asyncio.Future.exception)  # of one that ends so, the next is told


async def _ended(process: asyncio.subprocess.Process) -> None:
    try:
        async with asyncio.timeout(ENDING):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
