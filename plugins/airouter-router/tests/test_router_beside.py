"""Asking somebody beside: hedges, canaries, shadows, and answers that another target goes on with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.errors import (
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    ExecutionError,
    OverloadedError,
    QuotaExceededError,
    TruncatedStreamError,
)
from airouter_core.plugins.registry import Plugins
from airouter_core.provider.asking import ask_of
from airouter_core.values.calls import Call, Outcome
from airouter_core.values.events import Finish, ReasoningDelta, TextDelta, ToolCallStart, UsageReported, Warned
from airouter_core.values.messages import Message, ReasoningPart, TextPart
from airouter_core.values.usage import Usage

HEDGED = {"r": {"targets": ["a/x", "b/y"], "hedge": 0.01}}
MANY = 200


def outcomes(response: Any) -> list[tuple[str, str]]:
    return [(attempt.target, attempt.outcome) for attempt in response.attempts]


def eventually(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.005)


class When(threading.Event):
    """An event that comes when something is true."""

    def __init__(self, true: Callable[[], bool]) -> None:
        super().__init__()
        self.is_set = true  # type: ignore[method-assign]  # which is how scripts ask


def hedging(world: Any, routes: Any = HEDGED) -> Any:
    """A router whose route was called often enough that a hedge is within its share."""
    router = world.router(routes, clock=time.monotonic)
    for _ in range(MANY):
        router.knowledge.hedging.called("r")
    return router


# Hedges.


@pytest.mark.parametrize("stream", [True, False])
def test_who_is_slow_has_a_rival(world: Any, ask: Any, stream: bool) -> None:
    """The next target is asked beside one that has said nothing, and whoever is first answers; the other is left."""
    world.scripts = {"a/x": [(threading.Event(),)]}
    router = hedging(world)
    response = ask(router, stream=stream)
    assert (response.text, response.served_by) == ("from b/y", "b/y")
    assert outcomes(response) == [("a/x", "cancelled"), ("b/y", "complete")]
    eventually(lambda: world.busy == {"a/x": 0, "b/y": 0})
    assert router.knowledge.leases.busy == {}
    assert router.resting() == {}


@pytest.mark.parametrize("stream", [True, False])
def test_who_is_asked_first_may_win(world: Any, ask: Any, stream: bool) -> None:
    """A rival that is slower still is left in its turn, and what it has cost at least is told."""
    release = threading.Event()

    def rival() -> Any:
        release.set()
        return (threading.Event(),)

    world.scripts = {"a/x": [(release,)], "b/y": rival}
    router = hedging(world)
    response = ask(router, stream=stream)
    assert response.served_by == "a/x"
    assert outcomes(response) == [("b/y", "cancelled"), ("a/x", "complete")]
    eventually(lambda: world.busy == {"a/x": 0, "b/y": 0})


def test_who_is_quick_has_none(world: Any, ask: Any) -> None:
    """Nobody is asked twice where the first one begins in time."""
    response = ask(hedging(world, {"r": {"targets": ["a/x", "b/y"], "hedge": 60}}))
    assert world.asked == ["a/x"]
    assert outcomes(response) == [("a/x", "complete")]


def test_seldom(world: Any, ask: Any) -> None:
    """One call in twenty at most is asked twice, however slow the first target is."""
    router = world.router({"r": {"targets": ["a/x", "b/y"], "hedge": 0.001}}, clock=time.monotonic)
    world.scripts = {"a/x": lambda: (0.004,)}
    for _ in range(45):
        ask(router)
    assert world.asked.count("b/y") <= 2
    assert len(world.asked) == 45 + world.asked.count("b/y")


def test_a_failure_is_no_slowness(world: Any, ask: Any) -> None:
    """Who fails before the time is followed at once, as without a hedge."""
    world.scripts = {"a/x": [OverloadedError("busy")]}
    response = ask(hedging(world, {"r": {"targets": ["a/x", "b/y"], "hedge": 60}}))
    assert outcomes(response) == [("a/x", "failed"), ("b/y", "complete")]


def test_a_rival_that_fails_is_a_failed_attempt(world: Any, ask: Any) -> None:
    """The first one goes on, and the rival rests after its failure."""
    router = hedging(world)
    failed = When(lambda: world.busy.get("b/y") == 0)
    world.scripts = {"a/x": [(failed, 0.3)], "b/y": [OverloadedError("busy")]}
    response = ask(router)
    assert outcomes(response) == [("b/y", "failed"), ("a/x", "complete")]
    assert set(router.resting()) == {"b/y"}


def test_both_may_fail(world: Any, ask: Any) -> None:
    """Two failures are two attempts of the one budget."""
    release = threading.Event()

    def rival() -> Any:
        release.set()
        return (OverloadedError("busy"),)

    world.scripts = {"a/x": [(release, 0.02, OverloadedError("busy"))], "b/y": rival}
    router = hedging(world, {"r": {"targets": ["a/x", "b/y", "c/z"], "hedge": 0.01, "attempts": 3}})
    response = ask(router)
    assert outcomes(response) == [("a/x", "failed"), ("b/y", "failed"), ("c/z", "complete")]


@pytest.mark.parametrize("options", [{"store": True}, {"tools": [{"type": "web_search"}]}, {"background": True}])
def test_what_does_more_than_ask_is_asked_once(world: Any, options: Any) -> None:
    """A call that lets the vendor keep or do something is never made twice."""
    world.scripts = {"a/x": [(0.05,)]}
    router = hedging(world)
    response = router.chat("r", "hello", provider_options={"scripted": options})
    assert world.asked == ["a/x"]
    assert outcomes(response) == [("a/x", "complete")]


# Canaries.


def test_a_conversation_stays_in_its_arm(world: Any) -> None:
    """A share of the conversations tries the canary, each in all of its calls, with a session or without."""
    router = world.router({"r": {"targets": ["a/x"], "canary": {"targets": ["b/y"], "share": 0.3}}})
    arms: dict[str, set[str]] = {}
    for number in range(300):
        for _ in range(2):
            ask = ask_of(
                "r", [Message.user(f"question {number % 150}")], session=f"s{number}" if number < 150 else None
            )
            arms.setdefault(f"{number}", set()).add(router.plan(ask).candidates[0].target)
    assert all(len(targets) == 1 for targets in arms.values())
    tried = sum(targets == {"b/y"} for targets in arms.values())
    assert 60 <= tried <= 120


def test_a_canary_widens_nothing(world: Any) -> None:
    """Who is not among the share is never asked of it, not after a failure either; who is falls back to the usual."""
    routes = {"r": {"targets": ["a/x"], "canary": {"targets": ["b/y"], "share": 0}, "attempts": 2}}
    router = world.router(routes)
    world.scripts = {"a/x": [OverloadedError("busy")] * 2}
    with pytest.raises(OverloadedError):
        world.chat(router)
    assert world.asked == ["a/x", "a/x"]
    world.scripts = {"b/y": [OverloadedError("busy")]}
    routes["r"]["canary"]["share"] = 1
    assert outcomes(world.chat(world.router(routes))) == [("b/y", "failed"), ("a/x", "complete")]


# Shadows.


class Heard:
    """What hooks hear of the calls of providers."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @hookimpl
    def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
        self.calls.append(call)


