"""How soon targets begin to answer. Failures are no fast successes, and what is not known is not 0."""

from __future__ import annotations

import collections
import statistics as numbers
import threading

from .routes import Target

SAMPLES = 20
LIFE = 300.0
"""Seconds after which a sample says nothing any more."""
COLD = 3
"""Below so many samples a target is not known well enough to be ranked: it is tried first, so that it becomes known."""


class Statistics:
    """Seconds from sending to the first content, by target; streams and whole answers apart."""

    def __init__(self) -> None:
        self._samples: dict[tuple[Target, bool], collections.deque[tuple[float, float]]] = {}
        self._lock = threading.Lock()

    def add(self, target: Target, seconds: float, now: float, *, stream: bool) -> None:
        """A target began to answer after so many seconds."""
        with self._lock:
            kept = self._samples.setdefault((target, stream), collections.deque(maxlen=SAMPLES))
            kept.append((now, seconds))

    def median(self, target: Target, now: float, *, stream: bool) -> float | None:
        """Half of the recent answers began sooner; ``None`` while too few are known."""
        kept = self._samples.get((target, stream))
        if kept is None:
            return None
        with self._lock:
            while kept and kept[0][0] + LIFE < now:
                kept.popleft()
            return numbers.median(seconds for _, seconds in kept) if len(kept) >= COLD else None
