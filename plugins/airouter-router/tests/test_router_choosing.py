"""Who is preferred: strategies, conditions, prices, lists of models; and what is told of it beforehand."""

from __future__ import annotations

import collections
import itertools
from decimal import Decimal
from typing import Any

import pytest

from airouter_core.errors import OverloadedError
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.asking import ask_of
from airouter_core.values.catalog import ModelInfo, Pricing
from airouter_core.values.events import Finish, TextDelta
from airouter_core.values.messages import FilePart, Message
from airouter_core.values.tools import Tool
from airouter_router.routes import Target

X = Target("a", "x")


LONG = "word " * 400


def test_weights_by_exact_counts(world: Any) -> None:
    """Of lots that fall evenly, each target draws its share."""
    lots = itertools.cycle(number / 8 for number in range(8))
    world.lots = lambda: next(lots)
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 5, "b/y": 2, "c/z": 1, "d/w": 0}}})
    counts = collections.Counter(world.served_by(router, messages=f"{number}") for number in range(80))
    assert counts == {"a/x": 50, "b/y": 20, "c/z": 10}


def test_a_sibling_is_asked_when_the_one_drawn_fails(world: Any) -> None:
    """A lot decides who is first, not who is alone; one of weight 0 is never asked."""
    world.scripts = {"a/x": [OverloadedError("busy")]}
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 5, "b/y": 1, "c/z": 0}}})
    assert world.served_by(router) == "b/y"


def test_the_cheapest_whose_price_is_known(world: Any) -> None:
    """Prices order; what is unknown is not free, and comes last."""
    prices = {"a/x": {"input": 3, "output": 15}, "c/z": {"input": 1, "output": 2}}
    router = world.router({"r": {"strategy": "cheapest", "targets": ["a/x", "b/y", "c/z"]}}, prices=prices)
    assert [item.target for item in router.plan(ask_of("r", "hello")).candidates] == ["c/z", "a/x", "b/y"]
    assert world.served_by(router) == "c/z"


def test_a_local_model_is_not_dear(world: Any) -> None:
    """A model of one's own machine costs nothing, and not the most because nobody lists its price."""
    local = ProviderInfo(name="home", target="nowhere:Nothing", kind="local", capabilities=("chat", "stream"))
    router = world.router(
        {"r": {"strategy": "cheapest", "targets": ["a/x", "b/y"]}},
        prices={"a/x": {"input": 1, "output": 1}},
        infos={"b": local},
    )
    assert world.served_by(router) == "b/y"


def test_a_price_ceiling_refuses(world: Any) -> None:
    """Too dear, or of unknown price where there is a ceiling, is not asked."""
    targets = {"a/x": {"max_price": {"output": 10}}, "b/y": {"max_price": {"input": 5}}}
    router = world.router(
        {"r": {"targets": ["a/x", "b/y", "c/z"]}}, targets, prices={"a/x": {"input": 3, "output": 15}}
    )
    reasons = [item.refused for item in router.plan(ask_of("r", "hello")).candidates]
    assert reasons[0] == "output costs more than 10 dollars a million ([prices])"
    assert "is not known" in reasons[1]
    assert reasons[2] is None
    assert world.served_by(router) == "c/z"


def test_the_fastest_is_the_one_that_begins_first(world: Any) -> None:
    """A slow starter with many words loses; a failure is no fast success; who is not known is tried first."""
    world.scripts = {
        "a/x": lambda: (4, *(TextDelta("w") for _ in range(50)), Finish("stop")),
        "b/y": lambda: (1, TextDelta("w"), 9, Finish("stop")),
        "c/z": lambda: OverloadedError("busy"),
    }
    router = world.router(
        {"r": {"strategy": "fastest", "targets": ["a/x", "b/y", "c/z"], "session": "off"}}, {"c/z": {"cooldown": 5000}}
    )
    first = [world.chat(router).served_by for _ in range(6)]
    assert set(first) == {"a/x", "b/y"}
    assert [world.chat(router).served_by for _ in range(3)] == ["b/y"] * 3
    assert router.knowledge.statistics.median(Target("b", "y"), world.now, stream=True) == 1.0
    assert router.knowledge.statistics.median(Target("c", "z"), world.now, stream=True) is None


