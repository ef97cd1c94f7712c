"""Budgets hold: money is set aside before a call, booked after it, and never more than there is."""

from __future__ import annotations

import datetime
import multiprocessing
import threading
import zoneinfo
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core.errors import BudgetExceededError, ConfigurationError
from airouter_core.values.ask import Ask
from airouter_ledger import money
from airouter_ledger.budgets import Budget, budgets_of
from airouter_ledger.ledger import Ledger
from airouter_ledger.periods import Period

NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC).timestamp()


def budget(amount: Any = 1, name: str = "b", **more: Any) -> Budget:
    (made,) = budgets_of({name: {"amount": amount, **more}})
    return made


def used(ledger: Ledger, of: Budget, at: float = NOON) -> Decimal:
    return ledger.purse.state(of, at).used


def test_reserved_before_settled_after(ledger: Ledger) -> None:
    """What is set aside counts at once; what the call has cost takes its place, once however often it is said."""
    b = budget(1)
    ledger.purse.reserve("c1", Decimal("0.7"), [b], NOON)
    ledger.purse.reserve("c1", Decimal("0.7"), [b], NOON)
    assert used(ledger, b) == Decimal("0.7")
    with pytest.raises(BudgetExceededError, match=r"has 0\.3000 of 1 USD left.*may cost 0\.4000") as caught:
        ledger.purse.reserve("c2", Decimal("0.4"), [b], NOON)
    assert caught.value.budget == "b"
    assert caught.value.retry_after == 12 * 3600
    ledger.purse.settle("c1", Decimal("0.1"))
    ledger.purse.settle("c1", Decimal("0.1"))
    assert used(ledger, b) == Decimal("0.1")
    assert ledger.purse.state(b, NOON).part == pytest.approx(0.1)
    ledger.purse.reserve("c2", Decimal("0.4"), [b], NOON)


def test_all_budgets_or_none(ledger: Ledger) -> None:
    """A call that one of its budgets does not cover takes nothing from the others."""
    wide, tight = budget(10, "wide"), budget("0.5", "tight")
    with pytest.raises(BudgetExceededError, match="'tight'"):
        ledger.purse.reserve("c", Decimal(1), [wide, tight], NOON)
    assert used(ledger, wide) == 0
    ledger.purse.reserve("c", Decimal("0.5"), [wide, tight], NOON)
    assert (used(ledger, wide), used(ledger, tight)) == (Decimal("0.5"), Decimal("0.5"))


def test_one_that_only_warns_is_exceeded(ledger: Ledger) -> None:
    """``at_limit = "warn"`` books past the amount."""
    b = budget(1, at_limit="warn")
    ledger.purse.reserve("c", Decimal(5), [b], NOON)
    assert ledger.purse.state(b, NOON).part == 5


def test_a_call_larger_than_the_budget_is_not_worth_waiting_for(ledger: Ledger) -> None:
    """There is no time after which it would fit."""
    with pytest.raises(BudgetExceededError) as caught:
        ledger.purse.reserve("c", Decimal(2), [budget(1)], NOON)
    assert caught.value.retry_after is None


def test_a_window_moves(ledger: Ledger) -> None:
    """What was spent leaves a moving window after its length, and not before."""
    b = budget(1, period="60 minutes")
    ledger.purse.reserve("c1", Decimal(1), [b], NOON)
    for later, amount in ((0, 1), (1800, 1), (3599, 1), (3600 + 61, 0)):
        assert used(ledger, b, NOON + later) == amount


@pytest.mark.parametrize(
    ("words", "first", "again"),
    [
        ("hour", "2026-11-30 12:00", "2026-11-30 13:00"),
        ("day", "2026-11-30 00:00", "2026-12-01 00:00"),
        ("week", "2026-11-30 00:00", "2026-12-07 00:00"),
        ("month", "2026-11-01 00:00", "2026-12-01 00:00"),
        ("year", "2026-01-01 00:00", "2027-01-01 00:00"),
    ],
)
def test_calendar_periods(words: str, first: str, again: str) -> None:
    """A period begins and ends where the calendar of its time zone says."""
    zone = zoneinfo.ZoneInfo("America/New_York")
    at = datetime.datetime(2026, 11, 30, 12, 34, 56, tzinfo=zone).timestamp()
    span = Period(words, "America/New_York").span(at)
    assert datetime.datetime.fromtimestamp(span.number, zone).strftime("%Y-%m-%d %H:%M") == first
    assert span.ends is not None
    assert datetime.datetime.fromtimestamp(span.ends, zone).strftime("%Y-%m-%d %H:%M") == again


