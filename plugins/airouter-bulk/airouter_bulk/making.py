"""The engine of a run, with the processes that make its calls where there are to be some; and Ctrl-C while it works."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airouter_core.provider.facade import Provider

from .engine import Engine
from .interrupts import interrupts
from .journal.admission import Run
from .journal.writer import Writer
from .questions import Questions
from .tariff import Tariff
from .workers.pool import STALE
from .workers.processes import Crew


@contextlib.asynccontextmanager
async def engine_for(
    found: Run,
    provider: Provider[Any],
    questions: Questions,
    tariff: Tariff,
    writer: Writer,
    given: Mapping[str, Any],
) -> AsyncIterator[Engine]:
    """An engine.

    Args:
        given: as for it; where somebody makes the calls already, no processes are begun.

    Raises:
        ConfigurationError: the provider cannot be made in another process.
        ExecutionError: a process cannot be started.
    """
    spec, make = found.spec, functools.partial(Engine, found.spec, found.id, provider, questions, tariff, writer)
    if "answering" in given or (spec.workers or 1) == 1:
        working = make(**given)
        with interrupts(working):
            yield working
        return
    crew = Crew(provider, spec.workers or 1, spec.in_flight)
    working = make(answering=crew.pool.answer, lag=STALE, **given)
    crew.heard = working.rhythm.heard

    def failed(error: BaseException) -> None:
        working.pause("paused", f"no worker can be had any more: {error}")
        crew.pool.recall()

    crew.failed = failed
    with interrupts(working):  # also while they begin and end, which may take seconds
        async with crew.hired():
            yield working
