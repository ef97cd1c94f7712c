"""A ledger in PostgreSQL, for several machines (extra ``[postgres]``).

pg8000 speaks to it: pure Python, BSD licence, a quarter of a megabyte. A connection serves one statement or transaction
at a time, so a few are kept and lent. A connection that breaks is replaced and the work is done again: every write of
the ledger says the same when it is said twice. A server that is restarted is waited for, once: when it has been away
for too long whoever comes hears so at once, until it is back.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, Literal, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from airouter_core.errors import ConfigurationError

from ..errors import LedgerError
from .base import PATIENCE, Execute, Row

Result = TypeVar("Result")

INSTALL = "pip install 'airouter-ledger[postgres]'"
KEPT = 4
"""Connections kept open for one process."""
PAUSE = 0.2
"""Seconds between attempts to reach a server that does not answer."""
WRITERS = 0x6C6564676572
"""The advisory lock that writers take in turns: "ledger", as bytes."""
GOES_AWAY = ("57P01", "57P02", "57P03", "53300")
"""States of a server that shuts down, starts up, or has no connection left: later it will answer."""
AGAIN = ("40001", "40P01")
"""Serialisation failure and deadlock, of which the manual says to do the transaction again."""


class PostgresDatabase:
    """A ledger on a server.

    Args:
        url: ``postgresql://user:password@host:port/database``, with ``?schema=NAME`` for another schema than the user's
            own, and ``?unix=PATH`` for the folder of a socket.

    Raises:
        ConfigurationError: the driver is not installed, or the address is none.
    """

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, url: str) -> None:
        try:
            import pg8000.dbapi
        except ModuleNotFoundError as error:
            raise ConfigurationError(f"a ledger in PostgreSQL needs an extra: {INSTALL}") from error
        self._driver: Any = pg8000.dbapi
        self._away_since: float | None = None
        self._arguments, self._schema, self.where = _read(url)
        self._lock = threading.Lock()
        self._begin()

    def write(self, work: Callable[[Execute], Result]) -> Result:
        """Do several statements as one.

        Raises:
            LedgerError: the server refuses it, or has not come back for too long.
        """

        def transaction(connection: Any) -> Result:
            execute = _executor(connection)
            execute("BEGIN")
            try:
                execute("SELECT pg_advisory_xact_lock(?)", WRITERS)
                result = work(execute)
            except self._driver.Error:
                raise
            except BaseException:
                execute("ROLLBACK")
                raise
            execute("COMMIT")
            return result

        return self._with_connection(transaction)

    def read(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Raises:
            LedgerError: the server refuses it, or has not come back for too long.
        """
        return self._with_connection(lambda connection: _executor(connection)(sql, *values))

    def close(self) -> None:
        """Close the connections that are not in use."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except queue.Empty:
                return
            self._discard(connection)

    def _begin(self) -> None:
        self._process = os.getpid()
        self._idle: queue.LifoQueue[Any] = queue.LifoQueue()

    def _with_connection(self, work: Callable[[Any], Result]) -> Result:
        end = time.monotonic() + PATIENCE
        while True:
            connection = None
            try:
                connection = self._connection()
                result = work(connection)
            except (self._driver.Error, OSError) as error:
                self._discard(connection)
                if not _passes(error) or min(end, self._given_up_at()) < time.monotonic():
                    raise LedgerError(f"the ledger {self.where}: {_said(error)}") from error
                time.sleep(PAUSE)
                continue
            except BaseException:
                self._keep(connection)
                raise
            self._keep(connection)
            self._away_since = None
            return result

    def _given_up_at(self) -> float:
        """Until when a server is waited for that nobody has reached since it went away."""
        since = self._away_since
        if since is None:  # several threads may say so at once, and each is right
            since = self._away_since = time.monotonic()
        return since + PATIENCE

    def _connection(self) -> Any:
        if self._process != os.getpid():
            self._begin()  # the parent still speaks on its own connections
        try:
            return self._idle.get_nowait()
        except queue.Empty:
            connection = self._driver.connect(**self._arguments)
        connection.autocommit = True  # transactions are begun and ended by name
        if self._schema is not None:
            _executor(connection)("SELECT set_config('search_path', ?, false)", self._schema)
        return connection

    def _keep(self, connection: Any) -> None:
        if self._idle.qsize() < KEPT:
            self._idle.put(connection)
        else:
            self._discard(connection)

    def _discard(self, connection: Any) -> None:
        if connection is None:
            return
        try:
            connection.close()
        except (self._driver.Error, OSError):
            return  # it was broken, which is why it goes


def _executor(connection: Any) -> Execute:
    def execute(sql: str, *values: Any) -> list[Row]:
        cursor = connection.cursor()
        cursor.execute(sql.replace("%", "%%").replace("?", "%s"), values)
        rows: list[Row] = list(cursor.fetchall()) if cursor.description else []
        return rows

    return execute


def _passes(error: Exception) -> bool:
    said = error.args[0] if error.args else None
    if isinstance(said, dict):
        return said.get("C") in (*GOES_AWAY, *AGAIN)
    return True  # the connection: refused, reset, closed by a server that is restarted


def _said(error: Exception) -> str:
    said = error.args[0] if error.args else error
    return str(said.get("M", said)) if isinstance(said, dict) else str(said)


def _read(url: str) -> tuple[dict[str, Any], str | None, str]:
    parts = urlsplit(url)
    more = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := set(more) - {"schema", "unix"}:
        raise ConfigurationError(f"the address of the ledger takes schema and unix, not {', '.join(sorted(unknown))}")
    try:
        port = parts.port or 5432
    except ValueError:
        raise ConfigurationError("the address of the ledger has a port that is none") from None
    arguments: dict[str, Any] = {
        "user": unquote(parts.username or os.environ.get("USER", "postgres")),
        "password": unquote(parts.password) if parts.password else None,
        "database": unquote(parts.path.lstrip("/")) or None,
        "timeout": PATIENCE,
        "application_name": "airouter-ledger",
    }
    if "unix" in more:
        arguments["unix_sock"] = os.path.join(more["unix"], f".s.PGSQL.{port}")
    else:
        arguments |= {"host": parts.hostname or "localhost", "port": port}
    host = more.get("unix") or parts.hostname or "localhost"
    return arguments, more.get("schema"), f"postgresql://{host}:{port}/{arguments['database'] or ''}"
