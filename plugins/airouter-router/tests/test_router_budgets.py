"""Budgets around routes: each target pays for itself, what was sent is booked as something, nothing is overspent."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from airouter_core import create_provider
from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    BudgetExceededError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    TruncatedStreamError,
)
from airouter_core.plugins.registry import Plugins, installed
from airouter_core.profile.prices import Prices
from airouter_core.provider.asking import ask_of
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.events import Finish, StreamStart, TextDelta, UsageReported
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_router.routes import Route

from .halves import driven
from .test_router_machine import TREES

pytest.importorskip("airouter_ledger", reason="budgets are airouter-ledger's")

from airouter_ledger.bookkeeping import Bookkeeper, Rules
from airouter_ledger.budgets import Budget, budgets_of
from airouter_ledger.ledger import Ledger
from airouter_ledger.providers import Billed

pytestmark = pytest.mark.filterwarnings("ignore:budget .* is used to")
HALVES = ("blocking", "awaited")
ADDRESSES = [f"{provider}/{model}" for provider in "abcde" for model in "xy"]
FAILURES = (OverloadedError, RateLimitedError, AuthenticationError, QuotaExceededError, TruncatedStreamError)
PRICE = {"input": 1000, "output": 1000}
"""Dollars per million tokens; a token is a tenth of a cent."""
UNIT = Decimal("0.001")


class Paid:
    """A world whose providers are paid from one budget, with a ledger that is a file; a context, which closes it."""

    def __init__(self, world: Any, folder: str | Path, amount: float, prices: Any, **budget: Any) -> None:
        self.ledger = Ledger.open(str(Path(folder) / f"{time.monotonic_ns()}.db"))
        tables = {"all": {"amount": amount, "period": "forever", **budget}}
        self.budget: Budget = budgets_of(tables)[0]
        rules = Rules(budgets=(self.budget,), prices=Prices.of_settings(prices), output_tokens=20)

        def billed(name: str) -> Billed:
            return Billed(name, routes=name == "router")

        self.world = world
        world.plugins = Plugins.of().with_layers([Bookkeeper(self.ledger, rules, provider=billed)])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    @property
    def used(self) -> Decimal:
        """What the budget has used, what is set aside included."""
        return self.ledger.purse.state(self.budget, time.time()).used

    def reserved(self) -> int:
        """Calls for which money is still set aside."""
        return len(self.ledger.database.read("SELECT 1 FROM reservations WHERE state = 'reserved'"))


deeds = st.tuples(
    st.sampled_from([0.01, 1]),
    st.sampled_from([[], ["start"], ["start", "word"]]),
    st.none() | st.sampled_from(FAILURES),
)


def made(address: str, deed: Any) -> list[Any]:
    seconds, said, failure = deed
    events = {"start": StreamStart(address), "word": TextDelta("word")}
    return [seconds, *(events[word] for word in said), *([] if failure is None else [failure("failed")])]


@pytest.mark.parametrize("half", HALVES)
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES,
    scripts=st.dictionaries(st.sampled_from(ADDRESSES), st.lists(deeds, max_size=3)),
    on=st.sampled_from([None, frozenset({"transient", "rate_limit", "quota", "credential"})]),
    amount=st.sampled_from([0.01, 0.05, 0.2]),
    priced=st.sampled_from(["xy", "xy", "x"]),
)
def test_every_tree_under_a_budget(
    worlds: Any, half: str, tree: Any, scripts: Any, on: Any, amount: float, priced: str
) -> None:
    """P5: each that was sent is booked and nobody else, a failure as what was read at least; never above the amount."""
    world = worlds()
    world.scripts = {address: [made(address, deed) for deed in planned] for address, planned in scripts.items()}
    prices = {f"scripted/{model}": PRICE for model in priced}
    with tempfile.TemporaryDirectory() as folder, Paid(world, folder, amount, prices) as paid:
        route = Route("r", tree, attempts=4) if on is None else Route("r", tree, attempts=4, on=on)
        router = world.router({"r": route})
        for _ in range(3):
            before = len(world.asked)
            _, outcome = driven(world, half, router.flow_of(ask_of("r", "hello", stream=True)))
            assert isinstance(outcome, Response | AirouterError), outcome
            check(paid, outcome, world.asked[before:])
        records = [record for record in paid.ledger.calls() if record.leaf and record.error != "BudgetExceededError"]
        assert len(records) == len(world.asked)
        assert sum((record.cost.amount for record in records if record.cost), Decimal(0)) == paid.used
    assert all(address[-1] in priced for address in world.asked)  # of unknown price is not free


def check(paid: Paid, outcome: Any, asked: list[str]) -> None:
    assert paid.reserved() == 0
    assert paid.used <= paid.budget.amount
    trail = outcome.attempts
    sent = [attempt for attempt in trail if attempt.outcome in ("complete", "failed")]
    assert [attempt.target for attempt in sent] == asked
    records = [record for record in paid.ledger.calls(newest_first=False) if record.leaf][-len(asked) or None :]
    if isinstance(outcome, BudgetExceededError):
        assert any(attempt.outcome == "refused" for attempt in trail)
        return
    for attempt, record in zip(sent, records if asked else [], strict=False):
        assert record.cost is not None
        assert record.at_least == (attempt.outcome == "failed")
        assert record.cost.amount > 0  # it was sent, so it was read


@pytest.mark.parametrize("on", [None, ["quota"]])
def test_a_budget_is_no_attempt(world: Any, tmp_path: Path, on: Any) -> None:
    """Who is not paid for is not asked, rests for nothing, and others are asked only where that was said."""
    prices = {"scripted/x": PRICE, "scripted/y": {"input": 0, "output": 0}}
    with Paid(world, tmp_path, 0.0001, prices) as paid:
        router = world.router({"r": {"targets": ["a/x", "b/y"], **({} if on is None else {"on": on})}})
        _, outcome = driven(world, "blocking", router.flow_of(ask_of("r", "hello", stream=True)))
        if on is None:
            assert isinstance(outcome, BudgetExceededError)
            assert world.asked == []
        else:
            assert outcome.served_by == "b/y"
        assert outcome.attempts[0].outcome == "refused"
        assert router.resting() == {}
        assert paid.reserved() == 0


@pytest.mark.parametrize("half", HALVES)
def test_who_lost_a_race_is_paid_too(tmp_path: Path, half: str) -> None:
    """The one of two that was left was billed by its vendor, and stood in no book: a sum looked right and was not."""
    chat = {
        "id": "1",
        "object": "chat.completion",
        "model": "quick",
        "usage": {"prompt_tokens": 5, "completion_tokens": 1},
    }
    message = {"role": "assistant", "content": "hi"}
    is_asked = threading.Event()

    def answer(received: ReceivedRequest, peer: Connection) -> None:
        if received.json["model"] == "slow":
            is_asked.set()
            peer.wait(60)
        elif is_asked.wait(60):  # so that both have been sent, however slow this machine is
            peer.answer(
                Answer.of_json({**chat, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
            )

    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        prices = Prices.of_settings({"openai/slow": PRICE, "openai/quick": PRICE})
        rules = Rules(budgets=budgets_of({"all": {"amount": 9, "period": "forever"}}), prices=prices)
        plugins = installed().with_layers([Bookkeeper(ledger, rules)])
        with LoopbackServer(answer) as server:
            table = {"provider": "openai", "api_key": "k", "base_url": f"{server.url}/v1"}
            config = {
                "providers": {"a": table},
                "routes": {"r": {"targets": ["a/slow", "a/quick"], "hedge": 0.05}},
                "prices": {"a/slow": PRICE, "a/quick": PRICE},
            }
            with create_provider("router", config, plugins=plugins) as router:
                for _ in range(100):
                    router.knowledge.hedging.called("r")  # type: ignore[attr-defined]  # so that one more is seldom
                response = router.chat("r", "hello") if half == "blocking" else asyncio.run(router.achat("r", "hello"))
            assert response.served_by == "a/quick"
            end = time.monotonic() + 60
            while len(records := {record.model: record for record in ledger.calls() if record.leaf}) < 2:
                assert time.monotonic() < end, "it is not in the ledger"
                time.sleep(0.01)
        lost = records["slow"]
        assert (lost.error, lost.at_least) == ("cancelled", True)
        assert lost.cost is not None
        assert lost.cost.amount > 0
        assert not records["quick"].at_least
        assert {attempt.target: attempt.outcome for attempt in response.attempts}["a/slow"] == "cancelled"
        assert all(attempt.cost is not None for attempt in response.attempts)


def test_many_at_once_never_overspend(world: Any, tmp_path: Path) -> None:
    """A check before and a booking after let n calls at once spend n times what was left."""
    with Paid(world, tmp_path, 0.2, {"scripted/x": PRICE}) as paid:
        usage = UsageReported(Usage(10, 20))
        world.scripts = {"a/x": lambda: (0.02, usage, TextDelta("w"), Finish("stop"))}
        router = world.router({"r": {"targets": ["a/x"]}}, clock=time.monotonic)
        outcomes: list[Any] = []
        at_once = threading.Barrier(16)

        def asking() -> None:
            at_once.wait(30)
            try:
                outcomes.append(router.chat("r", "hello"))
            except AirouterError as error:
                outcomes.append(error)
            assert paid.used <= paid.budget.amount

        threads = [threading.Thread(target=asking) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(outcomes) == len(threads)
        answered = [outcome for outcome in outcomes if isinstance(outcome, Response)]
        assert 0 < len(answered) < len(threads)
        assert all(isinstance(outcome, Response | BudgetExceededError) for outcome in outcomes)
        assert paid.used == len(answered) * 30 * UNIT
        assert paid.reserved() == 0
