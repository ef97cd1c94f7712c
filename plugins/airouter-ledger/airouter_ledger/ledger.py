"""The ledger: the one way to what it remembers."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import attrs

from airouter_core.config.folders import config_folder
from airouter_core.errors import ConfigurationError, ParameterError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

from . import contents, money
from .answers import Answers
from .budgets import Budget
from .database.base import Execute
from .database.groups import Groups, Writing
from .database.opening import open_database
from .filters import Filter, Listing
from .guests import Guest
from .notes import Notes
from .purse import Purse, settle
from .records import COLUMNS, INSERT, SELECT, CallRecord, record_of, row_of

PAGE = 500
"""Calls read at a time."""
LEFT_OUT = "…"
"""Stands in an id for what is not said of it."""
UNITS = {
    "second": 1, "s": 1, "minute": 60, "min": 60, "m": 60, "hour": 3600, "h": 3600, "day": 86400, "d": 86400, "": 86400,
    "week": 604800, "w": 604800, "month": 2678400, "year": 31622400,
}  # fmt: skip
"""Seconds of each unit of an age, with or without an s at its end; a number alone is of days."""
PRUNED = 200
"""Calls removed in one transaction, so that nobody waits long for a big clean-up."""


@attrs.frozen
class Sum:
    """What the calls of one day, model or tag cost together.

    Attributes:
        amount: in US dollars; of the calls whose cost is known.
        unknown: calls whose cost is not.
        saved: what answers given again would have cost.
    """

    name: str
    calls: int
    amount: Any
    unknown: int
    input_tokens: int
    output_tokens: int
    saved: Any


class Ledger:
    """What is remembered, in one place. Safe for many threads; several processes may open the same one.

    Made by :meth:`open`. A context manager; closing it loses nothing.
    """

    def __init__(self, address: str, *, durable: bool = False) -> None:
        self.database = open_database(address, durable=durable)
        self._groups = Groups(self.database)
        self.purse = Purse(self.database, self._groups)
        self.answers = Answers(self.database, self._groups)
        self.notes = Notes(self.database, self._groups)
        self._sources: dict[str, Callable[[Ask], Iterable[Budget]]] = {}

    @classmethod
    def open(cls, address: str | None = None, *, durable: bool = False) -> Self:
        """Open a ledger, or make it.

        Args:
            address: a path or ``postgresql://…``; the user's own ledger unless given.
            durable: whether each write waits for the disk, and so survives a loss of power.

        Raises:
            ConfigurationError: the address cannot be used, or a newer version has written it.
            LedgerError: it cannot be read or written.
        """
        return cls(address or default_path(), durable=durable)

    @property
    def where(self) -> str:
        """The file or the server, without a password."""
        return self.database.where

    def guest(self, name: str, versions: Sequence[Sequence[str]]) -> Guest:
        """Tables of another distribution in this database, made or brought up to date.

        Args:
            name: of the distribution.
            versions: the statements that each version adds to the one before; a version that was released stays.

        Raises:
            LedgerVersionError: a newer version of that distribution has written them.
            LedgerError: they cannot be read or written.
        """
        return Guest(self.database, self._groups, name, versions)

    def cover(self, name: str, budgets: Callable[[Ask], Iterable[Budget]]) -> None:
        """Have calls paid from further budgets than those of the settings, all or none of them.

        Args:
            name: whose they are; said again, the later word counts.
            budgets: those that cover an ask. It is called for each call and must not wait.
        """
        self._sources[name] = budgets

    def further_budgets(self, ask: Ask) -> list[Budget]:
        """The budgets that cover an ask and stand in no settings."""
        sources = self._sources
        return [budget for source in sources.values() for budget in source(ask)] if sources else []

    def add(
        self,
        record: CallRecord,
        content: contents.Stored | None = None,
        *,
        settled: int | None = None,
    ) -> None:
        """Remember a call. Committed when this returns; said twice it is remembered once.

        Args:
            settled: what is to be booked for it in the budgets, in billionths.
        """
        self.adding(record, content, settled=settled)()

    def adding(
        self,
        record: CallRecord,
        content: contents.Stored | None = None,
        *,
        settled: int | None = None,
    ) -> Writing[None]:
        """What :meth:`add` does, to be called or awaited."""
        return self._groups.writing(_adding(record, content, settled))

    def calls(
        self, limit: int | None = None, *, newest_first: bool = True, after: str | None = None, **conditions: Any
    ) -> Iterator[CallRecord]:
        """The calls that meet all conditions.

        Args:
            limit: at most so many.
            after: the id of a call that was given before: those that come after it.
            conditions: fields of :class:`~airouter_ledger.filters.Filter`.
        """
        listing = Filter(**conditions).listing(self.database.dialect)
        way, sign = ("DESC", "<") if newest_first else ("ASC", ">")
        order = ", ".join(f"{column} {way}" for column in listing.order)
        beyond = " AND ".join(f"{column} {sign} ?" for column in listing.order)
        if len(listing.order) > 1:
            beyond = f"({', '.join(listing.order)}) {sign} ({', '.join('?' * len(listing.order))})"
        last = None if after is None else self._place(after, listing)
        left = limit
        while left is None or left > 0:
            count = PAGE if left is None else min(PAGE, left)
            rows = self.database.read(
                f"SELECT {SELECT}, {', '.join(listing.order)} FROM {listing.tables} WHERE {listing.where}"  # noqa: S608  # made of names above
                f"{'' if last is None else f' AND {beyond}'} ORDER BY {order} LIMIT {count}",
                *listing.values,
                *(last or ()),
            )
            yield from (record_of(row[: len(COLUMNS)]) for row in rows)
            if len(rows) < count:
                return
            last = rows[-1][len(COLUMNS) :]
            left = None if left is None else left - len(rows)

    def call(self, id_: str) -> CallRecord | None:
        """The call with this id, or whose id begins so, ``…`` for what is left out; ``None`` where there is none.

        Raises:
            ConfigurationError: several begin so.
        """
        rows = self.database.read(
            f"SELECT {SELECT} FROM calls WHERE calls.id LIKE ? LIMIT 2",  # noqa: S608  # as above
            id_.replace("%", "").replace("_", "").replace("...", "%").replace(LEFT_OUT, "%") + "%",
        )
        if len(rows) > 1 and rows[0][0] != id_:
            raise ConfigurationError(f"several calls begin with {id_!r}; give more of its id")
        return record_of(rows[0]) if rows else None

    def content(self, id_: str) -> tuple[Ask | None, Response | None]:
        """What was asked and answered in a call, as far as it was kept."""
        rows = self.database.read("SELECT ask, response FROM contents WHERE call = ?", id_)
        if not rows:
            return None, None
        ask = contents.unpacked(rows[0][0], Ask)
        files = self._files_of(id_)
        if ask is not None and files:
            from msgspec.structs import replace

            ask = replace(ask, messages=contents.with_files(ask.messages, files))
        return ask, contents.unpacked(rows[0][1], Response)

    def conversation(self, session: str) -> tuple[tuple[Message, ...], CallRecord] | None:
        """The messages of a conversation up to its last whole answer, and that call; ``None`` where none are kept."""
        for record in self.calls(session=session, kind="chat", limit=PAGE):
            if record.error is not None or not record.leaf:
                continue
            ask, response = self.content(record.id)
            if ask is not None and response is not None:
                return (*ask.messages, response.message), record
        return None

    def last_session(self) -> str | None:
        """The conversation that went on last."""
        rows = self.database.read(
            "SELECT session FROM calls WHERE session IS NOT NULL AND kind = 'chat' ORDER BY at DESC LIMIT 1"
        )
        return str(rows[0][0]) if rows else None

    def costs(self, by: str = "day", **conditions: Any) -> list[Sum]:
        """What was spent, by day, month, model, provider, user, or by the values of a tag: ``"tag:NAME"``."""
        expression, given = self._grouping(by)
        where, values = Filter(**{**conditions, "leaves": True}).sql(self.database.dialect)
        rows = self.database.read(
            f"SELECT {expression} AS name, COUNT(*), COALESCE(SUM(amount), 0), "  # noqa: S608  # as above
            "SUM(CASE WHEN amount IS NULL AND error IS NULL AND saved IS NULL THEN 1 ELSE 0 END), "
            "COALESCE(SUM(input_tokens), 0), COALESCE(SUM(output_tokens), 0), COALESCE(SUM(saved), 0) "
            f"FROM calls WHERE {where} GROUP BY 1 ORDER BY 1",
            *given,
            *values,
        )
        return [
            Sum(
                str(name),
                int(calls),
                money.read(int(amount)),
                int(unknown),
                int(sent),
                int(made),
                money.read(int(saved)),
            )
            for name, calls, amount, unknown, sent, made, saved in rows
        ]

    def prune(
        self, *, older_than: float | None = None, larger_than: int | None = None, now: float | None = None
    ) -> int:
        """Forget calls that are older than so many seconds, and the oldest until what is kept is at most so many bytes.

        In small steps, so that calls that are made meanwhile wait for none of it.

        Returns:
            how many calls were forgotten.
        """
        forgotten = 0
        if older_than is not None:
            forgotten += self._forget("at < ?", (time.time() if now is None else now) - older_than)
        while larger_than is not None and (size := self.size()) > larger_than:
            (row,) = self.database.read("SELECT AVG(size) FROM calls")
            step = max(1, min(PRUNED, int((size - larger_than) / max(float(row[0] or 1), 1))))
            gone = self._forget_some("1 = 1", (), step)
            forgotten += gone
            if not gone:
                break
        return forgotten

    def size(self) -> int:
        """Bytes of all that is kept of calls and their contents, about."""
        (row,) = self.database.read("SELECT COALESCE(SUM(size), 0) + 300 * COUNT(*) FROM calls")
        return int(row[0])

    def count(self) -> int:
        """How many calls are remembered."""
        return int(self.database.read("SELECT COUNT(*) FROM calls")[0][0])

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _place(self, id_: str, listing: Listing) -> Sequence[Any]:
        rows = self.database.read(f"SELECT {listing.place} FROM calls WHERE id = ?", id_)  # noqa: S608  # as above
        if not rows:
            raise ParameterError(f"there is no call {id_!r} to go on after")
        return rows[0]

    def _files_of(self, call: str) -> dict[str, bytes]:
        rows = self.database.read(
            "SELECT files.hash, files.data FROM files JOIN files_of_calls ON files.hash = files_of_calls.hash "
            "WHERE files_of_calls.call = ? AND files.data IS NOT NULL",
            call,
        )
        return {str(name): bytes(data) for name, data in rows}

    def _grouping(self, by: str) -> tuple[str, list[Any]]:
        sqlite = self.database.dialect == "sqlite"
        if by in ("day", "month"):
            form, picture = ("%Y-%m-%d", "YYYY-MM-DD") if by == "day" else ("%Y-%m", "YYYY-MM")
            sqlites = f"strftime('{form}', at, 'unixepoch', 'localtime')"
            return sqlites if sqlite else f"to_char(to_timestamp(at), '{picture}')", []
        if by.startswith("tag:"):
            name = by.removeprefix("tag:")
            found = "json_extract(tags, '$.' || json_quote(?))" if sqlite else "CAST(tags AS json) ->> CAST(? AS text)"
            return f"COALESCE({found}, '')", [name]
        columns = {"model": "model", "provider": "provider", "user": "person", "session": "session"}
        if by not in columns:
            raise ConfigurationError(f"costs are told by day, month, {', '.join(columns)} or tag:NAME, not by {by!r}")
        return f"COALESCE({columns[by]}, '')", []

    def _forget(self, where: str, *values: Any) -> int:
        forgotten = 0
        while gone := self._forget_some(where, values, PRUNED):
            forgotten += gone
        return forgotten

    def _forget_some(self, where: str, values: tuple[Any, ...], count: int) -> int:
        def work(execute: Execute) -> int:
            rows = execute(f"SELECT id FROM calls WHERE {where} ORDER BY at LIMIT {count}", *values)  # noqa: S608  # as above
            for (id_,) in rows:
                execute("DELETE FROM calls WHERE id = ?", id_)
                execute("DELETE FROM contents WHERE call = ?", id_)
                execute("DELETE FROM files_of_calls WHERE call = ?", id_)
            if rows:
                execute("DELETE FROM files WHERE NOT EXISTS (SELECT 1 FROM files_of_calls WHERE hash = files.hash)")
            return len(rows)

        return self._groups.write(work)


def _adding(record: CallRecord, content: contents.Stored | None, settled: int | None) -> Callable[[Execute], None]:
    row = row_of(record)

    def write(execute: Execute) -> None:
        execute(INSERT, *row)
        if content is not None:
            contents.write(execute, record.id, record.at, content)
        if settled is not None:
            settle(execute, record.id, settled)

    return write


def default_path() -> str:
    """Where the user's own ledger is."""
    return os.path.join(config_folder(), "ledger.db")


def seconds_of(age: str) -> float:
    """The seconds that an age such as ``"30 days"`` or ``"12h"`` is.

    Raises:
        ConfigurationError: it is none.
    """
    if not isinstance(age, str):
        raise ConfigurationError(f"an age is a text such as '30 days', not {age!r}")
    number = age.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = age[len(number) :].strip()
    try:
        each = UNITS[unit if unit in UNITS else unit.removesuffix("s")]
        return datetime.timedelta(seconds=float(number) * each).total_seconds()
    except (KeyError, ValueError, OverflowError):
        raise ConfigurationError(
            f"an age is a number with a unit, such as '30 days' or '12 hours', not {age!r}"
        ) from None
