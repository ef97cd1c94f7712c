"""A ledger in a file of SQLite: no server, several processes of one machine.

One connection writes, held by one thread at a time; readers are lent one each. The journal is a write-ahead
log, so readers never wait. What was committed survives the end of the process at any moment; a loss of power too when
``durable``, at the price of waiting for the disk with each commit.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from ..errors import LedgerError
from .base import PATIENCE, Execute, Row

Result = TypeVar("Result")


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
        self._begin()

    def write(self, work: Callable[[Execute], Result]) -> Result:
        """Do several statements as one.

        Raises:
            LedgerError: the file cannot be written, or another process has held it for too long.
        """
        with self._told("written"), self._of_this_process()._lock:
            if self._writer is None:
                self._writer = self._connect()
            connection = self._writer

            def execute(sql: str, *values: Any) -> list[Row]:
                return connection.execute(sql, values).fetchall()

            # Writers take turns from the start: one that began by reading could not go on after another has written.
            connection.execute("BEGIN IMMEDIATE")
            try:
                result = work(execute)
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
            return result

    def read(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Raises:
            LedgerError: the file cannot be read.
        """
        with self._told("read"):
            readers = self._of_this_process()._readers
            try:
                connection = readers.pop()
            except IndexError:
                connection = self._connect()
            try:
                rows: list[Row] = connection.execute(sql, values).fetchall()
            finally:
                readers.append(connection)
            return rows

    def close(self) -> None:
        """Close the connections that are not in use."""
        with self._lock:
            for connection in (self._writer, *self._readers):
                if connection is not None and self._process == os.getpid():
                    connection.close()
            self._writer = None
            self._readers.clear()

    def _begin(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._writer = None
        self._readers = deque()

    def _of_this_process(self) -> SqliteDatabase:
        if self._process != os.getpid():
            # A connection of SQLite must not be used on both sides of a fork; the parent's are left alone.
            self._begin()
        return self

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

    @contextlib.contextmanager
    def _told(self, done: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the ledger {self.where} cannot be {done}: {error}") from error
