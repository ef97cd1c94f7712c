"""Answers of ``/v1/responses`` that clients asked to be kept, in the ledger's database: so replicas share them.

A row holds what was said to one answer, and the answer; what came before is reached by the id of the one before. Each
row has an owner, and every statement names it: an id is of no use to anybody else.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import msgspec

from airouter_core.values.value import Value
from airouter_ledger.guests import Guest
from airouter_ledger.ledger import Ledger

NAME = "airouter-gateway-responses"
VERSIONS = (
    (
        """CREATE TABLE gateway_responses (
            id TEXT PRIMARY KEY, owner TEXT NOT NULL, until DOUBLE PRECISION NOT NULL, previous TEXT,
            input TEXT NOT NULL, response TEXT NOT NULL)""",
        "CREATE INDEX gateway_responses_by_time ON gateway_responses (until)",
    ),
)
CHAIN = """WITH RECURSIVE chain (id, previous, input, response, depth) AS (
        SELECT id, previous, input, response, 0 FROM gateway_responses WHERE id = ? AND owner = ? AND until > ?
        UNION ALL
        SELECT one.id, one.previous, one.input, one.response, chain.depth + 1
        FROM gateway_responses AS one JOIN chain ON one.id = chain.previous WHERE one.owner = ? AND chain.depth < 1000)
    SELECT previous, input, response FROM chain ORDER BY depth DESC"""
DAY = 86400.0
FORGOTTEN = 200
"""Rows removed in one transaction, so that nobody waits long for it."""
BETWEEN = 300.0
"""Seconds between two looks for what is to be forgotten."""
Item = dict[str, Any]


class Turn(Value, frozen=True):
    """What was said to an answer, with all that came before it, and the answer."""

    before: list[Item]
    input: list[Item]
    response: Item

    @property
    def items(self) -> list[Item]:
        """The whole conversation."""
        return [*self.before, *self.input, *self.response["output"]]


class StoredResponses:
    """The answers that are kept. Its methods block; for many threads and processes.

    Args:
        ledger: opens the ledger, once it is needed.
        days: for which they are kept.
        clock: seconds since 1970.
    """

    def __init__(self, ledger: Callable[[], Ledger], days: float, *, clock: Callable[[], float] = time.time) -> None:
        self.days = days
        self._open = ledger
        self._clock = clock
        self._lock = threading.Lock()
        self._made: Guest | None = None
        self._looked = 0.0

    def keep(self, owner: str, previous: str | None, said: list[Item], response: Item) -> None:
        """Keep an answer; committed when this returns.

        Args:
            owner: who may have it.
            previous: the answer that this one goes on from.
            said: the items that it answers, without those that came before.

        Raises:
            LedgerError: the database cannot be written.
        """
        until = self._clock() + self.days * DAY
        row = (response["id"], owner, until, previous, _json(said), _json(response))
        self._tables().with_others(
            lambda execute: execute(
                "INSERT INTO gateway_responses (id, owner, until, previous, input, response) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO NOTHING",
                *row,
            )
        )()
        self._forget()

    def turn(self, owner: str, identity: str) -> Turn | None:
        """An answer and what it answers; ``None`` where this owner has none of this id, or not all of it any more.

        Raises:
            LedgerError: the database cannot be read.
        """
        rows = self._tables().read(CHAIN, identity, owner, self._clock(), owner)
        if not rows or rows[0][0] is not None:
            return None
        turn = Turn([], [], {"output": []})
        for _, said, response in rows:
            turn = Turn(turn.items, msgspec.json.decode(said), msgspec.json.decode(response))
        return turn

    def forget(self, owner: str, identity: str) -> bool:
        """Forget an answer. Whether there was one.

        Raises:
            LedgerError: the database cannot be written.
        """
        gone = self._tables().write(
            lambda execute: execute(
                "DELETE FROM gateway_responses WHERE id = ? AND owner = ? RETURNING id", identity, owner
            )
        )
        return bool(gone)

    def _tables(self) -> Guest:
        with self._lock:
            if self._made is None:
                self._made = self._open().guest(NAME, VERSIONS)
            return self._made

    def _forget(self) -> None:
        now = self._clock()
        if now - self._looked < BETWEEN:
            return
        self._looked = now
        self._tables().write(
            lambda execute: execute(
                "DELETE FROM gateway_responses WHERE id IN (SELECT id FROM gateway_responses WHERE until <= ? LIMIT ?)",
                now,
                FORGOTTEN,
            )
        )


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
