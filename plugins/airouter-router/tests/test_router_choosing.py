"""Who is preferred: strategies, conditions, limits, statistics, conversations; and what is told of it beforehand."""

from __future__ import annotations

import collections
import itertools
import threading
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from airouter_core.errors import OverloadedError, RateLimitedError, UnsupportedFeatureError
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.asking import ask_of
from airouter_core.values.catalog import ModelInfo, Pricing
from airouter_core.values.events import Finish, PartEnd, ReasoningDelta, TextDelta, UsageReported
from airouter_core.values.messages import FilePart, Message, ReasoningPart, ToolCallPart
from airouter_core.values.tools import Tool
from airouter_core.values.usage import Usage
from airouter_router.limits import Lease, Leases
from airouter_router.reading import Limits
from airouter_router.routes import Target

X = Target("a", "x")
LONG = "word " * 400


def asked(world: Any, router: Any, model: str = "r", messages: Any = "hello", **fields: Any) -> str:
    """Who answers an ask that has further fields."""
    ask = msgspec.structs.replace(ask_of(model, messages), **fields)
    return world.drive(router.flow_of(ask), lambda events: None, None).served_by


def test_weights_by_exact_counts(world: Any) -> None:
    """Of lots that fall evenly, each target draws its share."""
    lots = itertools.cycle(number / 8 for number in range(8))
    world.lots = lambda: next(lots)
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 5, "b/y": 2, "c/z": 1, "d/w": 0}}})
    counts = collections.Counter(asked(world, router, messages=f"{number}") for number in range(80))
    assert counts == {"a/x": 50, "b/y": 20, "c/z": 10}


def test_a_sibling_is_asked_when_the_one_drawn_fails(world: Any) -> None:
    """A lot decides who is first, not who is alone; one of weight 0 is never asked."""
    world.scripts = {"a/x": [OverloadedError("busy")]}
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 5, "b/y": 1, "c/z": 0}}})
    assert asked(world, router) == "b/y"


def test_a_conversation_stays_in_its_arm(world: Any) -> None:
    """A trial of two arms does not change a conversation's voice in the middle."""
    lots = itertools.cycle((0.1, 0.9))
    world.lots = lambda: next(lots)
    router = world.router({"r": {"strategy": "weighted", "targets": {"a/x": 1, "b/y": 1}}})
    arms = {session: {asked(world, router, session=session) for _ in range(6)} for session in map(str, range(40))}
    assert all(len(arm) == 1 for arm in arms.values())
    assert len(set().union(*arms.values())) == 2


def test_the_cheapest_whose_price_is_known(world: Any) -> None:
    """Prices order; what is unknown is not free, and comes last."""
    prices = {"a/x": {"input": 3, "output": 15}, "c/z": {"input": 1, "output": 2}}
    router = world.router({"r": {"strategy": "cheapest", "targets": ["a/x", "b/y", "c/z"]}}, prices=prices)
    assert [item.target for item in router.plan(ask_of("r", "hello")).candidates] == ["c/z", "a/x", "b/y"]
    assert asked(world, router) == "c/z"


def test_a_local_model_is_not_dear(world: Any) -> None:
    """A model of one's own machine costs nothing, and not the most because nobody lists its price."""
    local = ProviderInfo(name="home", target="nowhere:Nothing", kind="local", capabilities=("chat", "stream"))
    router = world.router(
        {"r": {"strategy": "cheapest", "targets": ["a/x", "b/y"]}},
        prices={"a/x": {"input": 1, "output": 1}},
        infos={"b": local},
    )
    assert asked(world, router) == "b/y"


def test_a_price_ceiling_refuses(world: Any) -> None:
    """Too dear, or of unknown price where there is a ceiling, is not asked."""
    targets = {"a/x": {"max_price": {"output": 10}}, "b/y": {"max_price": {"input": 5}}}
    router = world.router(
        {"r": {"targets": ["a/x", "b/y", "c/z"]}}, targets, prices={"a/x": {"input": 3, "output": 15}}
    )
    reasons = [item.refused for item in router.plan(ask_of("r", "hello")).candidates]
    assert reasons[0] == "output costs more than 10 dollars a million ([prices])"
    assert "is not known" in reasons[1]
    assert reasons[2] is None
    assert asked(world, router) == "c/z"


def test_the_fastest_is_the_one_that_begins_first(world: Any) -> None:
    """A slow starter with many words loses; a failure is no fast success; who is not known is tried first."""
    world.scripts = {
        "a/x": lambda: (4, *(TextDelta("w") for _ in range(50)), Finish("stop")),
        "b/y": lambda: (1, TextDelta("w"), 9, Finish("stop")),
        "c/z": lambda: OverloadedError("busy"),
    }
    router = world.router(
        {"r": {"strategy": "fastest", "targets": ["a/x", "b/y", "c/z"], "session": "off"}}, {"c/z": {"cooldown": 5000}}
    )
    first = [world.chat(router).served_by for _ in range(6)]
    assert set(first) == {"a/x", "b/y"}
    assert [world.chat(router).served_by for _ in range(3)] == ["b/y"] * 3
    assert router.knowledge.statistics.median(Target("b", "y"), world.now, stream=True) == 1.0
    assert router.knowledge.statistics.median(Target("c", "z"), world.now, stream=True) is None


