"""A ``config.yaml`` of LiteLLM's proxy, as its documentation describes it in November 2026 (version 1.110)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import Plugins

from .taken import Taken

STRATEGIES = {
    "simple-shuffle": "weighted",
    "latency-based-routing": "fastest",
    "least-busy": "least_busy",
    "cost-based-routing": "cheapest",
    "usage-based-routing": "least_busy",
    "usage-based-routing-v2": "least_busy",
}
KEPT = {"model", "api_key", "api_base", "base_url", "rpm", "tpm", "weight", "order", "max_parallel_requests", "timeout",
        "aws_region_name"}  # fmt: skip
SETTINGS = {"routing_strategy", "num_retries", "cooldown_time", "fallbacks", "context_window_fallbacks",
            "content_policy_fallbacks", "default_fallbacks", "timeout", "request_timeout",
            "model_group_alias"}  # fmt: skip
MOVES_ON = ["transient", "rate_limit", "quota", "credential", "model_access", "model_gone", "unknown"]
"""LiteLLM goes to a fallback after any error; of those, what the caller has done wrong is left out here, and told."""
BOUNDS: tuple[str, ...] = ("attempts", "on", "deadline")
"""Words of a route that do not come along where another route leads to it."""
RETRIES = 2
"""As its router makes them unless told otherwise (constants.py)."""


def taken_over(config: Mapping[str, Any], plugins: Plugins) -> Taken:
    """Groups of deployments as routes.

    Raises:
        ConfigurationError: it has no ``model_list``.
    """
    models = config.get("model_list")
    if not isinstance(models, list) or not all(isinstance(entry, Mapping) for entry in models):
        raise ConfigurationError("this is no settings file of LiteLLM: it has no list model_list")
    taken = Taken()
    settings = {**(config.get("litellm_settings") or {}), **(config.get("router_settings") or {})}
    for name in sorted(set(settings) - SETTINGS):
        taken.lose(f"the setting {name}")
    for name in sorted(set(config) - {"model_list", "litellm_settings", "router_settings"}):
        taken.lose(f"the section {name}")
    groups: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for entry in models:
        group = str(entry.get("model_name"))
        params = entry.get("litellm_params") or {}
        if address := _target(group, params, settings, taken, plugins):
            groups.setdefault(group, []).append((address, params))
    strategy = str(settings.get("routing_strategy", "simple-shuffle"))
    if strategy not in STRATEGIES or "usage" in strategy:
        taken.lose(f"the strategy {strategy}; {STRATEGIES.get(strategy, 'weighted')} was put in its place")
    for group, members in groups.items():
        _route(group, members, STRATEGIES.get(strategy, "weighted"), settings, taken)
    _fall_back(settings, taken)
    _name_again(settings.get("model_group_alias") or {}, taken)
    return taken


def _target(
    group: str, params: Mapping[str, Any], settings: Mapping[str, Any], taken: Taken, plugins: Plugins
) -> str | None:
    provider, slash, model = str(params.get("model", "")).partition("/")
    if not slash:
        provider, model = ("claude" if provider.startswith("claude") else "openai"), provider
        taken.lose(f"{group}: {model!r} names no provider; {provider} was taken")
    if "*" in group or "*" in model:
        taken.lose(f"{group}: wildcards")
        return None
    for name in sorted(set(params) - KEPT):
        taken.lose(f"{group}: {name}")
    address = params.get("api_base") or params.get("base_url")
    given = {
        "api_key": taken.key(params.get("api_key"), group, address),
        "base_url": address,
        "region": params.get("aws_region_name"),
        "timeout": params.get("timeout"),
    }
    account = taken.account(provider, {name: value for name, value in given.items() if value}, plugins, group)
    limits = {
        "rpm": params.get("rpm"),
        "tpm": params.get("tpm"),
        "in_flight": params.get("max_parallel_requests"),
        "cooldown": settings.get("cooldown_time", 5),
    }
    taken.targets[f"{account}/{model}"] = {name: _number(value) for name, value in limits.items() if value is not None}
    return f"{account}/{model}"


def _name_again(aliases: Mapping[str, Any], taken: Taken) -> None:
    """Other names for groups are routes that lead to them."""
    for alias, group in aliases.items():
        name = group.get("model") if isinstance(group, Mapping) else group
        known = taken.routes.get(str(name))
        if known is None or alias in taken.routes:
            taken.lose(f"the alias {alias} for {name}")
            continue
        bounds = {word: known[word] for word in BOUNDS if word in known}
        taken.routes[alias] = {"targets": [f"route:{name}"], **bounds}


def _number(value: Any) -> Any:
    """A number, also where it stands in quotes."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def _route(
    group: str, members: list[tuple[str, Mapping[str, Any]]], strategy: str, settings: Mapping[str, Any], taken: Taken
) -> None:
    levels: dict[int, list[tuple[str, Mapping[str, Any]]]] = {}
    for address, params in members:
        levels.setdefault(int(params.get("order", 0)), []).append((address, params))
    names = []
    for number, level in sorted(levels.items()):
        name = group if len(levels) == 1 else f"{group}-order-{number}"
        taken.routes[name] = _level(level, strategy)
        names.append(name)
    if len(levels) > 1:
        taken.routes[group] = {"targets": [f"route:{name}" for name in names]}
    route = taken.routes[group]
    route["attempts"] = int(settings.get("num_retries", RETRIES)) + 1
    if timeout := settings.get("timeout") or settings.get("request_timeout"):
        route["deadline"] = timeout
        taken.lose("timeout holds for each attempt there, and for all of them here (deadline)")


