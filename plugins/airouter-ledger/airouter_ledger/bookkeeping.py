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
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import attrs
import msgspec

from airouter_core.errors import BudgetExceededError, ConfigurationError, TransportError
from airouter_core.flow.layers import Answer, Tap
from airouter_core.flow.steps import Delegate, Do, Flow, delegated
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage

from . import money
from .budgets import Budget
from .contents import stored
from .errors import LedgerError, LedgerWarning
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
BUDGET_TAG = "budget:"
"""Begins the tags that tell those further in, a router for instance, which part of a budget is used."""
ASKED_TAG = BUDGET_TAG + ":asked"
"""The tag that keeps the model that was asked for, where a budget had another one asked."""
CACHED = "airouter_cache"
"""The key of ``provider_metadata`` that says that an answer was given again."""


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
        self.passes_on = not any(budget.tier_down for budget in rules.budgets)

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        if ask.kind not in REMEMBERED:
            return (yield from delegated(answer(ask)))
        began = self.clock()
        provider = self._provider(answer.provider.name)
        reserved = None
        if ask.kind in PRICED and (covering := self._covering(ask, answer, provider)):
            ask, reserved = yield Do(partial(self._admit, ask, answer, provider, covering, began))
        entry = _Entry(self, ask, answer, provider, began, reserved)
        result = yield Delegate(answer(ask), entry.tap, after=entry.ended)
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

    def _admit(
        self, ask: Ask, answer: Answer, provider: Billed, budgets: Sequence[Budget], at: float
    ) -> tuple[Ask, Decimal | None]:
        """The ask with what is known of its budgets, and what was set aside for it.

        Raises:
            BudgetExceededError: a budget does not cover it.
            LedgerError: the ledger cannot be asked.
        """
        ask = self._tagged(ask, budgets, at)
        if provider.routes:
            return ask, None  # those whom it asks pay
        most = self._most(ask, provider)
        if most is None:
            self._refuse_unpriced(ask, answer, budgets)
            most = Decimal(0)
        self._ledger.purse.reserve(ask.id, most, budgets, at)
        return ask, most

    def _tagged(self, ask: Ask, budgets: Sequence[Budget], at: float) -> Ask:
        tags = dict(ask.tags)
        for budget in budgets:
            state = self._ledger.purse.state(budget, at)
            tags[BUDGET_TAG + budget.name] = f"{state.part:.4f}"
            if state.part >= budget.warn_at and (budget.name, state.ends) not in self._told:
                self._told.add((budget.name, state.ends))
                said = f"{budget.called} is used to {state.part:.0%}: {state.used:.4f} of {budget.amount}"
                LOGGER.warning("%s", said)
                warnings.warn(said, LedgerWarning, stacklevel=2)
            if state.part >= budget.warn_at and budget.tier_down and ask.model != budget.tier_down:
                tags.setdefault(ASKED_TAG, ask.model or "")
                ask = msgspec.structs.replace(ask, model=budget.tier_down)
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

    def write(self, record: CallRecord, ask: Ask, response: Response | None, settled: Decimal | None) -> None:
        """Remember a call; what goes wrong is told and not raised."""
        try:
            content = stored(ask, response, self._rules.content)
            if content is not None:
                record = msgspec.structs.replace(record, size=content.size)
            self._ledger.add(record, content, settled=None if settled is None else money.stored(settled))
        except LedgerError as error:
            LOGGER.warning("a call was not remembered: %s", error)
            warnings.warn(f"a call was not remembered: {error}", LedgerWarning, stacklevel=2)

    def cost(self, provider: Billed, ask: Ask, usage: Usage, reported: Cost | None) -> Cost | None:
        """What a call cost, as reported or by its price; ``None`` where nobody knows."""
        if reported is not None or provider.routes or ask.kind not in PRICED:
            return reported
        return self._rules.prices.cost(provider, ask.model or "", usage)

    def at_least(self, provider: Billed, ask: Ask) -> Cost | None:
        """What a call has cost at least that was sent and came to nothing: reading what was sent."""
        sent, _ = most_tokens(ask, 0)
        return None if provider.routes else self._rules.prices.cost(provider, ask.model or "", Usage(sent, 0))


