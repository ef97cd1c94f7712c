"""The layers around scripted answers: what is booked, what is given again, what a cassette replays."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import (
    BudgetExceededError,
    ConfigurationError,
    ConnectionFailedError,
    ServerError,
)
from airouter_core.flow.blocking import Driver
from airouter_core.flow.layers import Answer, Identity, Layer, layered
from airouter_core.flow.steps import Emit, Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.prices import Prices
from airouter_core.testing.counting import TIMES, python_calls
from airouter_core.testing.fakes import fake_provider
from airouter_core.values import events as e
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage
from airouter_ledger.bookkeeping import Bookkeeper, Rules
from airouter_ledger.budgets import budgets_of
from airouter_ledger.caching import Cache, CacheRules
from airouter_ledger.cassettes import Cassette, NotRecordedError
from airouter_ledger.errors import LedgerWarning
from airouter_ledger.ledger import Ledger
from airouter_ledger.providers import Billed

PRICES = Prices.of_settings({"toy/m": {"input": 1_000_000, "output": 2_000_000}})
"""A dollar for each token sent, two for each that is made."""


class Toy:
    """An answer by a script."""

    def __init__(self, script: Callable[[Ask], Flow[Any]]) -> None:
        self.provider = Identity("toy", "toy", "http://127.0.0.1:1/v1")
        self.asked: list[Ask] = []
        self._script = script

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        self.asked.append(ask)
        return self._script(ask)


def says(text: str = "hello", **more: Any) -> Callable[[Ask], Flow[Any]]:
    """A script that streams a text in two pieces."""

    def script(ask: Ask) -> Flow[Any]:
        half = len(text) // 2
        yield Emit((e.StreamStart(ask.model), e.TextDelta(text[:half])))
        yield Emit((e.TextDelta(text[half:]), e.Finish("stop", "stop")))
        return Response(
            **{
                "message": Message("assistant", text),
                "finish_reason": "stop",
                "usage": Usage(10, 5),
                "model": "m-1",
                "provider": "toy",
                **more,
            }
        )

    return script


def fails(error: Exception, *, after: str | None = None) -> Callable[[Ask], Flow[Any]]:
    """A script that fails, perhaps after some text."""

    def script(ask: Ask) -> Flow[Any]:
        if after is not None:
            yield Emit((e.TextDelta(after),))
        yield from ()
        raise error

    return script


def ask(text: str = "hi", **more: Any) -> Ask:
    return Ask(model="m", messages=(Message("user", text),), **more)


def run(answer: Answer, asked: Ask, *layers: Layer) -> Any:
    driver = Driver(layered(answer, layers)(asked))
    for _ in driver.events():
        pass
    return driver.result


def cloud(name: str) -> Billed:
    return Billed(name)


def keeper(ledger: Ledger, *, provider: Callable[[str], Billed] = cloud, **rules: Any) -> Bookkeeper:
    tick = itertools.count(1_700_000_000)
    budgets = budgets_of(rules.pop("budgets", {}))
    return Bookkeeper(
        ledger,
        Rules(**{"prices": PRICES, "budgets": budgets, **rules}),
        clock=lambda: float(next(tick)),
        provider=provider,
    )


def test_an_answer_is_remembered(ledger: Ledger) -> None:
    """With who was asked and served, tokens, cost by its price, times, and what the program says of it."""
    asked = ask(session="s", user="u", tags={"team": "a"}, parameters={"temp": 0}, stream=True)
    run(Toy(says()), asked, keeper(ledger))
    (call,) = ledger.calls()
    assert (call.id, call.kind, call.provider, call.model, call.served) == (asked.id, "chat", "toy", "m", "m-1")
    assert (call.cost, call.at_least) == (Cost(Decimal(20), "[prices]"), False)
    assert (call.usage.input_tokens, call.usage.output_tokens) == (10, 5)
    assert (call.session, call.user, call.tags, call.stream) == ("s", "u", {"team": "a"}, True)
    assert (call.first_event, call.seconds) == (1, 2)
    assert (call.finish, call.error, call.size) == ("stop", None, 0)
    assert ledger.content(asked.id) == (None, None)


def test_what_the_provider_reports_counts(ledger: Ledger) -> None:
    """A cost that the provider reported is not computed again."""
    run(Toy(says(cost=Cost(Decimal(7), "provider"))), ask(), keeper(ledger))
    (call,) = ledger.calls()
    assert call.cost == Cost(Decimal(7), "provider")


def test_lists_of_models_are_nobodys_call(ledger: Ledger) -> None:
    """Kinds that ask for no answer are passed on and not remembered."""

    def models(ask: Ask) -> Flow[Any]:
        yield from ()
        return ["m"]

    assert run(Toy(models), Ask(kind="models"), keeper(ledger)) == ["m"]
    assert ledger.count() == 0


BUDGET = {"b": {"amount": 10_000}}


@pytest.mark.parametrize(
    ("error", "after", "least"),
    [
        (ServerError("down"), None, 1),
        (ServerError("down"), "some text", 1),
        (ConnectionFailedError("refused"), None, 0),
        (ConfigurationError("wrong"), None, 0),
    ],
)
def test_failures_are_booked_as_at_least(ledger: Ledger, error: Exception, after: str | None, least: int) -> None:
    """What was sent has cost at least the reading of it; what was never sent has cost nothing."""
    with pytest.raises(type(error)):
        run(Toy(fails(error, after=after)), ask(), keeper(ledger, budgets=BUDGET))
    (call,) = ledger.calls()
    assert call.error == type(error).__name__
    assert call.at_least
    assert call.cost is not None
    assert call.cost.amount >= least
    (state,) = (ledger.purse.state(b, 1_700_000_000) for b in budgets_of(BUDGET))
    assert state.used == call.cost.amount


def test_a_reader_who_leaves_is_booked(ledger: Ledger) -> None:
    """A stream that is left in the middle is in the ledger, as cancelled, and costs at least what was sent."""
    driver = Driver(layered(Toy(says()), [keeper(ledger, budgets=BUDGET)])(ask(stream=True)))
    events = driver.events()
    next(events)
    events.close()
    (call,) = ledger.calls()
    assert call.error == "cancelled"
    assert call.cost is not None
    assert call.cost.amount > 0


def test_a_budget_refuses_before_anything_is_sent(ledger: Ledger) -> None:
    """The most that a call may cost must fit; nobody is asked when it does not."""
    toy = Toy(says())
    book = keeper(ledger, budgets={"b": {"amount": 100}})
    run(toy, ask(parameters={"max_tokens": 20}), book)
    with pytest.raises(BudgetExceededError, match="'b'"):
        run(toy, ask(parameters={"max_tokens": 60}), book)
    assert len(toy.asked) == 1
    assert [call.error for call in ledger.calls()] == [None]


def test_one_that_nobody_can_price(ledger: Ledger) -> None:
    """Is refused under a budget with the three ways out, unless the budget allows it."""
    with pytest.raises(BudgetExceededError, match=r"\[prices\]"):
        run(Toy(says()), ask(), keeper(ledger, prices=Prices(), budgets=BUDGET))
    allowing = {"b": {"amount": 1, "unpriced": "allow"}}
    run(Toy(says()), ask(), keeper(ledger, prices=Prices(), budgets=allowing))
    (call,) = ledger.calls()
    assert call.cost is None


def test_a_router_is_not_paid_twice(ledger: Ledger) -> None:
    """A provider that routes is told how much of its budgets is used, and its targets pay."""
    budgets = {"b": {"amount": 100}}
    ledger.purse.reserve("other", Decimal(85), budgets_of(budgets), 1_700_000_000)
    toy = Toy(says())
    with pytest.warns(LedgerWarning, match="used to 85%"):
        run(toy, ask(), keeper(ledger, budgets=budgets, provider=lambda name: Billed(name, routes=True)))
    assert toy.asked[0].tags["budget:b"] == "0.8500"
    (call,) = ledger.calls()
    assert (call.leaf, call.cost, call.tags) == (False, None, {})
    (state,) = (ledger.purse.state(b, 1_700_000_000) for b in budgets_of(budgets))
    assert state.used == 85


def test_a_budget_that_is_nearly_used_up_asks_a_smaller_model(ledger: Ledger) -> None:
    """From ``warn_at`` on, with a note; the call is remembered and paid as what it was."""
    budgets = {"b": {"amount": 100, "tier_down": "small"}}
    ledger.purse.reserve("other", Decimal(85), budgets_of(budgets), 1_700_000_000)
    toy = Toy(says())
    prices = Prices.of_settings({"toy/m": {"input": 10**6, "output": 10**6}, "toy/small": {"input": 1, "output": 1}})
    with pytest.warns(LedgerWarning, match="used to 85%"):
        response = run(toy, ask(), keeper(ledger, budgets=budgets, prices=prices))
    assert [asked.model for asked in toy.asked] == ["small"]
    assert "in place of 'm'" in response.warnings[0]
    (call,) = ledger.calls()
    assert (call.model, call.tags) == ("small", {})
    assert call.cost is not None
    assert call.cost.amount < 1


def test_a_ledger_that_fails_costs_no_answer(tmp_path: Path) -> None:
    """The call goes on, with a warning; under a budget that cannot be asked it is refused."""
    ledger = Ledger.open(str(tmp_path / "ledger.db"))
    ledger.database.write(lambda execute: execute("DROP TABLE calls"))
    with pytest.warns(LedgerWarning, match="a call was not remembered"):
        assert run(Toy(says()), ask(), keeper(ledger)).text == "hello"
    ledger.close()


REPEATABLE = {"temperature": 0}


def cache(ledger: Ledger, **rules: Any) -> Cache:
    return Cache(ledger.answers, CacheRules(**rules), PRICES)


def streamed(answer: Answer, asked: Ask, *layers: Layer) -> tuple[list[Any], Any]:
    driver = Driver(layered(answer, layers)(asked))
    return list(driver.events()), driver.result


def test_an_answer_is_given_again(ledger: Ledger) -> None:
    """With all its events; free, and booked as saved."""
    toy = Toy(says())
    layers = (keeper(ledger), cache(ledger))
    first_events, first = streamed(toy, ask(parameters=REPEATABLE), *layers)
    again_events, again = streamed(toy, ask(parameters={"temp": 0.0}, stream=True), *layers)
    assert len(toy.asked) == 1
    assert again_events == first_events
    assert (again.text, again.usage, again.cost) == (first.text, first.usage, Cost(Decimal(0), "cache"))
    assert again.provider_metadata["airouter_cache"]["saved"] == "20"
    hit, miss = ledger.calls()
    assert (hit.saved, hit.cost) == (Decimal(20), Cost(Decimal(0), "cache"))
    assert (miss.saved, miss.cost) == (None, Cost(Decimal(20), "[prices]"))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (ask(parameters=REPEATABLE, user="a"), ask(parameters=REPEATABLE, user="b")),
        (ask(parameters=REPEATABLE), ask("other", parameters=REPEATABLE)),
        (ask(parameters=REPEATABLE), ask(parameters={**REPEATABLE, "max_tokens": 5})),
        (ask(), ask()),
        (ask(parameters=REPEATABLE, tags={"cache": "off"}), ask(parameters=REPEATABLE)),
        (ask(parameters=REPEATABLE), ask(parameters=REPEATABLE, tags={"cache": "refresh"})),
    ],
)
def test_another_question_is_asked(ledger: Ledger, first: Ask, second: Ask) -> None:
    """Another user, text or parameter, what is not repeatable, and what says so, is asked of the provider."""
    toy = Toy(says())
    for asked in (first, second):
        run(toy, asked, cache(ledger))
    assert len(toy.asked) == 2


def test_another_endpoint_is_asked(ledger: Ledger) -> None:
    """The same model behind another address, or another account, is somebody else."""
    toys = [Toy(says()) for _ in range(3)]
    toys[1].provider = Identity("toy", "toy", "http://127.0.0.1:2/v1")
    toys[2].provider = Identity("toy", "work", "http://127.0.0.1:1/v1")
    for toy in toys:
        run(toy, ask(parameters=REPEATABLE), cache(ledger))
        assert len(toy.asked) == 1


def test_shared_on_purpose(ledger: Ledger) -> None:
    """Users are given each other's answers when the cache is told to."""
    toy = Toy(says())
    for user in ("a", "b"):
        run(toy, ask(parameters=REPEATABLE, user=user), cache(ledger, shared=True))
    assert len(toy.asked) == 1


