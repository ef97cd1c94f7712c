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
NEEDED = "each node needs airouter-bulk[cli,ray] and the plugins of its providers, in the versions that are here"


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
                    raise ExecutionError(
                        f"the journal cannot begin on the head of the cluster: {last_line(error)}; {NEEDED}"
                    ) from None
                await asyncio.sleep(OFTEN)


def last_line(error: BaseException) -> str:
    """What an error of Ray comes to; the lines before it are a traceback of another process."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def remote(ray: Any, kind: type, **options: Any) -> Any:
    """How an actor is made; Ray repeats nothing of it."""
    return ray.remote(max_task_retries=0, **options)(kind).remote
