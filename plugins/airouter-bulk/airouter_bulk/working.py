"""What works on a run, as those see it who watch and interrupt it."""

from __future__ import annotations

from typing import Protocol

from .counts import Counts
from .reports import State
from .spec import Spec


class Working(Protocol):
    """An engine, wherever it is."""

    spec: Spec
    counts: Counts

    def pause(self, state: State, reason: str) -> None:
        """Begin no further call; those under way end as they would."""

    def stop(self) -> None:
        """End at once: calls under way are given up, and found as uncertain by the next run."""