@pytest.mark.parametrize("reason", ["length", "content_filter", "other"])
def test_half_an_answer_is_not_kept(ledger: Ledger, reason: str) -> None:
    """One that was cut or filtered may be whole the next time."""
    toy = Toy(says(finish_reason=reason))
    for _ in range(2):
        run(toy, ask(parameters=REPEATABLE), cache(ledger))
    assert len(toy.asked) == 2


def test_answers_grow_old_and_make_room(ledger: Ledger) -> None:
    """After their time they are gone; over the limit the one that was not used for longest goes first."""
    ledger.answers.put("old", "", b"x", seconds=-1)
    assert ledger.answers.get("old") is None
    for number in range(5):
        ledger.answers.put(str(number), "eva", random.Random(number).randbytes(50), seconds=1000, limit=150)
    assert ledger.answers.get("4") is not None
    assert ledger.answers.get("0") is None
    assert ledger.answers.totals()[1] <= 150
    assert ledger.answers.clear("eva") > 0
    assert ledger.answers.totals() == (0, 0)


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    path = tmp_path / "cassette.db"
    texts = iter(["first", "second"])
    with Cassette(path, "record") as cassette:
        for _ in range(2):
            run(Toy(says(next(texts))), ask(), cassette)
    return path


def test_replay(recorded: Path) -> None:
    """The first answer first, then the second, and the last again; nobody is asked."""
    toy = Toy(says("never"))
    with Cassette(recorded) as cassette:
        assert [run(toy, ask(), cassette).text for _ in range(3)] == ["first", "second", "second"]
        with pytest.raises(NotRecordedError, match="airouter record"):
            run(toy, ask("something else"), cassette)
    assert toy.asked == []