def test_the_least_busy_counts_calls_under_way(world: Any) -> None:
    """What counts is who is at work now, not who has finished little."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    held = [router.knowledge.leases.take(X, 0, 0.0) for _ in range(2)]
    assert world.served_by(router) == "b/y"
    other = [router.knowledge.leases.take(Target("b", "y"), 0, 0.0) for _ in range(3)]
    assert world.served_by(router) == "a/x"
    for lease in held + other:
        lease.give_back()
    assert router.knowledge.leases.busy == {}


@pytest.mark.parametrize(
    ("condition", "fields", "messages"),
    [
        ({"tokens_over": 300}, {}, LONG),
        ({"use": ["code", "maths"]}, {"tags": {"use": "maths"}}, "hi"),
        ({"tag": "team=blue"}, {"tags": {"team": "blue"}}, "hi"),
        ({"budget_used_over": 0.8}, {"tags": {"budget:team": "0.8500"}}, "hi"),
        ({"budget": ["team", "mine"]}, {"tags": {"budget:team": "0.1"}}, "hi"),
        ({"budget": "*", "budget_used_over": 0}, {"tags": {"budget:team": "0.1"}}, "hi"),
        ({"budget_used_over": {"team": 0.8}}, {"tags": {"budget:team": "0.8001", "budget:other": "0"}}, "hi"),
        ({"needs": "tools"}, {"tools": (Tool("f", "d", {}),)}, "hi"),
        ({"needs": "vision"}, {}, [Message.user(FilePart("image/png", data=b"x"))]),
        ({"needs": "reasoning"}, {"parameters": {"reasoning_effort": "low"}}, "hi"),
        ({"tag": {"team": "blue", "for": "x"}}, {"tags": {"team": "blue", "for": "x"}}, "hi"),
        ({"budget_used_over": 0.8}, {"tags": {"budget:other": "a word of somebody's", "budget:team": "0.9"}}, "hi"),
        ({"hour": "22-6"}, {}, "hi"),
        ({"hour": [22, 23]}, {}, "hi"),
        ({"hour": 23}, {}, "hi"),
    ],
)
def test_conditions(world: Any, condition: Any, fields: Any, messages: Any) -> None:
    """Each holds where it should, and nowhere else."""
    tall = ProviderInfo(
        name="tall",
        target="nowhere:Nothing",
        capabilities=("chat", "stream", "tools", "vision", "reasoning"),
        parameters=(ParameterSupport("reasoning_effort", "effort"),),
    )
    routes = {"r": {"targets": ["a/x"], "when": [{"if": condition, "targets": ["b/y"]}]}}
    router = world.router(routes, infos={"a": tall, "b": tall})
    world.hour = 23 if "hour" in condition else 12
    assert world.served_by(router, messages=messages, **fields) == "b/y"
    world.hour = 12
    assert world.served_by(router, messages="hi") == "a/x"


MODELS = {
    "a": [ModelInfo(id="x", name="x", provider="a", context_length=100)],
    "b": [
        ModelInfo(id="y", name="y", provider="b", context_length=9000, input_modalities=("text", "image")),
        ModelInfo(id="z", name="z", provider="b", context_length=9000, capabilities=("chat",)),
    ],
}


KNOWN = {"r": {"targets": ["a/x", "b/z", "b/y", "c/w"], "require": "known"}}


def test_lists_of_models_tell_who_fits(world: Any) -> None:
    """Where it must be known, context and abilities come from the providers' own lists, asked for once an hour."""
    world.models = dict(MODELS)
    router = world.router(KNOWN)
    assert world.served_by(router) == "a/x"
    assert world.served_by(router, messages=LONG) == "b/z"
    picture = [Message.user(FilePart("image/png", data=b"x"), "what is it?")]
    assert world.served_by(router, messages=picture) == "b/y"
    assert sorted(world.listed) == ["a", "b", "c"]
    reasons = {item.target: item.refused for item in router.plan(ask_of("r", picture)).candidates}
    assert reasons["c/w"] == "whether its model can do vision is not known"  # c cannot tell
    world.now += 61
    world.served_by(router)
    assert sorted(world.listed) == ["a", "b", "c", "c"]
    world.now += 3600
    world.served_by(router)
    assert sorted(world.listed) == ["a", "a", "b", "b", "c", "c", "c"]


def test_lists_are_not_asked_for_in_vain(world: Any) -> None:
    """Nobody is asked for a list where it need not be known, or where the settings say it."""
    world.models = dict(MODELS)
    world.served_by(world.router({"r": {"targets": ["a/x"]}}))
    said = {"a/x": {"context": 10_000, "capabilities": ["chat"]}}
    world.served_by(world.router({"r": {"targets": ["a/x"], "require": "known"}}, said))
    assert world.listed == []


def test_listed_prices_count(world: Any) -> None:
    """A price in the provider's list is as good as one of a table; the user's own come first."""
    price = Pricing(prompt=Decimal("0.000001"), completion=Decimal("0.000002"))
    world.models = {"a": [ModelInfo(id="x", name="x", provider="a", context_length=10_000, pricing=price)]}
    response = world.chat(world.router({"r": {"targets": ["a/x"], "require": "known"}}))
    assert response.cost is not None
    assert (float(response.cost.amount), response.cost.source) == (2e-05, "the provider's list of models")


def test_a_plan_asks_nobody(world: Any) -> None:
    """The plan names each candidate, filter and cost, and the real call follows it."""
    targets = {"a/x": {"context": 5}}
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}}, targets, prices={"b/y": {"input": 1, "output": 2}})
    world.scripts = {"b/y": [OverloadedError("busy")]}
    plan = router.plan(ask_of("r", LONG))
    assert world.asked == []
    assert [item.target for item in plan.candidates] == ["a/x", "b/y", "c/z"]
    text = plan.explain()
    assert "a/x  not asked: about" in text
    assert "at most" in text
    assert "cost unknown" in text
    response = world.chat(router, messages=LONG)
    assert [(attempt.target, attempt.outcome) for attempt in response.attempts] == [
        ("a/x", "refused"),
        ("b/y", "failed"),
        ("c/z", "complete"),
    ]
    assert router.plan(ask_of("r", LONG)).candidates[-1].resting == "transient"


def test_a_cost_from_the_table_has_its_source(world: Any) -> None:
    """Where the vendor reports no cost it is worked out, and says from what; unknown stays unknown."""
    router = world.router({"r": {"targets": ["a/x"]}}, prices={"a/x": {"input": 1, "output": 2}})
    cost = world.chat(router).cost
    assert cost is not None
    assert (float(cost.amount), cost.source) == (2e-05, "[prices]")
    assert world.chat(world.router({"r": {"targets": ["a/x"]}})).cost is None
