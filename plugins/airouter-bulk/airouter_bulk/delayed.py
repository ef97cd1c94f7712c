"""Items that wait until they are asked again."""

from __future__ import annotations

import heapq
import itertools
from typing import Protocol

from .journal.records import Job


class Clock(Protocol):
    """Tells the time of an event loop."""

    def time(self) -> float: ...


class Delayed:
    """Jobs by the time at which they are due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._order = itertools.count()
        self._jobs: list[tuple[float, int, Job]] = []

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job, seconds: float) -> None:
        """Due in so many seconds."""
        heapq.heappush(self._jobs, (self._clock.time() + seconds, next(self._order), job))

    def until_due(self) -> float | None:
        """Seconds until the next one is due; ``None`` where none waits."""
        return max(0.0, self._jobs[0][0] - self._clock.time()) if self._jobs else None

    def take(self) -> Job | None:
        """The next one, if it is due."""
        return heapq.heappop(self._jobs)[2] if self.until_due() == 0 else None
