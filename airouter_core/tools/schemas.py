"""Types of the user's as schemas, and answers and arguments as their instances.

msgspec (extra ``[structured]``) reads attrs classes, dataclasses, TypedDicts, NamedTuples and annotated functions;
pydantic models bring their own means and are taken as they are, where the user has pydantic.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ConfigurationError, ParameterError, ProtocolError
from ..values.tools import ResponseFormat, Tool

INSTALL = "pip install 'airouter-core[structured]'"


def is_type(value: Any) -> bool:
    """Whether this is a type that an answer can be made an instance of."""
    return isinstance(value, type) or typing.get_origin(value) is not None


def format_of(kind: Any) -> ResponseFormat:
    """The response format that asks for an instance of a type.

    Raises:
        ConfigurationError: the extra is not installed.
        ParameterError: the type cannot be said as a JSON Schema.
    """
    schema = _pydantic_schema(kind) if _is_pydantic(kind) else _schema(kind)
    name = getattr(kind, "__name__", "answer")
    if schema.get("type") != "object" or not ({"properties", "$ref"} & set(schema)):
        raise ParameterError(
            f'response_format must be a class with fields, not {name}: wrap it in a dataclass, or say "json"'
        )
    schema = closed(schema)
    strict = True if _requires_everything(schema) else None
    return ResponseFormat("json_schema", schema, name=_identifier(name), strict=strict)


def instance_of(kind: Any, text: str) -> Any:
    """The instance that a JSON text describes.

    Raises:
        ProtocolError: it describes none; the message says why and shows the text.
    """
    try:
        if _is_pydantic(kind):
            return kind.model_validate_json(text)
        msgspec = _msgspec()
        return msgspec.json.decode(text.encode(), type=kind, dec_hook=_converted_custom)
    except ValueError as error:
        shown = text if len(text) <= 400 else text[:400] + "…"
        raise ProtocolError(
            f"the answer does not fit {getattr(kind, '__name__', kind)}: {error}; it is: {shown}"
        ) from error


def tool_of(function: Callable[..., Any]) -> Tool:
    """A tool from a typed function: its name, its docstring, and a schema of its parameters.

    Raises:
        ConfigurationError: the extra is not installed.
        ParameterError: a parameter has no annotation, or one that cannot be said as a schema.
    """
    if not callable(function):
        raise ParameterError(f"a tool is a function, a Tool or a dict, not {type(function).__name__}")
    description = inspect.getdoc(function) or None
    name = _identifier(getattr(function, "__name__", "tool"))
    return Tool(name, description, closed(_schema(_arguments_type(function))))


def call(function: Callable[..., Any], arguments: Mapping[str, Any]) -> Any:
    """Call a typed function with arguments as a model gave them.

    Raises:
        ParameterError: they do not fit; the message is for the model to read.
    """
    kind = _arguments_type(function)
    msgspec = _msgspec()
    try:
        converted = msgspec.convert(dict(arguments), kind, dec_hook=_converted_custom)
    except msgspec.ValidationError as error:
        raise ParameterError(f"the arguments do not fit: {error}") from error
    given = {field: getattr(converted, field) for field in converted.__struct_fields__}
    return function(**given)


def closed(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema, with objects that take no other properties than those named: what strict modes ask for."""
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if isinstance(value, Mapping):
            result[key] = (
                {name: closed(item) if isinstance(item, Mapping) else item for name, item in value.items()}
                if key in ("properties", "$defs")
                else closed(value)
            )
        elif isinstance(value, list):
            result[key] = [closed(item) if isinstance(item, Mapping) else item for item in value]
        else:
            result[key] = value
    if result.get("type") == "object" and "properties" in result:
        result.setdefault("additionalProperties", False)
    return result


def _schema(kind: Any) -> dict[str, Any]:
    msgspec = _msgspec()
    try:
        (root,), components = msgspec.json.schema_components(
            (kind,), schema_hook=_custom_schema, ref_template="#/$defs/{name}"
        )
    except TypeError as error:
        raise ParameterError(f"{getattr(kind, '__name__', kind)} cannot be said as a JSON Schema: {error}") from error
    reference = root.get("$ref", "")
    if reference:
        # Strict modes want the object itself at the top, not a reference to it.
        name = reference.rpartition("/")[2]
        root = dict(components[name])
        if f'"{reference}"' not in str({**components, name: {}}).replace("'", '"') and reference not in str(root):
            components = {other: value for other, value in components.items() if other != name}
    return {**root, "$defs": components} if components else dict(root)


def _arguments_type(function: Callable[..., Any]) -> Any:
    msgspec = _msgspec()
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
        kind = hints[parameter.name]
        default = parameter.default
        fields.append((parameter.name, kind) if default is parameter.empty else (parameter.name, kind, default))
    return msgspec.defstruct(function.__name__, fields, kw_only=True, forbid_unknown_fields=True)


def _requires_everything(schema: Mapping[str, Any]) -> bool:
    objects = [schema, *schema.get("$defs", {}).values()]
    return all(set(item.get("properties", ())) == set(item.get("required", ())) for item in objects)


def _is_pydantic(kind: Any) -> bool:
    return isinstance(kind, type) and hasattr(kind, "model_json_schema") and hasattr(kind, "model_validate_json")


def _pydantic_schema(kind: Any) -> dict[str, Any]:
    schema: dict[str, Any] = kind.model_json_schema()
    return schema


def _custom_schema(kind: Any) -> dict[str, Any]:
    if _is_pydantic(kind):
        return _pydantic_schema(kind)
    raise NotImplementedError


def _converted_custom(kind: Any, value: Any) -> Any:
    if _is_pydantic(kind):
        return kind.model_validate(value)
    raise NotImplementedError


def _identifier(name: str) -> str:
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "_-") else "_" for letter in name)[:64]


def _msgspec() -> Any:
    try:
        import msgspec
    except ImportError as error:
        raise ConfigurationError(f"types and functions as schemas need an extra: {INSTALL}") from error
    return msgspec
