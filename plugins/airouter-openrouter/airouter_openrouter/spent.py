"""A running total of what calls cost, blocking or awaited."""

from __future__ import annotations

import threading
from decimal import Decimal

from airouter_core.values.events import CostReported, StreamEvent
from airouter_core.values.usage import Cost


class Spent:
    """A running total. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._total = Decimal(0)

    @property
    def total(self) -> Decimal:
        with self._lock:
            return self._total

    def add(self, cost: Cost | None) -> None:
        """Count a cost, if there is one."""
        if cost is not None:
            with self._lock:
                self._total += cost.amount

    def see(self, event: StreamEvent) -> None:
        """Count the cost that an event reports, if it does."""
        if type(event) is CostReported:
            self.add(event.cost)
