"""What the ledger asks of a database: reads, and writes that happen whole or not at all.

The statements are those that SQLite and PostgreSQL both take, with ``?`` for values. What differs is told by
:attr:`Database.dialect` in the few places where it matters: types of the schema, full-text search, and the lock that
makes reservations wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, Protocol, TypeVar

Result = TypeVar("Result")
Row = Sequence[Any]
Execute = Callable[..., list[Row]]
"""Runs one statement with its values; gives its rows."""

PATIENCE = 30.0
"""Seconds for which a write waits for another writer to end, or for a server to come back."""


class Database(Protocol):
    """A place for the ledger. Safe for many threads and after a fork."""

    @property
    def dialect(self) -> Literal["sqlite", "postgresql"]: ...

    @property
    def where(self) -> str:
        """The file or the server, without a password."""
        ...

    def write(self, work: Callable[[Execute], Result]) -> Result:
        """Do several statements as one; nobody else writes meanwhile. It may be done again after a broken connection.

        Raises:
            LedgerError: the database cannot be written.
        """
        ...

    def read(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Raises:
            LedgerError: the database cannot be read.
        """
        ...

    def close(self) -> None: ...
