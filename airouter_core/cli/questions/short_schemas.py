"""A schema in a few words: ``name, age int, tags list``."""

from __future__ import annotations

import json
import re
from typing import Any

from ...errors import ParameterError

KINDS: dict[str, dict[str, Any]] = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list": {"type": "array", "items": {"type": "string"}},
}
"""What stands behind a name; a list is one of texts unless it says otherwise, as in ``list[int]``."""
ALSO = {"string": "str", "text": "str", "integer": "int", "number": "float", "boolean": "bool"}
_FIELD = re.compile(r"([^\W\d]\w*)(?:\s+(\w+)(?:\[\s*(\w+)\s*\])?)?\s*(?::\s*(.+))?", re.DOTALL)


def schema_from(text: str) -> dict[str, Any]:
    """The JSON Schema that a text is, or says in short: names with their kinds, between commas or in lines.

    Behind a colon a field may be described, up to the end of its line or the next comma:
    ``name: of the author, age int, tags list, scores list[float]``. All fields are required.

    Raises:
        ParameterError: it is neither.
    """
    if text.lstrip().startswith("{"):
        return _parsed(text)
    fields = [field.strip() for field in re.split(r"[,\n]", text) if field.strip()]
    if not fields:
        raise ParameterError("a schema needs fields, such as 'name, age int, tags list'")
    properties: dict[str, Any] = {}
    for field in fields:
        name, described = _field(field)
        if name in properties:
            raise ParameterError(f"the schema has {name!r} twice")
        properties[name] = described
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(text: str) -> tuple[str, dict[str, Any]]:
    match = _FIELD.fullmatch(text)
    if match is None:
        raise ParameterError(
            f"{text!r} is no field of a schema; write it as in 'name, age int, tags list: of the post'"
        )
    name, kind, items, description = match.groups()
    made = _kind(kind or "str", text)
    if items is not None:
        if made != KINDS["list"]:
            raise ParameterError(f"{text!r}: only a list holds other kinds")
        made = {"type": "array", "items": _kind(items, text)}
    return name, {**made, **({"description": " ".join(description.split())} if description else {})}


def _kind(word: str, text: str) -> dict[str, Any]:
    found = KINDS.get(ALSO.get(word.lower(), word.lower()))
    if found is None:
        raise ParameterError(
            f"{text!r}: {word!r} is no kind of field; there are {', '.join(KINDS)} and list[int] and so on"
        )
    return dict(found)


def _parsed(text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ParameterError(f"the schema is no valid JSON: {error}") from error
    if not isinstance(schema, dict):
        raise ParameterError("a JSON Schema is an object")
    return schema
