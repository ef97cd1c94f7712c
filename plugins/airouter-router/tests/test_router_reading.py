"""What is wrong with a route is said when the router is made."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core import create_provider, validate_provider_config
from airouter_core.errors import ConfigurationError
from airouter_router.routes import Canary, First, Route, Target, Weighted, targets_of

ENTRY = {"if": {"needs": "tools"}, "targets": ["b/y"]}


@pytest.mark.parametrize(
    ("route", "message"),
    [
        ({}, "has no targets"),
        ({"targets": ["x"]}, "a target is PROVIDER/MODEL"),
        ({"targets": ["z/x"]}, "there is no provider 'z'"),
        ({"targets": ["a/x", "a/x"]}, "names a target twice"),
        ({"targets": ["a/x"], "strategie": "first"}, "did you mean 'strategy'"),
        ({"targets": ["a/x"], "strategy": "frist"}, "did you mean 'first'"),
        ({"targets": ["a/x"], "attempts": 0}, "attempts must be greater than 0"),
        ({"targets": ["a/x"], "deadline": "soon"}, "deadline must be a number"),
        ({"targets": ["a/x"], "on": ["transiant"]}, "did you mean 'transient'"),
        ({"targets": ["route:r"]}, "lead in a circle: r → r"),
        ({"targets": ["route:q"]}, "there is no route 'q'"),
        ({"targets": ["a/x"], "strategy": "weighted", "weights": [0]}, "one of them above it"),
        ({"targets": ["a/x"], "weights": [1]}, "weights are for the strategy 'weighted'"),
        ({"targets": ["a/x"], "strategy": "weighted", "weights": [1, 2]}, "2 weights for 1 targets"),
        ({"targets": ["a/x"], "strategy": "when"}, "needs entries"),
        ({"when": [{"if": {"tokens_ovr": 1}, "targets": ["a/x"]}]}, "did you mean 'tokens_over'"),
        ({"when": [{"if": {"needs": "magic"}, "targets": ["a/x"]}]}, "needs are"),
        ({"when": [{"if": {"hour": "25-3"}, "targets": ["a/x"]}]}, "hour is"),
        ({"when": [{"if": {"hour": [3, 24]}, "targets": ["a/x"]}]}, "hour is"),
        ({"when": [{"if": {"hour": []}, "targets": ["a/x"]}]}, "hour is"),
        ({"when": [{"if": {"hour": 7.5}, "targets": ["a/x"]}]}, "hour is"),
        ({"when": [{"if": {"use": 3}, "targets": ["a/x"]}]}, "use is a word or a list of words, not 3"),
        ({"when": [{"if": {"use": [""]}, "targets": ["a/x"]}]}, "use is a word or a list of words"),
        ({"when": [{"if": {"tokens_over": -1}, "targets": ["a/x"]}]}, "tokens_over is a number of tokens, not -1"),
        ({"when": [{"if": {"tokens_over": True}, "targets": ["a/x"]}]}, "tokens_over is a number of tokens"),
        ({"when": [{"if": {"tag": "blue"}, "targets": ["a/x"]}]}, 'tag is "NAME=VALUE" or a table of texts'),
        ({"when": [{"if": {"tag": {"team": 3}}, "targets": ["a/x"]}]}, "or a table of texts"),
        ({"when": {"if": {"needs": "tools"}}}, "a list is needed"),
        ({"when": [{"if": {"budget_used_over": 1}, "targets": ["a/x"]}]}, "refuses the call before any route"),
        ({"when": [{"if": {}, "targets": ["a/x"]}]}, "`if` is a table"),
        ({"when": [ENTRY, {**ENTRY, "if": {"needs": ["tools", "vision"]}}]}, "entry 1 holds wherever it does"),
        (
            {
                "when": [
                    {"if": {"tokens_over": 100}, "targets": ["a/x"]},
                    {"if": {"tokens_over": 200, "use": "code"}, "targets": ["b/y"]},
                ]
            },
            "when 2 can never be reached",
        ),
    ],
)
def test_wrong_routes(world: Any, route: Any, message: str) -> None:
    """The message names the place, and what is allowed or was meant."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        world.router({"r": route})
    assert "r" in str(caught.value)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ({"a/z": {"rpm": 1}}, r"target of no route; did you mean 'a/x'"),
        ({"a/x": {"rmp": 1}}, "did you mean 'rpm'"),
        ({"a/x": {"rpm": 0}}, "greater than 0"),
        ({"a/x": {"max_price": {"inputs": 1}}}, "did you mean 'input'"),
        ({"a/x": 3}, "is a table"),
    ],
)
def test_wrong_targets(world: Any, targets: Any, message: str) -> None:
    """So with what is said of targets: a limit that is misspelt would be none."""
    with pytest.raises(ConfigurationError, match=message):
        world.router({"r": {"targets": ["a/x"]}}, targets)


