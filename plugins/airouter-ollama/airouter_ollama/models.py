"""What the server says about its models, as values.

Source: Ollama, api/types.go (``ListModelResponse``, ``ShowResponse``, ``ProcessModelResponse``), fb307609.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.values.catalog import ModelInfo
from airouter_core.values.record import Record
from airouter_core.values.usage import count
from airouter_core.values.value import hiding
from airouter_core.wire.json import items, mapping, text

from .plugin import OLLAMA

CAPABILITIES = {"completion": "chat", "thinking": "reasoning", "embedding": "embeddings"}
"""Ollama's words for what a model can do, where ours are others."""

DEFAULT_HOST, DEFAULT_NAMESPACE, DEFAULT_TAG = "registry.ollama.ai", "library", "latest"


class ModelDetails(ModelInfo, frozen=True, kw_only=True):
    """A model, with all that is told when asked about it alone.

    Attributes:
        template: how messages become a prompt.
        system: the system prompt that is used when a conversation has none.
        options: what it is run with unless a call says otherwise.
        architecture: such as ``"llama"``.
        embedding_length: numbers in an embedding.
        model_info: the keys of its GGUF file.
    """

    template: str | None = None
    system: str | None = None
    license: str | None = None
    modelfile: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict)
    architecture: str | None = None
    embedding_length: int | None = None
    model_info: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("modelfile", "model_info")


class RunningModel(Record, frozen=True, kw_only=True):
    """A model that is loaded now.

    Attributes:
        size: bytes of memory it takes, wherever that is.
        size_vram: bytes of it on graphics cards.
        context_length: tokens that prompt and answer share, as it was loaded.
        expires_at: when it is unloaded unless it is used again.
    """

    id: str
    name: str
    size: int | None = None
    size_vram: int | None = None
    context_length: int | None = None
    expires_at: datetime.datetime | None = None
    digest: str | None = None
    parameters: str | None = None
    quantization: str | None = None
    family: str | None = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")


def full_name(name: str) -> str:
    """A model's name with all that it may leave out, in the form in which Ollama compares names.

    ``mistral``, ``Library/mistral:latest`` and ``https://registry.ollama.ai/library/mistral:latest`` are one model.
    Source: Ollama, types/model/name.go (``ParseNameBare``, ``DefaultName``, ``EqualFold``), fb307609.
    """
    bare = name.strip().rpartition("://")[2].partition("@")[0]
    places, _, last = bare.rpartition("/")
    model, _, tag = last.partition(":")
    host, _, namespace = places.rpartition("/")
    whole = f"{host or DEFAULT_HOST}/{namespace or DEFAULT_NAMESPACE}/{model}:{tag or DEFAULT_TAG}"
    return whole.casefold()


def listed_model(entry: Mapping[str, Any]) -> ModelInfo:
    """A model as the list tells of it; other servers tell more or less."""
    details = mapping(entry.get("details"))
    name = text(entry.get("name")) or text(entry.get("model"))
    return ModelInfo(
        id=name,
        name=name.removesuffix(f":{DEFAULT_TAG}"),  # as people call it
        provider=OLLAMA.name,
        context_length=count(details.get("context_length")) or None,
        created=moment(entry.get("modified_at")),
        size=count(entry.get("size")),
        **_kind(details),
        **_abilities(entry.get("capabilities")),
        raw=dict(entry),
    )


def shown_model(name: str, answer: Mapping[str, Any]) -> ModelDetails:
    """A model as it is shown alone."""
    info = mapping(answer.get("model_info"))
    architecture = text(info.get("general.architecture")) or None
    return ModelDetails(
        id=name,
        name=name,
        provider=OLLAMA.name,
        context_length=count(info.get(f"{architecture}.context_length")),
        created=moment(answer.get("modified_at")),
        **_kind(mapping(answer.get("details"))),
        **_abilities(answer.get("capabilities")),
        template=text(answer.get("template")) or None,
        system=text(answer.get("system")) or None,
        license=text(answer.get("license")) or None,
        modelfile=text(answer.get("modelfile")) or None,
        options=parsed_options(text(answer.get("parameters"))),
        architecture=architecture,
        embedding_length=count(info.get(f"{architecture}.embedding_length")),
        model_info=dict(info),
        raw=dict(answer),
    )


def running_model(entry: Mapping[str, Any]) -> RunningModel:
    """A loaded model."""
    name = text(entry.get("name")) or text(entry.get("model"))
    return RunningModel(
        id=name,
        name=name,
        size=count(entry.get("size")),
        size_vram=count(entry.get("size_vram")),
        context_length=count(entry.get("context_length")) or None,
        expires_at=moment(entry.get("expires_at")),
        digest=text(entry.get("digest")) or None,
        **_kind(mapping(entry.get("details"))),
        raw=dict(entry),
    )


def parsed_options(lines: str) -> dict[str, Any]:
    """The options of a model from the text that shows them: a name and a value a line, ``stop`` on several."""
    options: dict[str, Any] = {}
    for line in lines.splitlines():
        name, _, written = line.strip().partition(" ")
        written = written.strip()
        if not name:
            continue
        value = _value(written)
        if name == "stop":
            options[name] = (*options.get(name, ()), str(value))
        else:
            options[name] = value
    return options


def moment(written: Any) -> datetime.datetime | None:
    """A time as Go writes it (RFC 3339, up to nine digits of a second); ``None`` unless it is one."""
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text(written))
    try:
        return datetime.datetime.fromisoformat(cut)
    except ValueError:
        return None


def _kind(details: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "parameters": text(details.get("parameter_size")) or None,
        "quantization": text(details.get("quantization_level")) or None,
        "family": text(details.get("family")) or None,
    }


def _abilities(said: Any) -> dict[str, Any]:
    words = [word for word in items(said) if isinstance(word, str)]
    if not words:
        return {}
    return {
        "capabilities": tuple(CAPABILITIES.get(word, word) for word in words),
        "input_modalities": _modalities(words),
    }


def _modalities(words: Iterable[str]) -> tuple[str, ...]:
    known = {"vision": "image", "audio": "audio"}
    return ("text", *(known[word] for word in words if word in known))


def _value(written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return written