def test_the_least_busy_counts_calls_under_way(world: Any) -> None:
    """What counts is who is at work now, not who has finished little."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    held = [router.knowledge.leases.take(X, 0, 0.0) for _ in range(2)]
    assert asked(world, router) == "b/y"
    other = [router.knowledge.leases.take(Target("b", "y"), 0, 0.0) for _ in range(3)]
    assert asked(world, router) == "a/x"
    for lease in held + other:
        lease.give_back()
    assert router.knowledge.leases.busy == {}


@pytest.mark.parametrize(
    ("condition", "fields", "messages"),
    [
        ({"tokens_over": 300}, {}, LONG),
        ({"use": ["code", "maths"]}, {"tags": {"use": "maths"}}, "hi"),
        ({"tag": "team=blue"}, {"tags": {"team": "blue"}}, "hi"),
        ({"budget_used_over": 0.8}, {"tags": {"budget:team": "0.8500"}}, "hi"),
        ({"budget": ["team", "mine"]}, {"tags": {"budget:team": "0.1"}}, "hi"),
        ({"budget": "*", "budget_used_over": 0}, {"tags": {"budget:team": "0.1"}}, "hi"),
        ({"budget_used_over": {"team": 0.8}}, {"tags": {"budget:team": "0.8001", "budget:other": "0"}}, "hi"),
        ({"needs": "tools"}, {"tools": (Tool("f", "d", {}),)}, "hi"),
        ({"needs": "vision"}, {}, [Message.user(FilePart("image/png", data=b"x"))]),
        ({"needs": "reasoning"}, {"parameters": {"reasoning_effort": "low"}}, "hi"),
        ({"hour": "22-6"}, {}, "hi"),
    ],
)
def test_conditions(world: Any, condition: Any, fields: Any, messages: Any) -> None:
    """Each holds where it should, and nowhere else."""
    tall = ProviderInfo(
        name="tall",
        target="nowhere:Nothing",
        capabilities=("chat", "stream", "tools", "vision", "reasoning"),
        parameters=(ParameterSupport("reasoning_effort", "effort"),),
    )
    routes = {"r": {"targets": ["a/x"], "when": [{"if": condition, "targets": ["b/y"]}]}}
    router = world.router(routes, infos={"a": tall, "b": tall})
    world.hour = 23 if "hour" in condition else 12
    assert asked(world, router, messages=messages, **fields) == "b/y"
    world.hour = 12
    assert asked(world, router, messages="hi") == "a/x"


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


def test_a_conversation_comes_back(world: Any) -> None:
    """A session goes to who answered it, as long as that one may be asked; then to whoever answers, and stays there."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y", "c/z"]}})
    lots = itertools.cycle((0.0, 0.5, 0.9))
    world.lots = lambda: next(lots)
    home = asked(world, router, session="s")
    assert {asked(world, router, session="s") for _ in range(6)} == {home}
    world.scripts = {home: [OverloadedError("busy")]}
    other = asked(world, router, session="s")
    assert other != home
    world.now += 31  # the first one has rested
    assert asked(world, router, session="s") == other


def test_openings_count_where_a_cache_is_seen(world: Any) -> None:
    """Callers that say no session are kept together only once the vendor's cache holds their prompt."""
    router = world.router({"r": {"strategy": "least_busy", "targets": ["a/x", "b/y"]}})
    lots = itertools.cycle((0.0, 0.6))
    world.lots = lambda: next(lots)
    assert {asked(world, router) for _ in range(4)} == {"a/x", "b/y"}
    cached = UsageReported(Usage(100, 1, cache_read_tokens=90))
    world.scripts = {name: lambda: (cached, TextDelta("a"), Finish("stop")) for name in ("a/x", "b/y")}
    home = asked(world, router)
    assert {asked(world, router) for _ in range(4)} == {home}
    assert {asked(world, router, user="another") for _ in range(1)} | {home} == {"a/x", "b/y"}


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


