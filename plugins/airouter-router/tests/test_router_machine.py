"""A router that lives through anything: calls, failures, time. What must hold after each step, in every half alike.

Trees are of depth three, of all strategies. Two worlds live the same life, one driven by each half, on a clock that
only moves when somebody waits.
"""

from __future__ import annotations

import statistics
from typing import Any

import hypothesis.strategies as st
import msgspec
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    ExecutionError,
    ModelNotFoundError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    TransportTimeoutError,
    TruncatedStreamError,
)
from airouter_core.provider.asking import ask_of
from airouter_core.values.events import StreamStart, TextDelta
from airouter_core.values.response import Response
from airouter_core.values.tokens import estimate_tokens
from airouter_router.conditions import Condition
from airouter_router.health import COOLDOWN, LONG_COOLDOWN
from airouter_router.routes import Choice, Route, Target, child_of, targets_of
from airouter_router.statistics import COLD, LIFE, SAMPLES

from .conftest import World
from .halves import driven

HALVES = ("blocking", "awaited")
ADDRESSES = [f"{provider}/{model}" for provider in "abcde" for model in "xy"]
FAILURES = {
    OverloadedError: "transient",
    RateLimitedError: "rate_limit",
    TruncatedStreamError: "transient",
    AuthenticationError: "credential",
    ModelNotFoundError: "model_gone",
    ContextLengthError: "context",
    QuotaExceededError: "quota",
    BadRequestError: "caller_fault",
    ContentFilteredError: "content",
}
BLAMELESS = {"context", "caller_fault", "content"}
PASSES = {"transient", "rate_limit"}
SESSIONS = [None, None, "s1", "s2"]
PROMPTS = {"short": "hello", "long": "word " * 300}

leaves = st.sampled_from(ADDRESSES).map(child_of)


def weighted(drawn: list[tuple[Any, int]]) -> Choice:
    return Choice("weighted", tuple(child for child, _ in drawn), weights=tuple(float(weight) for _, weight in drawn))


def when(children: list[Any]) -> Choice:
    conditions = [Condition(tokens_over=200), Condition(tags={"team": "a"})][: len(children) - 1]
    return Choice("when", tuple(children), conditions=(*conditions, None))


def nodes(below: Any) -> Any:
    """A node of any strategy with such children."""
    several = st.lists(below, min_size=1, max_size=3)
    plain = st.tuples(st.sampled_from(["first", "cheapest", "fastest", "least_busy"]), several)
    trial = st.tuples(below, below, st.sampled_from([0.0, 0.5, 1.0]))
    return st.one_of(
        plain.map(lambda drawn: Choice(drawn[0], tuple(drawn[1]))),
        st.lists(st.tuples(below, st.integers(1, 5)), min_size=1, max_size=3).map(weighted),
        several.map(when),
        trial.map(lambda drawn: Choice("canary", drawn[:2], weights=drawn[2:])),
    )


TREES = nodes(leaves | nodes(leaves | nodes(leaves)))


limits = st.fixed_dictionaries(
    {},
    optional={
        "rpm": st.integers(1, 3),
        "context": st.sampled_from([50, 5000]),
        "max_price": st.just({"output": 10}),
        "cooldown": st.sampled_from([0, 5, 100]),
        "in_flight": st.just(1),
    },
)


deeds = st.tuples(
    st.sampled_from([0.01, 1, 20]),
    st.sampled_from([[], ["start"], ["start", "word"], ["word"]]),
    st.sampled_from([[], *([failure] for failure in FAILURES)]),
    st.sampled_from([None, None, 3.0, 70.0]),
)
"""What a target does when it is asked: it waits, says something or nothing, and fails or does not."""


def made(address: str, deed: tuple[float, list[str], list[Any], float | None]) -> list[Any]:
    """A script, with errors that are new: one that was raised before remembers it."""
    seconds, said, failures, wait = deed
    events = {"start": StreamStart(address), "word": TextDelta(f"{address} ")}
    found: list[Any] = [seconds, *(events[word] for word in said)]
    for failure in failures:
        more = {"retry_after": wait} if wait is not None and issubclass(failure, ProviderError) else {}
        found.append(failure("failed", **more))
    return found


