"""The list of models, page by page.

Sources: OpenRouter's OpenAPI document (2026-08-22), ``GET /models``, and recorded lists. Prices come as decimal
strings in US dollars per token; "-1" stands at routers, whose price is that of the model they choose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

from airouter_core.dialects.chat_completions.endpoints import base_model
from airouter_core.errors import ProtocolError
from airouter_core.profile.declarations import Capability
from airouter_core.values.catalog import ModelInfo, Pricing
from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.wire.http import HttpRequest, Operation
from airouter_core.wire.json import mapping, text

from .config import OpenRouterConfig
from .operations import answer_in, get
from .plugin import OPENROUTER

NOT_STATED = Decimal("Infinity")
"""A price not known before the call: above every other, so that whoever looks for the lowest does not get it."""

WITH_PARAMETER: tuple[tuple[str, Capability], ...] = (
    ("tools", "tools"),
    ("tool_choice", "tool_choice"),
    ("response_format", "json"),
    ("structured_outputs", "json_schema"),
    ("reasoning", "reasoning"),
    ("logprobs", "logprobs"),
)
WITH_INPUT: tuple[tuple[str, Capability], ...] = (("image", "vision"), ("file", "documents"), ("audio", "audio_input"))
WITH_OUTPUT: tuple[tuple[str, Capability], ...] = (
    ("text", "chat"),
    ("text", "stream"),
    ("text", "system_prompt"),
    ("image", "images"),
    ("embeddings", "embeddings"),
)


class Page(Value, frozen=True):
    """Some models, and how to ask for the next; ``next_query`` is ``None`` at the end."""

    models: tuple[ModelInfo, ...]
    next_query: Mapping[str, str] | None = None


def _build(config: OpenRouterConfig, query: Mapping[str, str]) -> HttpRequest:
    return get(config, "models", query, key=False)


def _parse(body: bytes) -> Page:
    answer = answer_in(body)
    entries = answer.get("data")
    if not isinstance(entries, list):
        raise ProtocolError("OpenRouter sent a list of models without data")
    models = [model_in(entry) for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]
    # Only the query is taken from the link: the address, and with it the key's destination, stays the configured one.
    following = text(mapping(answer.get("links")).get("next")).partition("?")[2].partition("#")[0]
    query = dict(parse_qsl(following)) if models else None
    return Page(tuple(models), query or None)


MODELS = Operation(build=_build, parse=_parse)


def model_in(entry: Mapping[str, Any]) -> ModelInfo:
    """A model as OpenRouter describes it."""
    architecture, top = mapping(entry.get("architecture")), mapping(entry.get("top_provider"))
    taken, made = _names(architecture.get("input_modalities")), _names(architecture.get("output_modalities"))
    parameters = _names(entry.get("supported_parameters"))
    return base_model(
        OPENROUTER.name,
        entry,
        name=text(entry.get("name")) or entry["id"],
        description=text(entry.get("description")) or None,
        context_length=count(entry.get("context_length")) or count(top.get("context_length")),
        max_output_tokens=count(top.get("max_completion_tokens")),
        pricing=pricing_in(mapping(entry.get("pricing"))),
        family=text(architecture.get("tokenizer")) or None,
        input_modalities=taken,
        output_modalities=made,
        supported_parameters=parameters,
        capabilities=tuple(_capabilities(parameters or (), taken or (), made or ("text",))),
    )


def pricing_in(prices: Mapping[str, Any]) -> Pricing:
    """Prices in US dollars per token. Prompt and completion always have one, :data:`NOT_STATED` at worst."""
    return Pricing(
        prompt=_price(prices.get("prompt"), NOT_STATED),
        completion=_price(prices.get("completion"), NOT_STATED),
        request=_price(prices.get("request")),
        image=_price(prices.get("image")),
        cache_read=_price(prices.get("input_cache_read")),
        cache_write=_price(prices.get("input_cache_write")),
        reasoning=_price(prices.get("internal_reasoning")),
    )


def _price(value: Any, otherwise: Decimal | None = None) -> Decimal | None:
    try:
        price = Decimal(str(value))
    except InvalidOperation:
        return otherwise
    return price if price.is_finite() and price >= 0 else otherwise


def _names(value: Any) -> tuple[str, ...] | None:
    return tuple(name for name in value if isinstance(name, str)) if isinstance(value, list) else None


def _capabilities(parameters: tuple[str, ...], taken: tuple[str, ...], made: tuple[str, ...]) -> Iterator[Capability]:
    for names, table in ((made, WITH_OUTPUT), (taken, WITH_INPUT), (parameters, WITH_PARAMETER)):
        yield from (capability for name, capability in table if name in names)
