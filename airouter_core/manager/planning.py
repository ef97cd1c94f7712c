"""What providers that ask others tell beforehand."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from ..values.ask import Ask


class Plan(Protocol):
    """Who would be asked, in which order, and why."""

    def explain(self) -> str:
        """The plan as lines of text."""
        ...


@runtime_checkable
class Planning(Protocol):
    """A provider that can tell whom it would ask."""

    def plan(self, ask: Ask, /) -> Plan: ...
