"""Plots as values: where each mark stands.

Across, places are parts of the width, so that a plot fits every screen and its words are not stretched; up, they are
points.
"""

from __future__ import annotations

import datetime
import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from airouter_core.values.value import Value

HEIGHT = 132
TOP, BOTTOM = 10, 22
"""Points above the highest mark, and below the lowest, where the words of the axis are."""
HOUR = 3600
DAY = 86400


class Mark(Value, frozen=True):
    """A bar, or a point: where it is in hundredths of the width and in points, and what it says."""

    x: float
    width: float
    y: float
    height: float
    says: str


class Line(Value, frozen=True):
    """A piece of a line between two points."""

    x1: float
    y1: float
    x2: float
    y2: float


class Plot(Value, frozen=True, kw_only=True):
    """A plot.

    Attributes:
        title: what it shows, in a sentence, for those who do not see it.
        highest: the label of the upper line.
        bars: lower and upper ones; the upper are told apart.
        lines: by the name of their kind.
        labels: of the axis: where, and what.
    """

    title: str
    highest: str
    bars: tuple[Mark, ...] = ()
    upper: tuple[Mark, ...] = ()
    lines: tuple[tuple[str, tuple[Line, ...], tuple[Mark, ...]], ...] = ()
    labels: tuple[tuple[float, str], ...] = ()
    height: int = HEIGHT

    @property
    def floor(self) -> int:
        """Where the axis is."""
        return self.height - BOTTOM


class Bucket(Value, frozen=True):
    """What happened in a span of time."""

    begins: float
    calls: int = 0
    failed: int = 0
    half: float | None = None
    most: float | None = None


def buckets(calls: Iterable[tuple[float, float | None, bool]], begin: float, width: float, number: int) -> list[Bucket]:
    """Calls by the span of time that they began in.

    Args:
        calls: when each began, how long it took, and whether it failed.
    """
    found: list[list[tuple[float | None, bool]]] = [[] for _ in range(number)]
    for at, seconds, failed in calls:
        place = int((at - begin) // width)
        if 0 <= place < number:
            found[place].append((seconds, failed))
    return [_bucket(begin + place * width, inside) for place, inside in enumerate(found)]


def _bucket(begins: float, inside: Sequence[tuple[float | None, bool]]) -> Bucket:
    times = sorted(seconds for seconds, failed in inside if seconds is not None and not failed)
    return Bucket(
        begins, len(inside), sum(failed for _, failed in inside), percentile(times, 0.5), percentile(times, 0.95)
    )


def percentile(values: Sequence[float], part: float) -> float | None:
    """The value that so many of the sorted values do not exceed; ``None`` of none."""
    return values[max(0, math.ceil(part * len(values)) - 1)] if values else None


def spend(amounts: Sequence[tuple[str, Any]], written: Any) -> Plot:
    """Bars of what was spent each day.

    Args:
        written: how an amount is written.
    """
    top = max((float(amount) for _, amount in amounts), default=0.0)
    bars = tuple(
        _bar(place, len(amounts), float(amount), top, f"{day}: {written(amount)}")
        for place, (day, amount) in enumerate(amounts)
    )
    labels = tuple((_middle(place, len(amounts)), amounts[place][0][5:]) for place in _some(len(amounts)))
    total = written(sum(amount for _, amount in amounts))
    return Plot(title=f"Spend by day, {total} together", highest=written(top) if top else "", bars=bars, labels=labels)


def traffic(found: Sequence[Bucket]) -> Plot:
    """Bars of calls by the hour; those that failed are told apart."""
    top = max((bucket.calls for bucket in found), default=0)
    number = len(found)
    bars, upper = [], []
    for place, bucket in enumerate(found):
        says = f"{_hour(bucket)}: {bucket.calls} calls, {bucket.failed} failed"
        bars.append(_bar(place, number, bucket.calls, top, says))
        if bucket.failed:
            upper.append(_bar(place, number, bucket.failed, top, says))
    calls, failed = sum(bucket.calls for bucket in found), sum(bucket.failed for bucket in found)
    return Plot(
        title=f"Calls by hour: {calls}, of which {failed} failed",
        highest=f"{top:,}" if top else "",
        bars=tuple(bars),
        upper=tuple(upper),
        labels=_hours(found),
    )


def latency(found: Sequence[Bucket], written: Any) -> Plot:
    """Lines of how long calls took: half of them, and all but one in twenty."""
    top = max((bucket.most for bucket in found if bucket.most is not None), default=0.0)
    half = [(place, bucket.half, bucket) for place, bucket in enumerate(found)]
    most = [(place, bucket.most, bucket) for place, bucket in enumerate(found)]
    lines = tuple(
        (kind, *_line(kind, points, len(found), top, written)) for kind, points in (("p95", most), ("p50", half))
    )
    return Plot(
        title="How long calls took, by hour: half of them (p50), and all but one in twenty (p95)",
        highest=written(top) if top else "",
        lines=lines,
        labels=_hours(found),
    )


def _line(
    kind: str, points: Sequence[tuple[int, float | None, Bucket]], number: int, top: float, written: Any
) -> tuple[tuple[Line, ...], tuple[Mark, ...]]:
    marks = [
        (place, Mark(_middle(place, number), 0, _height(value, top), 0, f"{_hour(bucket)}: {kind} {written(value)}"))
        for place, value, bucket in points
        if value is not None
    ]
    # Where nothing was called there is no line: it would say something of that time.
    joined = [
        Line(one.x, one.y, other.x, other.y) for (at, one), (then, other) in itertools.pairwise(marks) if then == at + 1
    ]
    return tuple(joined), tuple(mark for _, mark in marks)


def _bar(place: int, number: int, value: float, top: float, says: str) -> Mark:
    width = 100 / number
    y = _height(value, top)
    return Mark(round(place * width + width * 0.15, 3), round(width * 0.7, 3), y, round(HEIGHT - BOTTOM - y, 1), says)


def _height(value: float, top: float) -> float:
    room = HEIGHT - TOP - BOTTOM
    return round(TOP + room * (1 - (value / top if top else 0)), 1)


def _middle(place: int, number: int) -> float:
    return round((place + 0.5) * 100 / number, 3)


def _some(number: int) -> Sequence[int]:
    """Places of some labels, so that they do not touch."""
    return range(number // 10, number, max(1, number // 4)) if number else ()


def _hours(found: Sequence[Bucket]) -> tuple[tuple[float, str], ...]:
    return tuple((_middle(place, len(found)), _hour(found[place])) for place in _some(len(found)))


def _hour(bucket: Bucket) -> str:
    return datetime.datetime.fromtimestamp(bucket.begins, datetime.UTC).strftime("%H:%M")
