"""Limits as leases: taken before a call, corrected after it. Never more than the limit, however many ask at once."""

from __future__ import annotations

import collections
import threading
from collections.abc import Mapping

import msgspec

from .reading import EVERY_MODEL, NO_LIMITS, Limits
from .routes import Target

MINUTE = 60.0
SOON = 0.05
"""Seconds until it is worth looking again for a place that only another call's end can free."""


class Entry(msgspec.Struct, eq=False):
    """One call within the last minute."""

    at: float
    tokens: int


class Meter:
    """What one limit counts. Only under the lock of :class:`Leases`."""

    __slots__ = ("entries", "in_flight", "limits", "tokens")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.entries: collections.deque[Entry] = collections.deque()
        self.in_flight = 0
        self.tokens = 0

    def wait(self, tokens: int, now: float) -> float | None:
        """Seconds until a call of so many tokens fits; 0 when it does, ``None`` when it never will."""
        self._forget(now)
        limits = self.limits
        if limits.tpm is not None and tokens > limits.tpm:
            return None
        if limits.in_flight is not None and self.in_flight >= limits.in_flight:
            return SOON
        wait = 0.0
        if limits.rpm is not None and len(self.entries) >= limits.rpm:
            wait = self.entries[len(self.entries) - limits.rpm].at + MINUTE - now
        if limits.tpm is not None and (excess := self.tokens + tokens - limits.tpm) > 0:
            for entry in self.entries:
                excess -= entry.tokens
                if excess <= 0:
                    wait = max(wait, entry.at + MINUTE - now)
                    break
        return wait

    def take(self, tokens: int, now: float) -> Entry:
        entry = Entry(now, tokens)
        self.entries.append(entry)
        self.tokens += tokens
        self.in_flight += 1
        return entry

    def correct(self, entry: Entry, tokens: int) -> None:
        self.tokens += tokens - entry.tokens
        entry.tokens = tokens

    def _forget(self, now: float) -> None:
        while self.entries and self.entries[0].at + MINUTE <= now:
            self.tokens -= self.entries.popleft().tokens


class Lease:
    """A call's place within every limit that it falls under; to be given back once."""

    def __init__(self, leases: Leases, target: Target, held: list[tuple[Meter, Entry]]) -> None:
        self._leases = leases
        self._target = target
        self._held: list[tuple[Meter, Entry]] | None = held

    def give_back(self, tokens: int | None = None) -> None:
        """The call is over.

        Args:
            tokens: what it used; what was reserved for it stays counted where that is unknown.
        """
        held, self._held = self._held, None
        if held is not None:
            self._leases.release(self._target, held, tokens)


class Leases:
    """All limits of a router, and how busy each target is. For many threads."""

    def __init__(self, settings: Mapping[str, Limits]) -> None:
        self._lock = threading.Lock()
        self._meters = {
            address: Meter(limits)
            for address, limits in settings.items()
            if (limits.rpm, limits.tpm, limits.in_flight) != (None, None, None)
        }
        self.busy: dict[Target, int] = {}
        """How many calls each target is at; those at none are not in it."""
        self.count_tokens = any(meter.limits.tpm is not None for meter in self._meters.values())

    def take(self, target: Target, tokens: int, now: float) -> Lease | float | None:
        """A lease, or the seconds until one may be had; ``None`` when the call is larger than a limit."""
        with self._lock:
            meters = self._of(target) if self._meters else []
            waits = [meter.wait(tokens, now) for meter in meters]
            if None in waits:
                return None
            longest = max((wait for wait in waits if wait is not None), default=0.0)
            if longest > 0:
                return longest
            self.busy[target] = self.busy.get(target, 0) + 1
            return Lease(self, target, [(meter, meter.take(tokens, now)) for meter in meters])

    def release(self, target: Target, held: list[tuple[Meter, Entry]], tokens: int | None) -> None:
        """Take back what a lease held."""
        with self._lock:
            left = self.busy.get(target, 0) - 1
            if left > 0:
                self.busy[target] = left
            else:
                self.busy.pop(target, None)
            for meter, entry in held:
                meter.in_flight -= 1
                if tokens is not None and meter.entries and entry.at >= meter.entries[0].at:
                    meter.correct(entry, tokens)

    def _of(self, target: Target) -> list[Meter]:
        addresses = (str(target), f"{target.provider}/{EVERY_MODEL}")
        return [meter for address in addresses if (meter := self._meters.get(address)) is not None]


def limits_for(settings: Mapping[str, Limits], target: Target) -> Limits:
    """What is said of one target, or else of all of its provider's."""
    if not settings:
        return NO_LIMITS
    return settings.get(str(target)) or settings.get(f"{target.provider}/{EVERY_MODEL}") or NO_LIMITS
