"""Settings of other programs become routes that do as they say, or the difference is told."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from airouter_core import create_provider
from airouter_core.cli import app
from airouter_core.errors import ConfigurationError
from airouter_router.routes import WORDS

LITELLM = """
model_list:
  - model_name: gpt
    litellm_params: {model: azure/gpt-eu, api_base: "https://eu.example", api_key: os.environ/AZURE_EU, rpm: 6}
  - model_name: gpt
    litellm_params: {model: azure/gpt-us, api_base: "https://us.example", api_key: sk-planted, rpm: 3}
  - model_name: big
    litellm_params: {model: anthropic/claude-sonnet-4-5, order: 1}
  - model_name: big
    litellm_params: {model: openai/gpt-5, order: 2, stream_timeout: 3}
router_settings:
  num_retries: 1
  cooldown_time: 7
  fallbacks: [{gpt: [big]}, {big: [gpt]}]
  redis_host: cache.example
general_settings: {master_key: sk-1234}
"""

PORTKEY = {
    "strategy": {"mode": "fallback", "on_status_codes": [429, 503]},
    "retry": {"attempts": 2},
    "cache": {"mode": "simple"},
    "targets": [
        {"provider": "openai", "api_key": "sk-planted", "override_params": {"model": "gpt-5"}},
        {
            "strategy": {"mode": "loadbalance"},
            "targets": [
                {"provider": "anthropic", "weight": 3, "override_params": {"model": "claude-sonnet-4-5"}},
                {"provider": "anthropic", "weight": 1, "override_params": {"model": "claude-haiku-4-5"}},
            ],
        },
    ],
}


def taken(path: Path, *options: str) -> dict[str, Any]:
    """What the command prints, read as a settings file."""
    result = CliRunner().invoke(app.app, ["routes", "import", str(path), *options])
    assert result.exit_code == 0, result.output + repr(result.exception)
    assert "sk-planted" not in result.output
    found = tomllib.loads(result.stdout)
    routes, targets = found.pop("routes"), found.pop("targets", {})
    used = {address.partition("/")[0] for route in routes.values() for address in route.get("targets", ())}
    for table in found.values():
        table["api_key"] = "k"  # of no use here; the references lead to variables that nobody has set
    create_provider("router", {"providers": found, "routes": routes, "targets": targets}).close()
    return {"routes": routes, "targets": targets, "providers": found, "lost": result.stdout, "used": used}


def test_a_settings_file_of_litellm(tmp_path: Path) -> None:
    """Groups become routes: shuffled by rpm, in their order, with fallbacks that lead in no circle."""
    pytest.importorskip("yaml", reason="reads YAML: pip install 'airouter-router[import]'")
    path = tmp_path / "config.yaml"
    path.write_text(LITELLM)
    found = taken(path, "--from", "litellm")
    routes = found["routes"]
    assert routes["gpt-alone"] == {
        "strategy": "weighted",
        "targets": ["azure/gpt-eu", "azure-1/gpt-us"],
        "weights": [6, 3],
    }
    assert routes["gpt"]["targets"] == ["route:gpt-alone", "route:big-alone"]
    assert routes["gpt"]["attempts"] == 3
    assert "quota" in routes["gpt"]["on"]
    assert routes["big-alone"]["targets"] == ["route:big-order-1", "route:big-order-2"]
    assert found["targets"]["azure/gpt-eu"] == {"rpm": 6, "cooldown": 7}
    for lost in ("redis_host", "general_settings", "stream_timeout", "the key was not copied"):
        assert lost in found["lost"]


def test_a_config_of_portkey(tmp_path: Path) -> None:
    """A tree of targets becomes a tree of routes, with classes for its status codes."""
    path = tmp_path / "portkey.json"
    path.write_text(json.dumps(PORTKEY))
    found = taken(path, "--from", "portkey", "--name", "chat")
    assert found["routes"]["chat"] == {
        "targets": ["openai/gpt-5", "route:chat-2"],
        "on": ["rate_limit", "transient"],
        "attempts": 4,
    }
    assert found["routes"]["chat-2"]["weights"] == [3, 1]
    assert "# not kept: chat: cache" in found["lost"]
    assert "here the others are asked next" in found["lost"]


def test_conditions_of_portkey(tmp_path: Path) -> None:
    """Conditions on metadata become conditions on tags; others are told of."""
    path = tmp_path / "portkey.json"
    conditions = [
        {"query": {"metadata.plan": {"$eq": "paid"}}, "then": "good"},
        {"query": {"params.temperature": {"$gt": 1}}, "then": "good"},
    ]
    targets = [{"name": "good", "provider": "openai"}, {"name": "cheap", "provider": "ollama"}]
    config = {"strategy": {"mode": "conditional", "conditions": conditions, "default": "cheap"}, "targets": targets}
    path.write_text(json.dumps(config))
    route = taken(path, "--from", "portkey", "--model", "m")["routes"]["imported"]
    assert route["when"] == [{"if": {"tag": {"plan": "paid"}}, "targets": ["openai/m"]}]
    assert route["targets"] == ["ollama/m"]


OFTEN = """
model_list:
  - model_name: home
    litellm_params: {model: openai/acme/tiny, api_base: "http://10.0.0.5:8000/v1", api_key: sk-planted, tpm: "900"}
  - model_name: aws
    litellm_params: {model: bedrock/anthropic.claude-sonnet-4-5-v1, aws_region_name: eu-west-1}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*"}
