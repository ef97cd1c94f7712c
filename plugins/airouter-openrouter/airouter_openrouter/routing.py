"""Which vendors OpenRouter may send a request to: ``provider_options={"openrouter": {"order": [...], ...}}``."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airouter_core.errors import ParameterError

LISTS = frozenset({"order", "only", "ignore", "quantizations"})
# Fields of ProviderPreferences in OpenRouter's OpenAPI document (2026-08-22). No field of a request has their names.
ROUTING = LISTS | {
    "allow_fallbacks",
    "require_parameters",
    "data_collection",
    "zdr",
    "enforce_distillable_text",
    "sort",
    "max_price",
    "preferred_min_throughput",
    "preferred_max_latency",
}


def preferences(options: Mapping[str, Any]) -> dict[str, Any]:
    """The routing in ``provider_options``: under ``provider``, as the API has it, or directly. Empty without any.

    Raises:
        ParameterError: something is given in both places with different values, or has the wrong type.
    """
    ordered = options.get("provider")
    if not isinstance(ordered, Mapping | None):
        raise ParameterError(
            f"provider in provider_options must be a mapping such as {{'order': [...]}}, not {ordered!r}"
        )
    direct = {name: value for name, value in options.items() if name in ROUTING}
    merged = {**(ordered or {}), **direct}
    for name, value in (ordered or {}).items():
        if merged[name] != value:
            raise ParameterError(
                f"routing {name!r} is given twice in provider_options, with different values; give one"
            )
    return {name: _as_sent(name, value) for name, value in merged.items()}


def _as_sent(name: str, value: Any) -> Any:
    if name in LISTS and isinstance(value, str):
        return [value]
    if name in LISTS and isinstance(value, tuple | set | frozenset):
        return list(value)
    if name != "max_price" or value is None:
        return value
    if not isinstance(value, Mapping):
        raise ParameterError(
            f"max_price must be a mapping such as {{'prompt': 1, 'completion': 2}}, in US dollars per million tokens, "
            f"not {value!r}"
        )
    # Numbers are taken from the user; the API's own are decimal strings.
    return {kind: price if isinstance(price, str) else f"{Decimal(str(price)):f}" for kind, price in value.items()}
