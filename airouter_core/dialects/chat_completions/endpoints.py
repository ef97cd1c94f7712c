"""The endpoints that stand beside chat in this format: models and embeddings."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from ...errors import ProtocolError
from ...values.catalog import ModelInfo
from ...values.events import UsageReported
from ...values.vectors import vector_of
from ...wire.http import Headers, HttpRequest, Operation, bearer, json_request
from ...wire.json import decoded_object, decoded_value, items, mapping
from .usage import usage_of

GetHeaders = Callable[[Any], Headers]
ReadModel = Callable[[Mapping[str, Any]], ModelInfo]


def models_operation(
    read: ReadModel, *, headers: GetHeaders = bearer, path: str = "models"
) -> Operation[list[ModelInfo]]:
    """List the models; ``read`` makes one of them from its JSON."""

    def build(config: Any) -> HttpRequest:
        return json_request(config, "GET", path, headers=headers(config))

    def parse(body: bytes) -> list[ModelInfo]:
        listed = decoded_value(body)
        entries = listed if isinstance(listed, list) else mapping(listed).get("data")
        if not isinstance(entries, list):
            raise ProtocolError("the provider sent a list of models without data")
        return [read(entry) for entry in entries if isinstance(entry, Mapping) and isinstance(entry.get("id"), str)]

    return Operation(build=build, parse=parse)


def embeddings_operation(
    *, headers: GetHeaders = bearer, path: str = "embeddings", options: Mapping[str, Any] | None = None
) -> Operation[list[list[float]]]:
    """Make one vector for each text. ``build`` takes the configuration, the texts, the model and further fields."""

    def build(
        config: Any, texts: Sequence[str], model: str | None, more: Mapping[str, Any] | None = None
    ) -> HttpRequest:
        body: dict[str, Any] = {"input": list(texts), **(options or {}), **(more or {})}
        if model is not None:
            body["model"] = model
        return json_request(config, "POST", path, body, headers=headers(config))

    return Operation(build=build, parse=vectors_of, report=tokens_taken)


def vectors_of(body: bytes) -> list[list[float]]:
    """The vectors of an answer, in the order of the texts.

    Raises:
        ProtocolError: it holds none.
    """
    return vectors_in(decoded_object(body))


def tokens_taken(body: bytes) -> tuple[UsageReported, ...]:
    """What an answer says that it took, if it does; the rest of it, which may be long, is passed over."""
    try:
        said = msgspec.json.decode(body, type=_Taken).usage
    except msgspec.MsgspecError:
        return ()
    return (UsageReported(usage_of(said)),) if said else ()


class _Taken(msgspec.Struct):
    usage: dict[str, Any] | None = None


def vectors_in(answer: Mapping[str, Any]) -> list[list[float]]:
    """As :func:`vectors_of`, from an answer that has been decoded.

    Raises:
        ProtocolError: it holds none.
    """
    entries = [entry for entry in items(answer.get("data")) if isinstance(entry, Mapping)]
    if not entries:
        raise ProtocolError("the provider sent no embeddings")
    if all(isinstance(entry.get("index"), int) for entry in entries):
        entries.sort(key=lambda entry: entry["index"])
    return [vector_of(entry.get("embedding")) for entry in entries]


def created_at(seconds: Any) -> datetime.datetime | None:
    """A time from seconds since the epoch; ``None`` unless it is one."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < 1e11:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def base_model(provider: str, entry: Mapping[str, Any], **known: Any) -> ModelInfo:
    """A model as far as the bare format describes one."""
    owner = entry.get("owned_by")
    return ModelInfo(
        **{
            "id": entry["id"],
            "name": entry["id"],
            "provider": provider,
            "created": created_at(entry.get("created")),
            "family": owner if isinstance(owner, str) else None,
            "raw": mapping(entry),
            **known,
        }
    )
