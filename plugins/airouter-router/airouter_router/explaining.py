"""What a route would do with a prompt, told without asking anybody."""

from __future__ import annotations

import functools
from collections.abc import Callable

from airouter_core.values.record import Record
from airouter_core.values.usage import Cost

from .eligibility import Eligibility
from .situation import Situation
from .strategies import candidates


class Planned(Record, frozen=True):
    """One candidate.

    Attributes:
        refused: why it would not be asked, if it would not.
        why: what puts it in its place.
        resting: the failure that it is left alone for; it would come last.
        cost: the most that the call can cost there; ``None`` when that is not known.
    """

    target: str
    refused: str | None
    why: str
    resting: str | None = None
    cost: Cost | None = None


class Plan(Record, frozen=True):
    """All candidates of a route for one ask, in the order in which they would be asked."""

    route: str
    tokens: int
    candidates: tuple[Planned, ...]

    def explain(self) -> str:
        """The plan as lines of text."""
        lines = [f"route {self.route}: about {self.tokens} tokens"]
        for number, item in enumerate(self.candidates, 1):
            cost = "cost unknown" if item.cost is None else f"at most {item.cost.amount:.6f} USD ({item.cost.source})"
            state = f"not asked: {item.refused}" if item.refused else f"{item.why}; {cost}"
            rests = f"; rests after {item.resting}" if item.resting else ""
            lines.append(f"{number:3}. {item.target}  {state}{rests}")
        return "\n".join(lines)


def planned(situation: Situation, unusable: Callable[[str], str | None] = lambda _: None) -> Plan:
    """The plan for one ask.

    Args:
        unusable: why the provider of a name cannot be asked at all: it lacks a key, for instance.
    """
    unusable = functools.cache(unusable)
    eligibility = Eligibility(situation)
    health = situation.knowledge.health
    asked: list[Planned] = []
    resting: list[Planned] = []
    seen = set()
    for candidate in candidates(situation.route.tree, situation):
        target = candidate.target
        if target in seen:
            continue
        seen.add(target)
        bench = health.bench(target, situation.now)
        item = Planned(
            target.address,
            eligibility.refusal(target) or unusable(target.provider),
            candidate.why,
            bench.failure if bench else None,
            situation.cost(target),
        )
        (asked if bench is None else resting).append(item)
    return Plan(situation.route.name, situation.tokens, (*asked, *resting))
