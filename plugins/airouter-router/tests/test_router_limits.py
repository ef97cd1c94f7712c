"""Limits that are set: never exceeded, waited for, counted by what was used."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from airouter_core.errors import RateLimitedError, UnsupportedFeatureError
from airouter_core.values.events import Finish, TextDelta, UsageReported
from airouter_core.values.usage import Usage
from airouter_router.limits import SOON, Lease, Leases
from airouter_router.reading import Limits
from airouter_router.routes import Target

X = Target("a", "x")


def test_requests_in_a_minute(world: Any) -> None:
    """Who is full is passed by; when all are, the earliest place is waited for, and no limit is broken."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, {"a/x": {"rpm": 2}, "b/y": {"rpm": 1}})
    served = [world.chat(router).served_by for _ in range(4)]
    assert served == ["a/x", "a/x", "b/y", "a/x"]
    assert world.slept == [60.0]


def test_too_many_for_the_deadline(world: Any) -> None:
    """A wait that would outlast the deadline is an error that says how long it would be."""
    router = world.router({"r": {"targets": ["a/x"], "deadline": 10}}, {"a/x": {"rpm": 1}})
    world.chat(router)
    world.now += 20
    with pytest.raises(RateLimitedError, match="raise a limit") as caught:
        world.chat(router)
    assert caught.value.retry_after == 40.0
    assert world.asked == ["a/x"]
    assert caught.value.attempts[0].reason == "its limit is reached"


def test_tokens_are_corrected_after_the_call(world: Any) -> None:
    """What is reserved is an estimate; what counts afterwards is what was used."""
    world.scripts = {"a/x": lambda: (UsageReported(Usage(90, 10)), TextDelta("a"), Finish("stop"))}
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, {"a/x": {"tpm": 250}})
    parameters = {"max_tokens": 100}
    served = [world.chat(router, parameters=parameters).served_by for _ in range(3)]
    assert served == ["a/x", "a/x", "b/y"]
    with pytest.raises(UnsupportedFeatureError, match="more than it may be sent in a minute"):
        world.chat(world.router({"r": {"targets": ["a/x"]}}, {"a/x": {"tpm": 50}}), parameters=parameters)


def test_limits_of_a_whole_account(world: Any) -> None:
    """``PROVIDER/*`` counts all models of an account together."""
    router = world.router({"r": {"targets": ["a/x", "a/z", "b/y"]}}, {"a/*": {"rpm": 1}})
    assert [world.chat(router).served_by for _ in range(2)] == ["a/x", "b/y"]


def test_never_more_than_the_limit() -> None:
    """However many threads ask at once, no more than the limit have a lease."""
    leases = Leases({"a/x": Limits(in_flight=3, rpm=50, tpm=10_000)})
    most, now = [0], [0]
    lock = threading.Lock()
    granted: list[Lease] = []

    def asking() -> None:
        for _ in range(200):
            lease = leases.take(X, 10, 1.0)
            if isinstance(lease, Lease):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                    granted.append(lease)
                    now[0] -= 1
                    lease.give_back()

    threads = [threading.Thread(target=asking) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 3
    assert len(granted) == 50
    assert leases.busy == {}


def test_a_lease_of_a_stream_that_was_left(world: Any) -> None:
    """A reader who goes gives the place back."""
    router = world.router({"r": {"targets": ["a/x"]}}, {"a/x": {"in_flight": 1}})
    for _ in range(3):
        stream = router.stream_chat("r", "hello")
        next(iter(stream))
        stream.close()
    assert router.knowledge.leases.busy == {}


@pytest.mark.parametrize(
    ("limits", "tokens", "wait"),
    [
        (Limits(in_flight=2), 5, SOON),
        (Limits(in_flight=3), 5, 0.0),
        (Limits(rpm=2), 5, 30.0),
        (Limits(rpm=3), 5, 0.0),
        (Limits(tpm=300), 100, 0.0),
        (Limits(tpm=300), 150, 30.0),
        (Limits(tpm=300), 250, 40.0),
        (Limits(tpm=300), 300, 40.0),
        (Limits(tpm=300), 301, None),
        (Limits(rpm=2, tpm=300), 250, 40.0),
    ],
)
def test_how_long_until_a_call_fits(limits: Limits, tokens: int, wait: float | None) -> None:
    """Until enough of the last minute is over; for a place among calls under way one looks again soon."""
    leases = Leases({"a/x": limits})
    for at in (970.0, 980.0):
        assert isinstance(leases.take(X, 100, at), Lease)
    found = leases.take(X, tokens, 1000.0)
    assert (0.0 if isinstance(found, Lease) else found) == wait


def test_a_place_among_calls_under_way_is_waited_for(world: Any) -> None:
    """Whoever has nobody else to ask looks again until a call has ended."""
    router = world.router({"r": {"targets": ["a/x"]}}, {"a/x": {"in_flight": 1}})
    lease = router.knowledge.leases.take(X, 0, world.now)
    ends = world.now + 3 * SOON

    def clock() -> float:
        if world.now >= ends - 1e-9:
            lease.give_back()
        return world.now

    router.knowledge.clock = clock
    assert world.chat(router).served_by == "a/x"
    assert world.slept == pytest.approx([SOON] * 3)


def test_a_lease_is_given_back_once() -> None:
    """Whoever does so again changes nothing, and what was used counts in place of what was reserved."""
    leases = Leases({"a/x": Limits(in_flight=2, tpm=300)})
    lease, other = leases.take(X, 200, 0.0), leases.take(X, 50, 0.0)
    assert isinstance(lease, Lease)
    assert isinstance(other, Lease)
    lease.give_back(20)
    lease.give_back(200)
    state = leases.state(1.0)["a/x"]
    assert (state.in_flight, state.requests, state.tokens) == (1, 2, 70)
    other.give_back()
    state = leases.state(1.0)["a/x"]
    assert (state.in_flight, state.requests, state.tokens) == (0, 2, 70)
    assert leases.state(60.0)["a/x"].requests == 0
