"""Calls: booked before they are made, settled after, and found again when a process ended in between.

Many are written by few statements, which take all of them as one JSON text: SQLite works through it without Python's
lock, which one statement for each call would take and give back a hundred times, against a loop that is busy with it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from ..money import dollars
from .records import Booking, Call, Costs, Ended, Job, Settled, Tally, Verdict, kept

WANTED = """
SELECT json_group_array(json_array(id, attempts + 1)) FROM items
WHERE state = 'pending' AND id IN (SELECT value FROM json_each(?))
"""
SENT = """
UPDATE items SET state = 'sent', attempts = attempts + 1
WHERE id IN (SELECT json_extract(value, '$[0]') FROM json_each(?))
"""
BOOKED = """
INSERT INTO attempts (item, n, run, state, sent_at, reserved)
SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ?2, 'sent', ?3, json_extract(value, '$[2]')
FROM json_each(?1)
"""
SETTLED = """
UPDATE attempts SET state = json_extract(j.value, '$[2]'), cost = json_extract(j.value, '$[3]'),
    priced_by = json_extract(j.value, '$[4]'), failure = json_extract(j.value, '$[5]'),
    error = json_extract(j.value, '$[6]'), request_id = json_extract(j.value, '$[7]'),
    answer = substr(?2, json_extract(j.value, '$[8]') + 1, json_extract(j.value, '$[9]'))
FROM json_each(?1) j WHERE item = json_extract(j.value, '$[0]') AND n = json_extract(j.value, '$[1]')
"""
BECAME = """
UPDATE items SET state = json_extract(j.value, '$[10]'), tries = json_extract(j.value, '$[11]'),
    failure = json_extract(j.value, '$[5]'), problem = json_extract(j.value, '$[12]'),
    ended = ended + json_extract(j.value, '$[13]'), cost = cost + json_extract(j.value, '$[14]'),
    answered = CASE WHEN json_extract(j.value, '$[9]') IS NULL THEN answered ELSE json_extract(j.value, '$[1]') END
FROM json_each(?1) j WHERE items.id = json_extract(j.value, '$[0]')
"""
JUDGED = """
UPDATE items SET state = json_extract(j.value, '$[1]'), problem = json_extract(j.value, '$[2]'),
    failure = CASE json_extract(j.value, '$[1]') WHEN 'invalid' THEN 'invalid' WHEN 'valid' THEN failure END,
    reasks = reasks + (json_extract(j.value, '$[1]') = 'pending')
