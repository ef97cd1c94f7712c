"""The lists of models, a model's facts, vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.tokens import estimate_tokens

from ..openai.others import Texts, texts_in
from ..question import model_of, object_of
from .chat_writer import time_of

VERSION = "0.33.0"
"""Clients ask it to learn what they may use; it is the one whose behaviour is followed here."""
RUNNING = b"Ollama is running"


def named_model(body: bytes) -> str:
    """The model that a body names: clients say ``model`` or ``name``, and leave the other one empty.

    Raises:
        ParameterError: neither is there.
    """
    return model_of(object_of(body), "model", "name")


def read_embed(body: bytes) -> Texts:
    """The texts of a body of ``/api/embed``, or of the older ``/api/embeddings``.

    Raises:
        ParameterError: it is none.
    """
    said = object_of(body)
    field = "prompt" if "prompt" in said and "input" not in said else "input"
    dimensions = said.get("dimensions")
    if not isinstance(dimensions, int | None) or isinstance(dimensions, bool):
        raise ParameterError("dimensions must be a whole number")
    options = {} if dimensions is None else {"dimensions": dimensions}
    return Texts(model=model_of(said), texts=texts_in(said, field), options=options)


def embed_body(asked: Texts, vectors: Sequence[Sequence[float]], seconds: float) -> bytes:
    """The vectors of ``/api/embed``."""
    tokens = sum(map(estimate_tokens, asked.texts))
    total = int(seconds * 1e9)
    said = {"model": asked.model, "embeddings": vectors, "total_duration": total, "load_duration": 0}
    return msgspec.json.encode({**said, "prompt_eval_count": tokens})


def embeddings_body(asked: Texts, vectors: Sequence[Sequence[float]], seconds: float) -> bytes:
    """The vector of ``/api/embeddings``."""
    return msgspec.json.encode({"embedding": vectors[0]})


def tags_body(models: Iterable[ModelInfo], now: int) -> bytes:
    """The list of models."""
    return msgspec.json.encode({"models": [_entry(model, now) for model in models]})


def running_body() -> bytes:
    """The list of models in memory: what providers keep in theirs is not known here."""
    return msgspec.json.encode({"models": []})


def version_body() -> bytes:
    """The version."""
    return msgspec.json.encode({"version": VERSION})


def show_body(model: ModelInfo, now: int) -> bytes:
    """What is known of a model."""
    family = model.family or model.provider
    info: dict[str, Any] = {"general.architecture": family}
    if model.context_length is not None:
        info[f"{family}.context_length"] = model.context_length
    return msgspec.json.encode(
        {
            "modelfile": "",
            "parameters": "",
            "template": "",
            "details": _details(model),
            "model_info": info,
            "capabilities": _capabilities(model),
            "modified_at": time_of(_modified(model, now)),
        }
    )


def _entry(model: ModelInfo, now: int) -> dict[str, Any]:
    return {
        "name": model.id,
        "model": model.id,
        "modified_at": time_of(_modified(model, now)),
        "size": model.size or 0,
        # It names the entry, as clients expect of it; of what the model is made nobody here knows.
        "digest": hashlib.sha256(model.id.encode()).hexdigest(),
        "details": _details(model),
    }


def _details(model: ModelInfo) -> dict[str, Any]:
    family = model.family or model.provider
    return {
        "parent_model": "",
        "format": "gguf" if model.quantization else "",
        "family": family,
        "families": [family],
        "parameter_size": model.parameters or "",
        "quantization_level": model.quantization or "",
    }


def _capabilities(model: ModelInfo) -> list[str]:
    names = {"tools": "tools", "vision": "vision", "reasoning": "thinking", "embeddings": "embedding"}
    has = model.capabilities or ()
    return ["completion", *(theirs for ours, theirs in names.items() if ours in has)]


def _modified(model: ModelInfo, now: int) -> int:
    return now if model.created is None else int(model.created.timestamp())
