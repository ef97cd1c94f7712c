"""The cheapest of many: found without a look at each of them.

What a call costs grows evenly with the tokens of its prompt and of its answer, so each target is a point (its price of
the one, its price of the other), and whoever is cheapest for some call lies on the lower left hull of all points: a
handful, and which of them it is depends on the proportion of the two alone. Targets with a fee for each call are no
points; there are few, and they are compared one by one. Who comes next is worked out when it is wanted, which is when
the cheapest has failed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

Point = tuple[float, float, int]
"""Price of a token that is sent, price of one that is made, number of the child."""
CostOf = Callable[[int, int], float]
"""What a call of so many tokens sent and made costs at most; infinite where nobody knows."""
EVENLY = 1e-9


class Cheapness:
    """Who is cheapest, for calls whose tokens have the prices that they have for about ``size`` of them."""

    def __init__(self, targets: Iterable[tuple[int, CostOf]], size: int) -> None:
        points: list[Point] = []
        self._others: list[tuple[int, CostOf]] = []
        for child, cost in targets:
            sent = cost(size, 0)
            if math.isinf(sent):
                continue
            if abs(cost(size // 2, 0) * 2 - sent) > EVENLY * sent:
                self._others.append((child, cost))
            else:
                points.append((sent / size, (cost(size, size) - sent) / size, child))
        self._corners = _lower(sorted(points))

    def cheapest(self, sent: int, made: int) -> int | None:
        """The child that is cheapest for so many tokens; ``None`` where no price is known."""
        found = [(_cost(corner, sent, made), corner[2]) for corner in self._best(sent, made)]
        found += [(cost(sent, made), child) for child, cost in self._others]
        return min(found)[1] if found else None

    def _best(self, sent: int, made: int) -> list[Point]:
        corners = self._corners
        # Along the hull the cost falls to its least and rises again.
        low, high = 0, len(corners) - 1
        while low < high:
            middle = (low + high) // 2
            if _cost(corners[middle], sent, made) <= _cost(corners[middle + 1], sent, made):
                high = middle
            else:
                low = middle + 1
        return corners[low : low + 1]


def _cost(point: Point, sent: int, made: int) -> float:
    return point[0] * sent + point[1] * made


def _lower(points: list[Point]) -> list[Point]:
    """The corners from the lowest price of what is sent to the lowest of what is made (Andrew's monotone chain)."""
    hull: list[Point] = []
    for point in points:
        if hull and point[1] >= hull[-1][1]:
            continue  # dearer in both, or the same and later
        while len(hull) > 1 and _turn(hull[-2], hull[-1], point) <= 0:
            hull.pop()
        hull.append(point)
    return hull


def _turn(one: Point, other: Point, third: Point) -> float:
    return (other[0] - one[0]) * (third[1] - one[1]) - (other[1] - one[1]) * (third[0] - one[0])