FROM json_each(?1) j WHERE items.id = json_extract(j.value, '$[0]')
"""


def book(connection: sqlite3.Connection, bookings: Sequence[Booking], *, run: int, cap: int | None) -> list[int | None]:
    """Book calls with the most that each can cost, before they are made.

    Args:
        cap: what the run may cost, with everything that is booked.

    Returns:
        which attempt of its item each is. Where nothing was booked: ``None`` if the cap would not hold it, 0 if the
        item is not to be asked any more, since an answer has come late.
    """
    spent, reserved = connection.execute("SELECT spent, reserved FROM runs WHERE id = ?", (run,)).fetchone()
    there = connection.execute(WANTED, (_json([booking.item for booking in bookings]),)).fetchone()[0]
    numbers: dict[int, int] = dict(msgspec.json.decode(there))
    taken: list[tuple[int, int, int]] = []
    found: list[int | None] = []
    more = 0
    for item, reserve in bookings:
        number = numbers.get(item, 0)
        if number and cap is not None and spent + reserved + more + reserve > cap:
            found.append(None)
            continue
        if number:
            taken.append((item, number, reserve))
            more += reserve
        found.append(number)
    told = _json(taken)
    connection.execute(SENT, (told,))
    connection.execute(BOOKED, (told, run, time.time()))
    connection.execute("UPDATE runs SET reserved = reserved + ? WHERE id = ?", (more, run))
    return found


def settle(connection: sqlite3.Connection, calls: Sequence[Settled], *, run: int) -> list[None]:
    """Settle calls: each with its answer, whole, before anything is made of it."""
    connection.execute(BECAME, (_closed(connection, calls, run),))
    return [None] * len(calls)


def late(connection: sqlite3.Connection, call: Call, end: Callable[[Job], Ended]) -> tuple[Job, Ended] | None:
    """Settle a call that was held for uncertain. It was paid for, so its answer counts where none has come since.

    Args:
        end: what becomes of its item.

    Returns:
        the item and that, or ``None`` where nothing becomes of it.
    """
    found = connection.execute(
        "SELECT a.run, a.reserved, i.state, i.position, r.data, i.tries, i.reasks FROM attempts a"
        " JOIN items i ON i.id = a.item JOIN rows r ON r.run = i.run AND r.position = i.position"
        " WHERE a.item = ? AND a.n = ? AND a.state = 'uncertain'",
        call,
    ).fetchone()
    if found is None:
        return None
    run, reserve, state, *known = found
    job = Job(call.item, *known)
    ended = end(job)
    settled = Settled(job, call.number, reserve, ended)
    if state in ("pending", "uncertain") and ended.attempt == "answered":
        settle(connection, [settled], run=run)
        return job, ended
    _closed(connection, [settled], run)
    return None


def _closed(connection: sqlite3.Connection, calls: Sequence[Settled], run: int) -> str:
    """Write what is known of the calls, and their money; the result says this, and what becomes of their items."""
    told, answers = [], bytearray()
    spent = freed = 0
    for job, number, reserve, ended in calls:
        answer = None if ended.answer is None else kept(ended.answer)
        # What a correction is to correct stays while it is asked for.
        problem = job.correction[1] if job.correction and ended.item == "pending" else ended.error
        known = ended.attempt != "uncertain"
        booked = (reserve if ended.cost is None else ended.cost) if known else 0
        told.append(
            (
                *(job.item, number, ended.attempt, ended.cost, ended.priced_by, ended.failure, ended.error),
                *(ended.request_id, len(answers), None if answer is None else len(answer), ended.item, ended.tries),
                *(problem, known and ended.attempt != "unsent", booked),
            )
        )
        answers += answer or b""
        if ended.cost is not None:
            spent, freed = spent + ended.cost, freed + reserve
    said = _json(told)
    connection.execute(SETTLED, (said, answers))
    connection.execute("UPDATE runs SET reserved = reserved - ?, spent = spent + ? WHERE id = ?", (freed, spent, run))
    return said


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def judge(connection: sqlite3.Connection, verdicts: Sequence[Verdict]) -> list[None]:
    """What validation says of answers that are kept: each is valid, is asked for again, or is given up."""
    connection.execute(JUDGED, (_json(verdicts),))
    return [None] * len(verdicts)


def recover(connection: sqlite3.Connection, run: int, *, resend: bool) -> int:
    """Find the calls that were under way when a process ended; what was reserved for them stays booked.

    Those of a batch are under way still: it is found again, and collected.

    Args:
        resend: ask their items again; otherwise they are held as uncertain.

    Returns:
        how many there were.
    """
    under_way = connection.execute("SELECT item, n FROM attempts WHERE state = 'sent' AND batch IS NULL").fetchall()
    state = "pending" if resend else "uncertain"
    for item, number in under_way:
        connection.execute("UPDATE attempts SET state = 'uncertain' WHERE item = ? AND n = ?", (item, number))
        connection.execute("UPDATE items SET state = ? WHERE id = ? AND state = 'sent'", (state, item))
    if resend:
        connection.execute("UPDATE items SET state = 'pending' WHERE run = ? AND state = 'uncertain'", (run,))
    # Counted anew from what is written: a sum that is only carried on could go wrong once and stay so.
    connection.execute(
        "UPDATE runs SET (spent, reserved) = (SELECT coalesce(sum(cost), 0),"
        " coalesce(sum(CASE WHEN cost IS NULL THEN reserved END), 0) FROM attempts WHERE run = runs.id) WHERE id = ?",
        (run,),
    )
    return len(under_way)


def retry(connection: sqlite3.Connection, run: int, failures: tuple[str, ...]) -> int:
    """Have failed items asked again.

    Args:
        failures: their classes; all where there are none.

    Returns:
        how many there are.
    """
    where = f" AND failure IN ({', '.join('?' * len(failures))})" if failures else ""
    again = "UPDATE items SET state = 'pending', tries = 0, reasks = 0, failure = NULL, problem = NULL"
    sql = f"{again} WHERE run = ? AND state IN ('failed', 'invalid'){where}"  # constants and question marks
    return connection.execute(sql, (run, *failures)).rowcount


def cancel(connection: sqlite3.Connection, run: int) -> int:
    """Give up what was not asked; the result is how many items."""
    return connection.execute(
        "UPDATE items SET state = 'failed', failure = 'cancelled', problem = 'the run was cancelled'"
        " WHERE run = ? AND state IN ('pending', 'uncertain')",
        (run,),
    ).rowcount


def tally(connection: sqlite3.Connection, run: int) -> Tally:
    """How far a run is."""
    states = dict(
        connection.execute("SELECT state, count(*) FROM items WHERE run = ? GROUP BY state", (run,)).fetchall()
    )
    rows, malformed = connection.execute("SELECT count(*), count(problem) FROM rows WHERE run = ?", (run,)).fetchone()
    attempts = connection.execute(
        "SELECT count(*) FROM attempts WHERE run = ? AND state != 'unsent'", (run,)
    ).fetchone()[0]
    spent, reserved = connection.execute("SELECT spent, reserved FROM runs WHERE id = ?", (run,)).fetchone()
    cut = connection.execute(
        "SELECT count(*) FROM items WHERE run = ? AND state = 'valid' AND failure IS NOT NULL", (run,)
    ).fetchone()[0]
    waiting = sum(states.get(state, 0) for state in ("pending", "sent", "answered"))
    failed = sum(states.get(state, 0) for state in ("failed", "invalid"))
    return Tally(
        *(rows, malformed, waiting, states.get("valid", 0), failed, states.get("uncertain", 0)),
        *(attempts, spent, reserved, cut),
    )


def costs(connection: sqlite3.Connection) -> list[Costs]:
    """What was paid, by run and by who says so."""
    found = connection.execute(
        "SELECT run, priced_by, count(*), sum(coalesce(cost, reserved)) FROM attempts WHERE state != 'unsent'"
        " GROUP BY run, priced_by, cost IS NULL ORDER BY run, priced_by"
    )
    return [Costs(run, priced_by, calls, dollars(amount)) for run, priced_by, calls, amount in found]
