"""How fast a target is asked: one pace for all calls of a run, retries and new work alike.

Permits flow at 95 in a hundred of a limit, and no more than the other 5 may be saved up, so in no minute there are
more than the limit, whenever that minute begins; a run that is started anew begins as if a call had just been made.
What the headers of answers say of the vendor's own limits counts too: what is left there, less what was begun since.
What is still asked too fast is slowed by who is asked: a ``Retry-After`` closes the pace for everybody, and calls at a
time are halved by each refusal and grow back one by one. Where no refusal says how long to wait, one call at a time may
still be too fast, so each doubles the time between two calls, which shrinks with every answer: a row is refused so many
times in a row by next to nobody, and none fails for a limit that nobody tells of.

Nothing here waits or reads a clock: times are seconds of any clock that never goes back.
"""

from __future__ import annotations

from collections.abc import Mapping

from airouter_core.wire.rate_limits import RateLimit

STEADY = 0.95
SAVED = 0.05
LONGEST = 60.0
"""Seconds to wait for room that a vendor tells of, at most."""
FIRST_GAP, LONGEST_GAP = 0.25, 20.0
"""Seconds between two calls, after refusals that tell of nothing."""
SHRINKS = 0.87
"""What an answer leaves of them. These three were found by simulation, with limits of 3 to 600 a minute: no row was
refused more than three times, and a table took one to two and a half times as long as at the limit itself.
"""


class Bucket:
    """Permits that flow in at a rate.

    Args:
        per_minute: the limit.
    """

    def __init__(self, per_minute: float, now: float) -> None:
        self._rate = per_minute * STEADY / 60
        self._most = per_minute * SAVED
        # Also for whoever had the permits of the last minute, and was killed.
        self._level = min(0.0, self._most - 1)
        self._then = now

    def delay(self, now: float, wanted: float) -> float:
        """Seconds until so many may be taken. What is more than can be saved up is waited for in part, and owed."""
        self._fill(now)
        return max(0.0, (min(wanted, self._most) - self._level) / self._rate)

    def take(self, now: float, amount: float) -> None:
        """Take permits, or give some back with a negative amount."""
        self._fill(now)
        self._level = min(self._most, self._level - amount)

    def _fill(self, now: float) -> None:
        self._level = min(self._most, self._level + max(0.0, now - self._then) * self._rate)
        self._then = now


class Learned:
    """One limit, as an answer told of it, and what was taken since."""

    def __init__(self, limit: RateLimit, now: float) -> None:
        self.limit = limit
        self._then = now
        self._taken = 0.0

    def take(self, tokens: float) -> None:
        """A call begins."""
        self._taken += self._cost(tokens)

    def delay(self, now: float, tokens: float) -> float:
        """Seconds until there is room for a call."""
        wanted, passed = self._taken + self._cost(tokens), now - self._then
        if passed >= self.limit.reset or self.limit.left_after(passed) >= wanted:
            return 0.0
        # Whoever says that it takes a day may be asked again before: it says so then, and how long it takes.
        return min(max(0.0, self.limit.seconds_until(wanted) - passed), LONGEST)

    def _cost(self, tokens: float) -> float:
        return 1.0 if self.limit.unit == "requests" else tokens


class Pace:
    """When the next call may begin.

    Args:
        in_flight: calls at a time, at most.
        lag: seconds that may pass between a permit and its call.
    """

    def __init__(
        self,
        now: float,
        in_flight: int,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        *,
        lag: float = 0.0,
    ) -> None:
        self._most = in_flight
        self._allowed = float(in_flight)
        self._slowed = now
        self._opens = now
        self._gap = 0.0
        self._began = now
        # What is permitted in one minute and so much more may arrive in one minute.
        share = 60 / (60 + lag)
        self._requests = None if requests_per_minute is None else Bucket(requests_per_minute * share, now)
        self._tokens = None if tokens_per_minute is None else Bucket(tokens_per_minute * share, now)
        self._learned: dict[str, Learned] = {}

    @property
    def in_flight(self) -> int:
        """Calls at a time that are allowed now."""
        return max(1, int(self._allowed))

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens a call has."""
        return self._tokens is not None or any(one.limit.unit != "requests" for one in self._learned.values())

    @property
    def limits(self) -> Mapping[str, RateLimit]:
        """The vendor's own, as the last answers told of them."""
        return {name: one.limit for name, one in self._learned.items()}

    def learned(self, now: float, limits: Mapping[str, RateLimit]) -> None:
        """An answer has told of limits. Of those for output alone nothing is known before a call."""
        for name, limit in limits.items():
            if limit.unit != "output_tokens":
                self._learned[name] = Learned(limit, now)

    def closed(self, now: float) -> float:
        """Seconds for which nothing may be sent, as the target has said."""
        return max(0.0, self._opens - now)

    def delay(self, now: float, tokens: float) -> float:
        """Seconds until a call of about so many tokens may begin."""
        waits = [self.closed(now), self._began + self._gap - now]
        if self._requests is not None:
            waits.append(self._requests.delay(now, 1))
        if self._tokens is not None:
            waits.append(self._tokens.delay(now, tokens))
        waits += [one.delay(now, tokens) for one in self._learned.values()]
        return max(waits)

    def take(self, now: float, tokens: float) -> None:
        """A call begins."""
        self._began = now
        if self._requests is not None:
            self._requests.take(now, 1)
        if self._tokens is not None:
            self._tokens.take(now, tokens)
        for one in self._learned.values():
            one.take(tokens)

    def settle(self, now: float, expected: float, used: float | None) -> None:
        """A call was answered; what it used in truth counts in place of what was expected."""
        if self._tokens is not None and used is not None:
            self._tokens.take(now, used - expected)
        self._allowed = min(self._most, self._allowed + 1 / self._allowed)
        self._gap = self._gap * SHRINKS if self._gap > FIRST_GAP / 8 else 0.0

    def refused(self, now: float, retry_after: float | None) -> None:
        """A call was refused for its pace."""
        self._opens = max(self._opens, now + (retry_after or 0.0))
        if now >= self._slowed:  # those that were under way together are refused together: that is one refusal
            self._allowed = max(1.0, self._allowed / 2)
            self._slowed = now + 1.0
            if not retry_after:
                self._gap = min(LONGEST_GAP, max(2 * self._gap, FIRST_GAP))
