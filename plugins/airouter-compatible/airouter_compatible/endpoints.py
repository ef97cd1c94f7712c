"""The endpoints beside chat: models, in whichever list they come, and embeddings."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from airouter_core.dialects.chat_completions.endpoints import base_model, tokens_taken, vectors_in, vectors_of
from airouter_core.errors import ProtocolError
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.usage import count
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, decoded_value, items, mapping

from .service import Service
from .wire import headers_of

LISTS = ("data", "models", "result", "results")
NAMES = ("id", "model", "name")
CONTEXTS = ("context_length", "context_window", "max_context_length", "max_model_len", "max_input_tokens")
ANSWERS = ("max_output_tokens", "max_completion_tokens", "max_output_length")
"""Spellings that were seen in lists of models."""


def models_of(service: Service) -> Operation[list[ModelInfo]]:
    """The list of models, or a page of it."""
    headers = headers_of(service)

    def build(config: Any, page: int | None = None) -> HttpRequest:
        asked = "" if page is None else f"?page={page}&per_page={service.page_size}"
        return json_request(config, "GET", service.models_path + asked, headers=headers(config))

    def parse(body: bytes) -> list[ModelInfo]:
        return [_model(service, entry, name) for entry, name in _named(service, _entries(service, decoded_value(body)))]

    return Operation(build=build, parse=parse)


def embeddings_of(service: Service) -> Operation[list[list[float]]]:
    """One vector for each text."""
    headers = headers_of(service)

    def build(config: Any, texts: Sequence[str], model: str | None) -> HttpRequest:
        body: dict[str, Any] = {"input": list(texts), **({} if model is None else {"model": model})}
        path = service.embeddings_path.replace("{model}", quote(model or "", safe=""))
        return json_request(config, "POST", path, body, headers=headers(config))

    if service.embeddings == "int8":
        return Operation(build=build, parse=_vectors_of_bytes)
    return Operation(build=build, parse=vectors_of, report=tokens_taken)


def _vectors_of_bytes(body: bytes) -> list[list[float]]:
    """As the format has them, from base64 of one signed byte for each number."""
    answer = decoded_object(body)
    for entry in items(answer.get("data")):
        if isinstance(entry, dict) and isinstance(said := entry.get("embedding"), str):
            try:
                data = base64.b64decode(said, validate=True)
            except ValueError as error:
                raise ProtocolError("the provider sent an embedding that is no base64") from error
            entry["embedding"] = [float(number) for number in memoryview(data).cast("b")]
    return vectors_in(answer)


def _entries(service: Service, answer: Any) -> list[Any]:
    if isinstance(answer, list):
        return answer
    fields = (service.models_at,) if service.models_at else LISTS
    found = next((answer[name] for name in fields if isinstance(mapping(answer).get(name), list)), None)
    if found is None and isinstance(mapping(answer).get("id"), str):
        return [answer]  # one model asked for by name comes bare
    if found is None:
        raise ProtocolError(f"the provider sent a list of models without {' or '.join(fields)}")
    return list(found)


def _named(service: Service, entries: Iterable[Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    named = service.model_fields.get("id")
    for said in entries:
        entry = {"id": said} if isinstance(said, str) else said
        names = (_at(entry, field) for field in ((named,) if named else NAMES))
        if name := next((name for name in names if isinstance(name, str) and name), None):
            yield entry, name


def _model(service: Service, entry: Mapping[str, Any], name: str) -> ModelInfo:
    title = entry.get("name")
    return base_model(
        service.name,
        {**entry, "id": name},
        raw=entry,
        name=title if isinstance(title, str) and title else name,
        context_length=_number(entry, service.model_fields.get("context_length"), CONTEXTS),
        max_output_tokens=_number(entry, service.model_fields.get("max_output_tokens"), ANSWERS),
    )


def _number(entry: Mapping[str, Any], own: str | None, usual: tuple[str, ...]) -> int | None:
    found = (count(_at(entry, field)) for field in ((own,) if own else ()) + usual)
    return next((number for number in found if number), None)


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        if isinstance(value, list):
            value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
        else:
            value = mapping(value).get(step)
    return value
