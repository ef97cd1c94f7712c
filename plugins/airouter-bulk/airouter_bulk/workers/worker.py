"""Makes calls in another process: fetches booked ones in batches, makes them at once, reports how they ended.

A result is kept until the journal has it, also one that was begun anew meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from airouter_core.errors import AirouterError, ExecutionError
from airouter_core.provider.facade import Provider
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.wire.rate_limits import RateLimit

from ..answering import by_provider
from ..journal.records import Call, packed, unpacked
from ..outcomes import NotSentError
from .pool import STALE, Given, Lease, Result

PATIENCE = 60.0
"""Seconds for which the journal may be away before its worker gives up."""
SILENT = 60.0
"""Seconds after which a worker that says nothing has stopped, and its calls are somebody else's. Each says something
every second."""
LINGER = 0.008
"""Seconds for which a result waits for others to be reported with it."""


Limits = Mapping[str, RateLimit]


class Source(Protocol):
    """Where a provider comes from in this process."""

    def provider(self) -> Provider[Any]: ...


class Journal(Protocol):
    """The journal of a run, as its workers reach it."""

    async def lease(self, worker: str, got: int, lives: dict[str, int]) -> Lease | None:
        """Calls to make, or ``None`` when there will be no more.

        Args:
            got: number of the last lease that the worker has.
            lives: of the calls that it holds, how many each.
        """

    async def report(self, worker: str, life: str, results: list[tuple[Call, Result]], limits: Limits) -> None:
        """How calls ended, and what the answers said of the limits of whoever asks."""


class Worker:
    """One of the workers of a run.

    Args:
        away: what a call to the journal raises while that is being restarted.
    """

    def __init__(self, name: str, reference: Source, away: type[Exception]) -> None:
        self._name = name
        self._reference = reference
        self._away = away
        self._provider: Provider[Any]
        self._journal: Journal
        self._limits: dict[str, RateLimit] = {}
        self._calls: dict[Call, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[Call, Result]] = []
        self._under_way = 0
        self._closed = 0.0
        self._flushing: asyncio.TimerHandle | None = None

    async def ready(self) -> int | AirouterError:
        """Make the provider and load what its calls need; the result is the process, or why it cannot be had here."""
        try:
            self._provider = self._reference.provider()
        except AirouterError as error:
            return carried(error)
        # What is imported by the first call is imported now: permits must not age meanwhile.
        with contextlib.suppress(ImportError):
            import aiohttp  # noqa: F401  # of the transport
        return os.getpid()

    async def work(self, journal: Journal) -> None:
        """Make calls until the run is over."""
        self._journal = journal
        answer = by_provider(self._provider, self._limits.update)
        got = 0
        try:
            while True:
                asked = time.monotonic()
                lives = dict(Counter(self._calls.values()))
                lease = await self._repeated(journal.lease, self._name, got, lives)
                if lease is None:
                    break
                got = lease.number
                travelled = time.monotonic() - asked - lease.waited
                for given in lease.given:
                    self._begin(answer, given, travelled, lease.life)
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            for task in self._tasks:
                task.cancel()
            await self._provider.aclose()

    def _begin(self, answer: Callable[[Ask, Call], Awaitable[Any]], given: Given, travelled: float, life: str) -> None:
        self._calls[given.call] = life
        self._under_way += 1
        late = given.age + travelled > STALE or time.monotonic() < self._closed
        self._spawn(self._made(answer, given, late=late))

    async def _made(self, answer: Callable[[Ask, Call], Awaitable[Any]], given: Given, *, late: bool) -> None:
        result: Result
        try:
            result = NotSentError("its moment had passed") if late else await answer(given.ask, given.call)
        except AirouterError as error:
            result = carried(error)
            if wait := getattr(error, "retry_after", None):
                # The journal closes the pace for all; until it hears of this, what it sends here is not sent on.
                self._closed = max(self._closed, time.monotonic() + wait)
        self._under_way -= 1
        self._ended.append((given.call, result))
        if isinstance(result, AirouterError) or len(self._ended) > self._under_way:
            self._flush()
        elif self._flushing is None:
            self._flushing = asyncio.get_running_loop().call_later(LINGER, self._flush)

    def _flush(self) -> None:
        if self._flushing is not None:
            self._flushing.cancel()
            self._flushing = None
        ended, self._ended = self._ended, []
        by_life: dict[str, list[tuple[Call, Result]]] = {}
        for call, result in ended:
            by_life.setdefault(self._calls[call], []).append((call, result))
        for life, results in by_life.items():
            self._spawn(self._reported(life, results))

    async def _reported(self, life: str, results: list[tuple[Call, Result]]) -> None:
        limits = dict(self._limits)
        self._limits.clear()
        try:
            await self._repeated(self._journal.report, self._name, life, results, limits)
        except (TypeError, AttributeError, pickle.PicklingError):
            results = [(call, plain_result(result)) for call, result in results]
            await self._repeated(self._journal.report, self._name, life, results, limits)
        for call, _ in results:
            del self._calls[call]

    async def _repeated(self, ask: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        """Ask the journal; again while it is being restarted. What it is asked may be asked twice."""
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return await ask(*arguments)
            except self._away:
                if time.monotonic() > until:
                    raise
                await asyncio.sleep(0.2)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def carried(error: AirouterError) -> AirouterError:
    """An error as it can travel; a stranger's may hold what cannot."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301  # of what was just made here
    except Exception:  # whatever a stranger's class does
        return ExecutionError(f"{type(error).__name__}: {error}")
    return error


def plain_result(result: Result) -> Result:
    """The same as the journal keeps it: an answer may hold things of a stranger that cannot travel."""
    return unpacked(packed(result)) if isinstance(result, Response) else result
