"""What has gone wrong in other routers, told in words, and shown not to go wrong here; in both halves."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitedError,
    TransportTimeoutError,
    UnsupportedFeatureError,
)
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.asking import ask_of
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.events import Finish, StreamStart, TextDelta, UsageReported
from airouter_core.values.messages import FilePart, Message, ReasoningPart, ToolCallPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_router.limits import Lease
from airouter_router.routes import Target

from .halves import driven

TWO = {"r": {"targets": ["a/x", "b/y"]}}
BUSY = OverloadedError


@pytest.fixture(params=["blocking", "awaited"])
def call(request: pytest.FixtureRequest, world: Any) -> Callable[..., Any]:
    """Asks a router on the clock of the world; the outcome, an error too. The events are those of the world."""

    def asked(router: Any, messages: Any = "hello", *, stream: bool = True, **fields: Any) -> Any:
        ask = ask_of("r", messages, stream=stream, **fields)
        world.events, outcome = driven(world, request.param, router.flow_of(ask))
        return outcome

    return asked


def said(world: Any) -> list[str]:
    return [event.text for event in world.events if type(event) is TextDelta]


# One owner of attempts and of time.


@pytest.mark.parametrize("half", ["blocking", "awaited"])
def test_the_client_below_does_not_retry_in_its_turn(half: str) -> None:
    """The router retried, and so did the client of each target: one question became twelve calls."""
    import asyncio

    with LoopbackServer(
        lambda _, peer: peer.answer(Answer.of_json({"error": {"message": "busy"}}, status=503))
    ) as server:
        table = {"provider": "openai", "api_key": "k", "base_url": f"{server.url}/v1", "max_retries": 5}
        router = create_provider(
            "router",
            {"providers": {"a": table, "b": table}, "routes": {"r": {"targets": ["a/x", "b/x"], "attempts": 2}}},
        )
        with pytest.raises(Exception, match="route 'r' asked") as caught, router:
            router.chat("r", "hello") if half == "blocking" else asyncio.run(router.achat("r", "hello"))
        assert len(server.requests) == 2 == len(caught.value.attempts)  # type: ignore[attr-defined]
        assert not caught.value.retryable  # type: ignore[attr-defined]


def test_one_attempt_is_one_and_nobody_waits(world: Any, call: Any) -> None:
    """With no retries asked for, a wrapper went on retrying, and a ``Retry-After`` was slept out inside: 47 seconds."""
    world.scripts = {"a/x": lambda: RateLimitedError("slow", retry_after=47)}
    began = world.now
    outcome = call(world.router({"r": {"targets": ["a/x"], "attempts": 1}}))
    assert isinstance(outcome, RateLimitedError)
    assert (world.asked, world.now) == (["a/x"], began)
    assert outcome.retry_after == 47


def test_a_fallback_does_not_begin_anew(world: Any, call: Any) -> None:
    """Each fallback began the whole cycle of retries again, without end."""
    world.scripts = {address: lambda: ConnectionFailedError("gone") for address in ("a/x", "b/y", "c/z")}
    routes = {
        "r": {"targets": ["a/x", "route:s"], "attempts": 5},
        "s": {"targets": ["b/y", "route:t"], "attempts": 5},
        "t": {"targets": ["c/z", "a/x"], "attempts": 5},
    }
    outcome = call(world.router(routes))
    assert len(world.asked) == 5 == len(outcome.attempts)
    assert set(world.asked) == {"a/x", "b/y", "c/z"}
    assert not outcome.retryable  # nor does whoever asks the router


# What fails is left alone, whoever it was.


def test_a_fallback_that_fails_is_left_alone_too(world: Any, call: Any) -> None:
    """Cooling was a side effect of logging, and the log told of one failure a request: fallbacks never cooled."""
    world.scripts = {"a/x": [BUSY("busy")], "b/y": [BUSY("busy")]}
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}})
    call(router)
    world.asked.clear()
    call(router)
    assert world.asked == ["c/z"]


@pytest.mark.parametrize("error", [RateLimitedError, PermissionDeniedError, AuthenticationError])
def test_the_targets_of_a_rule_follow_each_other(world: Any, call: Any, error: Any) -> None:
    """A rule that led to a provider had fallbacks of its own, and they were not used after a 429 or a 403."""
    world.scripts = {"b/y": [error("no")]}
    rule = {"if": {"tag": "team=blue"}, "targets": ["b/y", "c/z"]}
    router = world.router({"r": {"targets": ["a/x"], "when": [rule]}})
    outcome = call(router, tags={"team": "blue"})
    assert outcome.served_by == "c/z"
    assert world.asked == ["b/y", "c/z"]  # and nobody outside of the rule


def test_a_conversation_leaves_a_dead_key(world: Any, call: Any) -> None:
    """A session stuck to the key that had answered it, which was refused again and again."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    assert call(router, session="s").served_by == "a/x"
    world.scripts = {"a/x": lambda: AuthenticationError("revoked")}
    assert call(router, session="s").served_by == "b/y"
    world.asked.clear()
    assert [call(router, session="s").served_by for _ in range(3)] == ["b/y"] * 3
    assert world.asked == ["b/y"] * 3
    world.now += 301
    assert call(router, session="s").served_by == "b/y"  # bound anew; the dead one is not even tried