litellm_settings: {num_retries: 3, drop_params: true, default_fallbacks: [aws]}
router_settings:
  routing_strategy: usage-based-routing-v2
  model_group_alias: {small: home, large: {model: aws, hidden: true}, gone: nobody}
"""


def test_what_settings_files_of_litellm_often_have(tmp_path: Path) -> None:
    """Numbers in quotes, regions, other names for groups; a key of one's own server is not the vendor's."""
    pytest.importorskip("yaml", reason="reads YAML: pip install 'airouter-router[import]'")
    path = tmp_path / "config.yaml"
    path.write_text(OFTEN)
    result = CliRunner().invoke(app.app, ["routes", "import", str(path), "--from", "litellm"])
    found = tomllib.loads(result.stdout)
    # The key of the usual variable must not go to another address.
    assert found["openai"] == {"api_key": "set-me", "base_url": "http://10.0.0.5:8000/v1"}
    assert found["bedrock"]["region"] == "eu-west-1"
    assert found["targets"]["openai/acme/tiny"]["tpm"] == 900
    assert found["routes"]["small"]["targets"] == ["route:home"]
    assert found["routes"]["small"]["attempts"] == found["routes"]["home"]["attempts"]
    assert found["routes"]["large"]["targets"] == ["route:aws"]
    for lost in ("drop_params", "wildcards", "usage-based-routing-v2", "the alias gone for nobody", "'set-me'"):
        assert lost in result.stdout
    taken(path, "--from", "litellm")


def test_what_configs_of_portkey_often_have(tmp_path: Path) -> None:
    """Providers within the names of models, deployments, weights that are shares; what breaks a circuit is told of."""
    config = {
        "strategy": {"mode": "loadbalance", "cb_config": {"failure_threshold": 3}},
        "retry": {"attempts": 3, "on_status_codes": [429]},
        "targets": [
            {"override_params": {"model": "@openai/gpt-5", "top_p": 1}, "weight": 0.7},
            {"provider": "azure-openai", "deployment_id": "mine", "weight": 0.3},
        ],
    }
    path = tmp_path / "portkey.json"
    path.write_text(json.dumps(config))
    found = taken(path, "--from", "portkey")
    assert found["routes"]["imported"]["targets"] == ["openai/gpt-5", "azure/mine"]
    assert found["routes"]["imported"]["weights"] == [0.7, 0.3]
    for lost in ("strategy.cb_config", "retry.on_status_codes", "override_params top_p", "retries of the one target"):
        assert lost in found["lost"]


@pytest.mark.parametrize(
    ("source", "config"),
    [
        ("portkey", [1, 2]),
        ("portkey", {"targets": ["x"]}),
        ("portkey", {"targets": "x"}),
        ("portkey", {"strategy": [], "targets": [{"provider": "openai", "override_params": 3}]}),
        ("litellm", {"model_list": [{"model_name": "a", "litellm_params": 3}]}),
        ("litellm", {"model_list": [{"litellm_params": {"model": "a/b"}}], "router_settings": {"num_retries": "n"}}),
        ("litellm", "text"),
    ],
)
def test_what_is_no_config_is_told(tmp_path: Path, source: str, config: Any) -> None:
    """Whatever stands in a file, what is wrong with it is one line, and no traceback."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    result = CliRunner().invoke(app.app, ["routes", "import", str(path), "--from", source])
    assert isinstance(result.exception, ConfigurationError), result.exception
    assert "config" in str(result.exception) or "settings" in str(result.exception)