def test_auto_records_the_rest(recorded: Path) -> None:
    """What is not on the cassette is asked once."""
    toy = Toy(says("new"))
    for _ in range(2):
        with Cassette(recorded, "auto") as cassette:
            assert run(toy, ask("other"), cassette).text == "new"
    assert len(toy.asked) == 1


def test_a_cassette_that_is_not_there(tmp_path: Path) -> None:
    """Says how to make one; a mode that is none is named."""
    with pytest.raises(ConfigurationError, match="airouter record"):
        Cassette(tmp_path / "none.db")
    with pytest.raises(ConfigurationError, match="record, strict, auto"):
        Cassette(tmp_path / "none.db", "play")  # type: ignore[arg-type]  # what is tried


def test_budgets_that_stand_in_no_settings(ledger: Ledger) -> None:
    """Others may know of budgets too; a call is paid from all of them, or not at all."""
    (found,) = budgets_of({"theirs": {"amount": 25, "period": "forever", "warn_at": 1}})
    ledger.cover("toy", lambda asked: [found] if asked.user == "eva" else [])
    run(Toy(says()), ask(user="eva", parameters={"max_tokens": 1}), keeper(ledger))
    run(Toy(says()), ask(parameters={"max_tokens": 1}), keeper(ledger))
    assert ledger.purse.state(found, 0).used == 20
    with pytest.raises(BudgetExceededError, match=r"raise \[budgets.theirs\] amount"):
        run(Toy(says()), ask(user="eva", parameters={"max_tokens": 1}), keeper(ledger))


MOST_OF_A_CALL = 60
"""Python calls that remembering one call may take; its commit is C."""


def test_what_remembering_costs(tmp_path: Path) -> None:
    """Counted in Python calls, which are the same on every machine and under any load."""
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        alone, remembered = (
            fake_provider("hello", plugins=Plugins.of().with_layers(layers))
            for layers in ((), (Bookkeeper(ledger, Rules()),))
        )
        for provider in (alone, remembered):
            provider.chat("m", "hi")
        costs = [python_calls(lambda provider=provider: provider.chat("m", "hi")) for provider in (alone, remembered)]
        assert costs[1] - costs[0] <= MOST_OF_A_CALL
        assert ledger.count() == 1 + TIMES
