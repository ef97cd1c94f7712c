"""Runs and their rows: what is to be asked comes into the journal."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from ..rows import Row
from ..spec import Spec
from .records import Job, unpacked

ITEMS = "SELECT i.id, i.position, r.data, i.tries, i.reasks FROM items i JOIN rows r USING (run, position)"


class Run(NamedTuple):
    """A run as the journal knows it.

    Attributes:
        admitted: rows that are in the journal.
        digest: of these rows, in their order.
        complete: whether these are all.
    """

    id: int
    hash: str
    spec: Spec
    admitted: int
    digest: bytes
    complete: bool
    state: str
    reason: str | None


class Asked(NamedTuple):
    """A row that comes into the journal, with the key of its question or the reason why it has none."""

    row: Row
    key: bytes | None
    problem: str | None


def digest_of(earlier: bytes, row: Row) -> bytes:
    """The digest of rows up to this one: by it a table that was changed is known, whatever its length."""
    return hashlib.sha256(earlier + len(row.data).to_bytes(8, "big") + row.data).digest()


def latest_run(connection: sqlite3.Connection) -> Run | None:
    """The run that was begun last."""
    found = connection.execute(
        "SELECT id, hash, spec, admitted, digest, complete, state, reason FROM runs ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    number, name, spec, admitted, digest, complete, state, reason = found
    return Run(number, name, msgspec.json.decode(spec, type=Spec), admitted, digest, bool(complete), state, reason)


def begin_run(connection: sqlite3.Connection, spec: Spec) -> None:
    """A new run; items of earlier ones that ask the same are its too, once their rows come."""
    connection.execute("INSERT INTO runs (hash, spec) VALUES (?, ?)", (spec.hash, spec.to_json()))


def go_on(connection: sqlite3.Connection, run: int, spec: Spec) -> None:
    """A run goes on, perhaps with other bounds."""
    connection.execute("UPDATE runs SET spec = ?, state = 'running', reason = NULL WHERE id = ?", (spec.to_json(), run))


def mark(connection: sqlite3.Connection, run: int, state: str, reason: str | None) -> None:
    """How the run stands, when nobody works on it."""
    connection.execute("UPDATE runs SET state = ?, reason = ? WHERE id = ?", (state, reason, run))


def admit(
    connection: sqlite3.Connection, run: int, rows: Iterable[Asked], digest: bytes, *, complete: bool
) -> list[Job]:
    """Take the next rows in, in their order; the result is what of them is to be asked."""
    position = first = connection.execute("SELECT admitted FROM runs WHERE id = ?", (run,)).fetchone()[0]
    jobs = []
    for row, key, problem in rows:
        item = None
        if key is not None:
            item, new = _item(connection, run, position, key)
            if new:
                jobs.append(Job(item, position, row.data))
        connection.execute("INSERT INTO rows VALUES (?, ?, ?, ?, ?)", (run, position, item, row.data, problem))
        position += 1
    connection.execute(
        "UPDATE runs SET admitted = ?, digest = ?, complete = ? WHERE id = ?", (position, digest, complete, run)
    )
    assert position >= first
    return jobs


def _item(connection: sqlite3.Connection, run: int, position: int, key: bytes) -> tuple[int, bool]:
    """The item of this key, and whether it is to be asked on account of this row."""
    found = connection.execute("SELECT id, run, state FROM items WHERE key = ?", (key,)).fetchone()
    if found is None:
        made = connection.execute(
            "INSERT INTO items (key, run, position) VALUES (?, ?, ?) RETURNING id", (key, run, position)
        ).fetchone()
        return int(made[0]), True
    item, its_run, state = found
    if its_run == run:
        return item, False
    # An earlier run has asked it. What it has answered counts; what it has not, or failed at, is asked in this one.
    done = state in ("valid", "answered", "invalid", "uncertain")
    connection.execute(
        "UPDATE items SET run = ?, position = ?, state = ?, tries = 0 WHERE id = ?",
        (run, position, state if done else "pending", item),
    )
    return item, not done


def pending(connection: sqlite3.Connection, run: int, after: int, limit: int) -> list[Job]:
    """Items that are to be asked, beyond one of them, in their order."""
    sql = f"{ITEMS} WHERE i.run = ? AND i.state = 'pending' AND i.id > ? ORDER BY i.id LIMIT ?"  # a constant
    return [_corrected(connection, Job(*found)) for found in connection.execute(sql, (run, after, limit))]


def some_pending(connection: sqlite3.Connection, run: int, limit: int) -> list[Job]:
    """Items that are to be asked, by chance: a sample that a projection can stand on."""
    sql = f"{ITEMS} WHERE i.run = ? AND i.state = 'pending' ORDER BY random() LIMIT ?"  # a constant
    return [_corrected(connection, Job(*found)) for found in connection.execute(sql, (run, limit))]


def answered(connection: sqlite3.Connection, run: int) -> Iterator[tuple[Job, bytes]]:
    """Items whose answers are kept and were not validated: the process ended in between."""
    sql = f"{ITEMS} WHERE i.run = ? AND i.state = 'answered' ORDER BY i.id"  # a constant
    for found in connection.execute(sql, (run,)).fetchall():
        job = Job(*found)
        yield job, _last_answer(connection, job.item)


def _corrected(connection: sqlite3.Connection, job: Job) -> Job:
    if not job.reasks:
        return job
    problem = connection.execute("SELECT problem FROM items WHERE id = ?", (job.item,)).fetchone()[0]
    return job._replace(correction=(unpacked(_last_answer(connection, job.item)).text, problem or ""))


def _last_answer(connection: sqlite3.Connection, item: int) -> bytes:
    answer: bytes = connection.execute(
        "SELECT answer FROM attempts WHERE item = ? AND state = 'answered' ORDER BY n DESC LIMIT 1", (item,)
    ).fetchone()[0]
    return answer
