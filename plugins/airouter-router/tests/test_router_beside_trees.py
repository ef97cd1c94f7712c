"""Asking beside, under any tree and any failure: rivals, trials and shadows change nothing that was promised."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time
from collections import Counter
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from airouter_core.errors import AirouterError, AuthenticationError, BadRequestError, OverloadedError, RateLimitedError
from airouter_core.provider.asking import ask_of
from airouter_core.values.events import StreamStart, TextDelta
from airouter_core.values.response import Response
from airouter_router.hedging import SHARE
from airouter_router.routes import Choice, Route, Shadow, Target

from .halves import driven
from .test_router_machine import ADDRESSES, TREES, made, summary

HALVES = ("blocking", "awaited")
FAILURES = (OverloadedError, RateLimitedError, AuthenticationError, BadRequestError)
SHADOW = Target("s", "z")
QUICK, SLOW = 0.0, 0.03
HEDGE = 0.01


# P14. Who wins depends on the clock, so nothing here does but what must hold whoever does.

PASSING = (OverloadedError, AuthenticationError, BadRequestError)
"""Failures after which nobody waits for long: this life is told on the real clock."""

acts = st.tuples(
    st.sampled_from([QUICK, SLOW]),
    st.sampled_from([[], ["start"], ["start", "word"]]),
    st.none() | st.sampled_from(PASSING),
)


def played(address: str, act: Any) -> list[Any]:
    seconds, said, failure = act
    events = {"start": StreamStart(address), "word": TextDelta(f"{address} ")}
    return [seconds, *(events[word] for word in said), *([] if failure is None else [failure("failed")])]


def settle() -> None:
    """Wait for whoever was left: a thread ends by itself, at its next step."""
    for thread in threading.enumerate():
        if thread.name.startswith("airouter-race"):
            thread.join(60)
            assert not thread.is_alive(), "a rival that was left goes on"


def ended(router: Any, half: str, *, stream: bool, options: Any) -> tuple[list[Any], Any]:
    events: list[Any] = []
    given = {"provider_options": options} if options else {}

    async def awaiting() -> Any:
        if not stream:
            return await router.achat("r", "hello", **given)
        async with router.astream_chat("r", "hello", **given) as answer:
            async for event in answer:
                events.append(event)
        return answer.response

    try:
        if half == "awaited":
            return events, asyncio.run(awaiting())
        if not stream:
            return events, router.chat("r", "hello", **given)
        with router.stream_chat("r", "hello", **given) as answer:
            events.extend(answer)
        return events, answer.response
    except AirouterError as error:
        return events, error


@pytest.mark.parametrize("half", HALVES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES,
    scripts=st.dictionaries(st.sampled_from(ADDRESSES), st.lists(acts, max_size=3)),
    calls_before=st.sampled_from([0, 19, 200]),
    attempts=st.integers(1, 3),
    stream=st.booleans(),
    stores=st.booleans(),
)
def test_a_rival_under_any_tree(
    worlds: Any, half: str, tree: Any, scripts: Any, calls_before: int, attempts: int, stream: bool, stores: bool
) -> None:
    """One rival a call at most, seldom, never for what is kept; each that was asked is told of; one alone is heard."""
    world = worlds()
    world.scripts = {address: [played(address, act) for act in planned] for address, planned in scripts.items()}
    route = Route("r", tree, attempts=attempts, hedge=HEDGE)
    router = world.router({"r": route}, clock=time.monotonic)
    for _ in range(calls_before):
        router.knowledge.hedging.called("r")
    for number in range(1, 3):
        before = len(world.asked)
        events, outcome = ended(router, half, stream=stream, options={"scripted": {"store": True}} if stores else None)
        assert isinstance(outcome, Response | AirouterError), outcome
        settle()
        asked = world.asked[before:]
        trail = getattr(outcome, "attempts", ())
        told = [attempt for attempt in trail if attempt.outcome != "refused"]
        rivals = [attempt for attempt in told if attempt.outcome == "cancelled"]
        # A rival may have been left before it had begun.
        made = Counter(attempt.target for attempt in told)
        assert made - Counter(attempt.target for attempt in rivals) <= Counter(asked) <= made
        assert len(asked) <= attempts
        assert len(rivals) <= 1
        if stores or calls_before + number < 1 / SHARE:
            assert not rivals
        who = [event for event in events if type(event) is TextDelta]
        if isinstance(outcome, Response):
            assert all(outcome.served_by in event.text for event in who)
            assert {attempt.target: attempt.outcome for attempt in told}[outcome.served_by] == "complete"
    assert not any(world.busy.values())
    assert router.knowledge.leases.busy == {}
    assert router.knowledge.hedging.share("r") <= SHARE


# P15.


@pytest.mark.parametrize("half", HALVES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES,
    scripts=st.dictionaries(
        st.sampled_from(ADDRESSES),
        st.lists(
            st.tuples(
                st.sampled_from([0.01, 20]),
                st.sampled_from([[], ["start", "word"]]),
                st.lists(st.sampled_from(FAILURES), max_size=1),
                st.none() | st.just(3.0),
            ),
            max_size=3,
        ),
    ),
    shadows=st.lists(st.none() | st.sampled_from(FAILURES), min_size=1, max_size=4),
    lots=st.lists(st.floats(0, 0.999), min_size=1, max_size=4),
    session=st.none() | st.just("s"),
)
def test_a_shadow_changes_nothing(
    worlds: Any, half: str, tree: Any, scripts: Any, shadows: list[Any], lots: list[float], session: Any
) -> None:
    """The life of a router is the same with a shadow and without: who is asked, what is heard, when, and who rests."""
    lives = []
    for shadow in (None, Shadow(SHADOW)):
        world = worlds()
        drawn = itertools.cycle(lots)
        world.lots = lambda drawn=drawn: next(drawn)
        world.scripts = {address: [made(address, deed) for deed in planned] for address, planned in scripts.items()}
        failing = itertools.cycle(shadows)
        world.scripts["s/z"] = lambda failing=failing: [
            failure("no") for failure in [next(failing)] if failure is not None
        ]
        router = world.router({"r": Route("r", tree, shadow=shadow)}, providers="abcdes")
        life = []
        for _ in range(3):
            ask = ask_of("r", "hello", stream=True, session=session)
            events, outcome = driven(world, half, router.flow_of(ask))
            life.append(summary(events, outcome, [], world.now))
        router.close()
        asked = [address for address in world.asked if address != "s/z"]
        resting = {address: bench.failure for address, bench in router.resting().items()}
        assert "s/z" not in {attempt[0] for call in life for attempt in call[3]}
        lives.append((life, asked, resting, router.knowledge.leases.busy))
    assert lives[0] == lives[1]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    tree=TREES,
    share=st.sampled_from([0.0, 0.2, 0.5, 0.9, 1.0]),
    session=st.none() | st.text("abc", min_size=1, max_size=4),
    prompt=st.text("abc ", min_size=1, max_size=9),
    lots=st.lists(st.floats(0, 0.999), min_size=1, max_size=4),
)
def test_a_conversation_stays_in_its_arm_of_any_tree(
    worlds: Any, tree: Any, share: float, session: Any, prompt: str, lots: list[float]
) -> None:
    """Whatever was drawn, whenever, and in whichever process: the first to be asked is of the same arm."""
    trial = Target("t", "new")
    route = Route("r", Choice("canary", (tree, trial), weights=(share,)))
    arms = set()
    for lot in lots:
        world = worlds()
        world.lots = lambda lot=lot: lot
        router = world.router({"r": route}, providers="abcdet")
        for _ in range(2):
            first, *others = router.plan(ask_of("r", prompt or "x", session=session)).candidates
            arms.add(first.target == "t/new")
            if first.target != "t/new":
                assert "t/new" not in {other.target for other in others}  # a fallback never widens the trial
            world.now += 1000
    assert len(arms) == 1
    assert share > 0 or arms == {False}
    assert share < 1 or arms == {True}
