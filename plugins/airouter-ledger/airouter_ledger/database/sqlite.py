"""A ledger in a file of SQLite: no server, several processes of one machine.

One connection writes, held by one thread at a time; readers are lent one each. The journal is a write-ahead
log, so readers never wait. What was committed survives the end of the process at any moment; a loss of power too when
``durable``, at the price of waiting for the disk with each commit.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from ..errors import LedgerError
from .base import PATIENCE, Execute, Row

Result = TypeVar("Result")


_ALL: weakref.WeakSet[SqliteDatabase] = weakref.WeakSet()


class SqliteDatabase:
    """A ledger in one file; made, for this user alone, where there is none.

    Args:
        durable: whether a commit waits until the disk has it (``PRAGMA synchronous = FULL``, else ``NORMAL``).
    """

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, path: str, *, durable: bool = False) -> None:
        self.where = path
        self._synchronous = "FULL" if durable else "NORMAL"
        self._lock: threading.Lock
        self._writer: sqlite3.Connection | None
        self._readers: deque[sqlite3.Connection]
        self._held = False
        self.begin()
        _ALL.add(self)

    def write(self, work: Callable[[Execute], Result]) -> Result:
        """Do several statements as one.

        Raises:
            LedgerError: the file cannot be written, or another process has held it for too long.
        """
        try:
            with self._lock:
                connection = self._writer
                if connection is None:
                    connection = self._writer = self._connect()
                run = connection.execute

                def execute(sql: str, *values: Any) -> list[Row]:
                    return run(sql, values).fetchall()

                # Writers take turns from the start: one that began by reading could not go on after another's write.
                run("BEGIN IMMEDIATE")
                try:
                    result = work(execute)
                except BaseException:
                    run("ROLLBACK")
                    raise
                run("COMMIT")
                return result
        except (sqlite3.Error, OSError) as error:
            raise self._told(error, "written") from error

    def read(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Raises:
            LedgerError: the file cannot be read.
        """
        try:
            readers = self._readers
            try:
                connection = readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                rows: list[Row] = connection.execute(sql, values).fetchall()
            finally:
                readers.append(connection)
            return rows
        except (sqlite3.Error, OSError) as error:
            raise self._told(error, "read") from error

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for connection in (self._writer, *self._readers):
                if connection is not None:
                    connection.close()
            self._writer = None
            self._readers.clear()

    def before_fork(self) -> None:
        """Wait for the end of a write: to a child SQLite would seem to be in it for ever."""
        self._held = self._lock.acquire(timeout=PATIENCE)

    def after_fork(self) -> None:
        """Go on in the parent."""
        if self._held:
            self._lock.release()

    def begin(self) -> None:
        """Begin without connections; one of SQLite must not be used on both sides of a fork."""
        self._lock = threading.Lock()
        self._writer = None
        self._readers = deque()

    def _connect(self) -> sqlite3.Connection:
        folder = os.path.dirname(os.path.abspath(self.where))
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if not os.path.exists(self.where):
            os.close(os.open(self.where, os.O_CREAT | os.O_RDWR, 0o600))
        connection = sqlite3.connect(self.where, timeout=PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            for setting in ("journal_mode = WAL", f"synchronous = {self._synchronous}", "temp_store = MEMORY"):
                connection.execute(f"PRAGMA {setting}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _told(self, error: Exception, done: str) -> LedgerError:
        return LedgerError(f"the ledger {self.where} cannot be {done}: {error}")


def _each(do: Callable[[SqliteDatabase], None]) -> Callable[[], None]:
    def of_all() -> None:
        for database in tuple(_ALL):
            do(database)

    return of_all


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_each(SqliteDatabase.before_fork),
        after_in_parent=_each(SqliteDatabase.after_fork),
        after_in_child=_each(SqliteDatabase.begin),
    )