# Streams.


@pytest.mark.parametrize("held", [(), (StreamStart("x"),), (StreamStart("x"), UsageReported(Usage(9, 0)))])
def test_a_stream_that_fails_before_a_word_is_tried_again(world: Any, call: Any, held: Any) -> None:
    """Streams had no fallback; later a broken one looked for other targets only, and never tried its own again.

    Nor does a frame that tells only usage count as an answer.
    """
    world.scripts = {"a/x": [(*held, ConnectionFailedError("cut"))]}
    outcome = call(world.router({"r": {"targets": ["a/x"]}}))
    assert isinstance(outcome, Response)
    assert (world.asked, said(world)) == (["a/x", "a/x"], ["from a/x"])


def test_the_second_gate_is_a_new_one(world: Any) -> None:
    """One gate served all attempts: once shut for the first, the good answer of the second was held to its end."""
    heard: list[tuple[float, str]] = []
    world.scripts = {
        "a/x": [(StreamStart("x"), ConnectionFailedError("cut"))],
        "b/y": [(*(item for word in ("one", "two", "three") for item in (TextDelta(word), 5)), Finish("stop"))],
    }
    flow = world.router(TWO).flow_of(ask_of("r", "hello", stream=True))
    world.drive(flow, lambda es: heard.extend((world.now, e.text) for e in es if type(e) is TextDelta), None)
    assert heard == [(1000.0, "one"), (1005.0, "two"), (1010.0, "three")]


def test_the_last_may_be_slow(world: Any, call: Any) -> None:
    """The time until a first word cut off the last attempt too, after which there was nobody."""
    slow = (40, TextDelta("late"), Finish("stop"))
    world.scripts = {"a/x": lambda: slow, "b/y": lambda: slow}
    outcome = call(world.router({"r": {"targets": ["a/x", "b/y"], "first_event_timeout": 10}}))
    assert (outcome.served_by, outcome.text) == ("b/y", "late")
    assert [attempt.outcome for attempt in outcome.attempts] == ["failed", "complete"]
    world.now += 100
    single = world.router({"r": {"targets": ["a/x"], "first_event_timeout": 10}})
    assert call(single).served_by == "a/x"


@pytest.mark.parametrize("stream", [True, False])
def test_one_that_hangs_does_not_hold_up_others(world: Any, ask: Any, stream: bool) -> None:
    """One backend without a timeout held up every request of the router."""
    hanging, release = threading.Event(), threading.Event()
    world.scripts = {"a/x": lambda: hanging.set() or (release,)}
    router = world.router({"r": {"targets": ["a/x"]}, "s": {"targets": ["b/y"]}})
    stuck = threading.Thread(target=lambda: router.chat("r", "hello"), daemon=True)
    stuck.start()
    assert hanging.wait(60)
    assert ask(router, "s", stream=stream).served_by == "b/y"
    release.set()
    stuck.join(60)


def test_one_that_times_out_is_followed(world: Any, call: Any) -> None:
    """A backend that says nothing for its own timeout is a failed attempt, not the end of the call."""
    world.scripts = {"a/x": [(30, TransportTimeoutError("silent"))]}
    router = world.router(TWO)
    assert call(router, stream=False).served_by == "b/y"
    assert router.resting()["a/x"].failure == "transient"


# Limits.


def test_tokens_count_while_calls_are_under_way(world: Any) -> None:
    """Tokens were counted when a call had ended: a hundred at once all saw an empty minute."""
    router = world.router(TWO, {"a/x": {"tpm": 1000}})
    leases = router.knowledge.leases
    taken = [leases.take(Target("a", "x"), 300, world.now) for _ in range(9)]
    assert sum(isinstance(lease, Lease) for lease in taken) == 3


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_limit_is_that_many_and_no_more(world: Any, call: Any, limit: int) -> None:
    """A limit of n let n + 1 through; and where all were full, any one of them was asked at once."""
    limits = {address: {"rpm": limit} for address in ("a/x", "b/y")}
    router = world.router({"r": {"targets": ["a/x", "b/y"], "deadline": 5}}, limits)
    outcomes = [call(router) for _ in range(2 * limit + 3)]
    assert [world.asked.count(address) for address in ("a/x", "b/y")] == [limit, limit]
    for refused in outcomes[2 * limit :]:
        assert isinstance(refused, RateLimitedError)
        assert 0 < (refused.retry_after or 0) <= 60