def test_groups_of_litellm_that_fall_back_for_a_reason(tmp_path: Path) -> None:
    """Models without a provider are known by their names; time and chains are kept as far as they can be."""
    config = {
        "model_list": [
            {"model_name": "small", "litellm_params": {"model": "gpt-4o-mini"}},
            {"model_name": "long", "litellm_params": {"model": "claude-sonnet-4-5"}},
        ],
        "router_settings": {
            "routing_strategy": "latency-based-routing",
            "request_timeout": 30,
            "context_window_fallbacks": [{"small": ["long", "gone"]}],
            "content_policy_fallbacks": [{"small": ["long"]}],
        },
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    found = taken(path, "--from", "litellm")
    assert found["routes"]["small-alone"] == {"targets": ["openai/gpt-4o-mini"]}
    small = found["routes"]["small"]
    assert (small["targets"], small["deadline"]) == (["route:small-alone", "route:long"], 30)
    assert small["on"] == ["content", "context", "rate_limit", "transient"]
    assert small["attempts"] == 4
    assert found["routes"]["long"] == {"targets": ["claude/claude-sonnet-4-5"], "attempts": 3, "deadline": 30}
    for lost in (
        "'gpt-4o-mini' names no provider; openai was taken",
        "'claude-sonnet-4-5' names no provider; claude was taken",
        "timeout holds for each attempt there",
        "small: fallbacks of context_window_fallbacks stand in one chain",
        "small: fallbacks of content_policy_fallbacks stand in one chain",
        "small: the fallback 'gone' is no model of the list",
    ):
        assert found["lost"].count(lost) == 1, lost


def test_a_group_of_litellm_that_is_not_shuffled(tmp_path: Path) -> None:
    """Where the quickest is asked, weights say nothing and are left out; without fallbacks there is no chain."""
    members = [{"model": f"openai/{name}", "weight": 2} for name in ("a", "b")]
    config = {
        "model_list": [{"model_name": "g", "litellm_params": params} for params in members],
        "router_settings": {"routing_strategy": "latency-based-routing"},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config))
    found = taken(path, "--from", "litellm")
    assert found["routes"] == {"g": {"strategy": "fastest", "targets": ["openai/a", "openai/b"], "attempts": 3}}


ONE = {"provider": "openai", "override_params": {"model": "gpt-5"}}


@pytest.mark.parametrize(
    ("config", "route"),
    [
        (ONE, {"targets": ["openai/gpt-5"]}),
        ({"targets": [ONE]}, {"targets": ["openai/gpt-5"], "attempts": 1}),
        (
            {"targets": [ONE], "request_timeout": 1500, "retry": {"attempts": 2}},
            {"targets": ["openai/gpt-5"], "attempts": 3, "deadline": 1.5},
        ),
        (
            {"strategy": {"mode": "fallback"}, "targets": [ONE, {"provider": "ollama", "deployment_id": "m"}]},
            {"targets": ["openai/gpt-5", "ollama/m"], "attempts": 2, "on": list(WORDS)},
        ),
        (
            {
                "strategy": {"mode": "fallback", "on_status_codes": [400, 408, 418, 500]},
                "targets": [ONE, {"provider": "ollama", "deployment_id": "m"}],
            },
            {"targets": ["openai/gpt-5", "ollama/m"], "attempts": 2, "on": ["caller_fault", "transient", "unknown"]},
        ),
    ],
    ids=["a target", "single", "time and retries", "after any failure", "after some"],
)
def test_small_configs_of_portkey(tmp_path: Path, config: Any, route: Any) -> None:
    """One target is a route of one; milliseconds become seconds, and status codes classes of failures."""
    path = tmp_path / "portkey.json"
    path.write_text(json.dumps(config))
    assert taken(path, "--from", "portkey")["routes"] == {"imported": route}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"strategy": {"mode": "luck"}, "targets": [ONE]}, "there is no mode 'luck'"),
        ({"targets": [{"provider": "openai"}]}, "names no model: say which with --model"),
        ({"targets": [{"override_params": {"model": "gpt-5"}}]}, "names no provider"),
    ],
)
def test_a_config_of_portkey_that_lacks_something(tmp_path: Path, config: Any, message: str) -> None:
    """What it lacks is said, and how it can be given."""
    path = tmp_path / "portkey.json"
    path.write_text(json.dumps(config))
    result = CliRunner().invoke(app.app, ["routes", "import", str(path), "--from", "portkey"])
    assert isinstance(result.exception, ConfigurationError)
    assert message in str(result.exception)
