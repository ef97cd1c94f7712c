"""Requests, tokens and requests at a time, counted for all servers that share the database.

Whoever counts holds the database's lock of writers: two servers together let through what one would.

What is under way belongs to a server that says now and then that it lives; what a dead one had under way counts no more
after a minute.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence

from airouter_core.errors import AirouterError
from airouter_ledger.guests import Guest

from ..bounds import Bounds
from .counting import LIVES, REQUESTS, TOKENS, Execute, LimitReachedError, Room, count, full, unless_reached

LOGGER = logging.getLogger("airouter.gateway")
BEAT = 15.0
Bounded = Sequence[tuple[str, Bounds]]
"""Who is bounded, and how: the key, its team, all."""


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

    async def begin(self, id_: str, bounded: Bounded) -> Room | None:
        """Count a request, and have it under way, for all whose limits hold for it, or for none.

        Raises:
            LimitReachedError: one has no room.
            LedgerError: the database cannot be asked.
        """
        flies = [subject for subject, bounds in bounded if bounds.in_flight]

        def work(execute: Execute) -> Room | LimitReachedError | None:
            now = self._tables.now(execute, self._clock)
            for subject, bounds in bounded:
                if (reached := full(execute, subject, bounds.in_flight, now)) is not None:
                    return reached
            room = count(execute, REQUESTS, [(subject, bounds.rpm) for subject, bounds in bounded], 1, now)
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

        room = unless_reached(await self._tables.with_others(work).awaited())
        if flies:
            self._fly(1)
        return room

    async def set_aside(self, bounded: Bounded, tokens: int) -> tuple[int, Room | None]:
        """Set tokens aside for a request; the span that they are counted in.

        Raises:
            LimitReachedError: there is no room for them.
            LedgerError: the database cannot be asked.
        """

        def work(execute: Execute) -> tuple[int, Room | LimitReachedError | None]:
            now = self._tables.now(execute, self._clock)
            limits = [(subject, bounds.tpm) for subject, bounds in bounded]
            return int(now), count(execute, TOKENS, limits, tokens, now)

        span, room = await self._tables.with_others(work).awaited()
        return span, unless_reached(room)

    async def end(self, id_: str, bounded: Bounded, span: int | None = None, more: int = 0) -> None:
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
                await self._tables.with_others(work).awaited()
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
                self._tables.with_others(self._beat_once)()
            except AirouterError as error:
                LOGGER.warning("what is under way could not be said: %s", error)

    def _beat_once(self, execute: Execute) -> None:
        now = self._tables.now(execute, self._clock)
        if self._under_way:
            self._say_alive(execute, now)
        dead = "SELECT id FROM gateway_servers WHERE seen < ?"
        execute(f"DELETE FROM gateway_flights WHERE server IN ({dead})", now - 10 * LIVES)  # noqa: S608  # as it stands
        execute("DELETE FROM gateway_servers WHERE seen < ?", now - 10 * LIVES)
