"""A bar on a terminal while a run goes on: how far, how fast, how dear. Needs ``airouter-core[cli]``."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .money import dollars
from .working import Working

OFTEN = 0.25
"""Seconds between two looks."""


class Bar:
    """Shows an engine at work, on stderr and only where somebody watches.

    Args:
        total: questions, as far as known.
        done: of them before this process began.
    """

    def __init__(self, total: int | None, done: int = 0) -> None:
        self._total = total
        self._done = done

    @contextlib.contextmanager
    def __call__(self, engine: Working) -> Iterator[None]:
        if not sys.stderr.isatty():
            yield
            return
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:.1f}/s  {task.fields[failed]} failed  {task.fields[cost]:.4f} USD"),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=Console(stderr=True)) as progress:
            task = progress.add_task("", total=self._total, rate=0.0, failed=0, cost=0.0)
            began = asyncio.get_running_loop().time()
            showing = asyncio.get_running_loop().create_task(self._show(progress, task, engine, began))
            try:
                yield
            finally:
                showing.cancel()
                self._update(progress, task, engine, began)

    async def _show(self, progress: Progress, task: object, engine: Working, began: float) -> None:
        while True:
            self._update(progress, task, engine, began)
            await asyncio.sleep(OFTEN)

    def _update(self, progress: Progress, task: object, engine: Working, began: float) -> None:
        counts = engine.counts
        ended = counts.valid + counts.failed
        fields = {"failed": counts.failed, "cost": float(dollars(counts.spent))}
        if seconds := asyncio.get_running_loop().time() - began:
            fields["rate"] = ended / seconds
        progress.update(task, completed=self._done + ended, **fields)  # type: ignore[arg-type]  # rich's TaskID is an int
