"""What is written of one call: its entry in the ledger, made when the call has ended, however it has."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from airouter_core.errors import BudgetExceededError, ConfigurationError, TransportError
from airouter_core.flow.layers import Answer, Tap
from airouter_core.flow.steps import Delegate
from airouter_core.values.ask import Ask
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage

from .database.groups import Writing
from .errors import LedgerError, LedgerWarning
from .providers import Billed
from .records import CallRecord

if TYPE_CHECKING:
    from .bookkeeping import Bookkeeper

LOGGER = logging.getLogger("airouter.ledger")

BUDGET_TAG = "budget:"
"""Begins the tags that tell those further in, a router for instance, which part of a budget is used."""
CACHED = "airouter_cache"
"""The key of ``provider_metadata`` that says that an answer was given again."""


class Entry:
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
        """Remember it; what goes wrong is told and not raised."""
        try:
            self._writing(how)()
        except LedgerError as error:
            _tell_not_remembered(error)

    async def aended(self, how: Delegate) -> None:
        """As :meth:`ended`, for who awaits, where no content is kept: to pack it takes a thread."""
        try:
            await self._writing(how).awaited()
        except LedgerError as error:
            _tell_not_remembered(error)

    def _writing(self, how: Delegate) -> Writing[None]:
        response = _response(how)
        record, settled = self._booked(how, response)
        return self._keeper.writing(record, self._ask, response, settled)

    def _booked(self, how: Delegate, response: Response | None) -> tuple[CallRecord, Decimal | None]:
        """What is remembered, and what is to be settled."""
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
        return record, self._to_settle(cost)

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

    def _to_settle(self, cost: Cost | None) -> Decimal | None:
        if self._reserved is None:
            return None
        # Where nobody can tell what it has cost, what was set aside is what it may have cost.
        return self._reserved if cost is None else cost.amount


def _response(how: Delegate) -> Response | None:
    """The answer, or as much of it as there was."""
    if isinstance(how.value, Response):
        return how.value
    return None if how.builder is None else how.builder.partial()


def _own_tags(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {name: tag for name, tag in tags.items() if not name.startswith(BUDGET_TAG)} if tags else tags


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


def _tell_not_remembered(error: LedgerError) -> None:
    LOGGER.warning("a call was not remembered: %s", error)
    warnings.warn(f"a call was not remembered: {error}", LedgerWarning, stacklevel=2)
