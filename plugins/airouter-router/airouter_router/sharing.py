"""Health told to other processes, and heard of them, by notes in a place that they share: a ledger, for instance.

A failure is told at once, and what others tell is read once a second while calls are made. What is told of a target
holds for whoever calls its account by the same name. Sharing is a convenience: when its place fails, calls go on with
what this process knows itself.
"""

from __future__ import annotations

import itertools
import logging
import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping

import msgspec

from airouter_core.values.notes import Note, SharedNotes

from .health import Bench, Health
from .limits import Leases, LimitState

LOGGER = logging.getLogger("airouter.router")

HEALTH = "airouter-router/health"
PROCESSES = "airouter-router/processes"
EVERY = 1.0
"""Seconds between two looks at what others tell."""
TOLD_EVERY = 5.0
"""Seconds between two notes of what this process is at."""
TOLD_FOR = 60.0
"""Seconds for which such a note holds; a process that makes no calls for longer is at nothing."""
PAUSE = 60.0
"""Seconds until a place that has failed is tried again."""

_numbers = itertools.count()


class Process(msgspec.Struct, frozen=True):
    """What one process is at, as it told ``at`` (seconds since 1970)."""

    name: str
    at: float
    targets: dict[str, LimitState] = {}


class Sharing:
    """What one router tells others, and hears of them.

    Args:
        clock: that of the router; ``wall`` is the one that all processes share, in seconds since 1970.
    """

    def __init__(
        self,
        notes: SharedNotes,
        health: Health,
        leases: Leases,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._notes = notes
        self._health = health
        self._leases = leases
        self._clock = clock
        self._wall = wall
        self._next = self._next_told = self._paused_until = float("-inf")
        self._lock = threading.Lock()
        self._name = f"{platform.node()}:{os.getpid()}" + (f".{number}" if (number := next(_numbers)) else "")
        health.is_shared = True

    @property
    def where(self) -> str:
        """The place."""
        return self._notes.where

    def is_due(self, now: float) -> bool:
        """Whether there is something to tell, or it is time to listen."""
        return now >= self._next or (bool(self._health.untold) and now >= self._paused_until)

    def exchange(self) -> None:
        """Tell and listen; blocks. What fails is told in the log."""
        if not self._lock.acquire(blocking=False):
            return  # somebody is at it
        try:
            now = self._clock()
            if not self.is_due(now):
                return
            self._next = now + EVERY
            try:
                self._tell(now)
                self._health.hear(dict(self._told(now)))
            except Exception as error:  # a stranger's place: it may fail as it likes, and costs no call
                self._next = self._paused_until = now + PAUSE
                self._health.take_untold()
                LOGGER.warning("health is not shared for now: %s", error)
        finally:
            self._lock.release()

    def processes(self) -> list[Process]:
        """What each process is at that makes calls now."""
        found = self._notes.read(PROCESSES).values()
        return sorted((msgspec.json.decode(note.text, type=Process) for note in found), key=lambda item: item.name)

    def _tell(self, now: float) -> None:
        wall = self._wall()
        for key, bench in self._health.take_untold().items():
            if bench is None:
                self._notes.remove(HEALTH, "/".join(key))
            else:
                self._notes.put(HEALTH, bench.target, Note(bench.failure, wall + bench.until - now))
        if now >= self._next_told:
            self._next_told = now + TOLD_EVERY
            process = Process(self._name, wall, dict(self._leases.state(now)))
            self._notes.put(PROCESSES, self._name, Note(msgspec.json.encode(process).decode(), wall + TOLD_FOR))

    def _told(self, now: float) -> Iterator[tuple[tuple[str, str], Bench]]:
        wall = self._wall()
        for address, note in self._notes.read(HEALTH).items():
            provider, _, model = address.partition("/")
            yield (provider, model), Bench(address, note.text, now + note.until - wall)


def told_by(processes: list[Process]) -> Mapping[str, LimitState]:
    """What all processes are at together, by address; of limits that were learned the lowest is told."""
    found: dict[str, LimitState] = {}
    for process in processes:
        for address, state in process.targets.items():
            found[address] = _both(found.get(address), state)
    return found


def _both(one: LimitState | None, other: LimitState) -> LimitState:
    if one is None:
        return other
    learned = dict(one.learned)
    for words, limit in other.learned.items():
        known = learned.get(words)
        if known is None or (limit["left"] or 0) < (known["left"] or 0):
            learned[words] = limit
    return LimitState(
        one.in_flight + other.in_flight, _sum(one.requests, other.requests), _sum(one.tokens, other.tokens), learned
    )


def _sum(one: int | None, other: int | None) -> int | None:
    return None if one is None and other is None else (one or 0) + (other or 0)
