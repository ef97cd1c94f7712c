"""Runs and their rows: what is to be asked comes into the journal."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from ..errors import JournalError, SpecError
from ..rows import Row
from ..spec import Spec
from .records import Asked, Job, unpacked

KEPT = ("valid", "answered", "invalid", "uncertain")
"""States of items in which another run takes them over as they are."""
TAKEN_OVER = "UPDATE items SET run = ?, position = ? WHERE id = ?"
BEGUN_ANEW = """
UPDATE items SET run = ?, position = ?, state = 'pending', tries = 0, reasks = 0, failure = NULL, problem = NULL
WHERE id = ?
"""
# A key has 32 bytes; several come as one blob.
KNOWN = """
SELECT json_group_array(json_array(j.value, i.id, i.run, i.state))
FROM json_each(?1) j CROSS JOIN items i ON i.key = substr(?2, 32 * j.value + 1, 32)
"""
NEW = """
INSERT INTO items (id, key, run, position)
SELECT json_extract(value, '$[0]'), substr(?2, 32 * json_extract(value, '$[2]') + 1, 32), ?3,
    json_extract(value, '$[1]')
FROM json_each(?1)
"""
ROWS = """
INSERT INTO rows (run, position, item, data, problem)
SELECT ?3, json_extract(value, '$[0]'), json_extract(value, '$[1]'),
    substr(?2, json_extract(value, '$[3]') + 1, json_extract(value, '$[4]')), json_extract(value, '$[2]')
FROM json_each(?1)
"""
WITH_FIELD = """
SELECT j.key FROM rows r CROSS JOIN json_each(CAST(r.data AS TEXT)) j
WHERE r.run = ? AND r.problem IS NULL AND j.key IN (?, ?) LIMIT 1
"""
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


def digest_of(earlier: bytes, row: Row) -> bytes:
    """The digest of rows up to this one: by it a table that was changed is known, whatever its length."""
    return hashlib.sha256(earlier + len(row.data).to_bytes(8, "big") + row.data).digest()


def latest_run(connection: sqlite3.Connection) -> Run | None:
    """The run that was begun last.

    Raises:
        JournalError: a later airouter-bulk has begun it.
    """
    found = connection.execute(
        "SELECT id, hash, spec, admitted, digest, complete, state, reason FROM runs ORDER BY id DESC LIMIT 1"
    ).fetchone()
    if found is None:
        return None
    number, name, said, admitted, digest, complete, state, reason = found
    try:
        spec = msgspec.json.decode(said, type=Spec)
    except (msgspec.ValidationError, SpecError) as error:
        raise JournalError(
            f"the run here has a specification that this airouter-bulk does not understand ({error}): upgrade it"
        ) from error
    return Run(number, name, spec, admitted, digest, bool(complete), state, reason)


def begin_run(connection: sqlite3.Connection, spec: Spec) -> None:
    """A new run; items of earlier ones that ask the same are its too, once their rows come."""
    connection.execute("INSERT INTO runs (hash, spec) VALUES (?, ?)", (spec.hash, spec.to_json()))


def go_on(connection: sqlite3.Connection, run: int, spec: Spec) -> None:
    """A run goes on, perhaps with other bounds."""
    connection.execute("UPDATE runs SET spec = ?, state = 'running', reason = NULL WHERE id = ?", (spec.to_json(), run))


def field_in(connection: sqlite3.Connection, run: int, first: str, second: str) -> str | None:
    """Which of two fields some row has that was asked."""
    found = connection.execute(WITH_FIELD, (run, first, second)).fetchone()
    return None if found is None else str(found[0])


def mark(connection: sqlite3.Connection, run: int, state: str, reason: str | None) -> None:
    """How the run stands, when nobody works on it."""
    connection.execute("UPDATE runs SET state = ?, reason = ? WHERE id = ?", (state, reason, run))


def admit(
    connection: sqlite3.Connection, run: int, rows: Sequence[Asked], digest: bytes, *, complete: bool
) -> list[Job]:
    """Take the next rows in, in their order; the result is what of them is to be asked."""
    first, last = connection.execute(
        "SELECT admitted, (SELECT coalesce(max(id), 0) FROM items) FROM runs WHERE id = ?", (run,)
    ).fetchone()
    asked = _first_askers(rows)
    items = _known(connection, run, first, asked)
    new = {key: last + number for number, key in enumerate((key for key in asked if key not in items), start=1)}
    told = [(item, first + asked[key], number) for number, (key, item) in enumerate(new.items())]
    connection.execute(NEW, (msgspec.json.encode(told).decode(), b"".join(new), run))
    of = {key: item for key, (item, _) in items.items()} | new
    _write_rows(connection, run, first, rows, of)
    connection.execute(
        "UPDATE runs SET admitted = ?, digest = ?, complete = ? WHERE id = ?",
        (first + len(rows), digest, complete, run),
    )
    wanted = {key: item for key, (item, again) in items.items() if again} | new
    jobs = (
        Job(wanted[key], first + index, rows[index].row.data, ask=rows[index].ask)
        for key, index in asked.items()
        if key in wanted
    )
    return list(jobs)


def _first_askers(rows: Sequence[Asked]) -> dict[bytes, int]:
    """Where each question is asked first."""
    found: dict[bytes, int] = {}
    for index, asked in enumerate(rows):
        if asked.key is not None:
            found.setdefault(asked.key, index)
    return found


def _known(
    connection: sqlite3.Connection, run: int, first: int, asked: Mapping[bytes, int]
) -> dict[bytes, tuple[int, bool]]:
    """The items that there are of these questions, and whether each is to be asked on account of these rows."""
    keys = list(asked)
    numbers = msgspec.json.encode(list(range(len(keys)))).decode()
    there = connection.execute(KNOWN, (numbers, b"".join(keys))).fetchone()[0]
    found: dict[bytes, tuple[int, bool]] = {}
    for index, item, its_run, state in msgspec.json.decode(there):
        again = its_run != run and state not in KEPT
        if its_run != run:
            # An earlier run has asked it. What it has answered counts; what it has not, or failed at, is asked now.
            connection.execute(BEGUN_ANEW if again else TAKEN_OVER, (run, first + asked[keys[index]], item))
        found[keys[index]] = item, again
    return found


def _write_rows(
    connection: sqlite3.Connection, run: int, first: int, rows: Sequence[Asked], items: Mapping[bytes, int]
) -> None:
    told, end = [], 0
    for position, (row, key, _, problem) in enumerate(rows, start=first):
        told.append((position, None if key is None else items[key], problem, end, len(row.data)))
        end += len(row.data)
    connection.execute(ROWS, (msgspec.json.encode(told).decode(), b"".join(asked.row.data for asked in rows), run))


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
