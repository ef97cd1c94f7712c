"""Health that processes share, limits that headers tell of, and what can be seen of both."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core.errors import AuthenticationError, OverloadedError, RateLimitedError
from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.plugins.registry import Plugins
from airouter_core.values.events import Finish, TextDelta
from airouter_core.wire.rate_limits import RateLimit
from airouter_router.limits import LimitState
from airouter_router.sharing import Process, told_by

TWO = {"r": {"targets": ["a/x", "b/y"]}}


@pytest.mark.usefixtures("place")
def test_what_one_has_seen_the_other_avoids(world: Any) -> None:
    """A target that was too busy for one router is left alone by another one that shares its notes, and as long."""
    one, other = world.router(TWO), world.router(TWO)
    world.scripts = {"a/x": [RateLimitedError("slow", retry_after=50)]}
    assert world.chat(one).served_by == "b/y"
    world.asked.clear()
    assert world.chat(other).served_by == "b/y"
    assert world.asked == ["b/y"]
    assert other.resting()["a/x"].failure == "rate_limit"
    world.now += 49
    assert world.chat(other).served_by == "b/y"
    world.now += 2
    assert world.chat(other).served_by == "a/x"


@pytest.mark.usefixtures("place")
def test_who_is_well_again_is_well_for_all(world: Any) -> None:
    """An account whose key works again is asked again by everybody, long before its rest is over."""
    one, other = world.router({"r": {"targets": ["a/x"]}}), world.router(TWO)
    world.scripts = {"a/x": [AuthenticationError("no")]}
    with pytest.raises(AuthenticationError):
        world.chat(one)
    assert world.chat(other).served_by == "b/y"
    assert other.resting()["a/*"].failure == "credential"
    assert world.chat(one).served_by == "a/x"
    world.now += 1
    assert world.chat(other).served_by == "a/x"


def test_others_are_heard_once_a_second(world: Any, place: Any) -> None:
    """However many calls are made, the place is read once in a second."""
    router = world.router(TWO)
    for _ in range(20):
        world.chat(router)
    assert place.reads == 1


def test_a_place_that_fails_costs_no_call(world: Any, place: Any, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be shared is told in the log, and this process goes on with what it knows."""
    router = world.router(TWO)
    place.broken = True
    world.scripts = {"a/x": [OverloadedError("busy")]}
    assert world.chat(router).served_by == "b/y"
    assert world.chat(router).served_by == "b/y"
    assert caplog.text.count("not shared for now: the disk is full") == 1


