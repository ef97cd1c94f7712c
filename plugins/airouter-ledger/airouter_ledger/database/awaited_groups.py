"""Groups for those who await: all who come to one event loop while a group is written are the next one.

One thread at a time writes for all of them: a hundred calls that end together cost one hand-over to a thread and one
transaction, and hold no thread while they wait for a database that is slow. What was given is written, whatever becomes
of whoever awaits it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .base import Execute
from .groups import LARGEST, Groups, Work

Result = TypeVar("Result")
Awaited = tuple[Work[Any], asyncio.Future[Any]]


class AwaitedGroups:
    """The groups of one event loop, in which all of its methods are called."""

    def __init__(self, groups: Groups) -> None:
        self._groups = groups
        self._waiting: list[Awaited] = []
        self._is_writing = False

    def write(self, function: Callable[[Execute], Result]) -> asyncio.Future[Result]:
        """As :meth:`~airouter_ledger.database.groups.Groups.write`, awaited."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((Work(function), future))
        if not self._is_writing:
            self._is_writing = True
            loop.call_soon(self._begin)  # with all that comes in this turn of the loop
        return future

    def _begin(self) -> None:
        group, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
        works = [work for work, _ in group]
        try:
            writing = asyncio.get_running_loop().run_in_executor(None, self._groups.write_together, works)
        except RuntimeError as error:  # the loop is at its end, and has no threads any more
            self._tell(group, error)
            return
        writing.add_done_callback(partial(self._written, group))

    def _written(self, group: list[Awaited], writing: asyncio.Future[None]) -> None:
        self._tell(group, asyncio.CancelledError() if writing.cancelled() else writing.exception())

    def _tell(self, group: list[Awaited], failure: BaseException | None) -> None:
        """Tell each what came of its work."""
        for work, future in group:
            error = work.error if work.done else failure
            if future.done():
                continue  # nobody awaits it any more
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(work.result)
        if self._waiting:
            self._begin()
        else:
            self._is_writing = False
