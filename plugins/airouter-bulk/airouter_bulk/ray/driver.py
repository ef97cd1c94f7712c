"""The process that began a run: connects to the cluster, starts the journal and the workers, and shows how it goes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from itertools import islice
from typing import Any, TypeVar

import attrs

from airouter_core.errors import AirouterError, ExecutionError

from ..counts import Counts
from ..reports import State, Summary
from ..rows import Row, Rows, rows_of
from ..running import Approve
from ..workers.worker import PATIENCE
from .cluster import HEAD, GoneError, Node, Staff, StoppedError, nodes_of
from .head import Head
from .messages import Look, Plan, plain_rows
from .worker import Worker

Result = TypeVar("Result")

OFTEN = 0.25
"""Seconds between two looks at the journal."""
CHUNK = 500
"""Rows that travel at a time."""
ORPHANED = 20.0
"""Seconds for which a worker may live on when its node is gone; Ray ends it in that time."""
GONE = 20.0
"""Seconds for which the head may be silent."""
PLACED = 120.0
"""Seconds in which a worker must be there."""
STOPPED = 10.0
"""Seconds that a journal has to end once everything is given up."""
FAILURES = 3
"""Workers that may fail to start, one after another, before the run is given up."""


@attrs.define
class _Crew:
    """A worker, as its driver sees it."""

    name: str
    node: Node
    actor: Any
    working: bool = False


class Driver:
    """One run on a cluster, seen from the process that began it."""

    def __init__(self, ray: Any, plan: Plan, rows: Rows | None, staff: Staff) -> None:
        self.spec = plan.spec
        self.counts = Counts()
        self._ray = ray
        self._away = ray.exceptions.RayActorError
        self._plan = plan
        self._rows = rows
        self._staff = staff
        self._crew: dict[str, _Crew] = {}
        self._started = 0
        self._failures = 0
        self._nodes: list[Node] = []
        self._look: Look | None = None
        self._before = Counts()
        self._stopping = False
        self._broken: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._head = self._remote(Head, num_cpus=0, resources={HEAD: 0.001}, max_restarts=-1, max_concurrency=1000)(
            plan
        )

    def pause(self, state: State, reason: str) -> None:
        """Begin no further call; those under way end as they would."""
        self._spawn(self._asked(lambda: self._head.pause.remote(state, reason)))

    def stop(self) -> None:
        """End at once: calls under way are given up, and found as uncertain by the next run."""
        self._stopping = True
        self._spawn(self._asked(lambda: self._head.stop.remote()))
        for worker in self._crew.values():
            self._ray.kill(worker.actor)
        asyncio.get_running_loop().call_later(STOPPED, self._break, StoppedError("stopped at once"))

    async def run(self, *, fork: bool, sample: int, approve: Approve | None) -> Summary:
        """Run to the end."""
        self._spawn(self._watched(approve))
        self._spawn(self._staffed())
        running = asyncio.ensure_future(self._ended(fork=fork, sample=sample))
        try:
            both: set[asyncio.Future[Any]] = {running, self._broken}
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if not running.done():
                raise self._broken.result()
            return running.result()
        finally:
            for task in (running, *self._tasks):
                task.cancel()
            await asyncio.gather(running, *self._tasks, return_exceptions=True)
            if not isinstance(self._broken.done() and self._broken.result(), GoneError):
                for actor in (*(worker.actor for worker in self._crew.values()), self._head):
                    self._ray.kill(actor)

    async def _ended(self, *, fork: bool, sample: int) -> Summary:
        """The end of the run, through all lives of its journal."""
        found: Summary | AirouterError | None = None
        while found is None:
            life = (await self._asked(lambda: self._head.look.remote())).life
            pump = self._spawn(self._pumped(life))
            names = [worker.name for worker in self._crew.values() if worker.working]
            with contextlib.suppress(self._away):
                found = await self._head.run.remote(life, names, fork=fork, sample=sample)
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
                    look = await self._head.look.remote()
            except (self._away, TimeoutError):
                if loop.time() - seen > 2 * PATIENCE:
                    self._break(GoneError("the journal cannot be restarted on the head of the cluster"))
                continue
            seen = loop.time()
            self._count(look)
            if look.left is not None and not agreed:
                agreed = True
                answer = approve is None or await approve(self, look.left)
                await self._asked(lambda: self._head.approve.remote(answer))  # noqa: B023  # awaited here

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
                taken = await self._asked(lambda: self._head.admit.remote(life, number, sent))  # noqa: B023  # awaited here
                if not (chunk and taken):
                    return
        except Exception as error:  # of whoever gives the rows
            self._break(error)

    async def _staffed(self) -> None:
        """Have workers wherever they are to be, while nodes come and go."""
        while not self._stopping:
            try:
                self._nodes = await nodes_of(self._ray, GONE)
            except GoneError as error:
                self._break(error)
                return
            there = Counter(worker.node.id for worker in self._crew.values())
            for node in self._staff.missing(self._nodes, there):
                self._start(node)
            await asyncio.sleep(1)

    def _start(self, node: Node) -> None:
        self._started += 1
        name = f"worker {self._started} on {node.host}"
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        make = self._remote(
            Worker,
            num_cpus=self._staff.cpus,
            num_gpus=self._staff.gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            max_restarts=0,
            max_concurrency=1000,
        )
        worker = _Crew(name, node, make(name, self._plan.reference, self._away))
        self._crew[name] = worker
        self._spawn(self._worked(worker))

    async def _worked(self, worker: _Crew) -> None:
        """The life of a worker."""
        share = math.ceil(self.spec.in_flight / max(1, self._staff.wanted(self._nodes)))
        try:
            async with asyncio.timeout(PLACED):
                ready = await worker.actor.ready.remote()
            if isinstance(ready, AirouterError):
                self._break(type(ready)(f"{worker.name}: {ready}"))
                return
            await self._asked(lambda: self._head.join.remote(worker.name))
            worker.working, self._failures = True, 0
            await worker.actor.work.remote(self._head, share)
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            self._ray.kill(worker.actor)  # it may still wait for its place
            self._failures += not worker.working
            if self._failures >= FAILURES:
                told = str(error) or f"its node has had no room for {PLACED:g} seconds; are its CPUs or GPUs in use?"
                self._break(ExecutionError(f"{worker.name} cannot be started: {told}"))
            self._spawn(self._lost(worker))
        finally:
            self._crew.pop(worker.name, None)

    async def _lost(self, worker: _Crew) -> None:
        """Tell the journal. A process is dead when its node says so; where the node is gone, it may live on a while."""
        try:
            alive = {node.id for node in await nodes_of(self._ray, GONE)}
        except GoneError as error:
            self._break(error)
            return
        after = 0.0 if worker.node.id in alive else ORPHANED
        await self._asked(lambda: self._head.lose.remote(worker.name, after))

    async def _asked(self, ask: Callable[[], Awaitable[Result]]) -> Result:
        """What the journal says; again while it is being restarted."""
        while True:
            try:
                return await ask()
            except self._away:
                await asyncio.sleep(OFTEN)

    def _remote(self, kind: type, **options: Any) -> Any:
        return self._ray.remote(max_task_retries=0, **options)(kind).remote

    def _break(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_result(error)

    def _spawn(self, work: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
