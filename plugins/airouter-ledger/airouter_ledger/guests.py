"""Tables of other distributions in the ledger's database, and budgets that they know of.

Whoever keeps something that belongs to calls and money, such as the keys of a server's clients, keeps it here: one
database, one transaction, one back-up. The tables are the guest's own, under names that begin with its name; their
versions are counted apart from the ledger's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from .database.base import Database, Execute, Row
from .database.groups import Groups, Writing
from .errors import LedgerVersionError

Result = TypeVar("Result")


class Guest:
    """Tables of one other distribution. Made by :meth:`~airouter_ledger.ledger.Ledger.guest`.

    Statements are those that SQLite and PostgreSQL both take, with ``?`` for values.
    """

    def __init__(self, database: Database, groups: Groups, name: str, versions: Sequence[Sequence[str]]) -> None:
        self._database = database
        self._groups = groups
        self._row = f"tables of {name}"
        self._bring_up_to_date(name, versions)

    def read(self, sql: str, *values: Any) -> list[Row]:
        """The rows of a query.

        Raises:
            LedgerError: the database cannot be read.
        """
        return self._database.read(sql, *values)

    def write(self, work: Callable[[Execute], Result]) -> Result:
        """Do several statements as one: whole or not at all, and nobody else writes meanwhile, in no process.

        Args:
            work: gets a function that runs one statement with its values. It may be called again after a broken
                connection, so it must say the same when it is said twice.

        Raises:
            LedgerError: the database cannot be written.
        """
        return self._database.write(work)

    def with_others(self, work: Callable[[Execute], Result]) -> Writing[Result]:
        """As :meth:`write`, in one transaction with what others write meanwhile: for small things that are many.

        Call what this gives, or await its :meth:`~airouter_ledger.database.groups.Writing.awaited`.

        Args:
            work: must not raise, or what others write is undone too.
        """
        return self._groups.writing(work)

    def now(self, execute: Execute, clock: Callable[[], float]) -> float:
        """The seconds since 1970 that all who share the database agree on: a server's clock, else this machine's."""
        if self._database.dialect == "sqlite":
            return clock()
        return float(execute("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) AS DOUBLE PRECISION)")[0][0])

    def _bring_up_to_date(self, name: str, versions: Sequence[Sequence[str]]) -> None:
        if self._version(self._database.read) == len(versions):
            return

        def migrate(execute: Execute) -> None:
            found = self._version(execute)
            if found > len(versions):
                raise LedgerVersionError(
                    f"the tables of {name} in {self._database.where} were written by a newer version of it (their "
                    f"version is {found}, this one knows {len(versions)}): upgrade {name}"
                )
            for statements in versions[found:]:
                for statement in statements:
                    execute(statement)
            execute(
                "INSERT INTO about (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                self._row,
                str(len(versions)),
            )

        self._database.write(migrate)

    def _version(self, read: Execute) -> int:
        rows = read("SELECT value FROM about WHERE name = ?", self._row)
        return int(rows[0][0]) if rows else 0
