"""Requests, tokens and requests at a time, counted for all servers that share the database.

A minute is made of spans of a second, kept one row each. A span counts until all of it is older than a minute, so what
is counted is never less than what was asked in any minute. Whoever counts holds the database's lock of writers: two
servers together let through what one would.

What is under way belongs to a server that says now and then that it lives; what a dead one had under way counts no more
after a minute.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

from airouter_core.errors import AirouterError
from airouter_core.values.value import Value
from airouter_ledger.guests import Guest

from ..bounds import Bounds

LOGGER = logging.getLogger("airouter.gateway")
MINUTE = 60
LIVES = 60.0
"""Seconds after which a server that has said nothing is taken for dead."""
BEAT = 15.0
Kind = Literal["requests", "tokens"]
REQUESTS: Kind = "requests"
TOKENS: Kind = "tokens"

Execute = Callable[..., Any]
Bounded = Sequence[tuple[str, Bounds]]
"""Who is bounded, and how: the key, its team, all."""


class LimitReachedError(AirouterError):
    """Somebody has asked as much as they may.

    Attributes:
        wait: seconds after which there is room again; ``None`` where waiting does not help.
    """

    def __init__(self, message: str, wait: float | None) -> None:
        super().__init__(message)
        self.wait = wait


class Room(Value, frozen=True):
    """What is left of the tightest limit of a kind, and seconds until it is whole again."""

    kind: Kind
    limit: int
    left: int
    reset: int


class Limits:
    """Counts for one server.

    Args:
        clock: seconds since 1970, where the database has no clock of its own.
    """

    def __init__(self, tables: Guest, *, clock: Callable[[], float] = time.time) -> None:
        self._tables = tables
        self._clock = clock
        self._server = secrets.token_hex(8)
        self._under_way = 0
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._beating: threading.Thread | None = None

    def begin(self, id_: str, bounded: Bounded) -> Room | None:
        """Count a request, and have it under way, for all whose limits hold for it, or for none.

        Raises:
            LimitReachedError: one has no room.
            LedgerError: the database cannot be asked.
        """
        flies = [subject for subject, bounds in bounded if bounds.in_flight]

        def work(execute: Execute) -> Room | LimitReachedError | None:
            now = self._tables.now(execute, self._clock)
            for subject, bounds in bounded:
                if (full := _full(execute, subject, bounds.in_flight, now)) is not None:
                    return full
            room = _count(execute, REQUESTS, [(subject, bounds.rpm) for subject, bounds in bounded], 1, now)
            if isinstance(room, LimitReachedError):
                return room
            for subject in flies:
                execute(
                    "INSERT INTO gateway_flights (id, subject, server) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                    id_, subject, self._server,
                )  # fmt: skip
            if flies:
                self._say_alive(execute, now)
            return room

        room = _unless_reached(self._tables.write_with_others(work))
        if flies:
            self._fly(1)
        return room

    def set_aside(self, bounded: Bounded, tokens: int) -> tuple[int, Room | None]:
        """Set tokens aside for a request; the span that they are counted in.

        Raises:
            LimitReachedError: there is no room for them.
            LedgerError: the database cannot be asked.
        """

        def work(execute: Execute) -> tuple[int, Room | LimitReachedError | None]:
            now = self._tables.now(execute, self._clock)
            limits = [(subject, bounds.tpm) for subject, bounds in bounded]
            return int(now), _count(execute, TOKENS, limits, tokens, now)

        span, room = self._tables.write_with_others(work)
        return span, _unless_reached(room)

    def end(self, id_: str, bounded: Bounded, span: int | None = None, more: int = 0) -> None:
        """Have a request under way no more, and correct its tokens.

        Args:
            more: how many it used beyond those that were set aside; less than nothing where it used fewer.

        Raises:
            LedgerError: the database cannot be written.
        """
        flies = any(bounds.in_flight for _, bounds in bounded)

        def work(execute: Execute) -> None:
            if flies:
                execute("DELETE FROM gateway_flights WHERE id = ? AND server = ?", id_, self._server)
            for subject, bounds in bounded:
                if more and span is not None and bounds.tpm:
                    execute(
                        "UPDATE gateway_counts SET amount = amount + ? WHERE subject = ? AND kind = ? AND span = ?",
                        more, subject, TOKENS, span,
                    )  # fmt: skip

        try:
            if flies or (more and span is not None):
                self._tables.write_with_others(work)
        finally:
            if flies:
                self._fly(-1)

    def close(self) -> None:
        """End the thread that says that this server lives."""
        self._closed.set()
        if self._beating is not None:
            self._beating.join(BEAT)

    def _say_alive(self, execute: Execute, now: float) -> None:
        execute(
            "INSERT INTO gateway_servers (id, seen) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET seen = excluded.seen",
            self._server, now,
        )  # fmt: skip

    def _fly(self, more: int) -> None:
        with self._lock:
            self._under_way += more
            if self._beating is None and self._under_way and not self._closed.is_set():
                self._beating = threading.Thread(target=self._beat, name="airouter-gateway", daemon=True)
                self._beating.start()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT):
            try:
                self._tables.write_with_others(self._beat_once)
            except AirouterError as error:
                LOGGER.warning("what is under way could not be said: %s", error)

    def _beat_once(self, execute: Execute) -> None:
        now = self._tables.now(execute, self._clock)
        if self._under_way:
            self._say_alive(execute, now)
        dead = "SELECT id FROM gateway_servers WHERE seen < ?"
        execute(f"DELETE FROM gateway_flights WHERE server IN ({dead})", now - 10 * LIVES)  # noqa: S608  # as it stands
        execute("DELETE FROM gateway_servers WHERE seen < ?", now - 10 * LIVES)


def named(subject: str) -> str:
    """Who is bounded, in words."""
    kind, _, name = subject.partition(":")
    return {"key": "this key", "team": f"the team {name!r}"}.get(kind, "this server")


def _unless_reached(room: Room | LimitReachedError | None) -> Room | None:
    if isinstance(room, LimitReachedError):
        raise room
    return room


def _full(execute: Execute, subject: str, limit: int | None, now: float) -> LimitReachedError | None:
    """Why one more cannot be under way, where it cannot."""
    if limit is None:
        return None
    rows = execute(
        "SELECT COUNT(*) FROM gateway_flights JOIN gateway_servers ON gateway_servers.id = gateway_flights.server"
        " WHERE gateway_flights.subject = ? AND gateway_servers.seen > ?",
        subject, now - LIVES,
    )  # fmt: skip
    return (
        LimitReachedError(f"{named(subject)} may have {limit} requests at a time", 1.0)
        if int(rows[0][0]) >= limit
        else None
    )


def _count(
    execute: Execute,
    kind: Kind,
    limits: Sequence[tuple[str, int | None]],
    wanted: int,
    now: float,
) -> Room | LimitReachedError | None:
    """Count for all or none: the tightest room that is left, or who has none."""
    span = int(now)
    tightest: Room | None = None
    held = [(subject, limit) for subject, limit in limits if limit is not None]
    for subject, limit in held:
        rows = execute(
            "SELECT span, amount FROM gateway_counts WHERE subject = ? AND kind = ? AND span >= ? ORDER BY span",
            subject, kind, span - MINUTE,
        )  # fmt: skip
        used = sum(int(amount) for _, amount in rows)
        if used + wanted > limit:
            return LimitReachedError(_said(subject, kind, limit, wanted), _wait(rows, used + wanted - limit, now))
        left = limit - used - wanted
        if tightest is None or left < tightest.left:
            first = int(rows[0][0]) if rows else span
            tightest = Room(kind, limit, left, first + MINUTE + 1 - span)
    for subject, _ in held:
        execute(
            "INSERT INTO gateway_counts (subject, kind, span, amount) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (subject, kind, span) DO UPDATE SET amount = gateway_counts.amount + excluded.amount",
            subject, kind, span, wanted,
        )  # fmt: skip
        execute("DELETE FROM gateway_counts WHERE subject = ? AND span < ?", subject, span - 2 * MINUTE)
    return tightest


def _said(subject: str, kind: str, limit: int, wanted: int) -> str:
    if kind == REQUESTS:
        return f"{named(subject)} may ask {limit} times a minute"
    more = ": lower max_tokens, or ask less at once" if wanted > limit else ""
    return f"{named(subject)} may use {limit} tokens a minute, and this request may use {wanted}{more}"


def _wait(rows: Sequence[Sequence[Any]], needed: int, now: float) -> float | None:
    """Until so much has left the minute; ``None`` for never."""
    for span, amount in rows:
        needed -= int(amount)
        if needed <= 0:
            return max(int(span) + MINUTE + 1 - now, 0.0)
    return None