def test_the_state_tells_of_all_processes(world: Any, place: Any) -> None:
    """Who rests and why, calls of every process in the last minute, and the lowest that is left at a vendor."""
    limits = {"a/x": {"rpm": 5}}
    one, other = world.router(TWO, limits), world.router(TWO, limits)
    world.headers = {"a/x": {"x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "4"}}
    world.headers["a/x"]["x-ratelimit-reset-requests"] = "50s"
    world.chat(one)
    world.scripts = {"a/x": [OverloadedError("busy")]}
    world.chat(other)
    world.now += 6
    for router in (one, other):
        world.chat(router)
    state = one.state()
    assert state.shared == "here"
    assert len(state.processes) == 2
    first, second = state.targets
    assert (first.target, first.resting, first.routes) == ("a/x", "transient", ("r",))
    assert 20 < (first.seconds or 0) <= 30
    assert first.limits.requests == 2
    assert first.rpm == 5
    assert first.limits.learned["requests"]["limit"] == 9
    assert second.resting is None
    assert {item.target for item in state.targets} == {"a/x", "b/y"}


def test_without_a_place_the_state_is_of_this_process(world: Any) -> None:
    """A program that shares nothing is told what it knows itself."""
    router = world.router(TWO)
    world.scripts = {"a/x": [OverloadedError("busy")]}
    world.chat(router)
    state = router.state()
    assert state.shared is None
    assert [(item.target, item.resting) for item in state.targets] == [("a/x", "transient"), ("b/y", None)]


def headers(left: int, limit: int = 100, reset: str = "60s", unit: str = "requests") -> dict[str, str]:
    said = {"limit": str(limit), "remaining": str(left), "reset": reset}
    return {f"x-ratelimit-{what}-{unit}": value for what, value in said.items()}


def test_a_vendor_that_has_nothing_left_is_not_asked(world: Any) -> None:
    """Once headers say that no request is left, the next target is asked until one has come back."""
    router = world.router(TWO)
    world.headers = {"a/x": headers(1)}
    world.chat(router)
    world.headers = {}
    assert world.chat(router).served_by == "a/x"  # the one that was left
    assert world.chat(router).served_by == "b/y"
    world.now += 1.3  # 99 come back in 60 seconds
    assert world.chat(router).served_by == "a/x"


def test_what_is_left_is_waited_for_where_nobody_else_is(world: Any) -> None:
    """A single target is asked when the vendor has room again, and not answered with a refusal before."""
    router = world.router({"r": {"targets": ["a/x"]}})
    world.headers = {"a/x": headers(0, limit=4, reset="40s")}
    world.chat(router)
    world.headers = {}
    began = world.now
    world.chat(router)
    assert world.now - began == pytest.approx(10)


def test_limits_of_tokens_count_what_is_asked(world: Any) -> None:
    """A long prompt waits for its tokens where a short one does not."""
    router = world.router(TWO)
    world.headers = {"a/x": headers(2000, limit=10_000, unit="tokens")}
    world.chat(router)
    world.headers = {}
    assert world.chat(router, parameters={"max_tokens": 100}).served_by == "a/x"
    assert world.chat(router, messages="word " * 5000, parameters={"max_tokens": 100}).served_by == "b/y"


def test_refusals_tell_of_limits_too(world: Any) -> None:
    """The headers of an answer of status 429 are read like those of any other."""
    router = world.router(TWO, {"a/x": {"cooldown": 0}})
    world.headers = {"a/x": headers(0, limit=2, reset="90s")}
    world.scripts = {"a/x": [RateLimitedError("slow")]}
    assert world.chat(router).served_by == "b/y"
    world.now += 20
    assert world.chat(router).served_by == "b/y"
    world.now += 30
    assert world.chat(router).served_by == "a/x"


def test_an_older_answer_does_not_overrule_a_newer_one(world: Any) -> None:
    """What was sent first and comes last knows less of what is left."""
    router = world.router({"r": {"targets": ["a/x"]}})
    leases = router.knowledge.leases
    (found,) = router.routes["r"].tree.children
    leases.hear(found, {"requests": RateLimit("requests", 10, 0, 100)}, 50.0)
    leases.hear(found, {"requests": RateLimit("requests", 10, 9, 1)}, 40.0)
    assert isinstance(leases.take(found, 0, 50.0), float)


def test_a_stream_is_heard_at_its_end(world: Any) -> None:
    """Headers of a stream count from when it was sent, however long it took."""
    router = world.router(TWO)
    world.headers = {"a/x": headers(0, limit=6, reset="60s")}
    world.scripts = {"a/x": [(TextDelta("A"), 30, Finish("stop"))]}
    world.chat(router)
    world.headers = {}
    assert world.chat(router).served_by == "a/x"  # three have come back meanwhile


def test_of_what_processes_have_learned_the_lowest_counts() -> None:
    """Calls are added up, what nobody counts stays unknown, and of a vendor's limit who knows of less is right."""
    learned = [
        {"requests": {"limit": 9.0, "left": left}, "tokens": {"limit": 90.0, "left": 90.0}} for left in (4.0, 2.0)
    ]
    states = [LimitState(1, None, None, learned[0]), LimitState(2, 5, None, learned[1]), LimitState(3, None, 7, {})]
    processes = [Process(f"p{number}", 0.0, {"a/x": state}) for number, state in enumerate(states)]
    for order in (processes, processes[::-1]):
        assert told_by(order) == {"a/x": LimitState(6, 5, 7, learned[1])}


def test_a_place_that_cannot_be_had_costs_no_call(world: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A plugin that fails as it offers one is told of once; each process then knows its own health alone."""

    class Broken:
        @hookimpl
        def airouter_shared_notes(self) -> Any:
            raise OSError("no such database")

    world.plugins = Plugins.of(Broken())
    router = world.router(TWO)
    for _ in range(3):
        assert world.chat(router).served_by == "a/x"
    assert caplog.text.count("no such database") == 1
    assert router.state().shared is None
