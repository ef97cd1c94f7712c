"""Writes in groups: many small ones share a transaction, and so the price of a commit.

There is no thread of its own. Whoever comes while nobody writes, writes, for all who have come meanwhile; the others
wait for their turn and find their work done. So one caller alone pays for a transaction and no hand-over, and many at
once pay for one transaction together. When :meth:`Groups.write` returns, the work is committed.

Where somebody awaits, one thread at a time writes for all who await on one event loop: see
:mod:`~airouter_ledger.database.awaited_groups`.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..errors import LedgerError
from .base import Database, Execute

if TYPE_CHECKING:
    import asyncio

    from .awaited_groups import AwaitedGroups

Result = TypeVar("Result")

LARGEST = 100
"""Pieces of work in one transaction; more make others wait without making any cheaper (measured: 928 rows a second)."""


class Work(Generic[Result]):
    """A piece of work, and what came of it once it is done: its result, or its error."""

    __slots__ = ("done", "error", "function", "result")

    def __init__(self, function: Callable[[Execute], Result]) -> None:
        self.function = function
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None


_ALL: weakref.WeakSet[Groups] = weakref.WeakSet()


class Groups:
    """Writes to one database, in groups."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._waiting: deque[Work[Any]] = deque()
        self._awaited: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, AwaitedGroups] = weakref.WeakKeyDictionary()
        _ALL.add(self)

    def write(self, function: Callable[[Execute], Result]) -> Result:
        """Do some statements, committed when this returns. May be called again for the same work after a broken
        connection, so it must say the same when it is said twice.

        Raises:
            LedgerError: the database cannot be written.
        """
        # Most often nobody else is there; then no group has to be made.
        if not self._waiting and self._lock.acquire(blocking=False):
            try:
                return self._database.write(function)
            finally:
                self._lock.release()
        work = Work(function)
        self._waiting.append(work)
        while not work.done:
            with self._lock:
                if not work.done:
                    self._write_group()
        if work.error is not None:
            raise work.error
        result: Result = work.result
        return result

    def writing(self, function: Callable[[Execute], Result]) -> Writing[Result]:
        """The same, for who is to say later whether it blocks or is awaited."""
        return Writing(self, function)

    def awaited(self) -> AwaitedGroups:
        """Those of the event loop that runs."""
        import asyncio  # a program that awaits nothing would pay for it with a third of its start

        loop = asyncio.get_running_loop()
        found = self._awaited.get(loop)
        if found is None:
            from .awaited_groups import AwaitedGroups

            found = self._awaited[loop] = AwaitedGroups(self)
        return found

    def write_together(self, group: Sequence[Work[Any]]) -> None:
        """Do pieces of work in one transaction; one that the database refuses does not take the others with it."""
        with self._lock:
            self._write(group)

    def begin_in_child(self) -> None:
        """Begin anew after a fork: nobody who writes or waits in the parent is here."""
        self._lock = threading.Lock()
        self._waiting = deque()

    def _write_group(self) -> None:
        self._write([self._waiting.popleft() for _ in range(min(LARGEST, len(self._waiting)))])

    def _write(self, group: Sequence[Work[Any]]) -> None:
        try:
            self._do(group)
        except LedgerError:
            # One that the database refuses must not take the others with it.
            for work in group:
                self._do_alone(work)
        except BaseException as error:
            for work in group:
                work.error = error
            raise
        finally:
            for work in group:
                work.done = True

    def _do(self, group: Sequence[Work[Any]]) -> None:
        results = self._database.write(lambda execute: [work.function(execute) for work in group])
        for work, result in zip(group, results, strict=True):
            work.result = result

    def _do_alone(self, work: Work[Any]) -> None:
        try:
            self._do([work])
        except LedgerError as error:
            work.error = error


def _begin_in_child() -> None:
    for groups in tuple(_ALL):
        groups.begin_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


class Writing(Generic[Result]):
    """Statements that are to be done together: called, it blocks until they are committed.

    Raises:
        LedgerError: the database cannot be written.
    """

    __slots__ = ("_function", "_groups")

    def __init__(self, groups: Groups, function: Callable[[Execute], Result]) -> None:
        self._groups = groups
        self._function = function

    def __call__(self) -> Result:
        return self._groups.write(self._function)

    def awaited(self) -> asyncio.Future[Result]:
        """The same, awaited: it is begun in any case, and nobody takes a thread to wait for others."""
        return self._groups.awaited().write(self._function)
