"""Types of the user's as schemas, and answers and arguments as their instances.

msgspec reads attrs classes, dataclasses, TypedDicts, NamedTuples and annotated functions; pydantic models bring their
own means, where the user has pydantic. Whatever they write, what is made of it here resolves: definitions stand at the
root, references alone, the object itself at the top. ``strict`` is asked for where a strict mode can hold the schema.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..errors import ParameterError, ProtocolError
from ..profile.schemas import (
    closed,
    is_open,
    schemas_in,
    with_choices,
    with_definitions_at_the_top,
    with_references_alone,
)
from ..values.tools import ResponseFormat, Tool

NEVER_STRICT = frozenset(
    {
        "allOf",
        "not",
        "if",
        "then",
        "else",
        "prefixItems",
        "contains",
        "patternProperties",
        "propertyNames",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
"""Keywords that no strict mode takes (vendors' pages on structured outputs)."""
SAYS_WHAT = frozenset({"type", "anyOf", "$ref", "enum", "const"})
"""One of them is in each schema that a strict mode takes."""


def format_of(kind: Any) -> ResponseFormat:
    """The response format that asks for an instance of a type.

    Raises:
        ParameterError: the type cannot be said as a JSON Schema.
    """
    schema = _told(_pydantic_schema(kind) if _is_pydantic(kind) else _schema(kind))
    name = getattr(kind, "__name__", "answer")
    if schema.get("type") != "object" or "properties" not in schema:
        said = name if isinstance(kind, type) else kind
        raise ParameterError(
            f'response_format must be a class with fields, not {said}: wrap it in a dataclass, or say "json"'
        )
    strict = True if _can_be_strict(schema) else None
    return ResponseFormat("json_schema", schema, name=_identifier(name), strict=strict)


def instance_of(kind: Any, text: str) -> Any:
    """The instance that a JSON text describes.

    Raises:
        ProtocolError: it describes none; the message says why and shows the text.
    """
    try:
        if _is_pydantic(kind):
            return kind.model_validate_json(text)
        return msgspec.json.decode(text.encode(), type=kind, dec_hook=_converted_custom)
    except ValueError as error:
        shown = text if len(text) <= 400 else text[:400] + "…"
        raise ProtocolError(
            f"the answer does not fit {getattr(kind, '__name__', kind)}: {error}; it is: {shown}"
        ) from error


def tool_of(function: Callable[..., Any]) -> Tool:
    """A tool from a typed function: its name, its docstring, and a schema of its parameters.

    Raises:
        ParameterError: a parameter has no annotation, or one that cannot be said as a schema.
    """
    if not callable(function):
        raise ParameterError(f"a tool is a function, a Tool or a dict, not {type(function).__name__}")
    description = inspect.getdoc(function) or None
    name = _identifier(getattr(function, "__name__", "tool"))
    return Tool(name, description, _told(_schema(_arguments_type(function))))


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a typed function with arguments as a model gave them.

    Raises:
        ParameterError: they do not fit; the message is for the model to read.
    """
    kind = _arguments_type(function)
    try:
        converted = msgspec.convert(dict(arguments), kind, dec_hook=_converted_custom)
    except msgspec.ValidationError as error:
        raise ParameterError(f"the arguments do not fit: {error}") from error
    given = {field: getattr(converted, field) for field in converted.__struct_fields__}
    return function(**given)


def _told(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A schema whose references all resolve from its root, of objects that take nothing they do not name."""
    return dict(closed(with_choices(with_references_alone(with_definitions_at_the_top(schema)))))


def _can_be_strict(schema: Mapping[str, Any]) -> bool:
    return all(_is_strict(one) for one in schemas_in(schema))


def _is_strict(one: Mapping[str, Any]) -> bool:
    if not SAYS_WHAT & one.keys() or NEVER_STRICT & one.keys() or is_open(one):
        return False
    if one.get("type") == "array" and "items" not in one:
        return False
    return set(one.get("properties", ())) == set(one.get("required", ()))


def _schema(kind: Any) -> dict[str, Any]:
    try:
        (root,), components = msgspec.json.schema_components(
            (kind,), schema_hook=_custom_schema, ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        raise ParameterError(f"{getattr(kind, '__name__', kind)} cannot be said as a JSON Schema: {error}") from error
    return {**root, "$defs": components} if components else dict(root)


def _arguments_type(function: Callable[..., Any]) -> Any:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
        parameters = inspect.signature(function).parameters.values()
    except (NameError, TypeError, ValueError) as error:
        name = getattr(function, "__name__", repr(function))
        raise ParameterError(f"the annotations of {name}() cannot be read: {error}") from error
    fields: list[Any] = []
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise ParameterError(f"a tool takes parameters by name; {function.__name__}() has {parameter}")
        if parameter.name not in hints:
            raise ParameterError(f"parameter {parameter.name!r} of {function.__name__}() needs an annotation")
        kind = _with_stand_in(hints[parameter.name])
        default = parameter.default
        fields.append((parameter.name, kind) if default is parameter.empty else (parameter.name, kind, default))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _is_pydantic(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate_json")


def _pydantic_schema(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = kind.model_json_schema()
    return schema


def _custom_schema(kind: Any) -> dict[str, Any]:
    if isinstance(kind, _StandIn):
        schema: dict[str, Any] = kind.adapter.json_schema()
        return schema
    if _is_pydantic(kind):
        return _pydantic_schema(kind)
    raise NotImplementedError


def _converted_custom(kind: Any, value: Any) -> Any:
    if isinstance(kind, _StandIn):
        return kind.adapter.validate_python(value)
    if _is_pydantic(kind):
        return kind.model_validate(value)
    raise NotImplementedError


class _StandIn(type):
    """The class of types that stand for what msgspec cannot take apart: each thing is an instance of one.

    Attributes:
        adapter: of pydantic, which judges what is one.
    """

    adapter: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return True


def _with_stand_in(kind: Any) -> Any:
    """The type, or what stands for one in which several pydantic models are to be told apart."""
    if not _is_among_models(kind):
        return kind
    # Whoever has models has pydantic.
    return _StandIn("StandIn", (), {"adapter": sys.modules["pydantic"].TypeAdapter(kind)})


def _is_among_models(kind: Any) -> bool:
    parts = typing.get_args(kind)
    is_union = typing.get_origin(kind) in (typing.Union, types.UnionType)
    return (is_union and sum(map(_is_pydantic, parts)) > 1) or any(map(_is_among_models, parts))


def _identifier(name: str) -> str:
    legal = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in name)
    return legal[:64] or "answer"
