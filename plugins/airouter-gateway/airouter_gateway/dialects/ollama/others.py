"""The lists of models, a model's facts, vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.catalog import ModelInfo

from ..fields import flag_of, model_of, object_of, rest
from ..openai.others import Texts, texts_in
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
    unread = {name for name, value in rest(said, "model", "dimensions", field).items() if value not in ("", [], {})}
    texts = texts_in(said, field)
    return Texts(model=model_of(said), texts=texts, options=options, unread=tuple(sorted(unread)))


def embed_body(asked: Texts, vectors: Sequence[Sequence[float]], tokens: int, seconds: float) -> bytes:
    """The vectors of ``/api/embed``."""
    total = int(seconds * 1e9)
    said = {"model": asked.model, "embeddings": vectors, "total_duration": total, "load_duration": 0}
    return msgspec.json.encode({**said, "prompt_eval_count": tokens})


def embeddings_body(asked: Texts, vectors: Sequence[Sequence[float]], tokens: int, seconds: float) -> bytes:
    """The vector of ``/api/embeddings``."""
    return msgspec.json.encode({"embedding": vectors[0]})


def tags_body(models: Iterable[ModelInfo], now: int) -> bytes:
    """The list of models."""
    return msgspec.json.encode({"models": [_entry(model, now) for model in models]})


def running_body(models: Iterable[tuple[str, Any]]) -> bytes:
    """The list of models in memory, by the addresses that they have here: of those providers that tell."""
    return msgspec.json.encode({"models": [{**model.raw, "name": name, "model": name} for name, model in models]})


PULLED = b'{"status":"success"}'


def is_streamed(body: bytes) -> bool:
    """Whether an answer is wanted line by line: unless told otherwise."""
    return flag_of(object_of(body), "stream", usual=True)


def pulling_line(report: Any) -> bytes:
    """How far a download is."""
    told = {"status": report.status, "digest": report.digest, "total": report.total, "completed": report.completed}
    return msgspec.json.encode({name: value for name, value in told.items() if value is not None}) + b"\n"


def version_body() -> bytes:
    """The version."""
    return msgspec.json.encode({"version": VERSION})


def show_body(model: ModelInfo, now: int, *, calls_tools: bool = False) -> bytes:
    """What is known of a model: much, where an engine has told of it alone.

    Args:
        calls_tools: whether models of its provider do, for one of which no list tells: editors offer their tools by it.
    """
    family = model.family or model.provider
    told: Mapping[str, Any] = getattr(model, "model_info", {})
    info: dict[str, Any] = {"general.architecture": family, **told}
    family = str(info["general.architecture"])
    if model.context_length is not None:
        info.setdefault(f"{family}.context_length", model.context_length)
    return msgspec.json.encode(
        {
            "modelfile": getattr(model, "modelfile", None) or "",
            "parameters": "",
            "template": getattr(model, "template", None) or "",
            "details": _details(model),
            "model_info": info,
            "capabilities": _capabilities(model, calls_tools=calls_tools),
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


def _capabilities(model: ModelInfo, *, calls_tools: bool) -> list[str]:
    names = {"tools": "tools", "vision": "vision", "reasoning": "thinking", "embeddings": "embedding"}
    has = (("tools",) if calls_tools else ()) if model.capabilities is None else model.capabilities
    return ["completion", *(theirs for ours, theirs in names.items() if ours in has)]


def _modified(model: ModelInfo, now: int) -> int:
    return now if model.created is None else int(model.created.timestamp())
