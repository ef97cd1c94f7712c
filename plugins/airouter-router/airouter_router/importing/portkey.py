"""A config of Portkey's gateway, as its schema describes it (src/types/requestBody.ts of the open gateway)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import Plugins

from ..routes import WORDS
from .taken import Taken

CLASSES = {
    400: "caller_fault",
    401: "credential",
    402: "quota",
    403: "model_access",
    404: "model_gone",
    429: "rate_limit",
}
KEPT = {"provider", "virtual_key", "api_key", "custom_host", "weight", "override_params", "name", "strategy", "targets",
        "retry", "request_timeout", "deployment_id"}  # fmt: skip


STRATEGY = {"mode", "on_status_codes", "conditions", "default"}


class Reader:
    """Reads one config.

    Args:
        model: what is asked of targets that name no model.
    """

    def __init__(self, plugins: Plugins, model: str | None) -> None:
        self._plugins = plugins
        self._model = model
        self.taken = Taken()

    def read(self, config: Mapping[str, Any], name: str, *, is_inner: bool = False) -> str:
        """A node of the config; the address of what it has become."""
        for word in sorted(set(config) - KEPT):
            self.taken.lose(f"{name}: {word}")
        targets = config.get("targets")
        if not targets:
            return self._target(config, name)
        for word in sorted(set(config.get("strategy") or {}) - STRATEGY):
            self.taken.lose(f"{name}: strategy.{word}")
        if (config.get("retry") or {}).get("on_status_codes"):
            self.taken.lose(f"{name}: retry.on_status_codes; what may pass is tried again here, whatever its status")
        children = [self.read(child, f"{name}-{number}", is_inner=True) for number, child in enumerate(targets, 1)]
        table = self._node(config, targets, children, name, is_inner=is_inner)
        if not is_inner:
            retries = (config.get("retry") or {}).get("attempts", 0)
            table["attempts"] = retries + (
                len(children) if (config.get("strategy") or {}).get("mode") == "fallback" else 1
            )
        if timeout := config.get("request_timeout"):
            table["deadline"] = timeout / 1000
        self.taken.routes[name] = table
        return f"route:{name}"

    def _node(self, config: Any, targets: Any, children: list[str], name: str, *, is_inner: bool) -> dict[str, Any]:
        strategy = config.get("strategy") or {}
        match strategy.get("mode", "single"):
            case "single":
                return {"targets": children[:1]}
            case "fallback":
                return {"targets": children, "on": self._classes(strategy.get("on_status_codes"))}
            case "conditional":
                return self._conditional(strategy, targets, children, name)
            case "loadbalance":
                weights = [child.get("weight", 1) for child in targets]
                table = {"strategy": "weighted", "targets": children, "weights": weights}
                if not is_inner:
                    if config.get("retry"):
                        self.taken.lose(f"{name}: retries of the one target that loadbalance draws")
                    return {**table, "on": []}
                self.taken.lose(f"{name}: one target of loadbalance is drawn there; here the others are asked next")
                return table
            case other:
                raise ConfigurationError(f"{name}: there is no mode {other!r}")

    def _target(self, config: Mapping[str, Any], name: str) -> str:
        provider = str(config.get("provider") or config.get("virtual_key") or "")
        params = dict(config.get("override_params") or {})
        model = params.pop("model", None) or config.get("deployment_id") or self._model
        if isinstance(model, str) and model.startswith("@") and "/" in model:  # their short form of both
            provider, _, model = model.partition("/")
        if not provider or not model:
            missing = "model: say which with --model" if provider else "provider"
            raise ConfigurationError(f"{name} names no {missing}, and a target needs one")
        if params:
            self.taken.lose(f"{name}: override_params {', '.join(sorted(params))}")
        address = config.get("custom_host")
        given = {"api_key": self.taken.key(config.get("api_key"), name, address), "base_url": address}
        settings = {key: value for key, value in given.items() if value}
        return f"{self.taken.account(provider.lstrip('@'), settings, self._plugins, name)}/{model}"

    def _conditional(self, strategy: Any, targets: Any, children: list[str], name: str) -> dict[str, Any]:
        places = {target.get("name", f"{name}-{number}"): child for number, (target, child) in
                  enumerate(zip(targets, children, strict=True), 1)}  # fmt: skip
        entries = []
        for condition in strategy.get("conditions", ()):
            tags = _tags(condition.get("query"))
            if tags is None or condition.get("then") not in places:
                self.taken.lose(f"{name}: the condition {condition.get('query')}")
            else:
                entries.append({"if": {"tag": tags}, "targets": [places[condition["then"]]]})
        table: dict[str, Any] = {"when": entries} if entries else {}
        if strategy.get("default") in places:
            table["targets"] = [places[strategy["default"]]]
        return table

    def _classes(self, codes: Any) -> list[str]:
        if not codes:
            return list(WORDS)  # any answer that is no success moves on there
        found = {CLASSES.get(code, "transient" if code >= 500 or code in (408, 409) else "unknown") for code in codes}
        return sorted(found)


def _tags(query: Any) -> dict[str, str] | None:
    """The tags that a query asks for; ``None`` where it asks for anything else."""
    tags: dict[str, str] = {}
    for field, wanted in (query or {}).items():
        value = wanted.get("$eq") if isinstance(wanted, Mapping) and len(wanted) == 1 else wanted
        if not field.startswith("metadata.") or not isinstance(value, str):
            return None
        tags[field.removeprefix("metadata.")] = value
    return tags or None


def taken_over(config: Mapping[str, Any], plugins: Plugins, name: str, model: str | None) -> Taken:
    """A config as one route with those inside it.

    Raises:
        ConfigurationError: a target names no provider or no model.
    """
    reader = Reader(plugins, model)
    address = reader.read(config, name)
    if not reader.taken.routes:
        reader.taken.routes[name] = {"targets": [address]}
    return reader.taken
