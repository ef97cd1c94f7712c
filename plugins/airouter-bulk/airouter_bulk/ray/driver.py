"""The process that began a run: connects to the cluster, starts the journal and the workers, and shows how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from itertools import islice
from typing import Any

from airouter_core.errors import AirouterError

from ..counts import Counts
from ..reports import State, Summary
from ..rows import Row, Rows, rows_of
from ..running import Approve
from ..workers.worker import PATIENCE
from .cluster import GoneError, Staff, StoppedError
from .crew import Crew
from .messages import Look, Plan, plain_rows
from .reached import OFTEN, Journal

CHUNK = 500
"""Rows that travel at a time."""
STOPPED = 10.0
"""Seconds that a journal has to end once everything is given up."""


class Driver:
    """One run on a cluster, seen from the process that began it."""

    def __init__(self, ray: Any, plan: Plan, rows: Rows | None, staff: Staff) -> None:
        self.spec = plan.spec
        self.counts = Counts()
        self._ray = ray
        self._rows = rows
        self._look: Look | None = None
        self._before = Counts()
        self._broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._rows_failed: Exception | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._journal = Journal(ray, plan)
        self._crew = Crew(ray, staff, plan.reference, self._journal, self._spawn, self._alone)

    def pause(self, state: State, reason: str) -> None:
        """Begin no further call; those under way end as they would."""
        self._spawn(self._journal.ask(self._journal.actor.pause, state, reason))

    def stop(self) -> None:
        """End at once: calls under way are given up, and found as uncertain by the next run."""
        self._spawn(self._journal.ask(self._journal.actor.stop))
        self._crew.end()
        asyncio.get_running_loop().call_later(STOPPED, self._break, StoppedError("stopped at once"))

    async def run(self, *, fork: bool, sample: int, approve: Approve | None) -> Summary:
        """Run to the end."""
        self._spawn(self._watched(approve))
        self._spawn(self._crew.staffed())
        running = asyncio.ensure_future(self._ended(fork=fork, sample=sample))
        try:
            both: set[asyncio.Future[Any]] = {running, self._broken}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise self._broken.result()
            if self._rows_failed is not None:
                raise self._rows_failed  # calls that were under way have ended meanwhile
            return running.result()
        finally:
            for task in (running, *self._tasks):
                task.cancel()
            await asyncio.gather(running, *self._tasks, return_exceptions=True)
            if not isinstance(self._broken.done() and self._broken.result(), GoneError):
                self._crew.end()
                self._ray.kill(self._journal.actor)

    async def _ended(self, *, fork: bool, sample: int) -> Summary:
        """The end of the run, through all lives of its journal."""
        found: Summary | AirouterError | None = None
        actor = self._journal.actor
        while found is None:
            life = (await self._journal.ask(actor.look)).life
            pump = self._spawn(self._pumped(life))
            with contextlib.suppress(self._journal.away):
                found = await actor.run.remote(life, self._crew.working(), fork=fork, sample=sample)
            pump.cancel()
            fork = fork and (self._look is None or not self._look.begun)
        if isinstance(found, AirouterError):
            raise found
        return found

    async def _watched(self, approve: Approve | None) -> None:
        """See how the journal stands, and ask whoever must be asked."""
        loop = asyncio.get_running_loop()
        seen, agreed = loop.time(), False
        while True:
            await asyncio.sleep(OFTEN)
            try:
                async with asyncio.timeout(PATIENCE / 4):
                    look = await self._journal.actor.look.remote()
            except (self._journal.away, TimeoutError):
                if loop.time() - seen > 2 * PATIENCE:
                    self._break(GoneError("the journal cannot be restarted on the head of the cluster"))
                continue
            seen = loop.time()
            self._count(look)
            self._crew.end_silent(look)
            if look.left is not None and not agreed:
                agreed = True
                answer = approve is None or await approve(self, look.left)
                await self._journal.ask(self._journal.actor.approve, answer)
                seen = loop.time()

    def _count(self, look: Look) -> None:
        last, self._look = self._look, look
        if last is not None and last.life != look.life and last.counts is not None:
            self._before.join(last.counts)
        if look.counts is not None:
            self.counts = look.counts
            self.counts.join(self._before)

    async def _pumped(self, life: str) -> None:
        """Send the rows to one life of the journal, as fast as they are taken."""
        if self._rows is None:
            return
        try:
            rows = rows_of(self._rows)
            for number in itertools.count():
                chunk: list[Row] = await asyncio.to_thread(lambda: list(islice(rows, CHUNK)))
                sent = plain_rows(chunk)
                taken = await self._journal.ask(self._journal.actor.admit, life, number, sent)
                if not (chunk and taken):
                    return
        except Exception as error:  # of whoever gives the rows
            self._rows_failed = error
            await self._journal.ask(self._journal.actor.no_more, life, str(error))

    def _alone(self, error: BaseException) -> None:
        """Nobody makes calls any more. What has begun can go on another time."""
        if self._crew.begun and not isinstance(error, GoneError):
            self.pause("paused", f"no worker can be had any more: {error}")
        else:
            self._break(error)

    def _break(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_result(error)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._break(error)  # nobody awaits it