def test_a_circle_of_three(world: Any) -> None:
    """Circles are found however long they are."""
    routes = {name: {"targets": [f"route:{following}"]} for name, following in zip("pqr", "qrp", strict=True)}
    with pytest.raises(ConfigurationError, match="in a circle"):
        world.router(routes)


def test_routes_as_values(world: Any) -> None:
    """A tree may be written in Python, nodes within nodes."""
    tree = First("a/x", Weighted({"b/y": 3, "c/z/with/slashes": 1}))
    router = world.router({"r": Route("", tree, attempts=2), "s": tree})
    assert [*targets_of(router.routes["r"].tree)] == [
        Target("a", "x"),
        Target("b", "y"),
        Target("c", "z/with/slashes"),
    ]
    assert router.routes["r"].attempts == 2
    assert router.routes["s"].tree.label == "s"


def test_created_by_name_and_alias() -> None:
    """It is made as any provider is, and holds no target to retries of its own."""
    config = {
        "providers": {"main": {"provider": "openai", "api_key": "sk-planted", "max_retries": 5}},
        "routes": {"chat": {"targets": ["main/gpt-5"]}},
    }
    with create_provider("route", config) as router:
        assert router.info.name == "router"
        assert [model.id for model in router.list_models()] == ["chat"]
        inner = router.target_provider("main")  # type: ignore[attr-defined]
        assert inner.config.max_retries == 0
        assert inner.identity.kept_as == "main"
        assert "sk-planted" not in repr(router.config)


@pytest.mark.parametrize(
    "providers",
    [{"main": 3}, {"main": {"provider": "router"}}, {"nobody-knows": {}}],
    ids=["no table", "router", "unknown"],
)
def test_wrong_providers(providers: Any) -> None:
    """A provider that cannot be made is named when the router is."""
    with pytest.raises(ConfigurationError):
        create_provider("router", {"providers": providers, "routes": {}})


def test_validation_needs_no_network() -> None:
    """A configuration of the right kinds is a good one."""
    assert validate_provider_config("router", {"routes": {}}) == (True, None)
    assert validate_provider_config("router", {"rutes": {}})[0] is False


def test_weights_by_address(world: Any) -> None:
    """Weights may be a table; who is not in it has 1, and who is no target is no key of it."""
    route = {"strategy": "weighted", "targets": ["a/x", "b/y"], "weights": {"b/y": 3}}
    assert world.router({"r": route}).routes["r"].tree.weights == (1, 3)
    with pytest.raises(ConfigurationError, match=r"takes no 'b/z'; did you mean 'b/y'"):
        world.router({"r": {**route, "weights": {"b/z": 3}}})


def test_a_trial_as_a_value(world: Any) -> None:
    """Of all conversations the share that is given is asked of the trial, and the others of the usual."""
    router = world.router({"r": Canary("a/x", "b/y", 0.25)})
    served = [world.chat(router, messages=f"question {number}").served_by for number in range(400)]
    assert 70 < served.count("b/y") < 130
    assert served.count("a/x") + served.count("b/y") == 400
