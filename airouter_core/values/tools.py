"""What the model may call, whether it must, and the form its answer must have."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from ..errors import ParameterError
from .value import Value

NO_ARGUMENTS: Mapping[str, Any] = {"type": "object", "properties": {}}
COMPOSED = frozenset({"$ref", "anyOf", "oneOf", "allOf"})
"""What a schema may be made of in place of properties."""
INVENTED = re.compile(r"call_\d+_[0-9a-f]{12}")
DECLARED_FIELDS = frozenset({"type", "name", "description", "parameters", "input_schema", "strict"})
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

    @property
    def arguments_schema(self) -> dict[str, Any]:
        """The schema with its type and properties, also where it leaves them out, which OpenAI and others refuse."""
        schema = self.input_schema
        if schema.get("type", "object") != "object" or not COMPOSED.isdisjoint(schema):
            return dict(schema)
        return {**NO_ARGUMENTS, **schema}


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


def tools_from(values: Iterable[Tool | Mapping[str, Any]] | None) -> tuple[Tool, ...]:
    """Take tools as values or as dicts, nested (``{"type": "function", "function": {...}}``) or flat.

    Raises:
        ParameterError: one has no name, or two have the same.
    """
    if not isinstance(values, Iterable | None):
        raise ParameterError(f"tools must be a list of tools, not {type(values).__name__}")
    tools = tuple(value if isinstance(value, Tool) else _tool(value) for value in values or ())
    names = [tool.name for tool in tools]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ParameterError(f"two tools are called {', '.join(sorted(doubled))}")
    return tools


def tool_choice_from(value: str | Mapping[str, Any] | ToolChoice | None, tools: Sequence[Tool]) -> ToolChoice | None:
    """Take a tool choice as a value, as ``"auto"``, ``"none"``, ``"required"``, as a tool's name, or as a dict.

    Raises:
        ParameterError: it is none of these, names a tool that is not among ``tools``, or requires one of none.
    """
    if value is None or isinstance(value, ToolChoice):
        choice = value
    elif isinstance(value, str):
        choice = ToolChoice(value) if value in ("auto", "none", "required") else ToolChoice("tool", value)  # type: ignore[arg-type]  # checked by the condition
    elif not isinstance(value, Mapping):
        raise ParameterError(f"tool_choice must be a word, a tool's name or a dict, not {type(value).__name__}")
    else:
        function = value.get("function")
        name = function.get("name") if isinstance(function, Mapping) else value.get("name")
        if not isinstance(name, str):
            raise ParameterError(f"tool_choice {value!r} names no tool")
        choice = ToolChoice("tool", name)
    if choice is None:
        return None
    if choice.name is not None and choice.name not in {tool.name for tool in tools}:
        known = ", ".join(tool.name for tool in tools) or "none"
        raise ParameterError(f"tool_choice names {choice.name!r}, which is not among the tools given ({known})")
    if choice.mode == "required" and not tools:
        raise ParameterError('tool_choice is "required", and there is no tool to call: give tools too')
    return choice


def _tool(value: Any) -> Tool:
    if not isinstance(value, Mapping):
        raise ParameterError(f"a tool must be a Tool or a dict, not {type(value).__name__}")
    function = value.get("function", value)
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise ParameterError(f"tool {value!r} has no name")
    kind = value.get("type", "function")
    if kind not in ("function", "custom"):
        raise ParameterError(
            f"tool {function['name']!r} is of type {kind!r}, which is a provider's own: it goes in provider_options, "
            "as {'<provider>': {'tools': [...]}}"
        )
    outside = set(value) - {"type", "function"} if "function" in value else set()
    for field in (*outside, *(set(function) - DECLARED_FIELDS)):
        if {**value, **function}.get(field) is not None:
            raise ParameterError(
                f"tool {function['name']!r} has the field {field!r}, which is not known; what only one provider "
                "understands goes in provider_options"
            )
    schema = function.get("parameters", function.get("input_schema"))
    if not isinstance(schema, Mapping | None):
        raise ParameterError(
            f"tool {function['name']!r}: the schema of the arguments must be a mapping, not {type(schema).__name__}"
        )
    return Tool(
        function["name"],
        function.get("description"),
        NO_ARGUMENTS if schema is None else schema,
        strict=function.get("strict"),
    )


def invented_id(number: int) -> str:
    """An id for a call to which the server gave none. No other call of any conversation has it.

    Chance is what makes it so: an answer does not know the turns before it.
    """
    return f"call_{number}_{os.urandom(6).hex()}"


def is_invented(identity: str) -> bool:
    """Whether an id is one of :func:`invented_id`, and so another one each time that the same answer is read."""
    return INVENTED.fullmatch(identity) is not None
