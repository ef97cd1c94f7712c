"""What the model may call, whether it must, and the form its answer must have."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from ..errors import ParameterError
from .value import Value

NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}
INVENTED = re.compile(r"call_\d+_[0-9a-f]{12}")
TOOL_CHOICES = ("auto", "none", "required", "tool")


class Tool(Value, frozen=True):
    """A function the model may ask for.

    Attributes:
        input_schema: JSON Schema of the arguments, of type ``object``.
        strict: whether the provider must hold the model to the schema; ``None`` leaves it to the provider.
    """

    name: str
    description: str | None = None
    input_schema: Mapping[str, Any] = msgspec.field(default_factory=lambda: NO_ARGUMENTS)
    strict: bool | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise ParameterError(f"a tool needs a name, not {self.name!r}")
        if not isinstance(self.description, str | None):
            raise ParameterError(f"tool {self.name!r}: the description is a string, not {self.description!r}")
        if not isinstance(self.input_schema, Mapping):
            raise ParameterError(
                f"tool {self.name!r}: the schema of the arguments is a mapping, not {type(self.input_schema).__name__}"
            )


class ToolChoice(Value, frozen=True):
    """Whether the model may, must or must not call a tool; ``mode="tool"`` names the one it must call."""

    mode: Literal["auto", "none", "required", "tool"] = "auto"
    name: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in TOOL_CHOICES:
            raise ParameterError(f"the mode of a ToolChoice is one of {', '.join(TOOL_CHOICES)}, not {self.mode!r}")
        if (self.mode == "tool") != (self.name is not None):
            raise ParameterError('ToolChoice(mode="tool") needs a name, and no other mode takes one')


class ResponseFormat(Value, frozen=True):
    """The form of the answer: any JSON object, or JSON that a schema accepts.

    Attributes:
        strict: whether the provider must hold the model to the schema; ``None`` leaves it to the provider.
    """

    kind: Literal["json", "json_schema"] = "json"
    schema: Mapping[str, Any] | None = None
    name: str = "answer"
    strict: bool | None = None
    description: str | None = None

    def __post_init__(self) -> None:
        if (self.kind == "json_schema") != (self.schema is not None):
            raise ParameterError('ResponseFormat("json_schema", schema) needs a schema, and kind "json" takes none')


def response_format_from(value: str | Mapping[str, Any] | ResponseFormat | None) -> ResponseFormat | None:
    """Take a response format as a value, as ``"json"``, as a chat-completions dict, or as a JSON Schema.

    Raises:
        ParameterError: it is none of these.
    """
    if value is None or isinstance(value, ResponseFormat):
        return value
    if isinstance(value, str):
        if value in ("json", "json_object"):
            return ResponseFormat()
        if value == "text":
            return None
        raise ParameterError(f'response_format must be "json", a JSON Schema or a ResponseFormat, not {value!r}')
    if not isinstance(value, Mapping):
        raise ParameterError(f"response_format must be a word or a mapping, not {type(value).__name__}")
    return _format_from_mapping(value)


def _format_from_mapping(value: Mapping[str, Any]) -> ResponseFormat | None:
    match value.get("type"):
        case "text":
            return None
        case "json_object" if "properties" not in value:
            return ResponseFormat()
        case "json_schema":
            described = value.get("json_schema", value)
            schema = described.get("schema") if isinstance(described, Mapping) else None
            if not isinstance(schema, Mapping):
                raise ParameterError("response_format of type json_schema has no schema")
            return ResponseFormat(
                "json_schema",
                schema,
                name=described.get("name", "answer"),
                strict=described.get("strict"),
                description=described.get("description"),
            )
    if not {"type", "properties", "$ref", "anyOf", "oneOf", "allOf", "enum", "const"} & set(value):
        raise ParameterError(f"response_format {dict(value)!r} is neither a known format nor a JSON Schema")
    return ResponseFormat("json_schema", value, name=_schema_name(value))


def _schema_name(schema: Mapping[str, Any]) -> str:
    title = str(schema.get("title", ""))
    name = "".join(character if character.isascii() and character.isalnum() else "_" for character in title)
    return name.strip("_")[:64] or "answer"


def invented_id(number: int) -> str:
    """An id for a call to which the server gave none. No other call of any conversation has it.

    Chance is what makes it so: an answer does not know the turns before it.
    """
    return f"call_{number}_{os.urandom(6).hex()}"


def is_invented(identity: str) -> bool:
    """Whether an id is one of :func:`invented_id`, and so another one each time that the same answer is read."""
    return INVENTED.fullmatch(identity) is not None
