"""A worker as an actor of Ray."""

from __future__ import annotations

from typing import Any

from ..journal.records import Call
from ..workers import worker
from ..workers.pool import Lease, Result
from ..workers.worker import Limits


class Worker(worker.Worker):
    """One of the workers of a run on a cluster."""

    async def work(self, journal: Any) -> None:
        """Make calls until the run is over.

        Args:
            journal: the actor.
        """
        await super().work(_Reached(journal))


class _Reached:
    """The journal, as its actor is asked."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    async def lease(self, worker: str, got: int, lives: dict[str, int]) -> Lease | None:
        lease: Lease | None = await self._actor.lease.remote(worker, got, lives)
        return lease

    async def report(self, worker: str, life: str, results: list[tuple[Call, Result]], limits: Limits) -> None:
        await self._actor.report.remote(worker, life, results, limits)
