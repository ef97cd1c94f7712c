"""The journal of a run as an actor on the head: the engine of one process, whose calls are made by workers.

An actor may die and be restarted, then it has another *life*: everything is found again in the journal, as when a
command is given again. But its workers still live, with calls under way of the life before. A new life begins when they
have ended: their answers are taken over, nothing is asked twice, and no more is under way than allowed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Iterator

from airouter_core.errors import AirouterError, ExecutionError

from ..engine import Engine
from ..errors import InUseError
from ..journal.records import Call
from ..reports import State, Summary
from ..running import arun
from ..workers.pool import STALE, Lease, Pool, Result
from ..workers.worker import Limits, carried
from ..working import Working
from .arriving import Arriving
from .leases import Leases
from .messages import Look, Plan, SentRow

PARKED = 1.0
"""Seconds for which a worker's wish for calls waits here."""
RELEASED = 15.0
"""Seconds until the journal of a driver that was killed is let go."""


class Head:
    """The actor. All its methods may be called twice for the same."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.life = uuid.uuid4().hex
        self._pool = Pool(plan.spec.in_flight)
        self._leases = Leases()
        self._engine: Engine | None = None
        self._over = False
        self._pausing: tuple[State, str] | None = None
        self._running: asyncio.Future[Summary | AirouterError] | None = None
        self._workers: set[str] = set()
        self._gone: set[str] = set()
        self._settled: set[str] = set()
        self._late: dict[Call, tuple[Result, asyncio.Event]] = {}
        self._late_of: dict[str, set[Call]] = {}
        self._changed = asyncio.Event()
        self._arriving = Arriving()
        self._approval: asyncio.Future[bool] | None = None
        self._left: int | None = None

    async def run(self, life: str, workers: list[str], *, fork: bool, sample: int) -> Summary | AirouterError | None:
        """Run, or go on.

        Args:
            life: the one that is meant.
            workers: those that live.

        Returns:
            how the run stands at the end, or why it could not go on; ``None`` in another life.
        """
        if life != self.life:
            return None
        if self._running is None:
            self._workers.update(set(workers) - self._gone)
            self._pool.workers = max(self._pool.workers, len(self._workers))
            for worker in self._workers:
                self._pool.heard(worker)  # one that says nothing any more has been quiet since now
            self._running = asyncio.ensure_future(self._to_the_end(fork=fork, sample=sample))
        return await asyncio.shield(self._running)

    async def _to_the_end(self, *, fork: bool, sample: int) -> Summary | AirouterError:
        try:
            while not self._workers <= self._settled:
                self._changed.clear()
                await self._changed.wait()
            return await self._run(fork=fork, sample=sample)
        except AirouterError as error:
            return carried(error)
        finally:
            self._over = True
            self._pool.close()

    async def join(self, worker: str, among: int) -> None:
        """A worker is there.

        Args:
            among: how many there are to be.
        """
        self._workers.add(worker)
        self._pool.heard(worker)
        self._pool.workers = among

    async def lease(self, worker: str, got: int, lives: dict[str, int]) -> Lease | None:
        """Give a worker calls to make.

        Args:
            got: number of the last lease that it has.
            lives: of the calls that it holds, how many each.

        Returns:
            ``None`` when it is to make no more.
        """
        began = time.monotonic()
        earlier = sum(count for life, count in lives.items() if life != self.life)
        known = worker in self._workers or self._running is None  # a life that has not begun knows nobody yet
        if self._over or worker in self._gone or not known:
            return None
        self._pool.heard(worker)
        if not self._leases.unheard(worker, got, began)[1]:
            if self._running is None or earlier > len(self._late_of.get(worker, ())):
                await asyncio.sleep(PARKED / 5)
            else:
                self._settle(worker)
                given = await self._pool.give(worker, PARKED)
                self._leases.add(worker, got, given, time.monotonic())
        if worker in self._gone:
            return None
        now = time.monotonic()
        return Lease(self.life, *self._leases.unheard(worker, got, now), now - began)

    async def report(self, worker: str, life: str, results: list[tuple[Call, Result]], limits: Limits) -> None:
        """Take over how calls ended; when this returns, the journal has it.

        Args:
            limits: what the answers said of those of whoever asks.
        """
        if limits and self._engine is not None:
            self._engine.rhythm.heard(limits)
        if life != self.life and self._engine is None:
            events = [self._late.setdefault(call, (result, asyncio.Event()))[1] for call, result in results]
            self._late_of.setdefault(worker, set()).update(call for call, _ in results)
        else:
            events = []
            for call, result in results:
                if life == self.life and self._pool.take(call, result):
                    events.append(self._pool.keeping(call))
                elif self._engine is not None and not self._over:
                    await self._engine.take(call, result)
        for event in events:
            await event.wait()

    async def lose(self, worker: str, after: float) -> None:
        """A worker is gone, or is about to be: for so many seconds what it reports counts as if it were not."""
        if worker in self._workers:
            self._workers.discard(worker)
            self._pool.workers = max(1, self._pool.workers - 1)
        self._gone.add(worker)
        self._leases.forget(worker)
        self._pool.dismiss(worker)
        self._settle(worker)
        if after:
            await asyncio.sleep(after)
        self._pool.lose(worker)

    async def admit(self, life: str, number: int, rows: list[SentRow]) -> bool:
        """Take the next rows; none are the end.

        Args:
            life: the one that they are for; another one takes none.
            number: of these rows, counted from 0.
        """
        if life != self.life:
            return False
        await self._arriving.add(number, rows)
        return True

    async def no_more(self, life: str, told: str) -> None:
        """Whoever gives the rows has failed: calls under way end, and the run with them."""
        if life == self.life:
            self._arriving.fail(ExecutionError(told))

    async def look(self) -> Look:
        """How the run stands."""
        engine = self._engine
        counts = None if engine is None else engine.counts
        return Look(self.life, engine is not None, counts, self._left, dict(self._pool.quiet()))

    async def approve(self, agreed: bool) -> None:
        """Whether the run goes on after its sample."""
        if self._approval is not None and not self._approval.done():
            self._approval.set_result(agreed)

    async def pause(self, state: State, reason: str) -> None:
        """Begin no further call."""
        self._pausing = self._pausing or (state, reason)
        if self._engine is not None:
            self._engine.pause(state, reason)
            self._pool.recall()
            if self._approval is not None:
                await self.approve(False)

    async def stop(self) -> None:
        """Give up the calls under way."""
        if self._engine is not None:
            self._engine.stop()

    async def _run(self, *, fork: bool, sample: int) -> Summary:
        plan, until = self._plan, time.monotonic() + RELEASED
        loop = asyncio.get_running_loop()
        async with plan.reference.provider() as provider:
            while True:
                try:
                    return await arun(
                        plan.spec,
                        self._arriving.read(loop) if plan.rows else None,
                        plan.folder,
                        fork=fork,
                        provider=(provider, plan.model),
                        prices=plan.prices,
                        watch=self._watched,
                        sample=sample,
                        approve=self._asked,
                        late=self._late_ones(),
                        answering=self._pool.answer,
                        kept=self._pool.kept,
                        lag=STALE,
                    )
                except InUseError:  # by the actor of a command that was killed a moment ago, perhaps
                    if time.monotonic() > until:
                        raise
                    await asyncio.sleep(0.3)

    @contextlib.contextmanager
    def _watched(self, engine: Working) -> Iterator[None]:
        assert isinstance(engine, Engine)
        self._engine = engine
        if self._pausing is not None:
            engine.pause(*self._pausing)
        yield

    async def _asked(self, engine: Working, left: int) -> bool:
        self._approval = asyncio.get_running_loop().create_future()
        self._left = left
        try:
            return await self._approval
        finally:
            self._left = None

    def _late_ones(self) -> Iterator[tuple[Call, Result]]:
        for call, (result, event) in self._late.items():
            yield call, result
            event.set()

    def _settle(self, worker: str) -> None:
        self._settled.add(worker)
        self._changed.set()
