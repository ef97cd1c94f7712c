"""Periods of budgets: calendar days, weeks, months and years in a time zone, or a window that moves with the clock.

A period is a run of numbered spans. Of a calendar period the span is the period itself, named by its first second. A
moving window is made of sixty spans; the one that leaves the window leaves as a whole, so what is counted is never less
than what was spent in the window, and at most a sixtieth of its length more.
"""

from __future__ import annotations

import datetime
import re
import zoneinfo

import attrs

from airouter_core.errors import ConfigurationError

CALENDAR = ("hour", "day", "week", "month", "year")
WINDOW = re.compile(r"(\d{1,6}) (second|minute|hour|day)s?")
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400}
SPANS = 60
FOREVER = "forever"


@attrs.frozen
class Span:
    """Where a moment lies in its period.

    Attributes:
        number: of the span that the moment is in.
        first: of the first span that counts together with it.
        ends: when the budget is whole again, or begins to be, in seconds since 1970; ``None`` for never.
    """

    number: int
    first: int
    ends: float | None


class Period:
    """A period, by its words: ``"month"``, ``"day"``, ``"24 hours"``, ``"forever"``.

    Raises:
        ConfigurationError: the words, or the time zone, are not known.
    """

    def __init__(self, words: str, time_zone: str = "UTC") -> None:
        match = WINDOW.fullmatch(words)
        if words not in (*CALENDAR, FOREVER) and (match is None or int(match[1]) == 0):
            raise ConfigurationError(
                f"a period is {', '.join(CALENDAR)}, {FOREVER}, or a window such as '30 days', not {words!r}"
            )
        self._words = words
        self._window = int(match[1]) * SECONDS[match[2]] if match else None
        try:
            self._zone = zoneinfo.ZoneInfo(time_zone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, IsADirectoryError) as error:
            raise ConfigurationError(
                f"{time_zone!r} is no time zone of this machine, such as 'Europe/Paris'"
            ) from error

    def span(self, at: float) -> Span:
        """Where a moment lies, given in seconds since 1970."""
        if self._words == FOREVER:
            return Span(0, 0, None)
        if self._window is not None:
            width = max(self._window // SPANS, 1)
            number = int(at // width)
            return Span(number, int((at - self._window) // width), float((number + 1) * width))
        start = self._start(datetime.datetime.fromtimestamp(at, self._zone))
        # Far enough to be in the next period, whatever clocks are set to meanwhile; its start is looked up again.
        length = {"hour": 1.5, "day": 36, "week": 8 * 24, "month": 45 * 24, "year": 380 * 24}[self._words]
        following = self._start(_moved(start, length))
        number = int(start.timestamp())
        return Span(number, number, following.timestamp())

    def _start(self, moment: datetime.datetime) -> datetime.datetime:
        if self._words == "hour":
            # Counted without the zone: where clocks are set back an hour comes twice, and each is an hour of its own.
            seconds = moment.timestamp()
            return datetime.datetime.fromtimestamp(
                seconds - (moment.minute * 60 + moment.second) - seconds % 1, self._zone
            )
        day = moment.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        if self._words == "week":
            return day - datetime.timedelta(days=day.weekday())
        if self._words == "month":
            return day.replace(day=1)
        return day.replace(month=1, day=1) if self._words == "year" else day


def _moved(moment: datetime.datetime, hours: float) -> datetime.datetime:
    later = moment.timestamp() + hours * 3600
    return datetime.datetime.fromtimestamp(later, moment.tzinfo)
