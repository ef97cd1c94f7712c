"""Writes in groups: what comes while one group is written is the next group, and shares the price of a commit.

One thread writes, so that the event loop never waits for the disk. When :meth:`Writer.do` returns, the work is
committed: a call is booked before it is made, and an answer kept before it is counted.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .files import told, transaction

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]
Then = Callable[[Any, Exception | None], None]
"""Is told what came of a piece of work, or why it could not be written; must not raise."""
Together = Callable[[sqlite3.Connection, Sequence[Piece]], Sequence[Result]]

LARGEST = 200
"""Pieces of work in one commit; more make others wait without making any cheaper."""


class Writer:
    """Writes one journal, from one event loop.

    Args:
        path: of the file, for errors.
    """

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self._path = path
        self._waiting: list[tuple[Together[Any, Any], Any, Then]] = []
        self._flush: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "airouter-bulk-journal")

    async def do(self, work: Work[Result]) -> Result:
        """Do some statements, committed when this returns; a caller who is cancelled does not undo them.

        Raises:
            JournalError: the file cannot be written.
        """
        return await self.together(_each, work)

    async def together(self, function: Together[Piece, Result], piece: Piece) -> Result:
        """As :meth:`do`; pieces that wait for the same function are given to it as one sequence.

        Those of one item are written in their order only if each is awaited before the next is given.
        """
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()

        def then(result: Any, error: Exception | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.put(function, piece, then)
        return await future

    def put(self, function: Together[Piece, Result], piece: Piece, then: Then) -> None:
        """As :meth:`together`, for whoever waits for nothing: no future, and no turn of the loop, for each piece."""
        self._waiting.append((function, piece, then))
        if self._flush is None:
            self._flush = asyncio.create_task(self._write())

    async def aside(self, function: Callable[[], Result]) -> Result:
        """Run what blocks in the same thread, between two groups: reading the next rows, for instance."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def aclose(self) -> None:
        """Write what waits, and end the thread."""
        if self._flush is not None:
            await self._flush
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting[:LARGEST], self._waiting[LARGEST:]
            kinds: dict[Together[Any, Any], tuple[list[Any], list[Then]]] = {}
            for function, piece, then in group:
                pieces, thens = kinds.setdefault(function, ([], []))
                pieces.append(piece)
                thens.append(then)
            given = [(function, pieces) for function, (pieces, _) in kinds.items()]
            waiting = [then for _, thens in kinds.values() for then in thens]
            try:
                results = await loop.run_in_executor(self._thread, self._commit, given)
            except Exception as error:  # each of the group is told
                for then in waiting:
                    then(None, error)
                continue
            for then, result in zip(waiting, results, strict=True):
                then(result, None)
        self._flush = None

    def _commit(self, given: list[tuple[Together[Any, Any], list[Any]]]) -> list[Any]:
        with told(self._path, "written"), transaction(self._connection):
            return [result for function, pieces in given for result in function(self._connection, pieces)]


def _each(connection: sqlite3.Connection, works: Sequence[Work[Any]]) -> list[Any]:
    return [work(connection) for work in works]
