"""Calls that are awaited: booked in groups, in no thread of their own, and before they are answered."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

import pytest

from airouter_core.errors import BudgetExceededError
from airouter_core.flow.awaited import AsyncDriver
from airouter_core.flow.layers import layered
from airouter_core.flow.steps import Flow, Sleep
from airouter_core.profile.prices import Prices
from airouter_core.values.ask import Ask
from airouter_core.values.calls import Identity
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_ledger.bookkeeping import Bookkeeper, Rules
from airouter_ledger.budgets import budgets_of
from airouter_ledger.database.base import Execute
from airouter_ledger.errors import LedgerError, LedgerWarning
from airouter_ledger.ledger import Ledger
from airouter_ledger.providers import Billed
from airouter_ledger.records import CallRecord

CALLS = 60


@pytest.fixture
def transactions(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One for each transaction from now on."""
    counted: list[int] = []
    write = ledger.database.write

    def counting(work: Callable[[Execute], Any]) -> Any:
        counted.append(1)
        return write(work)

    monkeypatch.setattr(ledger.database, "write", counting)
    return counted


class Toy:
    """An answer of two tokens, a dollar each; after some seconds."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.provider = Identity("toy", "toy", None)
        self._seconds = seconds

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        if self._seconds:
            yield Sleep(self._seconds)
        return Response(
            message=Message("assistant", "hello"),
            finish_reason="stop",
            usage=Usage(1, 1),
            model="m",
            provider="toy",
        )


def asking(ledger: Ledger, toy: Toy | None = None, **rules: Any) -> Callable[[], Coroutine[Any, Any, Any]]:
    """Asks through a ledger, awaited."""
    prices = Prices.of_settings({"toy/m": {"input": 1_000_000, "output": 1_000_000}})
    answer = layered(toy or Toy(), [Bookkeeper(ledger, Rules(prices=prices, **rules), provider=Billed)])

    def ask() -> Coroutine[Any, Any, Any]:
        asked = Ask(model="m", messages=(Message("user", "hi"),), parameters={"max_tokens": 1})
        return AsyncDriver(answer(asked)).run()

    return ask


def record(id_: str) -> CallRecord:
    return CallRecord(id=id_, at=1.0, kind="chat", provider="toy")


def test_calls_that_end_together_are_one_transaction(ledger: Ledger, transactions: list[int]) -> None:
    """And each is in the ledger when its answer is there."""
    ask = asking(ledger)

    async def counted() -> int:
        await ask()
        return ledger.count()

    async def main() -> list[int]:
        return list(await asyncio.gather(*(counted() for _ in range(CALLS))))

    assert min(asyncio.run(main())) >= 1
    assert ledger.count() == CALLS
    assert len(transactions) <= CALLS // 10


def test_awaited_calls_hold_a_budget(ledger: Ledger, transactions: list[int]) -> None:
    """Of many at once as many are let through as there is money for; the rest hear so before anything is sent."""
    (budget,) = budgets = budgets_of({"b": {"amount": 40, "period": "forever", "warn_at": 1}})
    ask = asking(ledger, budgets=budgets)

    async def main() -> list[Any]:
        return list(await asyncio.gather(*(ask() for _ in range(CALLS)), return_exceptions=True))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LedgerWarning)
        answers = asyncio.run(main())
    refused = [answer for answer in answers if isinstance(answer, BudgetExceededError)]
    assert 0 < len(refused) < CALLS
    assert ledger.count() == CALLS - len(refused)
    assert ledger.purse.state(budget, 0).used == 2 * (CALLS - len(refused)) <= 40
    assert len(transactions) <= CALLS // 5


def test_what_a_database_refuses_takes_nothing_with_it(ledger: Ledger) -> None:
    """Of a group only the piece that cannot be written fails."""

    async def main() -> list[Any]:
        broken = ledger.guest("toy", []).with_others(lambda execute: execute("INSERT INTO nothing_here VALUES (1)"))
        writes = (ledger.adding(record("a")), broken, ledger.adding(record("b")))
        return list(await asyncio.gather(*(each.awaited() for each in writes), return_exceptions=True))

    first, failure, second = asyncio.run(main())
    assert (first, second) == (None, None)
    assert isinstance(failure, LedgerError)
    assert sorted(call.id for call in ledger.calls()) == ["a", "b"]


def test_what_was_given_is_written_although_nobody_waits(ledger: Ledger) -> None:
    """A caller who is cancelled while the ledger writes does not undo it."""

    async def main() -> None:
        async def adding() -> None:
            await ledger.adding(record("a")).awaited()

        task = asyncio.ensure_future(adding())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ledger.adding(record("b")).awaited()

    asyncio.run(main())
    assert sorted(call.id for call in ledger.calls()) == ["a", "b"]


def test_a_caller_who_leaves_is_booked_before_the_end(ledger: Ledger) -> None:
    """When a cancelled call is over it is in the ledger."""
    ask = asking(ledger, Toy(seconds=30))

    async def main() -> None:
        task = asyncio.ensure_future(ask())
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [call.error for call in ledger.calls()] == ["cancelled"]

    asyncio.run(main())


def test_a_caller_who_leaves_before_anybody_is_asked_has_nothing_set_aside(ledger: Ledger) -> None:
    """Also where the ledger is at it when they leave."""
    (budget,) = budgets = budgets_of({"b": {"amount": 40, "period": "forever"}})
    ask = asking(ledger, budgets=budgets)

    async def main() -> None:
        task = asyncio.ensure_future(ask())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ledger.adding(record("later")).awaited()

    asyncio.run(main())
    assert [state for (state,) in ledger.database.read("SELECT state FROM reservations")] == ["settled"]
    assert ledger.purse.state(budget, 0).used == 0


def test_a_ledger_that_fails_costs_no_awaited_answer(ledger: Ledger) -> None:
    """It is a warning."""
    ledger.database.write(lambda execute: execute("DROP TABLE calls"))
    ask = asking(ledger)
    with pytest.warns(LedgerWarning, match="a call was not remembered"):
        assert asyncio.run(ask()).text == "hello"


def test_many_event_loops_share_a_ledger(ledger: Ledger) -> None:
    """One after the other, each with groups of its own."""
    for number in range(3):
        asyncio.run(_add(ledger, str(number)))
    assert ledger.count() == 3


async def _add(ledger: Ledger, id_: str) -> None:
    await ledger.adding(record(id_)).awaited()


def test_a_refusal_tells_what_is_used_up(ledger: Ledger) -> None:
    """A process that begins with a budget that is used up warns of it too."""
    budgets = budgets_of({"b": {"amount": 10, "period": "forever"}})
    ledger.purse.reserve("other", Decimal(9), budgets, 0)
    ask = asking(ledger, budgets=budgets)
    with pytest.warns(LedgerWarning, match="used to 90%"), pytest.raises(BudgetExceededError):
        asyncio.run(ask())
