"""What the list of models and the configuration say about a call before it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from airouter_core.config.loading import require_api_key
from airouter_core.errors import MissingApiKeyError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.catalog import ModelInfo, ProviderStatus
from airouter_core.values.request import Request

from .config import OpenRouterConfig
from .plugin import OPENROUTER
from .search import supports

LISTED = frozenset(
    {
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "top_a",
        "max_tokens",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "repeat_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "reasoning_effort",
        "reasoning_budget",
    }
)
"""Parameters that OpenRouter's list names wherever a model takes them, so that one it does not name is not taken."""


def narrowed(
    rows: Iterable[ParameterSupport], request: Request, last_seen: Callable[[str], ModelInfo | None]
) -> Iterable[ParameterSupport]:
    """The rows for the model of a request. OpenRouter drops in silence what a model does not take; this says so.

    A model that the list does not have, or that may be exchanged for another (``models``), is taken to take everything.
    """
    model = last_seen(request.model)
    if model is None or not model.supported_parameters or request.provider_options.get("models"):
        return rows
    return [_row_for(row, model) for row in rows]


def _row_for(row: ParameterSupport, model: ModelInfo) -> ParameterSupport:
    if row.field is None or row.name not in LISTED or supports(model, row.name):
        return row
    reason = f"{model.id} does not take it, by OpenRouter's list of models"
    return msgspec.structs.replace(row, field=None, reason=reason)


def needs_key(status: ProviderStatus, config: OpenRouterConfig) -> ProviderStatus:
    """The status, as unavailable without a key: models are listed for everybody, and answers made for nobody else."""
    try:
        require_api_key(config.api_key, provider=OPENROUTER.name, variable=OPENROUTER.api_key_env)
    except MissingApiKeyError as error:
        return msgspec.structs.replace(status, status="unavailable", problem=status.problem or str(error))
    return status
