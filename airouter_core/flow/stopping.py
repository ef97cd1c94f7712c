"""Stopping somebody who waits in another thread for a server to say something.

Where somebody awaits, whoever waits is cancelled. A thread cannot be; but its connection can be ended under its hands,
and then it wakes up. So whoever may be stopped says which connection it waits on.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable


class Stop:
    """What one thread may be stopped by."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None
        self._is_stopped = False

    def waits(self, end: Callable[[], None]) -> None:
        """The thread waits now for what ``end`` ends; it is called at once where the thread was stopped before."""
        with self._lock:
            self._end = end
            if self._is_stopped:
                end()

    def goes_on(self) -> None:
        """What it waited for is somebody else's from now on."""
        with self._lock:
            self._end = None

    def now(self) -> None:
        """Stop it."""
        with self._lock:
            self._is_stopped = True
            if self._end is not None:
                self._end()


STOP: contextvars.ContextVar[Stop | None] = contextvars.ContextVar("airouter_stop", default=None)
"""Of this thread; ``None`` where nobody will stop it."""
