"""Searching the list of models, without asking again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.values.catalog import ModelInfo, Pricing
from airouter_core.values.value import Value

from .models import NOT_STATED

MILLION = 1_000_000

SORTS: Mapping[str, Callable[[ModelInfo], Any]] = {
    "price": lambda model: _both_prices(model),
    "context": lambda model: -(model.context_length or 0),
    "newest": lambda model: -(model.created.timestamp() if model.created else 0),
    "name": lambda model: model.name.casefold(),
}

SYNONYMS: Mapping[str, str] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
    "repeat_penalty": "repetition_penalty",
    "reasoning_effort": "reasoning",
    "reasoning_budget": "reasoning",
}
"""Other names under which the list may have a parameter; canonical ones among them."""

Price = float | str | Decimal | Mapping[str, float | str | Decimal]


class Search(Value, frozen=True):
    """What to look for; what is ``None`` does not matter.

    Attributes:
        query: words that must all occur in id, name or description.
        provider: who made the model: the part of the id before the slash, or the name before the colon.
        max_price: the highest price in US dollars **per million tokens**, as in OpenRouter's own ``max_price``: a
            number for the prompt, or a mapping with ``prompt`` and ``completion``. A price not stated is above it.
        min_context: tokens that prompt and answer must be able to share.
        supports: parameters, modalities and capabilities that the model must all have, such as ``"tools"``.
        free: true for models that cost nothing, false for those that cost something.
        sort: ``"price"`` (lowest first), ``"context"`` (longest first), ``"newest"``, ``"name"``; as listed otherwise.
    """

    query: str | None = None
    provider: str | None = None
    max_price: Price | None = None
    min_context: int | None = None
    supports: str | Sequence[str] | None = None
    free: bool | None = None
    sort: str | None = None

    def among(self, models: Iterable[ModelInfo]) -> list[ModelInfo]:
        """Those that match.

        Raises:
            ParameterError: a price or an order is none that is known.
        """
        limits = _limits(self.max_price)
        if self.sort is not None and self.sort not in SORTS:
            raise ParameterError(f"sort must be one of {', '.join(SORTS)}, not {self.sort!r}")
        words = (self.query or "").casefold().split()
        needed = (self.supports,) if isinstance(self.supports, str) else tuple(self.supports or ())
        found = [
            model
            for model in models
            if all(word in _text(model) for word in words)
            and (self.provider is None or self.provider.casefold() in _makers(model))
            and all(_price(model, kind) * MILLION <= limit for kind, limit in limits.items())
            and (self.min_context is None or (model.context_length or 0) >= self.min_context)
            and all(supports(model, name) for name in needed)
            and (self.free is None or self.free == _is_free(model))
        ]
        return found if self.sort is None else sorted(found, key=SORTS[self.sort])


def supports(model: ModelInfo, name: str) -> bool:
    """Whether the list says that a model has a parameter (by either name), a modality or a capability."""
    parameters = model.supported_parameters or ()
    known = {
        *parameters,
        *(model.input_modalities or ()),
        *(model.output_modalities or ()),
        *(model.capabilities or ()),
    }
    return name in known or SYNONYMS.get(name) in known


def _limits(price: Price | None) -> dict[str, Decimal]:
    prices = {} if price is None else price if isinstance(price, Mapping) else {"prompt": price}
    if wrong := set(prices) - {"prompt", "completion"}:
        raise ParameterError(f"max_price knows prompt and completion, not {', '.join(map(str, wrong))}")
    try:
        return {kind: Decimal(str(limit)) for kind, limit in prices.items()}
    except ArithmeticError as error:
        raise ParameterError(f"max_price must be in US dollars per million tokens, not {price!r}") from error


def _price(model: ModelInfo, kind: str) -> Decimal:
    price: Decimal | None = (model.pricing or Pricing())[kind]
    return NOT_STATED if price is None else price


def _both_prices(model: ModelInfo) -> tuple[Decimal, str]:
    return _price(model, "prompt") + _price(model, "completion"), model.id


def _is_free(model: ModelInfo) -> bool:
    per_request = model.pricing.request if model.pricing else None
    return not (_price(model, "prompt") or _price(model, "completion") or per_request)


def _text(model: ModelInfo) -> str:
    return f"{model.id} {model.name} {model.description or ''}".casefold()


def _makers(model: ModelInfo) -> tuple[str, ...]:
    author, display = model.id.partition("/")[0], model.name.partition(":")[0]
    return author.removeprefix("~").casefold(), display.strip().casefold()
