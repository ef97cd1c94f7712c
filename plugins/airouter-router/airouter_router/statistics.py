"""How soon targets begin to answer. Failures are no fast successes, and what is not known is not 0."""

from __future__ import annotations

import bisect
import collections
import heapq
import threading
from collections.abc import Sequence

from .routes import Target

SAMPLES = 20
LIFE = 300.0
"""Seconds after which a sample says nothing any more."""
COLD = 3
"""Below so many samples a target is not known well enough to be ranked: it is tried first, so that it becomes known."""

Key = tuple[Target, bool]


class Statistics:
    """Seconds from sending to the first content, by target; streams and whole answers apart."""

    def __init__(self) -> None:
        self._samples: dict[Key, collections.deque[tuple[float, float]]] = {}
        self._rankings: dict[tuple[str, bool], Ranking] = {}
        self._ranked: dict[Key, list[tuple[Ranking, int]]] = {}
        self._lock = threading.Lock()

    def add(self, target: Target, seconds: float, now: float, *, stream: bool) -> None:
        """A target began to answer after so many seconds."""
        key = target, stream
        with self._lock:
            kept = self._samples.get(key)
            if kept is None:
                kept = self._samples[key] = collections.deque(maxlen=SAMPLES)
            kept.append((now, seconds))
            if self._ranked:
                for ranking, child in self._ranked.get(key, ()):
                    self._place(ranking, child, now)

    def median(self, target: Target, now: float, *, stream: bool) -> float | None:
        """Half of the recent answers began sooner; ``None`` while too few are known."""
        with self._lock:
            return self._median((target, stream), now)

    def order(
        self, node: str, children: Sequence[Sequence[Target]], now: float, *, stream: bool
    ) -> tuple[list[int], list[tuple[float, int]]]:
        """Which children are not known, and the others with the median of their soonest target, the soonest first.

        The order is kept from call to call, so that of ten thousand children only those are looked at that have
        answered meanwhile, or have not for long.

        Args:
            node: what the node is called; its children are always the same.
        """
        with self._lock:
            ranking = self._rankings.get((node, stream))
            if ranking is None:
                ranking = Ranking([[(target, stream) for target in targets] for targets in children])
                self._rankings[node, stream] = ranking
                for child, keys in enumerate(ranking.children):
                    for key in keys:
                        self._ranked.setdefault(key, []).append((ranking, child))
                    self._place(ranking, child, now)
            return self._read(ranking, now)

    def known_order(self, node: str, now: float, *, stream: bool) -> tuple[list[int], list[tuple[float, int]]] | None:
        """:meth:`order`, where it was asked for before."""
        with self._lock:
            ranking = self._rankings.get((node, stream))
            return None if ranking is None else self._read(ranking, now)

    def _read(self, ranking: Ranking, now: float) -> tuple[list[int], list[tuple[float, int]]]:
        while ranking.due and ranking.due[0][0] <= now:
            _, child = heapq.heappop(ranking.due)
            ranking.watched.discard(child)
            self._place(ranking, child, now)
        return ranking.cold.copy(), ranking.known.copy()

    def _place(self, ranking: Ranking, child: int, now: float) -> None:
        medians = [found for key in ranking.children[child] if (found := self._median(key, now)) is not None]
        ranking.place(child, min(medians, default=None))
        if child not in ranking.watched:
            ends = [self._samples[key][0][0] for key in ranking.children[child] if self._samples.get(key)]
            if ends:
                ranking.watched.add(child)
                heapq.heappush(ranking.due, (min(ends) + LIFE, child))

    def _median(self, key: Key, now: float) -> float | None:
        kept = self._samples.get(key)
        if kept is None:
            return None
        while kept and kept[0][0] + LIFE <= now:
            kept.popleft()
        if len(kept) < COLD:
            return None
        seconds = sorted(sample for _, sample in kept)
        half = len(seconds) // 2
        return seconds[half] if len(seconds) % 2 else (seconds[half - 1] + seconds[half]) / 2


class Ranking:
    """The children of one node in their order. Only under the lock of :class:`Statistics`.

    Attributes:
        cold: those that are not known, by number.
        known: the others, the soonest first.
        due: when a sample of a child grows too old; once for each of those ``watched``.
    """

    def __init__(self, children: Sequence[Sequence[Key]]) -> None:
        self.children = children
        self.cold = list(range(len(children)))
        self.known: list[tuple[float, int]] = []
        self.due: list[tuple[float, int]] = []
        self.watched: set[int] = set()
        self._medians: dict[int, float] = {}

    def place(self, child: int, median: float | None) -> None:
        """Put a child where its median belongs."""
        before = self._medians.get(child)
        if before == median:
            return
        if before is None:
            del self.cold[bisect.bisect_left(self.cold, child)]
        else:
            del self.known[bisect.bisect_left(self.known, (before, child))]
        if median is None:
            del self._medians[child]
            bisect.insort(self.cold, child)
        else:
            self._medians[child] = median
            bisect.insort(self.known, (median, child))