def shadowed(world: Any, **more: Any) -> Any:
    return world.router({"r": {"targets": ["a/x"], "shadow": {"target": "b/y", **more}}})


def test_a_shadow_is_asked_the_same_and_answers_nobody(world: Any, ask: Any) -> None:
    """It gets the messages and nothing that says whose they are; its answer and its slowness reach nobody."""
    router, release = shadowed(world), threading.Event()
    world.scripts = {"b/y": [(release,)]}
    response = ask(router)
    assert (response.text, outcomes(response)) == ("from a/x", [("a/x", "complete")])
    eventually(lambda: world.asked == ["a/x", "b/y"])
    assert world.requests[1].messages == world.requests[0].messages
    router.close()
    release.set()
    eventually(lambda: world.busy["b/y"] == 0)


def test_a_shadow_is_marked_and_nobodys(world: Any) -> None:
    """Its calls have the tag of their route, for a budget of their own, and none of the caller's names."""
    heard = Heard()
    world.plugins = Plugins.of(heard)
    router = shadowed(world)
    router.run(router.flow_of(ask_of("r", "hello", session="s", user="u", tags={"team": "a"})))
    eventually(lambda: any(call.ask.tags.get("shadow") for call in heard.calls))
    (call,) = (call for call in heard.calls if "shadow" in call.ask.tags)
    assert (call.ask.session, call.ask.user, call.ask.tags) == (None, None, {"shadow": "r"})


