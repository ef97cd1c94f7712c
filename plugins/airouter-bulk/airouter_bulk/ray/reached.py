"""The journal's actor, as those ask it who know that it may be restarted."""

from __future__ import annotations

import asyncio
from typing import Any

from airouter_core.errors import ExecutionError

from .cluster import HEAD
from .head import Head
from .messages import Plan

OFTEN = 0.25
"""Seconds between two tries, and between two looks at the journal."""


class Journal:
    """The journal of a run.

    Attributes:
        away: what a question to it raises while it is being restarted.
    """

    def __init__(self, ray: Any, plan: Plan) -> None:
        self.away: type[Exception] = ray.exceptions.RayActorError
        self.actor = remote(ray, Head, num_cpus=0, resources={HEAD: 0.001}, max_restarts=-1, max_concurrency=1000)(plan)

    async def ask(self, method: Any, *arguments: Any, **named: Any) -> Any:
        """What it says; again while it is being restarted.

        Args:
            method: of the actor.

        Raises:
            ExecutionError: it cannot begin at all.
        """
        while True:
            try:
                return await method.remote(*arguments, **named)
            except self.away as error:
                if getattr(error, "actor_init_failed", False):
                    raise ExecutionError(f"the journal cannot begin on the head of the cluster: {error}") from None
                await asyncio.sleep(OFTEN)


def remote(ray: Any, kind: type, **options: Any) -> Any:
    """How an actor is made; Ray repeats nothing of it."""
    return ray.remote(max_task_retries=0, **options)(kind).remote
