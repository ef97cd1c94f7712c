"""The workers of a run on a cluster: begun wherever they are to be, and replaced when they are gone.

A node on which none can begin is left out, and one that says nothing for long is ended; the others go on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

import attrs

from airouter_core.errors import AirouterError, ConfigurationError, ExecutionError

from ..workers.worker import SILENT
from .cluster import GoneError, Node, Staff, nodes_of
from .messages import Look
from .reached import NEEDED, Journal, last_line, remote
from .reference import Reference
from .worker import Worker

LOGGER = logging.getLogger("airouter.bulk")
ORPHANED = 20.0
"""Seconds for which a worker may live on when its node is gone; Ray ends it in that time."""
GONE = 20.0
"""Seconds for which the head may be silent."""
PLACED = 120.0
"""Seconds in which a worker must be there."""
FAILURES = 3
"""Workers that may fail to start on a node, one after another, before it is left out."""
AVOIDED = 300.0
"""Seconds for which a node is left out on which no worker can begin."""


@attrs.define
class _Member:
    """A worker, as its driver sees it."""

    name: str
    node: Node
    actor: Any
    working: bool = False


class Crew:
    """All workers of one run.

    Args:
        spawn: has something done beside.
        failed: is told when nobody can make calls, or the head is gone.

    Attributes:
        begun: somebody has made calls, or could have.
    """

    def __init__(
        self,
        ray: Any,
        staff: Staff,
        reference: Reference,
        journal: Journal,
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._ray = ray
        self._staff = staff
        self._reference = reference
        self._journal = journal
        self._spawn = spawn
        self._failed = failed
        self._members: dict[str, _Member] = {}
        self._nodes: list[Node] = []
        self._started = 0
        self._failures: Counter[str] = Counter()
        self._avoided: dict[str, float] = {}
        self._nobody_since: float | None = None
        self._told: set[str] = set()
        self._over = False
        self.begun = False

    def working(self) -> list[str]:
        """The names of those that make calls."""
        return [member.name for member in self._members.values() if member.working]

    def end(self) -> None:
        """End all at once, and begin no more."""
        self._over = True
        for member in self._members.values():
            self._ray.kill(member.actor)

    def end_silent(self, look: Look) -> None:
        """End those from whom the journal has heard nothing for long."""
        for member in self._members.values():
            if member.working and look.quiet.get(member.name, 0.0) > SILENT:
                LOGGER.warning("%s has said nothing for %d seconds, and is ended", member.name, SILENT)
                member.working = False
                self._ray.kill(member.actor)

    async def staffed(self) -> None:
        """Have workers wherever they are to be, while nodes come and go."""
        while not self._over:
            try:
                alive = await nodes_of(self._ray, GONE)
            except GoneError as error:
                self._failed(error)
                return
            now = asyncio.get_running_loop().time()
            self._nodes = [node for node in alive if self._avoided.get(node.id, 0.0) <= now]
            there = Counter(member.node.id for member in self._members.values())
            for node in self._staff.missing(self._nodes, there):
                self._start(node)
            self._look_for_room(now)
            await asyncio.sleep(1)

    def _look_for_room(self, now: float) -> None:
        """Nodes may come; until then it is told what is missing, and after a while nobody waits for them any more."""
        wanted = self._staff.workers or 0
        if self._members:
            self._nobody_since = None
            if self._wanted < wanted:
                self._tell(f"there is room for {self._wanted} workers of {wanted}: {self._staff}")
            return
        self._nobody_since = now if self._nobody_since is None else self._nobody_since
        problem = f"no node of the cluster has room for a worker: {self._staff}"
        if not self._avoided:  # what is wrong with those is told already
            self._tell(problem)
        if now - self._nobody_since > PLACED:
            self._failed(ExecutionError(problem))

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            LOGGER.warning("%s", problem)

    @property
    def _wanted(self) -> int:
        return self._staff.wanted(self._nodes)

    def _start(self, node: Node) -> None:
        self._started += 1
        name = f"worker {self._started} on {node.host}"
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        make = remote(
            self._ray,
            Worker,
            num_cpus=self._staff.cpus,
            num_gpus=self._staff.gpus,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.id, soft=False),
            max_restarts=0,
            max_concurrency=1000,
        )
        member = _Member(name, node, make(name, self._reference, self._journal.away))
        self._members[name] = member
        self._spawn(self._life(member))

    async def _life(self, member: _Member) -> None:
        begun = False
        try:
            async with asyncio.timeout(PLACED):
                ready = await member.actor.ready.remote()
            if isinstance(ready, AirouterError):
                self._ray.kill(member.actor)
                kind = ConfigurationError if isinstance(ready, ConfigurationError) else ExecutionError
                self._avoid(member, kind(f"{member.name}: {ready}"))
                return
            await self._journal.ask(self._journal.actor.join, member.name, max(1, self._wanted))
            begun = member.working = self.begun = True
            self._failures[member.node.id] = 0
            await member.actor.work.remote(self._journal.actor)
        except (self._ray.exceptions.RayError, TimeoutError) as error:
            self._ray.kill(member.actor)  # it may still wait for its place
            if not begun:
                self._not_begun(member, error)
            self._spawn(self._lost(member))
        finally:
            self._members.pop(member.name, None)

    def _not_begun(self, member: _Member, error: Exception) -> None:
        self._failures[member.node.id] += 1
        if isinstance(error, TimeoutError):
            told = f"its node has had no room for {PLACED:g} seconds; are its CPUs or GPUs in use?"
        elif self._failures[member.node.id] >= FAILURES:
            told = f"{last_line(error)}; {NEEDED}"
        else:
            return
        self._avoid(member, ExecutionError(f"{member.name} cannot be started: {told}"))

    def _avoid(self, member: _Member, error: AirouterError) -> None:
        """Leave a node out for a while, or give up where there is no other."""
        node = member.node.id
        self._failures[node] = 0
        self._avoided[node] = asyncio.get_running_loop().time() + AVOIDED
        self._nodes = [one for one in self._nodes if one.id != node]
        if self.working() or self._wanted:
            LOGGER.warning("%s; the run goes on without this node", error)
        else:
            self._failed(error)

    async def _lost(self, member: _Member) -> None:
        """Tell the journal. A process is dead when its node says so; where the node is gone, it may live on a while."""
        try:
            alive = {node.id for node in await nodes_of(self._ray, GONE)}
        except GoneError as error:
            self._failed(error)
            return
        after = 0.0 if member.node.id in alive else ORPHANED
        await self._journal.ask(self._journal.actor.lose, member.name, after)