@pytest.mark.parametrize(
    "error", [OverloadedError("busy"), QuotaExceededError("no"), BadRequestError("no"), ValueError]
)
def test_the_failure_of_a_shadow_is_nothing(world: Any, ask: Any, error: Any) -> None:
    """Nobody rests for it, and calls go on."""
    router = shadowed(world)
    world.scripts = {"b/y": lambda: [error("no") if isinstance(error, type) else error]}
    for count in range(1, 4):
        assert ask(router).served_by == "a/x"
        eventually(lambda count=count: world.asked.count("b/y") == count and not world.busy.get("b/y"))  # type: ignore[misc]
    assert router.resting() == {}


def test_shadows_are_bounded(world: Any) -> None:
    """While as many are under way as may be, no further one is begun, and none waits."""
    router = shadowed(world, in_flight=2)
    release = threading.Event()
    world.scripts = {"b/y": lambda: (release,)}
    for _ in range(20):
        world.chat(router)
    eventually(lambda: world.asked.count("b/y") == 2)
    release.set()
    eventually(lambda: world.busy["b/y"] == 0)
    assert world.asked.count("b/y") == 2


def test_a_share_of_the_calls(world: Any) -> None:
    """Which calls are shadowed is by lot."""
    router = shadowed(world, share=0.5)
    lots = iter([0.4, 0.6, 0.5, 0.49])
    world.lots = lambda: next(lots)
    for _ in range(4):
        world.chat(router)
        eventually(lambda: not world.busy.get("b/y"))
    eventually(lambda: world.asked.count("b/y") == 2)


def test_a_shadow_that_cannot_is_not_asked(world: Any) -> None:
    """What a target cannot do is not tried on it because it is a shadow."""
    router = world.router({"r": {"targets": ["a/x"], "shadow": {"target": "b/y"}}}, {"b/y": {"context": 5}})
    world.chat(router, messages="word " * 100)
    world.chat(router, messages="hi", parameters={"max_tokens": 1})
    eventually(lambda: world.asked == ["a/x", "a/x", "b/y"])


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"shadow": {"target": "route:r"}}, "asks one target"),
        ({"shadow": {"target": "b/y", "share": 2}}, "from 0 to 1"),
        ({"shadow": {"target": "b/y", "shares": 1}}, "did you mean 'share'"),
        ({"canary": {"targets": ["b/y"]}}, "share is a number from 0 to 1"),
        ({"canary": {"targets": ["b/y"], "share": -1}}, "at least 0"),
        ({"canary": {"share": 0.1}}, "has no targets"),
        ({"hedge": 0}, "hedge"),
        ({"resume": "yes"}, "resume is one of off, prefill"),
        ({"strategy": "canary"}, "strategy is one of first"),
    ],
)
def test_wrong_words(world: Any, words: Any, match: str) -> None:
    """What is wrong with them is said when the router is made."""
    with pytest.raises(ConfigurationError, match=match):
        world.router({"r": {"targets": ["a/x"], **words}})


# Going on.

RESUMED = {"r": {"targets": ["a/x", "b/y", "c/z"], "resume": "prefill"}}
ABLE = {"b/y": {"prefill": True}, "c/z": {"prefill": True}}


def breaks() -> tuple[Any, ...]:
    """What breaks off in the middle. Errors are made anew for each call: they bear what was tried."""
    return UsageReported(Usage(10, 2)), TextDelta("Once upon"), TextDelta(" a"), ConnectionFailedError("gone")


def read(world: Any) -> str:
    return "".join(event.text for event in world.events if isinstance(event, TextDelta))


def test_another_goes_on_with_what_was_begun(world: Any) -> None:
    """It is given the words that are there; the reader is told of the seam where it is, and the response is of both."""
    world.scripts = {"a/x": [breaks()], "b/y": [(TextDelta(" time"), UsageReported(Usage(13, 1)), Finish("stop"))]}
    response = world.chat(world.router(RESUMED, ABLE), messages="A tale!")
    assert response.text == read(world) == "Once upon a time"
    assert [message.text for message in world.requests[1].messages] == ["A tale!", "Once upon a"]
    assert world.requests[1].messages[-1].role == "assistant"
    assert outcomes(response) == [("a/x", "failed"), ("b/y", "complete")]
    assert response.served_by == "b/y"
    assert (response.usage.input_tokens, response.usage.output_tokens) == (23, 3)
    assert "a/x broke off after 11 characters, and b/y goes on" in response.warnings[0]
    texts = [event for event in world.events if isinstance(event, TextDelta | Warned)]
    assert [type(event) for event in texts] == [TextDelta, TextDelta, Warned, TextDelta]


