"""What a route adds to a call, counted in Python calls: that takes no clock, and is the same on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.testing.counting import python_calls
from airouter_core.values.events import Finish, TextDelta

MOST_OF_A_CALL = 85
"""A call of a provider over HTTP takes about 370."""
MOST_OF_A_STREAM = 100
MOST_OF_MANY = 10
TWO = {"r": {"targets": ["a/x", "b/y"]}}


def added(router: Any, calls: Callable[[Any, str], object]) -> int:
    """What a warm call through a route takes beyond one of its first target."""
    direct = router.target_provider("a")
    for _ in range(3):
        calls(direct, "x")
        calls(router, "r")
    return python_calls(lambda: calls(router, "r")) - python_calls(lambda: calls(direct, "x"))


def whole(provider: Any, model: str) -> object:
    return provider.chat(model, "hello")


def stream(provider: Any, model: str) -> object:
    return list(provider.stream_execute(model, "hello"))


def test_a_call_through_a_route_of_two(world: Any) -> None:
    """It is a small part of what asking a server takes."""
    assert added(world.router(TWO), whole) <= MOST_OF_A_CALL


def test_a_chunk_through_a_route(world: Any) -> None:
    """Once the gate is open, nothing of the route stands between the provider and the reader."""
    router = world.router(TWO)
    costs = []
    for pieces in (10, 210):
        script = (*(TextDelta("word ") for _ in range(pieces)), Finish("stop"))
        world.scripts = {"a/x": lambda script=script: script}
        costs.append(added(router, stream))
    assert costs[0] <= MOST_OF_A_STREAM
    assert costs[1] == costs[0]


@pytest.mark.parametrize("strategy", ["first", "weighted", "cheapest", "fastest", "least_busy"])
def test_ten_thousand_targets_take_what_ten_take(world: Any, strategy: str) -> None:
    """Whom to ask is found without a look at each of them."""
    costs = []
    for count in (100, 10_000):
        targets = [f"a/m{number}" for number in range(count)]
        prices = {address: {"input": number + 1, "output": 1} for number, address in enumerate(targets)}
        routes = {"r": {"strategy": strategy, "targets": targets, "session": "off"}}
        router = world.router(routes, prices=prices if strategy == "cheapest" else {})
        for _ in range(3):
            whole(router, "r")
        costs.append(python_calls(lambda router=router: whole(router, "r")))
    assert costs[1] - costs[0] <= MOST_OF_MANY
