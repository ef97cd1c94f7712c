"""What a provider offers, and how it is doing. These read as mappings too."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from .record import Record
from .value import hiding


class Pricing(Record, frozen=True):
    """Prices in US dollars per token (per image, per request where so named); ``None`` where none is stated."""

    prompt: Decimal | None = None
    completion: Decimal | None = None
    request: Decimal | None = None
    image: Decimal | None = None
    cache_read: Decimal | None = None
    cache_write: Decimal | None = None
    reasoning: Decimal | None = None


class ModelInfo(Record, frozen=True, kw_only=True):
    """A model that a provider can run. ``None`` means that the provider does not say.

    Attributes:
        id: what to pass as ``model``.
        context_length: tokens that prompt and answer share.
        max_output_tokens: tokens that an answer may have.
        size: bytes on disk.
        parameters: number of weights, such as ``"8.0B"``.
        input_modalities: such as ``("text", "image")``.
        supported_parameters: canonical or the provider's names, as it lists them.
        capabilities: such as ``("chat", "tools")``.
        problem: why the model is listed and cannot be used, such as a damaged file.
        raw: the provider's own object.
    """

    id: str
    name: str
    provider: str
    description: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    pricing: Pricing | None = None
    created: datetime.datetime | None = None
    size: int | None = None
    parameters: str | None = None
    quantization: str | None = None
    family: str | None = None
    input_modalities: tuple[str, ...] | None = None
    output_modalities: tuple[str, ...] | None = None
    supported_parameters: tuple[str, ...] | None = None
    capabilities: tuple[str, ...] | None = None
    problem: str | None = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")


class ProviderStatus(Record, frozen=True, kw_only=True):
    """How a provider is doing, as far as a call now would notice.

    Attributes:
        status: ``"available"`` or ``"unavailable"``.
        available_models: ids, empty when they could not be listed.
        problem: what is wrong and what to do, or ``None``.
        details: what only this provider has to say.
    """

    name: str
    status: str
    kind: str
    description: str
    capabilities: tuple[str, ...]
    available_models: tuple[str, ...] = ()
    problem: str | None = None
    details: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Ranked(Record, frozen=True):
    """A document, and how well it fits a query.

    Attributes:
        index: its place among the documents given, from 0.
        score: the higher the better; of which scale, the model decides.
    """

    index: int
    score: float
