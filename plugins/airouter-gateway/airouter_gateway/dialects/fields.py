"""Fields of a body, each as what it must be: what is of another kind is refused, with its name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError

from .question import NOTHING


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is.

    Raises:
        ParameterError: it is none; the message says where it goes wrong.
    """
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ParameterError(f"the body is no valid JSON: {error}") from error
    if not isinstance(said, dict):
        raise ParameterError("the body must be a JSON object")
    return said


def text_of(said: Mapping[str, Any], field: str) -> str | None:
    """A field that holds a text; ``None`` where it is missing, null or empty.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ParameterError(f"{field} must be a string, not {type(value).__name__}")
    return value


def kind_of(said: Mapping[str, Any], usual: str = "") -> str:
    """The field ``type``, which tells what the rest is.

    Raises:
        ParameterError: it holds something else than a text.
    """
    return text_of(said, "type") or usual


def flag_of(said: Mapping[str, Any], field: str, *, usual: bool = False) -> bool:
    """A field that is true or false.

    Raises:
        ParameterError: it is neither.
    """
    value = said.get(field)
    if value is None:
        return usual
    if not isinstance(value, bool):
        raise ParameterError(f"{field} must be true or false, not {type(value).__name__}")
    return value


def object_in(said: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A field that holds an object; empty where it is missing or null.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None:
        return NOTHING
    if not isinstance(value, Mapping):
        raise ParameterError(f"{field} must be an object, not {type(value).__name__}")
    return value


def list_in(said: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """A field that holds a list of objects; empty where it is missing or null.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ParameterError(f"{field} must be a list of objects")
    return value


def model_of(said: Mapping[str, Any], *fields: str) -> str:
    """The model that is named, by the first of some fields that says one.

    Raises:
        ParameterError: none does.
    """
    for field in fields or ("model",):
        if (name := text_of(said, field)) is not None:
            return name
    raise ParameterError("model is required: name an address (PROVIDER/MODEL) or a model of this server")


def given(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of some fields that are there and not null."""
    return {name: said[name] for name in names if said.get(name) is not None}


def rest(said: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """All other fields that say something."""
    return {name: value for name, value in said.items() if name not in known and value is not None}


def beneath(field: str, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of fields in a field."""
    return tuple(f"{field}.{name}" for name in kept)