@given(
    st.sampled_from(["hour", "day", "week", "month", "year", "7 days", "90 seconds", "forever"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]),
    st.floats(min_value=1.6e9, max_value=2.2e9),
)
def test_a_moment_lies_in_its_span(words: str, zone: str, at: float) -> None:
    """Periods neither overlap nor leave a gap, where clocks are set back or forward too: the end begins the next."""
    period = Period(words, zone)
    span = period.span(at)
    if span.ends is None:
        return
    assert span.ends > at
    after = period.span(span.ends)
    assert after.number > span.number
    assert period.span(span.ends - 0.001).number == span.number


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({}, "amount must be a number"),
        ({"amount": -1}, "amount must be a number"),
        ({"amount": True}, "amount must be a number"),
        ({"amount": 1, "cap": 2}, "takes amount, currency"),
        ({"amount": 1, "period": "fortnight"}, "a period is hour, day"),
        ({"amount": 1, "period": "0 days"}, "a period is hour, day"),
        ({"amount": 1, "time_zone": "Mars/Base"}, "is no time zone"),
        ({"amount": 1, "at_limit": "cry"}, "at_limit is refuse or warn"),
        ({"amount": 1, "warn_at": 80}, "a part from 0 to 1"),
        ({"amount": 1, "models": "gpt"}, "models must be a list of texts"),
        ({"amount": 1, "tags": ["a"]}, "tags must map"),
        ("1", "must be a table"),
    ],
)
def test_a_wrong_budget_is_named(table: Any, said: str) -> None:
    """The message names the table and what it takes."""
    with pytest.raises(ConfigurationError, match=said):
        budgets_of({"b": table})


def test_what_a_budget_covers() -> None:
    """Empty covers all; tags all together; names by patterns; a provider by any of its names."""
    ask = Ask(model="gpt-5.5", user="eva", tags={"team": "a", "key": "ci"})
    assert budget(1).covers(ask, "openai")
    assert budget(1, tags={"team": "a"}, users=["e*"], keys=["ci"], models=["gpt-*"]).covers(ask, "openai")
    assert budget(1, providers=["chatgpt"]).covers(ask, "openai", ("gpt", "chatgpt"))
    for other in (
        {"tags": {"team": "b"}},
        {"users": ["max"]},
        {"keys": ["x"]},
        {"models": ["o*"]},
        {"providers": ["x"]},
    ):
        assert not budget(1, **other).covers(ask, "openai")


@given(st.decimals(min_value=0, max_value=10**6, places=12))
def test_amounts_are_kept_exactly_enough(amount: Decimal) -> None:
    """To a billionth; what may be spent is never rounded down."""
    assert abs(money.read(money.stored(amount)) - amount) <= money.UNIT / 2
    assert 0 <= money.read(money.stored_at_most(amount)) - amount < money.UNIT


def spend(address: str, number: int) -> None:
    """What one process does: eight threads that spend what they can get."""
    b = budget(1)
    with Ledger.open(address) as ledger:

        def thread(index: int) -> None:
            for turn in range(8):
                call = f"{number}-{index}-{turn}"
                try:
                    ledger.purse.reserve(call, Decimal("0.02"), [b], NOON)
                except BudgetExceededError:
                    continue
                ledger.purse.settle(call, Decimal("0.015"))

        threads = [threading.Thread(target=thread, args=(index,)) for index in range(8)]
        for started in threads:
            started.start()
        for started in threads:
            started.join()


def test_many_threads_and_processes_spend_one_budget(address: str) -> None:
    """Four processes of eight threads: together never more than the amount, and all of it that fits."""
    Ledger.open(address).close()
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=spend, args=(address, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    with Ledger.open(address) as ledger:
        total = used(ledger, budget(1))
        assert Decimal("0.98") < total <= 1
        assert total == sum(
            money.read(int(amount)) for (amount,) in ledger.database.read("SELECT amount FROM reservations")
        )
