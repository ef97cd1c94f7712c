"""Places of which there are so many, for threads and event loops together."""

from __future__ import annotations

import collections
import threading
from collections.abc import Callable


class Slots:
    """So many at a time, first come first served. A flow waits for one with the step ``Take``.

    Waiting takes no thread: a semaphore awaited in threads would fill the pool with those who wait, and then nobody
    could go on to give one back.
    """

    def __init__(self, count: int) -> None:
        if count < 1:
            raise ValueError(f"there must be at least one slot, not {count}")
        self._lock = threading.Lock()
        self._free = count
        self._waiting: collections.deque[Callable[[], None]] = collections.deque()

    @property
    def free(self) -> int:
        """How many can be had at once."""
        return self._free

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def take(self, ready: Callable[[], None] | None = None) -> bool:
        """Whether one was free. If not, ``ready`` is called, perhaps by another thread, when one was handed over."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            if ready is not None:
                self._waiting.append(ready)
            return False

    def forget(self, ready: Callable[[], None]) -> None:
        """Wait no longer; what was handed over meanwhile goes on to the next."""
        with self._lock:
            if ready in self._waiting:
                self._waiting.remove(ready)
                return
        self.give_back()

    def give_back(self) -> None:
        """Let the next one have it."""
        # Handed over directly, and not put back first: a newcomer could take it from who has waited longest.
        with self._lock:
            if not self._waiting:
                self._free += 1
                return
            ready = self._waiting.popleft()
        # Outside the lock: it may run code of an event loop, which may ask for a slot in its turn.
        ready()
