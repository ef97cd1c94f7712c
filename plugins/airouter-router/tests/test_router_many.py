"""Orders of many targets are those that a look at each of them would give."""

from __future__ import annotations

import random
import statistics as numbers
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from airouter_core.errors import OverloadedError
from airouter_router.cheapness import Cheapness
from airouter_router.routes import Target
from airouter_router.statistics import COLD, LIFE, SAMPLES, Statistics

PRICES = st.sampled_from([0.0, 0.1, 0.5, 1.0, 2.0, 7.0]) | st.floats(0.01, 50)


@settings(deadline=None)
@given(
    st.lists(st.tuples(PRICES, PRICES, st.sampled_from([0.0, 0.0, 0.0, 3.0])), max_size=25),
    st.integers(1, 100_000),
    st.integers(1, 100_000),
)
def test_the_cheapest_is_the_cheapest(prices: list[tuple[float, float, float]], sent: int, made: int) -> None:
    """Whatever the proportion of prompt and answer, and whoever asks a fee, nobody is cheaper."""

    def cost_of(price: tuple[float, float, float]) -> Any:
        return lambda sent, made: price[0] * sent + price[1] * made + price[2]

    costs = [(index, cost_of(price)) for index, price in enumerate(prices)]
    found = Cheapness(costs, 100_000).cheapest(sent, made)
    if not prices:
        assert found is None
        return
    assert found is not None
    least = min(cost(sent, made) for _, cost in costs)
    assert costs[found][1](sent, made) <= least * (1 + 1e-6) + 1e-6


def test_many_targets_are_asked_from_the_cheapest_on(world: Any) -> None:
    """With so many that they are not all looked at, the order is still that of the prices; unknown ones come last."""
    chance = random.Random(1)
    targets = [f"a/m{number}" for number in range(100)]
    prices = {address: {"input": chance.randint(1, 90), "output": chance.randint(1, 90)} for address in targets[:-1]}
    router = world.router({"r": {"strategy": "cheapest", "targets": targets, "attempts": 5}}, prices=prices)
    world.scripts = {address: [OverloadedError("busy")] for address in targets}
    with pytest.raises(OverloadedError):
        world.chat(router, parameters={"max_tokens": 100})
    # "hello" is two tokens at most, beside a hundred of the answer.
    ranks = sorted(targets[:-1], key=lambda address: prices[address]["output"])
    assert {prices[address]["output"] for address in world.asked} <= {
        prices[address]["output"] for address in ranks[:8]
    }
    assert len(set(world.asked)) == 5


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.floats(0.01, 9), st.sampled_from([0.0, 1.0, 40.0, 299.0, 301.0])), max_size=60
    )
)
def test_the_order_that_is_kept_is_the_order_of_the_samples(samples: list[tuple[int, float, float]]) -> None:
    """After any samples, and as they grow old, the kept order is what all medians say."""
    known = Statistics()
    children = [(Target("p", f"{number}"), Target("p", f"{number + 4}")) for number in range(4)]
    all_samples: dict[Target, list[tuple[float, float]]] = {}
    now = 0.0
    for number, seconds, pause in samples:
        target = Target("p", f"{number}")
        known.add(target, seconds, now, stream=True)
        all_samples.setdefault(target, []).append((now, seconds))
        now += pause
        cold, ranked = known.order("node", children, now, stream=True)
        medians: dict[int, float] = {}
        for index, targets in enumerate(children):
            found = []
            for each in targets:
                recent = [value for at, value in all_samples.get(each, [])[-SAMPLES:] if at + LIFE > now]
                if len(recent) >= COLD:
                    found.append(numbers.median(recent))
            if found:
                medians[index] = min(found)
        assert cold == [index for index in range(4) if index not in medians]
        assert ranked == sorted((median, index) for index, median in medians.items())
