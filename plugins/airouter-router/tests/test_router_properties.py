"""What holds for every tree, whatever fails and whenever."""

from __future__ import annotations

import itertools
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    QuotaExceededError,
    RateLimitedError,
    TruncatedStreamError,
)
from airouter_core.values.events import StreamStart, TextDelta
from airouter_core.values.response import Response
from airouter_router.routes import Cheapest, Choice, Fastest, First, LeastBusy, Route, Weighted, targets_of

ADDRESSES = [f"{provider}/{model}" for provider in "abcde" for model in "xy"]
FAILURES = (
    OverloadedError,
    RateLimitedError,
    TruncatedStreamError,
    AuthenticationError,
    ModelNotFoundError,
    ContextLengthError,
    QuotaExceededError,
    BadRequestError,
)
FINAL = ("credential", "model_gone", "context", "quota", "caller_fault")

leaves = st.sampled_from(ADDRESSES)


def nodes(children: Any) -> Any:
    several = st.lists(children, min_size=1, max_size=3)
    plain = st.tuples(st.sampled_from([First, Cheapest, Fastest, LeastBusy]), several).map(lambda it: it[0](*it[1]))
    weighted = st.dictionaries(leaves, st.integers(1, 9), min_size=1, max_size=3).map(Weighted)
    return plain | weighted


trees = st.recursive(leaves, nodes, max_leaves=9).map(lambda node: node if isinstance(node, Choice) else First(node))


@st.composite
def actions(draw: Any) -> Any:
    """What a target does when it is asked: waits, says something or nothing, and fails or does not."""
    steps: list[Any] = [draw(st.sampled_from([0.01, 1, 20]))]
    if draw(st.booleans()):
        steps.append("model")
    if draw(st.integers(0, 4)) == 0:
        steps.append("said")
    if draw(st.integers(0, 3)):
        failure = draw(st.sampled_from(FAILURES))
        steps.append(failure)
    return steps


def script(address: str, planned: list[list[Any]]) -> Any:
    """Errors are made when they are raised: one that was raised before remembers it. Words say whose they are."""
    left = [list(steps) for steps in planned]

    def following() -> Any:
        steps = left.pop(0) if left else []
        events = {"model": StreamStart(address), "said": TextDelta(f"{address} ")}
        return [step("failed") if isinstance(step, type) else events.get(step, step) for step in steps]

    return following


@settings(max_examples=80, deadline=None)
@given(
    tree=trees,
    scripts=st.dictionaries(leaves, st.lists(actions(), max_size=4)),
    attempts=st.integers(1, 6),
    deadline=st.none() | st.sampled_from([5.0, 30.0, 90.0]),
    first=st.none() | st.just(10.0),
    stream=st.booleans(),
    lots=st.lists(st.floats(0, 0.999), min_size=1, max_size=5),
    rpm=st.dictionaries(leaves, st.integers(1, 2)),
)
def test_every_tree(
    worlds: Any, tree: Any, scripts: Any, attempts: int, deadline: Any, first: Any, stream: bool, lots: Any, rpm: Any
) -> None:
    """Attempts, time, limits, what was handed on and what was told: each is as promised, and the same each time."""
    route = Route("r", tree, attempts=attempts, deadline=deadline, first_event_timeout=first)
    known = {str(target) for target in targets_of(tree)}
    targets = {address: {"rpm": count} for address, count in rpm.items() if address in known}

    def run() -> Any:
        world = worlds()
        given_lots = itertools.cycle(lots)
        world.lots = lambda: next(given_lots)
        world.scripts = {address: script(address, planned) for address, planned in scripts.items()}
        router = world.router({"r": route}, targets)
        told = []
        for _ in range(3):
            began, before = world.now, len(world.asked)
            try:
                outcome = world.chat(router, **({} if stream else {"stream": False}))
            except AirouterError as error:
                outcome = error
            told.append(outcome)
            check_call(world, outcome, world.asked[before:], world.now - began, route)
        assert router.knowledge.leases.busy == {}
        for address, limit in rpm.items():
            times = [at for asked, at in world.asked_at if asked == address]
            assert address not in known or all(b - a >= 60 - 1e-6 for a, b in zip(times, times[limit:], strict=False))
        return world.asked, [type(outcome) for outcome in told], world.now

    assert run() == run()


def check_call(world: Any, outcome: Any, asked: list[str], seconds: float, route: Route) -> None:
    """What must be so after any call."""
    trail = getattr(outcome, "attempts", ())
    made = [attempt for attempt in trail if attempt.outcome in ("complete", "failed")]
    assert [attempt.target for attempt in made] == asked
    assert len(asked) <= route.attempts
    assert route.deadline is None or seconds <= route.deadline + 1e-6
    for position, attempt in enumerate(made):
        assert attempt.failure not in FINAL or attempt.target not in asked[position + 1 :]
    words = [event for event in world.events if type(event) is TextDelta]
    starts = {event.model for event in world.events if type(event) is StreamStart and "/" in event.model}
    assert starts <= set(asked[-1:])  # of nobody else has anything been handed on
    assert all(event.text.strip().removeprefix("from ") == asked[-1] for event in words)
    if isinstance(outcome, Response):
        assert made[-1].outcome == "complete"
        assert outcome.served_by == asked[-1]
        assert "".join(event.text for event in words) == outcome.text
    elif words:
        # Who has begun to answer was the last to be asked.
        assert made[-1].outcome == "failed"
