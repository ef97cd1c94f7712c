"""What the headers of an answer say about the limits of whoever asked.

Nobody has written one format down, so they are read by their words: ``x-ratelimit-remaining-requests`` (most),
``anthropic-ratelimit-input-tokens-remaining``, ``x-ratelimit-limit-tokens-5-minute``, ``ratelimit-reset``. A reset is
seconds, a duration (``2m59.5s``, ``120ms``), a time of RFC 3339, or seconds or milliseconds since 1970.
"""

from __future__ import annotations

import datetime
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from ..values.record import Record

Unit = Literal["requests", "tokens", "input_tokens", "output_tokens"]

NAME = re.compile(r"(?:[a-z0-9]+-)*ratelimit-([a-z0-9-]+)")
DURATION = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
SAID = ("limit", "remaining", "reset")
WINDOWS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0, "month": 30 * 86400.0}
DATE = 1e8
"""A larger number of seconds is a date."""
MILLISECONDS = 1e11
"""A larger date is one in milliseconds."""


NONE: Mapping[str, RateLimit] = {}


class RateLimit(Record, frozen=True):
    """One limit, as it stood when the answer was sent.

    Attributes:
        unit: what it counts.
        limit: how many there are; ``None`` where it is not said.
        remaining: how many are left.
        reset: seconds until all are there again. They come back one by one, as tokens do into a bucket: at OpenAI
            9,999 of 10,000 requests a minute are whole again after 6 ms.
    """

    unit: Unit
    limit: float | None
    remaining: float
    reset: float

    def left_after(self, seconds: float) -> float:
        """How many are left so many seconds later, if nobody takes any meanwhile."""
        if seconds >= self.reset:
            return self.remaining if self.limit is None else self.limit
        if self.limit is None:
            return self.remaining
        return self.remaining + (self.limit - self.remaining) * seconds / self.reset

    def seconds_until(self, wanted: float) -> float:
        """Seconds until so many are left, if nobody takes any meanwhile."""
        if wanted <= self.remaining:
            return 0.0
        if self.limit is None or self.limit <= self.remaining:
            return self.reset
        return min(1.0, (wanted - self.remaining) / (self.limit - self.remaining)) * self.reset


def rate_limits(headers: Mapping[str, str], now: float) -> Mapping[str, RateLimit]:
    """The limits that headers tell of, by the words that tell them apart: ``"tokens"``, ``"requests-day"``, ….

    One that does not say how many are left, or when they are whole again, is none.

    Args:
        headers: names in lower case.
        now: seconds since 1970.
    """
    said: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if "ratelimit-" in name and (found := _said_by(name)) is not None:
            said.setdefault(found[0], {})[found[1]] = value
    return dict(_limits(said, now)) if said else NONE


def seconds_of(said: str) -> float | None:
    """A wait as services say it: seconds, or like ``1h2m59.5s`` and ``120ms``; ``None`` if it is none of these."""
    said = said.strip()
    try:
        return max(float(said), 0.0) if float(said) < DATE else None
    except ValueError:
        match = DURATION.fullmatch(said)
    if match is None or not said:
        return None
    parts = [float(part or 0) for part in match.groups()]
    return sum(part * unit for part, unit in zip(parts, (86400, 3600, 60, 1, 0.001), strict=True))


@functools.lru_cache(maxsize=1000)
def _said_by(name: str) -> tuple[str, str] | None:
    """The words that tell a limit apart, and what a header of this name says of it."""
    match = NAME.fullmatch(name)
    words = match[1].split("-") if match else []
    what = [word for word in words if word in SAID]
    if len(what) != 1:
        return None
    words.remove(what[0])
    return "-".join(words), what[0]


def _limits(said: Mapping[str, Mapping[str, str]], now: float) -> Iterator[tuple[str, RateLimit]]:
    for words, values in said.items():
        limit, remaining = _count(values.get("limit")), _count(values.get("remaining"))
        if remaining is None or (limit is not None and remaining > limit):
            continue
        reset = _until(values["reset"], now) if "reset" in values else _refill(words, limit, remaining)
        if reset is not None:
            yield words, RateLimit(_unit(words), limit, remaining, reset)


def _unit(words: str) -> Unit:
    if "token" not in words:
        return "requests"
    return "input_tokens" if "input" in words else "output_tokens" if "output" in words else "tokens"


def _count(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until(value: str, now: float) -> float | None:
    if (seconds := seconds_of(value)) is not None:
        return seconds
    if (date := _count(value)) is not None:
        return max((date / 1000 if date > MILLISECONDS else date) - now, 0.0)
    try:
        moment = datetime.datetime.fromisoformat(value.strip())
    except ValueError:
        return None
    return max(moment.timestamp() - now, 0.0) if moment.tzinfo is not None else None


def _refill(words: str, limit: float | None, remaining: float) -> float | None:
    """Where no reset is said but a window: ``tokens-5-minute`` is whole again once all of it has come back."""
    *before, last = words.split("-")
    if last not in WINDOWS or not limit:
        return None
    times = float(before[-1]) if before and before[-1].isdigit() else 1.0
    return WINDOWS[last] * times * (limit - remaining) / limit
