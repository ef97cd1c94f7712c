"""``/v1/models`` and the answer of ``/v1/messages/count_tokens``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

import msgspec

from airouter_core.values.catalog import ModelInfo


def counted_body(tokens: int) -> bytes:
    """A count of tokens."""
    return msgspec.json.encode({"input_tokens": tokens})


def models_body(models: Sequence[ModelInfo], now: int) -> bytes:
    """The list of models, on one page."""
    began = datetime.datetime.fromtimestamp(now, datetime.UTC)
    data = [
        {
            "type": "model",
            "id": model.id,
            "display_name": model.name,
            "created_at": (model.created or began).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "max_input_tokens": model.context_length,
            "max_tokens": model.max_output_tokens,
        }
        for model in models
    ]
    ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {"first_id": None, "last_id": None}
    return msgspec.json.encode({"data": data, "has_more": False, **ends})
