"""Who is asked after whom: one owner of attempts and of time, and nothing handed on too early."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConnectionFailedError,
    ContentFilteredError,
    ContextLengthError,
    MissingApiKeyError,
    ModelNotFoundError,
    OverloadedError,
    ParameterError,
    QuotaExceededError,
    RateLimitedError,
    TransportTimeoutError,
    TruncatedStreamError,
    UnsupportedFeatureError,
)
from airouter_core.provider.asking import ask_of
from airouter_core.values.events import (
    Finish,
    MetadataReported,
    ReasoningDelta,
    StreamStart,
    TextDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageReported,
)
from airouter_core.values.messages import FilePart, Message, ReasoningPart, ToolCallPart
from airouter_core.values.usage import Usage

TWO = {"r": {"targets": ["a/x", "b/y"]}}


def trail(response: Any) -> list[tuple[str, str, str | None]]:
    return [(attempt.target, attempt.outcome, attempt.failure) for attempt in response.attempts]


@pytest.mark.parametrize("stream", [True, False])
def test_the_next_one_answers(world: Any, ask: Callable[..., Any], stream: bool) -> None:
    """A target that fails before its first word costs the caller nothing but time, in both halves."""
    world.scripts = {"a/x": [OverloadedError("busy", status=529)]}
    response = ask(world.router(TWO), stream=stream)
    assert response.text == "from b/y"
    assert response.served_by == "b/y"
    assert trail(response) == [("a/x", "failed", "transient"), ("b/y", "complete", None)]
    assert response.attempts[0].status == 529
    assert world.asked == ["a/x", "b/y"]


@pytest.mark.parametrize("stream", [True, False])
def test_as_many_attempts_as_are_told(world: Any, ask: Callable[..., Any], stream: bool) -> None:
    """What was sent is what the error tells of, and a tree of targets has one budget of attempts."""
    world.scripts = {address: [OverloadedError("busy")] * 9 for address in ("a/x", "b/y", "c/z")}
    router = world.router({"r": {"targets": ["a/x", "route:s"], "attempts": 2}, "s": {"targets": ["b/y", "c/z"]}})
    with pytest.raises(OverloadedError) as caught:
        ask(router, stream=stream)
    assert world.asked == ["a/x", "b/y"] == [attempt.target for attempt in caught.value.attempts]
    assert not caught.value.retryable
    assert str(caught.value) == "busy (route 'r' asked a/x: transient; b/y: transient)"


def test_a_single_target_is_asked_again_after_a_while(world: Any) -> None:
    """Where nobody else is left, a failure that may pass is waited out, longer each time."""
    world.scripts = {"a/x": [OverloadedError("busy")] * 3}
    assert world.chat(world.router({"r": {"targets": ["a/x"]}})).text == "from a/x"
    assert world.slept == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("error", [QuotaExceededError, BadRequestError, ContentFilteredError])
def test_what_no_other_target_mends(world: Any, error: Any) -> None:
    """An outage is never turned into spending, nor a wrong call into several, unless that was asked for."""
    world.scripts = {"a/x": [error("no")]}
    with pytest.raises(error):
        world.chat(world.router(TWO))
    assert world.asked == ["a/x"]
    world.asked.clear()
    world.scripts = {"a/x": [error("no")]}
    router = world.router({"r": {"targets": ["a/x", "b/y"], "on": ["quota", "caller_fault", "content"]}})
    assert world.chat(router).served_by == "b/y"


def test_what_ends_a_target_is_not_tried_there_again(world: Any) -> None:
    """A dead key is dead for all models asked with it, and a model that is gone stays gone, within one call."""
    world.scripts = {"a/x": [AuthenticationError("no")] * 3, "b/y": [ModelNotFoundError("gone")] * 3}
    with pytest.raises(ModelNotFoundError) as caught:
        world.chat(world.router({"r": {"targets": ["a/x", "a/z", "b/y"]}}))
    assert world.asked == ["a/x", "b/y"]
    assert [attempt.outcome for attempt in caught.value.attempts] == ["failed", "refused", "failed"]


def test_a_longer_context_is_another_target(world: Any) -> None:
    """A prompt that does not fit is asked of the next one, and nobody is left alone for it."""
    world.scripts = {"a/x": [ContextLengthError("too long")]}
    router = world.router(TWO)
    assert world.chat(router).served_by == "b/y"
    assert router.resting() == {}


@pytest.mark.parametrize(
    ("events", "commits"),
    [
        ((StreamStart("x"), UsageReported(Usage(3, 0)), TextDelta("")), False),
        ((StreamStart("x"), TextDelta("A")), True),
        ((ReasoningDelta("hm"),), True),
        ((ToolCallStart(0, "1", "f"), ToolCallEnd(0)), True),
        (tuple(UsageReported(Usage(n, 0)) for n in range(64)), True),
    ],
)
def test_the_first_word_decides(world: Any, events: Any, commits: bool) -> None:
    """Metadata, usage and empty text do not bind the reader to a target; a word, a thought, a call, or very much do."""
    world.scripts = {"a/x": [(*events, ConnectionFailedError("gone"))]}
    router = world.router(TWO)
    if not commits:
        assert world.chat(router).text == "from b/y"
        assert StreamStart("x") not in world.events
        return
    with pytest.raises(ConnectionFailedError) as caught:
        world.chat(router)
    assert world.asked == ["a/x"]
    who, *said = world.events
    assert who == MetadataReported({"router": {"served_by": "a/x"}})
    assert tuple(said) == events
    assert caught.value.partial is not None


def test_each_attempt_has_a_gate_of_its_own(world: Any) -> None:
    """The words of the second target are handed on as they come, though the first one's were held back."""
    seen_at: list[float] = []
    world.scripts = {
        "a/x": [(StreamStart("x"), ConnectionFailedError("gone"))],
        "b/y": [(TextDelta("one"), 5, TextDelta("two"), Finish("stop"))],
    }
    ask = world.router(TWO)
    flow = ask.flow_of(ask_of("r", "hello", stream=True))
    world.drive(flow, lambda events: seen_at.extend(world.now for event in events), None)
    assert seen_at == [1000.0, 1000.0, 1005.0, 1005.0]  # who answers is told with the first word