def test_sealed_thoughts_stay_at_home(world: Any) -> None:
    """In an open tool loop only those are asked who can read the thoughts in it; afterwards anybody."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert asked(world, router, messages=signed("two")) == "b/y"
    assert asked(world, router, messages=[*signed("two"), Message.assistant("so"), Message.user("and?")]) == "a/x"
    drop = world.router({"r": {"targets": ["a/x", "b/y"], "continuity": "drop"}}, infos=INFOS)
    assert asked(world, drop, messages=signed("two")) == "a/x"


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
    assert asked(world, router, messages=loop) == "c/z"
    assert asked(world, router, messages=signed("two")) == "b/y"  # of an account that nobody knows
    world.scripts = {"c/z": [OverloadedError("busy")] * 9}
    with pytest.raises(OverloadedError) as caught:
        asked(world, router, messages=loop)
    assert ("b/y", "refused") in {(attempt.target, attempt.outcome) for attempt in caught.value.attempts}


MODELS = {
    "a": [ModelInfo(id="x", name="x", provider="a", context_length=100)],
    "b": [
        ModelInfo(id="y", name="y", provider="b", context_length=9000, input_modalities=("text", "image")),
        ModelInfo(id="z", name="z", provider="b", context_length=9000, capabilities=("chat",)),
    ],
}
KNOWN = {"r": {"targets": ["a/x", "b/z", "b/y", "c/w"], "require": "known"}}


def test_lists_of_models_tell_who_fits(world: Any) -> None:
    """Where it must be known, context and abilities come from the providers' own lists, asked for once an hour."""
    world.models = dict(MODELS)
    router = world.router(KNOWN)
    assert asked(world, router) == "a/x"
    assert asked(world, router, messages=LONG) == "b/z"
    picture = [Message.user(FilePart("image/png", data=b"x"), "what is it?")]
    assert asked(world, router, messages=picture) == "b/y"
    assert sorted(world.listed) == ["a", "b", "c"]
    reasons = {item.target: item.refused for item in router.plan(ask_of("r", picture)).candidates}
    assert reasons["c/w"] == "whether its model can do vision is not known"  # c cannot tell
    world.now += 61
    asked(world, router)
    assert sorted(world.listed) == ["a", "b", "c", "c"]
    world.now += 3600
    asked(world, router)
    assert sorted(world.listed) == ["a", "a", "b", "b", "c", "c", "c"]


def test_lists_are_not_asked_for_in_vain(world: Any) -> None:
    """Nobody is asked for a list where it need not be known, or where the settings say it."""
    world.models = dict(MODELS)
    asked(world, world.router({"r": {"targets": ["a/x"]}}))
    said = {"a/x": {"context": 10_000, "capabilities": ["chat"]}}
    asked(world, world.router({"r": {"targets": ["a/x"], "require": "known"}}, said))
    assert world.listed == []


def test_listed_prices_count(world: Any) -> None:
    """A price in the provider's list is as good as one of a table; the user's own come first."""
    price = Pricing(prompt=Decimal("0.000001"), completion=Decimal("0.000002"))
    world.models = {"a": [ModelInfo(id="x", name="x", provider="a", context_length=10_000, pricing=price)]}
    response = world.chat(world.router({"r": {"targets": ["a/x"], "require": "known"}}))
    assert response.cost is not None
    assert (float(response.cost.amount), response.cost.source) == (2e-05, "the provider's list of models")


def test_readable_reasoning_is_for_anybody(world: Any) -> None:
    """A thought in plain words binds nobody, so that an outage does not end the loop."""
    world.scripts = {"a/x": [RateLimitedError("slow")]}
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert asked(world, router, messages=signed("one", "field")) == "b/y"


def test_what_is_kept_elsewhere(world: Any) -> None:
    """An id of an earlier answer, or of a file, is asked of nobody but who gave it."""
    router = world.router({"r": {"targets": ["a/x", "b/y"]}}, infos=INFOS)
    assert asked(world, router, provider_options={"two": {"previous_response_id": "r1"}}) == "b/y"


def test_a_plan_asks_nobody(world: Any) -> None:
    """The plan names each candidate, filter and cost, and the real call follows it."""
    targets = {"a/x": {"context": 5}}
    router = world.router({"r": {"targets": ["a/x", "b/y", "c/z"]}}, targets, prices={"b/y": {"input": 1, "output": 2}})
    world.scripts = {"b/y": [OverloadedError("busy")]}
    plan = router.plan(ask_of("r", LONG))
    assert world.asked == []
    assert [item.target for item in plan.candidates] == ["a/x", "b/y", "c/z"]
    text = plan.explain()
    assert "a/x  not asked: about" in text
    assert "at most" in text
    assert "cost unknown" in text
    response = world.chat(router, messages=LONG)
    assert [(attempt.target, attempt.outcome) for attempt in response.attempts] == [
        ("a/x", "refused"),
        ("b/y", "failed"),
        ("c/z", "complete"),
    ]
    assert router.plan(ask_of("r", LONG)).candidates[-1].resting == "transient"


def test_a_cost_from_the_table_has_its_source(world: Any) -> None:
    """Where the vendor reports no cost it is worked out, and says from what; unknown stays unknown."""
    router = world.router({"r": {"targets": ["a/x"]}}, prices={"a/x": {"input": 1, "output": 2}})
    cost = world.chat(router).cost
    assert cost is not None
    assert (float(cost.amount), cost.source) == (2e-05, "[prices]")
    assert world.chat(world.router({"r": {"targets": ["a/x"]}})).cost is None


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
    assert len({asked(world, router, **given) for _ in range(6)}) == 1
    if "parameters" in given:
        assert {request.parameter("prompt_cache_key") for request in world.requests} == {"k"}
