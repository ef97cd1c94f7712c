"""Calls: booked before they are made, settled after, and found again when a process ended in between."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Literal

from ..money import dollars
from .records import Call, Costs, Ended, Job, Tally


def begin(connection: sqlite3.Connection, run: int, job: Job, reserve: int, cap: int | None) -> int | None:
    """Book a call with the most that it can cost, before it is made.

    Returns:
        which attempt of its item it is. When nothing was booked: ``None`` where the cap would not hold it, 0 where the
        item is not to be asked any more, since an answer has come late.
    """
    if cap is not None:
        spent, reserved = connection.execute("SELECT spent, reserved FROM runs WHERE id = ?", (run,)).fetchone()
        if spent + reserved + reserve > cap:
            return None
    found = connection.execute(
        "UPDATE items SET state = 'sent', attempts = attempts + 1 WHERE id = ? AND state = 'pending'"
        " RETURNING attempts",
        (job.item,),
    ).fetchone()
    if found is None:
        return 0
    (number,) = found
    connection.execute(
        "INSERT INTO attempts (item, n, run, state, sent_at, reserved) VALUES (?, ?, ?, 'sent', ?, ?)",
        (job.item, number, run, time.time(), reserve),
    )
    connection.execute("UPDATE runs SET reserved = reserved + ? WHERE id = ?", (reserve, run))
    return int(number)


def finish(connection: sqlite3.Connection, run: int, job: Job, number: int, reserve: int, ended: Ended) -> None:
    """Settle a call: with its answer, whole, before anything is made of it."""
    _settle(connection, run, Call(job.item, number), reserve, ended)
    known = ended.attempt != "uncertain"
    booked = (reserve if ended.cost is None else ended.cost) if known else 0
    connection.execute(
        "UPDATE items SET state = ?, tries = ?, failure = ?, problem = ?, ended = ended + ?, cost = cost + ?,"
        " answered = coalesce(?, answered) WHERE id = ?",
        (
            *(ended.item, ended.tries, ended.failure),
            # What a correction is to correct stays while it is asked for.
            job.correction[1] if job.correction and ended.item == "pending" else ended.error,
            *(known and ended.attempt != "unsent", booked, number if ended.answer is not None else None, job.item),
        ),
    )


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
    if state in ("pending", "uncertain") and ended.attempt == "answered":
        finish(connection, run, job, call.number, reserve, ended)
        return job, ended
    _settle(connection, run, call, reserve, ended)
    return None


def _settle(connection: sqlite3.Connection, run: int, call: Call, reserve: int, ended: Ended) -> None:
    """What is known of the call itself, and its money."""
    connection.execute(
        "UPDATE attempts SET state = ?, cost = ?, priced_by = ?, failure = ?, error = ?, request_id = ?, answer = ?"
        " WHERE item = ? AND n = ?",
        (
            *(ended.attempt, ended.cost, ended.priced_by, ended.failure, ended.error, ended.request_id, ended.answer),
            *call,
        ),
    )
    if ended.cost is not None:
        connection.execute(
            "UPDATE runs SET reserved = reserved - ?, spent = spent + ? WHERE id = ?", (reserve, ended.cost, run)
        )


def judge(
    connection: sqlite3.Connection, item: int, state: Literal["valid", "pending", "invalid"], problem: str | None
) -> None:
    """What validation says of an answer that is kept: it is valid, is asked for again, or is given up."""
    connection.execute(
        "UPDATE items SET state = ?, problem = ?, failure = ?, reasks = reasks + ? WHERE id = ?",
        (state, problem, "invalid" if state == "invalid" else None, state == "pending", item),
    )


def recover(connection: sqlite3.Connection, run: int, *, resend: bool) -> int:
    """Find the calls that were under way when a process ended; what was reserved for them stays booked.

    Args:
        resend: ask their items again; otherwise they are held as uncertain.

    Returns:
        how many there were.
    """
    under_way = connection.execute("SELECT item, n FROM attempts WHERE state = 'sent'").fetchall()
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
    attempts = connection.execute("SELECT count(*) FROM attempts WHERE run = ?", (run,)).fetchone()[0]
    spent, reserved = connection.execute("SELECT spent, reserved FROM runs WHERE id = ?", (run,)).fetchone()
    waiting = sum(states.get(state, 0) for state in ("pending", "sent", "answered"))
    failed = sum(states.get(state, 0) for state in ("failed", "invalid"))
    return Tally(
        rows, malformed, waiting, states.get("valid", 0), failed, states.get("uncertain", 0), attempts, spent, reserved
    )


def costs(connection: sqlite3.Connection) -> list[Costs]:
    """What was paid, by run and by who says so."""
    found = connection.execute(
        "SELECT run, priced_by, count(*), sum(coalesce(cost, reserved)) FROM attempts WHERE state != 'unsent'"
        " GROUP BY run, priced_by, cost IS NULL ORDER BY run, priced_by"
    )
    return [Costs(run, priced_by, calls, dollars(amount)) for run, priced_by, calls, amount in found]