class _Entry:
    """One call on its way, from the first event to the entry in the ledger."""

    def __init__(
        self,
        keeper: Bookkeeper,
        ask: Ask,
        answer: Answer,
        provider: Billed,
        began: float,
        reserved: Decimal | None,
    ) -> None:
        self._keeper = keeper
        self._ask = ask
        self._answer = answer
        self._provider = provider
        self._began = began
        self._reserved = reserved
        self._first: float | None = None
        self.tap = Tap(self._see_first)

    def ended(self, how: Delegate) -> None:
        """Remember it."""
        response = how.value if isinstance(how.value, Response) else None
        if response is None and how.builder is not None:
            response = how.builder.partial()
        failed = how.error is not None or how.cancelled
        usage = Usage() if response is None else response.usage
        cost = self._cost(response, usage, how, failed=failed)
        saved = None
        if response is not None and (hit := response.provider_metadata.get(CACHED)):
            saved = _decimal(hit.get("saved"))
            cost = Cost(Decimal(0), "cache")
        record = CallRecord(
            id=self._ask.id,
            parent=self._ask.parent,
            at=self._began,
            kind=self._ask.kind,
            provider=self._answer.provider.kept_as,
            address=self._answer.provider.address,
            model=self._ask.model,
            served=None if response is None else response.served_by or response.model,
            attempt=self._ask.attempt,
            attempts=() if response is None else tuple(response.attempts),
            parameters=_parameters(response, self._ask),
            usage=usage,
            cost=cost,
            at_least=failed,
            saved=saved,
            seconds=self._keeper.clock() - self._began,
            first_event=self._first,
            finish=None if response is None else response.raw_finish_reason or response.finish_reason,
            error=_error(how),
            session=self._ask.session,
            user=self._ask.user,
            tags=_own_tags(self._ask.tags),
            stream=self._ask.stream,
            leaf=not self._provider.routes,
        )
        self._keeper.write(record, self._ask, response, self._to_settle(cost, how))

    def _see_first(self, _event: Any) -> None:
        if self._first is None:  # several may come at once
            self._first = self._keeper.clock() - self._began
            self.tap.see = None
            self.tap.changed()

    def _cost(self, response: Response | None, usage: Usage, how: Delegate, *, failed: bool) -> Cost | None:
        reported = None if response is None else response.cost
        cost = self._keeper.cost(self._provider, self._ask, usage, reported)
        if not failed:
            return cost
        if self._first is None and _was_not_sent(how):
            return Cost(Decimal(0), "not sent")
        least = self._keeper.at_least(self._provider, self._ask)
        return max((each for each in (cost, least) if each is not None), key=lambda each: each.amount, default=None)

    def _to_settle(self, cost: Cost | None, how: Delegate) -> Decimal | None:
        if self._reserved is None:
            return None
        # Where nobody can tell what it has cost, what was set aside is what it may have cost.
        return self._reserved if cost is None else cost.amount


def _own_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {name: tag for name, tag in tags.items() if not name.startswith(BUDGET_TAG)} if tags else tags


def _with_note(result: Any, ask: Ask) -> Any:
    asked = ask.tags.get(ASKED_TAG)
    if asked is None or not isinstance(result, Response):
        return result
    note = f"{ask.model!r} was asked in place of {asked!r}, since a budget is nearly used up"
    return msgspec.structs.replace(result, warnings=(*result.warnings, note))


def _was_not_sent(how: Delegate) -> bool:
    error = how.error
    if isinstance(error, ConfigurationError | BudgetExceededError):
        return True
    if isinstance(error, TransportError) and error.retryable and not how.retries:
        return True  # the connection never came up
    return how.cancelled and not how.requests


def _error(how: Delegate) -> str | None:
    if how.cancelled:
        return "cancelled"
    return None if how.error is None else type(how.error).__name__


def _parameters(response: Response | None, ask: Ask) -> Mapping[str, Any]:
    if response is None or not response.parameters:
        return dict(ask.parameters)
    return {receipt.name: receipt.value for receipt in response.parameters if receipt.sent_as is not None}


def _decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))
