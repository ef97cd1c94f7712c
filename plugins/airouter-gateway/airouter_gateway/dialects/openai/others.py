"""``/v1/models`` and ``/v1/embeddings``."""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.value import Value

from ..fields import model_of, object_of, rest, text_of


class Texts(Value, frozen=True, kw_only=True):
    """Texts that are to become vectors.

    Attributes:
        options: what else is asked for: ``dimensions``.
        as_base64: whether the vectors are wanted as bytes.
        unread: fields that go to nobody.
    """

    model: str
    texts: tuple[str, ...]
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    as_base64: bool = False
    unread: tuple[str, ...] = ()

    @property
    def losses(self) -> tuple[str, ...]:
        """What the client should know of what is lost."""
        return (f"not sent with texts for vectors: {', '.join(self.unread)}",) if self.unread else ()


READ = ("model", "input", "encoding_format", "dimensions")


def read_embeddings(body: bytes) -> Texts:
    """The texts of a body.

    Raises:
        ParameterError: it is none, or holds token ids, which mean something to one model only.
    """
    said = object_of(body)
    texts = texts_in(said)
    form = text_of(said, "encoding_format") or "float"
    if form not in ("float", "base64"):
        raise ParameterError(f"encoding_format must be float or base64, not {form}")
    dimensions = said.get("dimensions")
    if not isinstance(dimensions, int | None) or isinstance(dimensions, bool):
        raise ParameterError("dimensions must be a whole number")
    options = {} if dimensions is None else {"dimensions": dimensions}
    unread = tuple(sorted(rest(said, *READ)))
    return Texts(model=model_of(said), texts=texts, options=options, as_base64=form == "base64", unread=unread)


def texts_in(said: dict[str, Any], field: str = "input") -> tuple[str, ...]:
    """A text, or a list of them.

    Raises:
        ParameterError: it is neither.
    """
    value = said.get(field)
    texts = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
    if any(isinstance(text, int | list) for text in texts):
        raise ParameterError(
            f"{field} holds ids of tokens, which mean something to one model alone: send texts "
            "(OpenAIEmbeddings of LangChain does with check_embedding_ctx_length=False)"
        )
    if not texts or not all(isinstance(text, str) and text for text in texts):
        raise ParameterError(f"{field} must be a text or a list of texts, none of them empty")
    return texts


def embeddings_body(asked: Texts, vectors: Sequence[Sequence[float]], tokens: int) -> bytes:
    """The vectors, in the form asked for."""
    data = [
        {"object": "embedding", "index": index, "embedding": _packed(vector) if asked.as_base64 else vector}
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": asked.model, "usage": usage})


def models_body(models: Iterable[ModelInfo], now: int) -> bytes:
    """The list of models."""
    return msgspec.json.encode({"object": "list", "data": [_entry(model, now) for model in models]})


def model_body(model: ModelInfo, now: int) -> bytes:
    """One model."""
    return msgspec.json.encode(_entry(model, now))


def _entry(model: ModelInfo, now: int) -> dict[str, Any]:
    created = now if model.created is None else int(model.created.timestamp())
    entry: dict[str, Any] = {"id": model.id, "object": "model", "created": created, "owned_by": model.provider}
    if model.context_length is not None:
        entry["context_window"] = model.context_length
    if model.max_output_tokens is not None:
        entry["max_output_tokens"] = model.max_output_tokens
    return entry


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