def test_a_stream_that_ends_without_its_end_is_a_failure(world: Any) -> None:
    """Whoever breaks off before a word is a failed attempt like any other."""
    world.scripts = {"a/x": [(StreamStart("x"), TruncatedStreamError("cut"))]}
    assert world.chat(world.router(TWO)).served_by == "b/y"


@pytest.mark.parametrize("seconds", [3, 30])
def test_slow_to_begin(world: Any, seconds: float) -> None:
    """Whoever does not begin in time makes way; whoever has begun may take as long as it likes, and so may the last."""
    world.scripts = {
        "a/x": [(seconds, TextDelta("late"), 60, Finish("stop"))],
        "b/y": [(30, TextDelta("b"), Finish("stop"))],
    }
    response = world.chat(world.router({"r": {"targets": ["a/x", "b/y"], "first_event_timeout": 10}}))
    assert response.served_by == ("a/x" if seconds < 10 else "b/y")


def test_a_whole_answer_has_no_first_event(world: Any) -> None:
    """An answer that nobody reads along comes in one piece, so its first event is its last."""
    world.scripts = {"a/x": [(30, TextDelta("a"), Finish("stop"))]}
    router = world.router({"r": {"targets": ["a/x", "b/y"], "first_event_timeout": 10}})
    assert world.chat(router, stream=False).served_by == "a/x"


def test_one_deadline_for_everything(world: Any) -> None:
    """Waits and attempts share one deadline; a wait that would outlast it is not begun."""
    world.scripts = {"a/x": [(40, OverloadedError("busy"))], "b/y": [(40, OverloadedError("busy"))]}
    with pytest.raises(TransportTimeoutError):
        world.chat(world.router({"r": {"targets": ["a/x", "b/y"], "deadline": 60}}))
    assert world.now == 1060.0
    world.now, world.slept = 1000.0, []
    world.scripts = {"a/x": [RateLimitedError("slow", retry_after=90)]}
    with pytest.raises(RateLimitedError):
        world.chat(world.router({"r": {"targets": ["a/x"], "deadline": 60}}))
    assert world.slept == []