class Life(RuleBasedStateMachine):
    """One router, twice."""

    @initialize(
        tree=TREES,
        attempts=st.integers(1, 5),
        deadline=st.sampled_from([None, 5.0, 45.0]),
        first=st.sampled_from([None, 10.0]),
        said=st.dictionaries(st.sampled_from(ADDRESSES), limits),
        prices=st.dictionaries(st.sampled_from(ADDRESSES), st.sampled_from([1, 8, 20])),
        lots=st.lists(st.floats(0, 0.999), min_size=1, max_size=4),
    )
    def begin(
        self, tree: Any, attempts: int, deadline: Any, first: Any, said: Any, prices: Any, lots: list[float]
    ) -> None:
        known = {str(target) for target in targets_of(tree)}
        self.route = Route("r", tree, attempts=attempts, deadline=deadline, first_event_timeout=first)
        self.targets = {address: limits for address, limits in said.items() if address in known}
        self.prices = {address: {"input": price, "output": price} for address, price in prices.items()}
        self.known = known
        self.worlds = {half: World() for half in HALVES}
        self.routers = {}
        self.samples: dict[tuple[str, str, bool], list[tuple[float, float]]] = {}
        for half, world in self.worlds.items():
            world.lots = Lots(lots)
            self.routers[half] = world.router({"r": self.route}, self.targets, prices=self.prices)

    @rule(address=st.sampled_from(ADDRESSES), planned=st.lists(deeds, min_size=1, max_size=3))
    def something_will_happen(self, address: str, planned: list[Any]) -> None:
        """What a target does in its next calls."""
        for world in self.worlds.values():
            world.scripts.setdefault(address, []).extend(made(address, deed) for deed in planned)

    @rule(seconds=st.sampled_from([0.5, 4.0, 31.0, 61.0, 301.0]))
    def time_goes_by(self, seconds: float) -> None:
        for world in self.worlds.values():
            world.now += seconds

    @rule(
        prompt=st.sampled_from(sorted(PROMPTS)),
        stream=st.booleans(),
        session=st.sampled_from(SESSIONS),
        tagged=st.booleans(),
    )
    def somebody_asks(self, prompt: str, stream: bool, session: Any, tagged: bool) -> None:
        """The same call in every half: it has the same end, and that end is as was promised."""
        told = {}
        for half, world in self.worlds.items():
            ask = msgspec.structs.replace(
                ask_of("r", PROMPTS[prompt], parameters={"max_tokens": 10}, stream=stream),
                session=session,
                tags={"team": "a"} if tagged else {},
            )
            began, before = world.now, len(world.asked)
            resting = self.routers[half].resting()
            events, outcome = driven(world, half, self.routers[half].flow_of(ask))
            assert isinstance(outcome, Response | AirouterError), outcome
            asked = world.asked[before:]
            self.check(ask, events, outcome, asked, world.now - began)
            self.check_health(half, resting, outcome)
            self.check_statistics(half, outcome, stream=stream)
            told[half] = summary(events, outcome, asked, world.now)
        assert told["awaited"] == told["blocking"]

    @rule(prompt=st.sampled_from(sorted(PROMPTS)))
    def somebody_plans(self, prompt: str) -> None:
        """P12: a plan asks nobody, and names every candidate once, those who may not be asked with their reason."""
        world, router = self.worlds["blocking"], self.routers["blocking"]
        before = len(world.asked)
        with Lots.kept(self.worlds.values()):
            plan = router.plan(ask_of("r", PROMPTS[prompt], parameters={"max_tokens": 10}))
        assert len(world.asked) == before
        named = [item.target for item in plan.candidates]
        assert len(named) == len(set(named))
        assert set(named) <= self.known
        for item in plan.candidates:
            assert (item.refused is None) == self.may_be_asked(item.target, PROMPTS[prompt])

    @invariant()
    def nothing_is_held(self) -> None:
        """P7: what was taken for calls that are over was given back."""
        for router in getattr(self, "routers", {}).values():
            assert router.knowledge.leases.busy == {}

    @invariant()
    def limits_hold(self) -> None:
        """P7: in no minute was a target sent more than it may."""
        for world in getattr(self, "worlds", {}).values():
            for address, said in self.targets.items():
                if (rpm := said.get("rpm")) is not None:
                    times = [at for asked, at in world.asked_at if asked == address]
                    assert all(late - early >= 60 - 1e-6 for early, late in zip(times, times[rpm:], strict=False))

    # What was promised.

    def check(self, ask: Any, events: list[Any], outcome: Any, asked: list[str], seconds: float) -> None:
        route = self.route
        trail = outcome.attempts if isinstance(outcome, Response | ExecutionError) else ()
        sent = [attempt for attempt in trail if attempt.outcome in ("complete", "failed")]
        if isinstance(outcome, TransportTimeoutError) and not trail:
            sent = []  # the deadline of the whole call has cut the last attempt short
        else:
            assert [attempt.target for attempt in sent] == asked  # P1
        assert len(asked) <= route.attempts  # P2
        assert route.deadline is None or seconds <= route.deadline + 1e-6  # P4
        for position, attempt in enumerate(sent):
            later = asked[position + 1 :]
            assert attempt.failure in PASSES or attempt.failure is None or attempt.target not in later  # P2
            if attempt.failure == "credential":
                account = attempt.target.partition("/")[0]
                assert not any(address.startswith(f"{account}/") for address in later)
            assert attempt.failure is None or attempt.failure in route.on or not later
        assert all(self.may_be_asked(address, ask.messages[0].text) for address in asked)  # P11
        words = [event.text for event in events if type(event) is TextDelta]
        assert all(asked and asked[-1] in text for text in words)  # P3: nobody else was ever heard
        starts = {event.model for event in events if type(event) is StreamStart and "/" in (event.model or "")}
        assert starts <= set(asked[-1:])
        if isinstance(outcome, Response):
            assert outcome.served_by == asked[-1]
            assert sent[-1].outcome == "complete"
            assert "".join(words) == outcome.text
        elif isinstance(outcome, ProviderError) and sent:
            assert not outcome.retryable  # P1: whoever retries around it multiplies
        if isinstance(outcome, RateLimitedError) and not sent:
            assert outcome.retry_after is not None
            assert outcome.retry_after > 0  # P7: never "any"

    def check_health(self, half: str, before: Any, outcome: Any) -> None:
        """P6: who rests is who has failed in this call, for as long as its failure says; nobody for what callers do."""
        trail = outcome.attempts if isinstance(outcome, Response | ExecutionError) else ()
        world = self.worlds[half]
        for address, bench in self.routers[half].resting().items():
            if before.get(address) == bench:
                continue
            account = address.removesuffix("*")
            failures = {
                attempt.failure
                for attempt in trail
                if attempt.target == address or (address.endswith("/*") and attempt.target.startswith(account))
            }
            assert bench.failure in failures
            assert bench.failure not in BLAMELESS
            assert bench.until - world.now <= max(LONG_COOLDOWN, COOLDOWN, 100)

    def check_statistics(self, half: str, outcome: Any, *, stream: bool) -> None:
        """P8: what counts is seconds from sending to the first word, of those alone who have answered, of late."""
        world, known = self.worlds[half], self.routers[half].knowledge.statistics
        if isinstance(outcome, Response):  # here whoever has said a word ends or fails at once
            sample = world.now, world.now - world.asked_at[-1][1]
            self.samples.setdefault((half, outcome.served_by or "", stream), []).append(sample)
        for address in self.known:
            samples = self.samples.get((half, address, stream), [])[-SAMPLES:]
            recent = [seconds for at, seconds in samples if at + LIFE > world.now]
            expected = statistics.median(recent) if len(recent) >= COLD else None
            provider, _, model = address.partition("/")
            assert known.median(Target(provider, model), world.now, stream=stream) == expected

    def may_be_asked(self, address: str, prompt: str) -> bool:
        """Said anew, without the router."""
        said = self.targets.get(address, {})
        if (context := said.get("context")) is not None and int(estimate_tokens(prompt) * 1.2) + 10 > context:
            return False
        if "max_price" in said:
            price = self.prices.get(address)
            return price is not None and price["output"] <= said["max_price"]["output"]
        return True