def _level(level: list[tuple[str, Mapping[str, Any]]], strategy: str) -> dict[str, Any]:
    targets = list(dict.fromkeys(address for address, _ in level))
    if len(targets) == 1:
        return {"targets": targets}
    table: dict[str, Any] = {"strategy": strategy, "targets": targets}
    for word in ("weight", "rpm", "tpm") if strategy == "weighted" else ():
        given = {address: params[word] for address, params in level if params.get(word)}
        if given:
            table["weights"] = [given.get(address, 0) for address in targets]
            break
    return table


def _fall_back(settings: Mapping[str, Any], taken: Taken) -> None:
    chains: dict[str, list[str]] = {}
    words: dict[str, list[str]] = {}
    for key, word in (
        ("fallbacks", None),
        ("context_window_fallbacks", "context"),
        ("content_policy_fallbacks", "content"),
    ):
        for entry in settings.get(key) or ():
            for group, others in entry.items():
                chains.setdefault(group, []).extend(others)
                words.setdefault(group, list(MOVES_ON if settings.get("fallbacks") else ())).extend(
                    [word] if word else []
                )
                if word:
                    taken.lose(f"{group}: fallbacks of {key} stand in one chain with the others")
    for group in taken.routes if settings.get("default_fallbacks") else ():
        if "-order-" not in group and group not in chains:
            chains[group] = [name for name in settings["default_fallbacks"] if name != group]
    _chained({group: others for group, others in chains.items() if group in taken.routes}, words, taken)


def _chained(chains: dict[str, list[str]], words: dict[str, list[str]], taken: Taken) -> None:
    """A group with its fallbacks, each of which is asked as itself, without fallbacks of its own, so that no circle is
    made.
    """
    for group in chains:
        own = taken.routes[group]
        taken.routes[f"{group}-alone"] = {
            name: value for name, value in own.items() if name not in ("attempts", "deadline")
        }
    for group, others in chains.items():
        known = [other for other in dict.fromkeys(others) if other in taken.routes]
        for other in set(others) - set(known):
            taken.lose(f"{group}: the fallback {other!r} is no model of the list")
        parts = [f"route:{other}-alone" if other in chains else f"route:{other}" for other in known]
        own = taken.routes[group]
        taken.routes[group] = {
            "targets": [f"route:{group}-alone", *parts],
            "attempts": own["attempts"] + len(parts),
            "on": sorted({*words.get(group, MOVES_ON), "transient", "rate_limit"}),
            **({"deadline": own["deadline"]} if "deadline" in own else {}),
        }
        taken.lose(f"{group}: calls that the caller has made wrong go to no fallback")
