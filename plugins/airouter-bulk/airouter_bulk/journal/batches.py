"""Batches in the journal: written before they are handed in, so that whoever comes after knows what to look for.

Their way: `intended` (perhaps it is with the vendor, perhaps not) → `open` → `collected`, or `lost` when none is there.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from . import attempts
from .records import Booking, Job

JOBS = """
SELECT i.id, i.position, r.data, i.tries, i.reasks, a.n, a.reserved
FROM attempts a JOIN items i ON i.id = a.item JOIN rows r ON r.run = i.run AND r.position = i.position
WHERE a.batch = ? AND a.state = 'sent'
"""
MARKED = """
UPDATE attempts SET batch = ?2 FROM json_each(?1) j
WHERE item = json_extract(j.value, '$[0]') AND n = json_extract(j.value, '$[1]')
"""


class Handed(NamedTuple):
    """A batch that was handed in, or was to be.

    Attributes:
        token: what the names of its requests begin with.
        vendor: the vendor's id of it, once that is known.
        size: requests in it.
        began: seconds since the epoch.
    """

    id: int
    token: str
    vendor: str | None
    size: int
    began: float


class Waiting(NamedTuple):
    """A request of a batch that has no answer yet."""

    job: Job
    number: int
    reserve: int


def intend(
    connection: sqlite3.Connection, run: int, token: str, bookings: Sequence[Booking], cap: int | None
) -> tuple[Handed, list[int | None]]:
    """Book the calls of a batch that is about to be handed in; as :func:`~airouter_bulk.journal.attempts.book`."""
    numbers = attempts.book(connection, bookings, run=run, cap=cap)
    taken = [(booking.item, number) for booking, number in zip(bookings, numbers, strict=True) if number]
    began = time.time()
    made = connection.execute(
        "INSERT INTO batches (run, token, state, size, began) VALUES (?, ?, ?, ?, ?)",
        (run, token, "intended" if taken else "lost", len(taken), began),
    )
    assert made.lastrowid is not None
    connection.execute(MARKED, (msgspec.json.encode(taken).decode(), made.lastrowid))
    return Handed(made.lastrowid, token, None, len(taken), began), numbers


def is_open(connection: sqlite3.Connection, batch: int, vendor: str) -> None:
    """The vendor has it."""
    connection.execute("UPDATE batches SET state = 'open', vendor = ? WHERE id = ?", (vendor, batch))


def end(connection: sqlite3.Connection, batch: int, state: str, reason: str | None = None) -> None:
    """Nothing more comes of it."""
    connection.execute("UPDATE batches SET state = ?, reason = ? WHERE id = ?", (state, reason, batch))


def not_ended(connection: sqlite3.Connection, run: int) -> list[Handed]:
    """The batches of a run that may be with the vendor."""
    found = connection.execute(
        "SELECT id, token, vendor, size, began FROM batches WHERE run = ? AND state IN ('intended', 'open')", (run,)
    )
    return [Handed(*row) for row in found]


def known_ids(connection: sqlite3.Connection) -> set[str]:
    """The vendor's ids of all batches of this journal."""
    return {name for (name,) in connection.execute("SELECT vendor FROM batches WHERE vendor IS NOT NULL")}


def waiting(connection: sqlite3.Connection, batch: int) -> list[Waiting]:
    """The requests of a batch that have no answer yet."""
    return [Waiting(Job(*row[:5]), row[5], row[6]) for row in connection.execute(JOBS, (batch,))]
