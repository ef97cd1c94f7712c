"""A running total of what calls cost, blocking or awaited."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.flow.steps import Emit, Flow
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

    def counted(self, flow: Flow[None]) -> Flow[None]:
        """The same flow, with the costs that its events report counted as they go by."""
        outcome: Any = None
        error: AirouterError | None = None
        try:
            while True:
                try:
                    step = flow.send(outcome) if error is None else flow.throw(error)
                except StopIteration:
                    return
                outcome = error = None
                if isinstance(step, Emit):
                    step = Emit(self._watched(step.events))
                try:
                    outcome = yield step
                except AirouterError as failure:
                    error = failure
        finally:
            flow.close()

    def _watched(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        for event in events:
            if type(event) is CostReported:
                self.add(event.cost)
            yield event
