"""What became of a single answer: ``GET /generation`` (OpenRouter's OpenAPI document, 2026-08-22; recordings)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airouter_core.values.record import Record
from airouter_core.values.usage import count
from airouter_core.values.value import hiding
from airouter_core.wire.http import HttpRequest, Operation
from airouter_core.wire.json import text

from .account import time_in
from .config import OpenRouterConfig
from .cost import money
from .operations import data_in, get


class Generation(Record, frozen=True, kw_only=True):
    """What OpenRouter remembers of one answer. ``None`` is what it does not say.

    Attributes:
        provider_name: the vendor that made it.
        total_cost: US dollars.
        input_tokens, output_tokens, reasoning_tokens, cached_tokens: as that vendor counts them.
        latency: milliseconds until it began.
        generation_time: milliseconds that it took.
    """

    id: str
    model: str | None
    provider_name: str | None
    total_cost: Decimal | None
    cache_discount: Decimal | None
    input_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    cached_tokens: int | None
    latency: float | None
    generation_time: float | None
    finish_reason: str | None
    native_finish_reason: str | None
    streamed: bool | None
    cancelled: bool | None
    is_byok: bool | None
    created: datetime.datetime | None
    raw: Mapping[str, Any]

    __repr__ = hiding("raw")


def _build_generation(config: OpenRouterConfig, generation_id: str) -> HttpRequest:
    return get(config, "generation", {"id": generation_id})


def _parse_generation(body: bytes) -> Generation:
    data = data_in(body)
    return Generation(
        id=text(data.get("id")),
        model=_word(data.get("model")),
        provider_name=_word(data.get("provider_name")),
        total_cost=money(data.get("total_cost")),
        cache_discount=money(data.get("cache_discount")),
        input_tokens=count(data.get("native_tokens_prompt")),
        output_tokens=count(data.get("native_tokens_completion")),
        reasoning_tokens=count(data.get("native_tokens_reasoning")),
        cached_tokens=count(data.get("native_tokens_cached")),
        latency=_number(data.get("latency")),
        generation_time=_number(data.get("generation_time")),
        finish_reason=_word(data.get("finish_reason")),
        native_finish_reason=_word(data.get("native_finish_reason")),
        streamed=_truth(data.get("streamed")),
        cancelled=_truth(data.get("cancelled")),
        is_byok=_truth(data.get("is_byok")),
        created=time_in(data.get("created_at")),
        raw=data,
    )


GENERATION = Operation(build=_build_generation, parse=_parse_generation)


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _truth(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
