"""Who may be asked at all. Nothing of what is preferred can outweigh it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from airouter_core.values.usage import Usage

from .catalog import abilities
from .continuity import kept_at, sealed_by
from .reading import NO_LIMITS
from .routes import Target
from .situation import Situation

MARGIN = 1.2
"""By how much an estimate of tokens may fall short."""
UNIT = 1000
"""Tokens whose price is compared with a ceiling, which is said for a million."""


class Eligibility:
    """What one ask demands of whoever is to answer it."""

    def __init__(self, situation: Situation) -> None:
        self._situation = situation
        self._limits = situation.knowledge.limits
        self._are_limited = bool(situation.knowledge.settings)
        self._knows = situation.route.require == "known"
        self._asks_nothing = not self._knows and situation.is_plain()

    def refusal(self, target: Target) -> str | None:
        """Why a target may not be asked, if it may not."""
        if self._asks_nothing:
            if not self._are_limited:
                return None
            limits = self._limits(target)
            if limits is NO_LIMITS or (limits.capabilities, limits.context, limits.max_price) == (None, None, None):
                return None
        return next(self._reasons(target), None)

    def _reasons(self, target: Target) -> Iterator[str]:
        knowledge = self._situation.knowledge
        limits, model = knowledge.limits(target), knowledge.catalog.model(target)
        info = knowledge.infos[target.provider]
        able, context = limits.capabilities, limits.context
        if model is not None:
            able = abilities(model) if able is None else able
            context = model.context_length if context is None else context
        if missing := sorted(self._needs - frozenset(info.capabilities if able is None else able)):
            yield f"it cannot do {', '.join(missing)}"
        if self._knows and able is None and self._needs - {"chat"}:
            yield f"whether its model can do {', '.join(sorted(self._needs))} is not known"
        if context is not None:
            if self._room > context:
                yield f"about {self._room} tokens do not fit its context of {context}"
        elif self._knows:
            yield "its context is not known"
        if limits.max_price is not None:
            yield from self._too_dear(target, limits.max_price)
        if self._kept and info.name not in self._kept:
            yield f"what the prompt names by an id is kept at {', '.join(sorted(self._kept))}"
        if others := {name for name in self._sealed if name not in (info.name, target.provider)}:
            yield f"the open tool loop holds sealed thoughts of {', '.join(sorted(others))}"

    @functools.cached_property
    def _needs(self) -> frozenset[str]:
        return self._situation.needs

    @functools.cached_property
    def _room(self) -> int:
        return int(self._situation.tokens * MARGIN) + (self._situation.answer_tokens or 0)

    @functools.cached_property
    def _kept(self) -> frozenset[str]:
        return kept_at(self._situation.ask)

    @functools.cached_property
    def _sealed(self) -> frozenset[str]:
        if self._situation.route.continuity != "keep":
            return frozenset()
        return sealed_by(self._situation.ask, self._situation.knowledge.origins)

    def _too_dear(self, target: Target, ceiling: dict[str, float] | object) -> Iterator[str]:
        assert isinstance(ceiling, dict)
        for name, most in ceiling.items():
            usage = Usage(UNIT, 0) if name == "input" else Usage(0, UNIT)
            cost = self._situation.knowledge.price_of(target, usage)
            if cost is None:
                yield f"its price is not known, and {name} may cost {most:g} dollars a million at most"
            elif float(cost.amount) * (1_000_000 / UNIT) > most:
                yield f"{name} costs more than {most:g} dollars a million ({cost.source})"