def test_left_alone_for_a_while(world: Any) -> None:
    """Who failed is asked last until its time is over; ``Retry-After`` counts where it is longer."""
    router = world.router(TWO)
    world.scripts = {"a/x": [OverloadedError("busy")]}
    world.chat(router)
    world.asked.clear()
    assert world.chat(router).served_by == "b/y"
    assert world.asked == ["b/y"]
    world.now += 31
    assert world.chat(router).served_by == "a/x"
    world.scripts = {"a/x": [RateLimitedError("slow", retry_after=100)]}
    world.chat(router)
    world.now += 60
    assert world.chat(router).served_by == "b/y"
    assert router.resting()["a/x"].failure == "rate_limit"
    world.now += 41
    assert world.chat(router).served_by == "a/x"


def test_a_fallback_is_left_alone_too(world: Any) -> None:
    """The second target of a call rests after its failure as the first does."""
    world.scripts = {"a/x": [OverloadedError("busy")], "b/y": [OverloadedError("busy")]}
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}})
    world.chat(router)
    assert set(router.resting()) == {"a/x", "b/y"}
    world.asked.clear()
    world.chat(router)
    assert world.asked == ["c/z"]


@pytest.mark.parametrize("error", [BadRequestError("no"), ContentFilteredError("no"), ContextLengthError("long")])
def test_the_callers_fault_cools_nobody(world: Any, error: Exception) -> None:
    """What is wrong with a prompt says nothing of who was asked it."""
    world.scripts = {"a/x": [error]}
    router = world.router({"r": {"targets": ["a/x"]}})
    with pytest.raises(type(error)):
        world.chat(router)
    assert router.resting() == {}


def test_what_cools_what(world: Any) -> None:
    """A key rests with all its models; a model that is gone rests alone."""
    world.scripts = {"a/x": [AuthenticationError("no")], "b/y": [ModelNotFoundError("gone")]}
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}})
    world.chat(router)
    assert set(router.resting()) == {"a/*", "b/y"}


def test_all_resting_is_no_reason_to_give_up(world: Any) -> None:
    """Where everybody rests, whoever may be well again soonest is asked."""
    world.scripts = {"a/x": [OverloadedError("busy")], "b/y": [OverloadedError("busy")]}
    router = world.router({"r": {"targets": ["a/x", "b/y"], "attempts": 2}})
    with pytest.raises(OverloadedError):
        world.chat(router)
    assert world.chat(router).served_by == "a/x"


def test_a_target_that_lacks_a_capability_is_no_target(world: Any) -> None:
    """A picture never falls to a model for text, whose refusal would hide what really failed."""
    image = FilePart("image/png", data=b"x")
    world.scripts = {"a/x": [RateLimitedError("slow", retry_after=1)] * 9}
    router = world.router(TWO, {"b/y": {"capabilities": ["chat", "tools"]}})
    with pytest.raises(RateLimitedError) as caught:
        world.chat(router, messages=[Message.user(image, "what is it?")])
    assert "b/y" not in world.asked
    assert ("b/y", "refused") in [(attempt.target, attempt.outcome) for attempt in caught.value.attempts]


def test_nobody_may_be_asked(world: Any) -> None:
    """The error names every target and its reason."""
    router = world.router(TWO, {"a/x": {"context": 10}, "b/y": {"max_price": {"input": 1}}})
    with pytest.raises(
        UnsupportedFeatureError, match=r"a/x: about .* tokens do not fit .* b/y: its price is not known"
    ):
        world.chat(router, messages="word " * 100)
    assert world.asked == []


