"""The layer that remembers: around every answer, outside of the cache and of everything that routes.

Before an answer what it can cost at most is set aside in the budgets that cover it. When it has ended, however it has,
one write remembers the call and books its cost: the caller goes on when that is committed, so what was reported as
answered is in the ledger whatever happens next. What the ledger itself fails at is a warning, and costs nobody an
answer; only a budget that cannot be asked refuses.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import msgspec

from airouter_core.errors import BudgetExceededError
from airouter_core.flow.layers import Answer
from airouter_core.flow.steps import Delegate, Do, Flow, delegated
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage

from . import money
from .budgets import Budget, BudgetState
from .contents import stored
from .database.groups import Writing
from .entries import BUDGET_TAG, Entry
from .errors import LedgerWarning
from .estimates import most_tokens
from .ledger import Ledger
from .providers import Billed, billed
from .records import CallRecord
from .switch import Content

LOGGER = logging.getLogger("airouter.ledger")

REMEMBERED = frozenset({"chat", "embedding", "image", "moderation", "rerank", "batch"})
"""Kinds of asks that are remembered; lists of models and the like are not."""
PRICED = frozenset({"chat", "embedding", "image", "rerank", "batch"})
"""Kinds that cost money; a budget covers these alone."""
ASKED_TAG = BUDGET_TAG + ":asked"
"""The tag that keeps the model that was asked for, where a budget had another one asked."""


@attrs.frozen(kw_only=True)
class Rules:
    """What to remember, and what may be spent.

    Attributes:
        content: ``"none"``, the ``"text"`` of prompts and answers, or ``"full"``, files included.
        output_tokens: tokens that an answer is expected to have at most when the call does not limit them.
    """

    content: Content = "none"
    budgets: tuple[Budget, ...] = ()
    prices: Prices = attrs.field(factory=Prices)
    output_tokens: int = 4096


class Bookkeeper:
    """The layer, for one ledger.

    Args:
        clock: seconds since 1970.
    """

    def __init__(
        self,
        ledger: Ledger,
        rules: Rules,
        *,
        clock: Callable[[], float] = time.time,
        provider: Callable[[str], Billed] = billed,
    ) -> None:
        self._ledger = ledger
        self._rules = rules
        self.clock = clock
        self._provider = provider
        self._told: set[tuple[str, float | None]] = set()
        self._awaits = rules.content == "none"
        self.passes_on = not any(budget.tier_down for budget in rules.budgets)

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        if ask.kind not in REMEMBERED:
            return (yield from delegated(answer(ask)))
        began = self.clock()
        provider = self._provider(answer.provider.name)
        reserved = None
        if ask.kind in PRICED and (covering := self._covering(ask, answer, provider)):
            ask, reserved = yield from self._admitted(ask, answer, provider, covering, began)
        entry = Entry(self, ask, answer, provider, began, reserved)
        result = yield Delegate(
            answer(ask), entry.tap, after=entry.ended, after_awaited=entry.aended if self._awaits else None
        )
        return _with_note(result, ask) if ASKED_TAG in ask.tags else result

    def _covering(self, ask: Ask, answer: Answer, provider: Billed) -> list[Budget]:
        further = self._ledger.further_budgets(ask)
        if not self._rules.budgets:
            return further
        names = (answer.provider.kept_as, *provider.aliases)
        return [
            *(budget for budget in self._rules.budgets if budget.covers(ask, answer.provider.name, names)),
            *further,
        ]

    def _admitted(
        self, ask: Ask, answer: Answer, provider: Billed, budgets: Sequence[Budget], at: float
    ) -> Flow[tuple[Ask, Decimal | None]]:
        """The ask with what is known of its budgets, and what was set aside for it.

        Raises:
            BudgetExceededError: a budget does not cover it.
            LedgerError: the ledger cannot be asked.
        """
        if provider.routes or any(budget.tier_down for budget in budgets):
            # Who sets aside is told what was used: else it is read, before it is known whom to ask, and so how much.
            states: list[BudgetState] = yield Do(partial(self._states, budgets, at))
            ask = _tiered_down(self._tagged(ask, states), states)
        if provider.routes:
            return ask, None  # those whom it asks pay
        most = self._most(ask, provider)
        if most is None:
            self._refuse_unpriced(ask, answer, budgets)
            most = Decimal(0)
        purse, asked = self._ledger.purse, (ask.id, most, budgets, at)
        try:
            states = yield Do(partial(purse.reserve, *asked), partial(purse.areserve, *asked))
        except BudgetExceededError:
            self._tagged(ask, (yield Do(partial(self._states, budgets, at))))  # what is used up is told all the same
            raise
        return self._tagged(ask, states), most

    def _states(self, budgets: Sequence[Budget], at: float) -> list[BudgetState]:
        return [self._ledger.purse.state(budget, at) for budget in budgets]

    def _tagged(self, ask: Ask, states: Sequence[BudgetState]) -> Ask:
        """The ask with how much of each budget is used; of one that is nearly used up the user is told, once."""
        tags = dict(ask.tags)
        for state in states:
            budget = state.budget
            tags[BUDGET_TAG + budget.name] = f"{state.part:.4f}"
            if state.part >= budget.warn_at and (budget.name, state.ends) not in self._told:
                self._told.add((budget.name, state.ends))
                said = f"{budget.called} is used to {state.part:.0%}: {state.used:.4f} of {budget.amount}"
                LOGGER.warning("%s", said)
                warnings.warn(said, LedgerWarning, stacklevel=2)
        return msgspec.structs.replace(ask, tags=tags)

    def _most(self, ask: Ask, provider: Billed) -> Decimal | None:
        sent, made = most_tokens(ask, self._rules.output_tokens)
        cost = self._rules.prices.most(provider, ask.model or "", sent, made)
        return None if cost is None else cost.amount

    def _refuse_unpriced(self, ask: Ask, answer: Answer, budgets: Sequence[Budget]) -> None:
        for budget in budgets:
            if budget.unpriced == "refuse":
                address = f"{answer.provider.name}/{ask.model}"
                raise BudgetExceededError(
                    f"nobody knows what {address} costs, so {budget.called} cannot cover it: say it in [prices] "
                    f"(\"{address}\" = {{ input = …, output = … }}), pip install 'airouter-ledger[prices]', or allow "
                    f'it with {budget.said("unpriced")} = "allow"',
                    budget=budget.name,
                )

    def writing(
        self, record: CallRecord, ask: Ask, response: Response | None, settled: Decimal | None
    ) -> Writing[None]:
        """What remembers a call."""
        content = stored(ask, response, self._rules.content)
        if content is not None:
            record = msgspec.structs.replace(record, size=content.size)
        return self._ledger.adding(record, content, settled=None if settled is None else money.stored(settled))

    def cost(self, provider: Billed, ask: Ask, usage: Usage, reported: Cost | None) -> Cost | None:
        """What a call cost, as reported or by its price; ``None`` where nobody knows."""
        if reported is not None or provider.routes or ask.kind not in PRICED:
            return reported
        return self._rules.prices.cost(provider, ask.model or "", usage)

    def at_least(self, provider: Billed, ask: Ask) -> Cost | None:
        """What a call has cost at least that was sent and came to nothing: reading what was sent."""
        sent, _ = most_tokens(ask, 0)
        return None if provider.routes else self._rules.prices.cost(provider, ask.model or "", Usage(sent, 0))


def _tiered_down(ask: Ask, states: Sequence[BudgetState]) -> Ask:
    """The ask of the model that is to be asked instead, where a budget says so and is nearly used up."""
    for state in states:
        budget = state.budget
        if state.part >= budget.warn_at and budget.tier_down and ask.model != budget.tier_down:
            tags = {ASKED_TAG: ask.model or "", **ask.tags}
            ask = msgspec.structs.replace(ask, model=budget.tier_down, tags=tags)
    return ask


def _with_note(result: Any, ask: Ask) -> Any:
    asked = ask.tags.get(ASKED_TAG)
    if asked is None or not isinstance(result, Response):
        return result
    note = f"{ask.model!r} was asked in place of {asked!r}, since a budget is nearly used up"
    return msgspec.structs.replace(result, warnings=(*result.warnings, note))
