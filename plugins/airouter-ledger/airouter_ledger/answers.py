"""Answers to give again: kept by what was asked, of whom, and for whom."""

from __future__ import annotations

import time
import zlib
from decimal import Decimal
from typing import Any

import msgspec

from . import money
from .database.base import Database, Execute
from .database.groups import Groups

KEPT = 256 * 1024 * 1024
"""Bytes of answers that are kept, unless said otherwise; what was not used for longest goes first."""
FORGOTTEN = 100
"""Answers removed in one transaction."""


class KeptAnswer(msgspec.Struct, frozen=True):
    """An answer as it was given: the events of a stream, or a value of another kind."""

    value: bytes
    amount: Decimal | None
    at: float


class Answers:
    """The answers that are kept in one database."""

    def __init__(self, database: Database, groups: Groups) -> None:
        self._database = database
        self._groups = groups

    def get(self, key: str, *, now: float | None = None) -> KeptAnswer | None:
        """The answer that is kept under a key and not too old; ``None`` where there is none."""
        now = time.time() if now is None else now
        rows = self._database.read("SELECT value, amount, at, used FROM answers WHERE key = ? AND until > ?", key, now)
        if not rows:
            return None
        value, amount, at, used = rows[0]
        if now - used > 60:  # to the minute is enough to know what is not used any more
            self._groups.write(lambda execute: execute("UPDATE answers SET used = ? WHERE key = ?", now, key))
        return KeptAnswer(zlib.decompress(bytes(value)), None if amount is None else money.read(int(amount)), float(at))

    def put(
        self, key: str, owner: str, value: bytes, *, seconds: float, amount: Decimal | None = None, limit: int = KEPT
    ) -> None:
        """Keep an answer for so many seconds, in place of one that is kept already.

        Args:
            owner: whose it is, to remove all of somebody's.
            limit: bytes that all answers may take together.
        """
        now = time.time()
        packed = zlib.compress(value, 1)
        spent = None if amount is None else money.stored(amount)

        def work(execute: Execute) -> None:
            execute(
                "INSERT INTO answers (key, owner, at, until, used, size, amount, value) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET at = excluded.at, until = excluded.until, used = excluded.used, "
                "size = excluded.size, amount = excluded.amount, value = excluded.value",
                key, owner, now, now + seconds, now, len(packed), spent, packed,
            )  # fmt: skip
            _make_room(execute, now, limit)

        self._groups.write(work)

    def clear(self, owner: str | None = None) -> int:
        """Remove all answers, or those of one owner; how many there were."""

        def work(execute: Execute) -> int:
            condition, values = ("owner = ?", [owner]) if owner is not None else ("1 = 1", [])
            (row,) = execute(f"SELECT COUNT(*) FROM answers WHERE {condition}", *values)  # noqa: S608  # one of the two
            execute(f"DELETE FROM answers WHERE {condition}", *values)  # noqa: S608  # one of the two
            return int(row[0])

        return self._groups.write(work)

    def totals(self) -> tuple[int, int]:
        """How many answers are kept, and their bytes."""
        (row,) = self._database.read("SELECT COUNT(*), COALESCE(SUM(size), 0) FROM answers")
        return int(row[0]), int(row[1])


def _make_room(execute: Execute, now: float, limit: int) -> None:
    execute("DELETE FROM answers WHERE until <= ?", now)
    (row,) = execute("SELECT COALESCE(SUM(size), 0) FROM answers")
    excess = int(row[0]) - limit
    if excess <= 0:
        return
    oldest: list[Any] = execute("SELECT key, size FROM answers ORDER BY used, key LIMIT ?", FORGOTTEN)
    for key, size in oldest:
        execute("DELETE FROM answers WHERE key = ?", key)
        excess -= int(size)
        if excess <= 0:
            return
