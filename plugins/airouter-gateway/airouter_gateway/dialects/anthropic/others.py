"""``/v1/models`` and the answer of ``/v1/messages/count_tokens``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import msgspec

from airouter_core.values.catalog import ModelInfo


def counted_body(tokens: int) -> bytes:
    """A count of tokens."""
    return msgspec.json.encode({"input_tokens": tokens})


def models_body(models: Sequence[ModelInfo], now: int) -> bytes:
    """The list of models, on one page."""
    data = [_entry(model, now) for model in models]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"data": data, "has_more": False, **ends})


def model_body(model: ModelInfo, now: int) -> bytes:
    """One model."""
    return msgspec.json.encode(_entry(model, now))


def _entry(model: ModelInfo, now: int) -> dict[str, Any]:
    created = model.created or datetime.datetime.fromtimestamp(now, datetime.UTC)
    return {
        "type": "model",
        "id": model.id,
        "display_name": model.name,
        "created_at": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "max_input_tokens": model.context_length,
        "max_tokens": model.max_output_tokens,
    }
