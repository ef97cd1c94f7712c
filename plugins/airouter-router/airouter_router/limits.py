"""Limits as leases: taken before a call, corrected after it. Never more than the limit, however many ask at once."""

from __future__ import annotations

import collections
import threading
from collections.abc import Mapping, Sequence

import msgspec

from airouter_core.values.record import Record
from airouter_core.wire.rate_limits import RateLimit

from .reading import EVERY_MODEL, Limits
from .routes import Target

MINUTE = 60.0
MOST_TAKEN = 10_000
"""Calls of one target that are remembered between two answers of it."""
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
        self.forget(now)
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

    def forget(self, now: float) -> None:
        while self.entries and self.entries[0].at + MINUTE <= now:
            self.tokens -= self.entries.popleft().tokens


class Learned:
    """What the headers of an answer said about limits, and what was taken since. Only under the lock of Leases.

    Attributes:
        sent: when the call that was answered was sent: what was taken later is not among what they count.
    """

    __slots__ = ("limits", "sent", "taken")

    def __init__(self) -> None:
        self.limits: Mapping[str, RateLimit] = {}
        self.sent = float("-inf")
        self.taken: collections.deque[Entry] = collections.deque(maxlen=MOST_TAKEN)

    def hear(self, limits: Mapping[str, RateLimit], sent: float) -> None:
        if sent < self.sent:  # an answer that took longer than one sent later: it knows less
            return
        self.limits, self.sent = limits, sent
        while self.taken and self.taken[0].at <= sent:
            self.taken.popleft()

    def wait(self, tokens: int, now: float) -> float:
        """Seconds until the vendor would let the call in, as far as that is known."""
        return max((self._wait(limit, tokens, now - self.sent) for limit in self.limits.values()), default=0.0)

    def left(self, limit: RateLimit, now: float) -> float:
        """How many are left of a limit."""
        taken = len(self.taken) if limit.unit == "requests" else sum(entry.tokens for entry in self.taken)
        return max(0.0, limit.left_after(now - self.sent) - taken)

    def _wait(self, limit: RateLimit, tokens: int, since: float) -> float:
        if limit.unit == "output_tokens" or since >= limit.reset + MINUTE:
            return 0.0
        each = 1 if limit.unit == "requests" else tokens
        taken = len(self.taken) if limit.unit == "requests" else sum(entry.tokens for entry in self.taken)
        wanted: float = taken + each
        if limit.limit is not None:
            # A vendor's own count of a prompt may be lower than the estimate, so it is never called too large.
            wanted = min(wanted, max(limit.limit, 1.0))
        return max(0.0, limit.seconds_until(wanted) - since)


class LimitState(Record, frozen=True):
    """How one target, or with ``PROVIDER/*`` one account, stands to its limits.

    Attributes:
        in_flight: calls under way.
        requests, tokens: within the last minute; ``None`` where nobody has set a limit that would count them.
        learned: what the vendor's headers told of its limits: of each the ``limit`` and how many are ``left``.
    """

    in_flight: int = 0
    requests: int | None = None
    tokens: int | None = None
    learned: Mapping[str, Mapping[str, float | None]] = msgspec.field(default_factory=dict)


class Lease(msgspec.Struct, eq=False):
    """A call's place within every limit that it falls under; to be given back once.

    Attributes:
        counted: where it counts, and as what.
        taken: the same, where limits were learned.
        is_held: whether it is still to be given back.
    """

    leases: Leases
    target: Target
    counted: Sequence[tuple[Meter, Entry]] = ()
    taken: Entry | None = None
    is_held: bool = True

    def give_back(self, tokens: int | None = None) -> None:
        """The call is over.

        Args:
            tokens: what it used; what was reserved for it stays counted where that is unknown.
        """
        if self.is_held:
            self.is_held = False
            leases, target = self.leases, self.target
            with leases.lock:
                left = leases.busy.get(target, 0) - 1
                if left > 0:
                    leases.busy[target] = left
                else:
                    leases.busy.pop(target, None)
                for meter, entry in self.counted:
                    meter.in_flight -= 1
                    if tokens is not None and meter.entries and entry.at >= meter.entries[0].at:
                        meter.correct(entry, tokens)
                if self.taken is not None and tokens is not None:
                    self.taken.tokens = tokens


class Leases:
    """All limits of a router, and how busy each target is. For many threads."""

    def __init__(self, settings: Mapping[str, Limits]) -> None:
        self.lock = threading.Lock()
        self._meters = {
            address: Meter(limits)
            for address, limits in settings.items()
            if (limits.rpm, limits.tpm, limits.in_flight) != (None, None, None)
        }
        self._learned: dict[Target, Learned] = {}
        self.busy: dict[Target, int] = {}
        """How many calls each target is at; those at none are not in it."""
        self._count_tokens = any(meter.limits.tpm is not None for meter in self._meters.values())
        self.is_unlimited = not self._meters
        """Whether there is no limit at all, neither set nor learned."""

    def counts_tokens(self, target: Target) -> bool:
        """Whether it matters how large a call is."""
        learned = self._learned.get(target)
        return self._count_tokens or (learned is not None and any("tokens" in words for words in learned.limits))

    def take(self, target: Target, tokens: int, now: float) -> Lease | float | None:
        """A lease, or the seconds until one may be had; ``None`` when the call is larger than a limit."""
        with self.lock:
            if self.is_unlimited:
                self.busy[target] = self.busy.get(target, 0) + 1
                return Lease(self, target)
            meters, learned = self._of(target), self._learned.get(target)
            waits = [meter.wait(tokens, now) for meter in meters]
            if None in waits:
                return None
            longest = max((wait for wait in waits if wait is not None), default=0.0)
            if learned is not None:
                longest = max(longest, learned.wait(tokens, now))
            if longest > 0:
                return longest
            self.busy[target] = self.busy.get(target, 0) + 1
            taken = None
            if learned is not None:
                taken = Entry(now, tokens)
                learned.taken.append(taken)
            return Lease(self, target, [(meter, meter.take(tokens, now)) for meter in meters], taken)

    def hear(self, target: Target, limits: Mapping[str, RateLimit], sent: float) -> None:
        """Learn what an answer to a call that was sent then says about the limits of its target."""
        with self.lock:
            learned = self._learned.get(target)
            if learned is None:
                learned = self._learned[target] = Learned()
                self.is_unlimited = False
            learned.hear(limits, sent)

    def state(self, now: float) -> Mapping[str, LimitState]:
        """How things stand, by the addresses of targets and of limits."""
        with self.lock:
            found: dict[str, LimitState] = {}
            for target, calls in self.busy.items():
                found[str(target)] = LimitState(in_flight=calls)
            for address, meter in self._meters.items():
                meter.forget(now)
                found[address] = msgspec.structs.replace(
                    found.get(address, LimitState(in_flight=meter.in_flight)),
                    requests=len(meter.entries),
                    tokens=meter.tokens,
                )
            for target, learned in self._learned.items():
                told = {
                    words: {"limit": limit.limit, "left": learned.left(limit, now)}
                    for words, limit in learned.limits.items()
                }
                found[str(target)] = msgspec.structs.replace(found.get(str(target), LimitState()), learned=told)
            return found

    def _of(self, target: Target) -> list[Meter]:
        addresses = (target.address, f"{target.provider}/{EVERY_MODEL}")
        return [meter for address in addresses if (meter := self._meters.get(address)) is not None]