def test_unknown_is_not_yes(world: Any) -> None:
    """With ``require="known"`` a target of which nothing is known is not asked; otherwise it is."""
    routes = {"r": {"targets": ["a/x", "b/y"], "require": "known"}}
    response = world.chat(world.router(routes, {"b/y": {"context": 100_000}}))
    assert response.served_by == "b/y"


def test_other_kinds_are_routed(world: Any) -> None:
    """Embeddings take the same way as chats."""
    world.scripts = {"a/x": [OverloadedError("busy")]}
    router = world.router(TWO)
    assert router.create_embedding("four", "r") == [4.0]
    assert world.asked == ["a/x", "b/y"]


def test_no_such_route(world: Any) -> None:
    """A misspelt route is an error that proposes the right one."""
    with pytest.raises(ModelNotFoundError, match="did you mean 'chat'"):
        world.chat(world.router({"chat": {"targets": ["a/x"]}}), "chad")


def test_what_is_wrong_for_all_of_them(world: Any) -> None:
    """An ask that is wrong for each in its own way ends in the first one's error, with what each of them said."""
    world.scripts = {"a/x": [MissingApiKeyError("a needs a key")], "b/y": [ParameterError("b takes no such thing")]}
    with pytest.raises(MissingApiKeyError) as caught:
        world.chat(world.router(TWO))
    said = "a needs a key (route 'r' could ask nobody: a/x: a needs a key; b/y: b takes no such thing)"
    assert str(caught.value) == said
    world.scripts = {"a/x": [ParameterError("a takes no such thing")]}
    with pytest.raises(ParameterError) as alone:
        world.chat(world.router({"r": {"targets": ["a/x"]}}))
    assert str(alone.value) == "a takes no such thing"


def test_no_condition_holds(world: Any) -> None:
    """A route of conditions alone that says nothing for the rest is told of, when it is asked the rest."""
    router = world.router({"r": {"when": [{"if": {"use": "code"}, "targets": ["a/x"]}]}})
    assert world.served_by(router, tags={"use": "code"}) == "a/x"
    with pytest.raises(ConfigurationError, match=r"'r': no `when` of it holds .* it has no `targets` for the rest"):
        world.chat(router)


def test_what_tools_were_called_with_counts(world: Any) -> None:
    """Arguments of calls and results of tools are part of a prompt's length, as words are."""
    router = world.router(TWO, {"a/x": {"context": 300}})
    for part in (ToolCallPart("1", "f", '{"text": "' + "word " * 400 + '"}'), ReasoningPart("word " * 400)):
        loop = [Message.user("go"), Message.assistant(part, ToolCallPart("2", "f", "{}")), Message.tool("2", "done")]
        assert world.chat(router, messages=loop, parameters={"max_tokens": 5}).served_by == "b/y"
    short = [Message.user("go"), Message.assistant(ToolCallPart("2", "f", "{}")), Message.tool("2", "done")]
    assert world.chat(router, messages=short, parameters={"max_tokens": 5}).served_by == "a/x"


@pytest.mark.parametrize("half", ["blocking", "awaited"])
def test_all_are_closed_though_one_cannot_be(world: Any, half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a router closes whatever is behind it, and the failure of one is told once the others are closed."""
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}})
    closed: list[str] = []

    def close(name: str) -> None:
        closed.append(name)
        if name == "b":
            raise OSError("it hangs")

    async def aclose(name: str) -> None:
        close(name)

    for name in "abc":
        provider = router.target_provider(name)
        monkeypatch.setattr(provider, "close", functools.partial(close, name))
        monkeypatch.setattr(provider, "aclose", functools.partial(aclose, name))
    with pytest.raises(OSError, match="it hangs"):
        router.close() if half == "blocking" else asyncio.run(router.aclose())
    assert sorted(closed) == ["a", "b", "c"]


def test_who_rests_is_among_the_details(world: Any) -> None:
    """What a router says of itself names who is left alone, and after what."""
    world.scripts = {"a/x": [OverloadedError("busy")]}
    router = world.router(TWO)
    assert router.details() == {"resting": {}}
    world.chat(router)
    assert router.details() == {"resting": {"a/x": "transient"}}