def test_pauses_grow(world: Any, call: Any) -> None:
    """Retries followed each other without a pause."""
    world.scripts = {"a/x": [BUSY("busy") for _ in range(3)]}
    call(world.router({"r": {"targets": ["a/x"]}}))
    times = [at for _, at in world.asked_at]
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
    assert min(pauses) > 0


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        ({"a/*": {"weight": 3}}, "weight is of single targets"),
        ({"c/z": {"rpm": 3}}, "is a target of no route"),
    ],
)
def test_what_would_have_no_effect_is_refused(world: Any, targets: Any, match: str) -> None:
    """A limit was accepted and stored nowhere, or belonged to a limiter that nobody had registered."""
    with pytest.raises(ConfigurationError, match=match):
        world.router(TWO, targets)


def test_what_is_said_of_an_account_holds_for_each_of_its_targets(world: Any, call: Any) -> None:
    """A word on one target took away what was said of all of its account: a ceiling of its price, for instance."""
    limits = {"a/*": {"max_price": {"output": 10}, "context": 9000, "cooldown": 7}, "a/x": {"rpm": 5}}
    router = world.router(TWO, limits, prices={"a/x": {"input": 1, "output": 50}})
    assert call(router).served_by == "b/y"
    assert world.asked == ["b/y"]
    assert router.knowledge.limits(Target("a", "x")).cooldown == 7


# Statistics.


def test_a_slow_start_is_slow_however_much_it_says(world: Any, call: Any) -> None:
    """The time to the first word was divided by the number of words: whoever began late and said much was fastest."""
    world.scripts = {
        "a/x": lambda: (6, *(TextDelta("w ") for _ in range(500)), Finish("stop")),
        "b/y": lambda: (1, TextDelta("w"), Finish("stop")),
    }
    router = world.router({"r": {"strategy": "fastest", "targets": ["a/x", "b/y"], "session": "off"}})
    for _ in range(6):
        call(router)
    assert [call(router).served_by for _ in range(4)] == ["b/y"] * 4


# What only one can read, and what anybody can.

VENDORS = {
    name: ProviderInfo(name=vendor, target="nowhere:Nothing", capabilities=("chat", "stream", "tools", "vision"))
    for name, vendor in {"a": "one", "b": "two"}.items()
}


def loop(metadata: Any) -> list[Message]:
    """A tool loop that is still open, after a thought."""
    thought = ReasoningPart("hm", metadata)
    return [Message.user("go"), Message.assistant(thought, ToolCallPart("1", "f", "{}")), Message.tool("1", "done")]


@pytest.mark.parametrize("word", ["signature", "encrypted_content", "thought_signature", "redacted_content"])
def test_a_sealed_thought_goes_nowhere_else(world: Any, call: Any, word: str) -> None:
    """A sealed thought was sent to another vendor, which refused it with a 400 that ended the loop."""
    world.scripts = {"b/y": lambda: BUSY("busy")}
    outcome = call(world.router(TWO, infos=VENDORS), loop({"two": {word: "sealed"}}))
    assert isinstance(outcome, OverloadedError)
    assert set(world.asked) == {"b/y"}


def test_a_thought_in_plain_words_holds_nobody(world: Any, call: Any) -> None:
    """The opposite: readable reasoning was taken for sealed, no fallback was tried, and 64 jobs died of one 429."""
    world.scripts = {"a/x": lambda: RateLimitedError("slow", retry_after=900)}
    outcome = call(world.router(TWO, infos=VENDORS), loop({"one": {"field": "reasoning_content"}}))
    assert outcome.served_by == "b/y"


def test_a_picture_is_no_reason_to_hide_what_failed(world: Any, call: Any) -> None:
    """A picture fell to a model for text, whose certain refusal took the place of the 429 that would have passed."""
    world.scripts = {"a/x": lambda: RateLimitedError("slow", retry_after=5)}
    text_only = ProviderInfo(name="text", target="nowhere:Nothing", capabilities=("chat", "stream"))
    router = world.router({"r": {"targets": ["a/x", "b/y"], "deadline": 4}}, infos={"b": text_only})
    outcome = call(router, [Message.user(FilePart("image/png", data=b"x"), "what?")])
    assert isinstance(outcome, RateLimitedError)
    assert world.asked == ["a/x"]


def test_a_smaller_window_is_not_taken_for_a_fallback(world: Any, call: Any) -> None:
    """A conversation fell to a model with a smaller window, which cut it or refused it."""
    world.scripts = {"a/x": lambda: BUSY("busy")}
    router = world.router({"r": {"targets": ["a/x", "b/y"], "attempts": 2}}, {"b/y": {"context": 100}})
    assert isinstance(call(router, "word " * 500), OverloadedError)
    assert set(world.asked) == {"a/x"}
    small = world.router({"r": {"targets": ["b/y"]}}, {"b/y": {"context": 100}})
    assert isinstance(call(small, "word " * 500), UnsupportedFeatureError)