class Lots:
    """Numbers in a circle, the same for each world."""

    def __init__(self, numbers: list[float]) -> None:
        self._numbers = numbers
        self.drawn = 0

    def __call__(self) -> float:
        self.drawn += 1
        return self._numbers[self.drawn % len(self._numbers)]

    @staticmethod
    def kept(worlds: Any) -> Any:
        return _Kept([world.lots for world in worlds])


class _Kept:
    """Draws in here are forgotten, so that a plan in one world leaves all worlds alike."""

    def __init__(self, lots: list[Lots]) -> None:
        self._lots = lots

    def __enter__(self) -> None:
        self._drawn = [lots.drawn for lots in self._lots]

    def __exit__(self, *_: object) -> None:
        for lots, drawn in zip(self._lots, self._drawn, strict=True):
            lots.drawn = drawn


def summary(events: list[Any], outcome: Any, asked: list[str], now: float) -> Any:
    """What must be the same in every half."""
    trail = outcome.attempts if isinstance(outcome, Response | ExecutionError) else ()
    return (
        [type(event).__name__ for event in events],
        type(outcome).__name__,
        outcome.text if isinstance(outcome, Response) else str(outcome),
        [(attempt.target, attempt.outcome, attempt.failure) for attempt in trail],
        asked,
        round(now, 3),
    )


TestLife = Life.TestCase
TestLife.settings = settings(
    max_examples=40, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
