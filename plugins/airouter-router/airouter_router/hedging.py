"""How often somebody is asked beside who is slow: seldom, since both are paid for."""

from __future__ import annotations

import threading

SHARE = 0.05
"""Of the calls of a route that may be asked twice; they are then at most one in twenty dearer."""


class Hedging:
    """Counts, for all calls of a router."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, int] = {}
        self._hedges: dict[str, int] = {}

    def called(self, route: str) -> None:
        """A call begins that may be hedged."""
        with self._lock:
            self._calls[route] = self._calls.get(route, 0) + 1

    def may_begin(self, route: str) -> bool:
        """Whether one more is within the share."""
        return self._hedges.get(route, 0) + 1 <= SHARE * self._calls.get(route, 0)

    def share(self, route: str) -> float:
        """Of the calls of a route, those that were asked twice."""
        return self._hedges.get(route, 0) / max(self._calls.get(route, 0), 1)

    def begun(self, route: str) -> None:
        """Somebody is asked beside."""
        with self._lock:
            self._hedges[route] = self._hedges.get(route, 0) + 1
