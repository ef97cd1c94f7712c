"""Where a conversation goes on: to who holds its prompt, and to who can read what is sealed in it."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from airouter_core.errors import OverloadedError, RateLimitedError
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.values.events import Finish, PartEnd, ReasoningDelta, TextDelta, UsageReported
from airouter_core.values.messages import FilePart, Message, ProviderPart, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.usage import Usage
from airouter_router.affinity import Affinity
from airouter_router.continuity import Origins


def signed(provider: str, word: str = "signature") -> list[Message]:
    """A tool loop that is still open, with a thought that only one provider can read."""
    return [
        Message.user("go"),
        Message.assistant(ReasoningPart("hm", {provider: {word: "sealed"}}), ToolCallPart("1", "f", "{}")),
        Message.tool("1", "done"),
    ]


INFOS = {
    name: ProviderInfo(name=vendor, target="nowhere:Nothing", capabilities=("chat", "stream", "tools"))
    for name, vendor in {"a": "one", "b": "two", "c": "two"}.items()
}


def test_a_conversation_stays_in_its_arm(world: Any) -> None:
    """A trial of two arms does not change a conversation's voice in the middle."""
    lots = itertools.cycle((0.1, 0.9))
    world.lots = lambda: next(lots)
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 1, "b/y": 1}}})
    arms = {session: {world.served_by(router, session=session) for _ in range(6)} for session in map(str, range(40))}
    assert all(len(arm) == 1 for arm in arms.values())
    assert len(set().union(*arms.values())) == 2


def test_a_conversation_comes_back(world: Any) -> None:
    """A session goes to who answered it, as long as that one may be asked; then to whoever answers, and stays there."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y", "c/z"]}})
    lots = itertools.cycle((0.0, 0.5, 0.9))
    world.lots = lambda: next(lots)
    home = world.served_by(router, session="s")
    assert {world.served_by(router, session="s") for _ in range(6)} == {home}
    world.scripts = {home: [OverloadedError("busy")]}
    other = world.served_by(router, session="s")
    assert other != home
    world.now += 31  # the first one has rested
    assert world.served_by(router, session="s") == other


def test_openings_count_where_a_cache_is_seen(world: Any) -> None:
    """Callers that say no session are kept together only once the vendor's cache holds their prompt."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    lots = itertools.cycle((0.0, 0.6))
    world.lots = lambda: next(lots)
    assert {world.served_by(router) for _ in range(4)} == {"a/x", "b/y"}
    cached = UsageReported(Usage(100, 1, cache_read_tokens=90))
    world.scripts = {name: lambda: (cached, TextDelta("a"), Finish("stop")) for name in ("a/x", "b/y")}
    home = world.served_by(router)
    assert {world.served_by(router) for _ in range(4)} == {home}
    assert {world.served_by(router, user="another") for _ in range(1)} | {home} == {"a/x", "b/y"}


@pytest.mark.parametrize(
    "given",
    [
        {"parameters": {"prompt_cache_key": "k"}},
        {"parameters": {"cache_key": "k"}},
        {"provider_options": {"scripted": {"prompt_cache_key": "k"}}},
        {"session": "k"},
    ],
)
def test_a_key_of_the_vendors_cache_is_a_conversation(world: Any, given: Any) -> None:
    """Calls that name one come back to who has their prompt; it goes on to who takes it, and elsewhere it is told."""
    world.lots = itertools.cycle([0.0, 0.6, 0.3, 0.9]).__next__
    tall = ProviderInfo(
        name="scripted",
        target="nowhere:Nothing",
        capabilities=("chat", "stream"),
        parameters=(ParameterSupport("prompt_cache_key", "session_id"),),
    )
    router = world.router({"r": {"strategy": "weighted", "targets": ["a/x", "b/y"]}}, infos={"a": tall, "b": tall})
    assert len({world.served_by(router, **given) for _ in range(6)}) == 1
    if "parameters" in given:
        assert {request.parameter("prompt_cache_key") for request in world.requests} == {"k"}