def test_a_third_goes_on_too(world: Any) -> None:
    """Each is given all that is there; if the last breaks off as well, its error has the words of all."""
    world.scripts = {
        "a/x": [breaks()],
        "b/y": [(TextDelta(" time"), ConnectionFailedError("gone"))],
        "c/z": [(TextDelta(", in"), TruncatedStreamError("cut"))],
    }
    routes = {"r": {**RESUMED["r"], "attempts": 3}}
    with pytest.raises(TruncatedStreamError) as caught:
        world.chat(world.router(routes, ABLE))
    assert world.requests[2].messages[-1].text == "Once upon a time"
    assert caught.value.partial is not None
    assert caught.value.partial.text == read(world) == "Once upon a time, in"


def test_only_who_can_goes_on(world: Any) -> None:
    """A target that is not known to take the beginning of an answer is not asked, and the error stays what it was."""
    world.scripts = {"a/x": [breaks()]}
    with pytest.raises(ConnectionFailedError) as caught:
        world.chat(world.router(RESUMED))
    assert world.asked == ["a/x"]
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Once upon a"


@pytest.mark.parametrize(
    ("routes", "script", "asked"),
    [
        ({"r": {"targets": ["a/x", "b/y"]}}, breaks(), {}),
        (RESUMED, (TextDelta("Once"), ToolCallStart(0, "1", "f"), ConnectionFailedError("gone")), {}),
        (RESUMED, (TextDelta("Once"), QuotaExceededError("no")), {}),
        (RESUMED, (TextDelta("Once"), BadRequestError("no")), {}),
        (RESUMED, breaks(), {"response_format": "json"}),
        (RESUMED, breaks(), {"tools": [{"name": "f", "description": "f", "input_schema": {"type": "object"}}]}),
    ],
)
def test_nothing_but_plain_text_is_gone_on_with(world: Any, routes: Any, script: Any, asked: Any) -> None:
    """Unasked, after calls of tools, for structured answers, and after what is no outage, it is an error as ever."""
    world.scripts = {"a/x": [script]}
    with pytest.raises(ExecutionError):
        world.chat(world.router(routes, ABLE if routes is RESUMED else {}), **asked)
    assert world.asked == ["a/x"]


def test_one_who_goes_on_without_a_word_of_its_own(world: Any) -> None:
    """What the first has said stands first also where the second only thinks."""
    world.scripts = {"a/x": [breaks()], "b/y": [(ReasoningDelta("hm"), UsageReported(Usage(13, 1)), Finish("stop"))]}
    response = world.chat(world.router(RESUMED, ABLE))
    assert [type(part) for part in response.message.parts] == [TextPart, ReasoningPart]
    assert response.text == "Once upon a"


def test_a_shadow_that_rests_is_left_alone(world: Any) -> None:
    """Whoever asks it for themselves has seen it fail; the shadow does not insist."""
    routes = {"r": {"targets": ["a/x"], "shadow": {"target": "b/y"}}, "s": {"targets": ["b/y"], "attempts": 1}}
    router = world.router(routes)
    world.scripts = {"b/y": [OverloadedError("busy")]}
    with pytest.raises(OverloadedError):
        world.chat(router, "s")
    world.chat(router)
    world.now += 31
    world.chat(router)
    eventually(lambda: world.asked == ["b/y", "a/x", "a/x", "b/y"])


@pytest.mark.parametrize("route", [{"targets": ["a/x"]}, {"targets": ["a/x", "b/y"], "attempts": 1}])
def test_nobody_is_asked_beside(world: Any, ask: Any, route: Any) -> None:
    """Where there is nobody else, or one attempt alone is allowed, who is slow is waited for."""
    world.scripts = {"a/x": [(0.05, TextDelta("late"), Finish("stop"))]}
    response = ask(hedging(world, {"r": {**route, "hedge": 0.01}}))
    assert (response.text, outcomes(response)) == ("late", [("a/x", "complete")])
    assert world.asked == ["a/x"]