def test_sealed_thoughts_stay_at_home(world: Any) -> None:
    """In an open tool loop only those are asked who can read the thoughts in it; afterwards anybody."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert world.served_by(router, messages=signed("two")) == "b/y"
    assert world.served_by(router, messages=[*signed("two"), Message.assistant("so"), Message.user("and?")]) == "a/x"
    drop = world.router({"r": {"targets": ["a/x", "b/y"], "continuity": "drop"}}, infos=INFOS)
    assert world.served_by(drop, messages=signed("two")) == "a/x"


def test_accounts_of_one_vendor_read_their_own(world: Any) -> None:
    """A thought that one account of a vendor has sealed goes to that account, and not to another one of the vendor."""
    router = world.router({"r": {"targets": ["b/y", "c/z"]}}, infos=INFOS)
    world.scripts = {
        "b/y": [OverloadedError("busy")],
        "c/z": [(ReasoningDelta("hm"), PartEnd({"two": {"signature": "of c"}}), TextDelta("so"), Finish("stop"))],
    }
    answer = world.chat(router).message
    world.now += 60
    loop = [Message.user("go"), answer, Message.tool("1", "done")]
    assert world.served_by(router, messages=loop) == "c/z"
    assert world.served_by(router, messages=signed("two")) == "b/y"  # of an account that nobody knows
    world.scripts = {"c/z": [OverloadedError("busy")] * 9}
    with pytest.raises(OverloadedError) as caught:
        world.served_by(router, messages=loop)
    assert ("b/y", "refused") in {(attempt.target, attempt.outcome) for attempt in caught.value.attempts}


def test_readable_reasoning_is_for_anybody(world: Any) -> None:
    """A thought in plain words binds nobody, so that an outage does not end the loop."""
    world.scripts = {"a/x": [RateLimitedError("slow")]}
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert world.served_by(router, messages=signed("one", "field")) == "b/y"


def test_what_is_kept_elsewhere(world: Any) -> None:
    """An id of an earlier answer, or of a file, is asked of nobody but who gave it."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert world.served_by(router, provider_options={"two": {"previous_response_id": "r1"}}) == "b/y"


def test_a_prompt_that_is_kept_for_an_hour(world: Any) -> None:
    """A conversation is remembered for as long as its prompt stays in the vendor's cache."""
    lots = itertools.cycle((0.0, 0.6))
    world.lots = lambda: next(lots)
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    kept = [Message.user(TextPart("hello", {"claude": {"cache_control": {"type": "ephemeral", "ttl": "1h"}}}))]
    for messages, life in (("hello", 300), (kept, 3600)):
        home = world.served_by(router, messages=messages, session=f"s{life}")
        for seconds in (life - 1, life - 1):  # each use prolongs it
            world.now += seconds
            assert world.served_by(router, messages=messages, session=f"s{life}") == home
        known = router.knowledge.affinity.child("r", f"session:s{life}", world.now + life - 1)
        assert known == ("a/x", "b/y").index(home)
        assert router.knowledge.affinity.child("r", f"session:s{life}", world.now + life) is None


def test_as_many_conversations_as_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those unused for longest are forgotten first."""
    monkeypatch.setattr("airouter_router.affinity.MOST", 2)
    affinity = Affinity()
    for key in ("first", "second", "first", "third"):
        affinity.remember("r", key, 1, 0.0)
    assert [affinity.child("r", key, 1.0) for key in ("first", "second", "third")] == [1, None, 1]


def test_as_many_sealed_thoughts_as_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The eldest is forgotten first."""
    monkeypatch.setattr("airouter_router.continuity.MOST_ORIGINS", 2)
    origins = Origins()
    for word in ("one", "two", "three"):
        origins.remember(Message.assistant(ReasoningPart("hm", {"v": {"signature": word}})), f"account of {word}")
    accounts = [origins.account(f"signature={word}") for word in ("one", "two", "three")]
    assert accounts == [None, "account of two", "account of three"]


@pytest.mark.parametrize(
    ("part", "who"),
    [
        (ProviderPart("two", {"type": "x", "encrypted_content": "sealed"}), "b/y"),
        (ProviderPart("two", {"type": "x", "encrypted_content": ""}), "a/x"),
        (ProviderPart("two", {"type": "x"}), "a/x"),
        (ToolCallPart("1", "f", "{}", {"two": {"thought_signature": "sealed"}}), "b/y"),
        (ToolCallPart("1", "f", "{}", {"two": {"field": "open"}}), "a/x"),
    ],
)
def test_where_a_thought_may_be_sealed(world: Any, part: Any, who: str) -> None:
    """In a part of the provider's own, or beside a call of a tool; what only looks like it binds nobody."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    loop = [Message.user("go"), Message.assistant(part, ToolCallPart("1", "f", "{}")), Message.tool("1", "done")]
    assert world.served_by(router, messages=loop) == who
    assert world.served_by(router, messages=[*loop, Message.assistant("so"), Message.user("and?")]) == "a/x"


def test_a_file_that_is_kept_by_a_provider(world: Any) -> None:
    """A file that is named by the id it has there is asked of nobody else; one that is sent along is for anybody."""
    infos = {name: msgspec.structs.replace(info, capabilities=("chat", "documents")) for name, info in INFOS.items()}
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=infos)
    there = FilePart("application/pdf", provider_metadata={"two": {"file_id": "f1"}})
    assert world.served_by(router, messages=[Message.user(there, "what is it?")]) == "b/y"
    along = FilePart("application/pdf", data=b"words", provider_metadata={"two": {"file_id": "f1"}})
    assert world.served_by(router, messages=[Message.user(along, "what is it?")]) == "a/x"
