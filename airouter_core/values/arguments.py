"""Arguments of a tool call as they are sent back: a JSON object, whatever the model wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import ProtocolError
from .messages import ToolCallPart

CALL_FIELDS = "call_fields"
"""In the metadata of a call: what its server said beside name and arguments, and gets back."""
UNREADABLE = "INVALID_JSON"
"""Key under which arguments that are no JSON object are sent back (a vendor's page on fine-grained streaming)."""


def arguments_object(call: ToolCallPart) -> dict[str, Any]:
    """The arguments as an object; what the model wrote that is none stands in one."""
    try:
        return call.arguments
    except ProtocolError:
        return {UNREADABLE: call.arguments_json}


def arguments_text(call: ToolCallPart) -> str:
    """The arguments as JSON: as the model wrote it, where it wrote an object."""
    try:
        arguments = call.arguments
    except ProtocolError:
        return json.dumps({UNREADABLE: call.arguments_json})
    if not arguments:
        return "{}"
    return call.arguments_json if _is_strict(call.arguments_json) else json.dumps(arguments, ensure_ascii=False)


def _is_strict(said: str) -> bool:
    """Whether this is JSON to those who hold it to its letter, who take no line break inside a text."""
    if said.isprintable():
        return True
    try:
        json.loads(said)
    except ValueError:
        return False
    return True


def are_readable(call: ToolCallPart) -> bool:
    """Whether the model wrote an object, or nothing; or what a custom tool takes, which is any text."""
    if any(
        str(own.get("type", "")).startswith("custom")
        for own in call.provider_metadata.values()
        if isinstance(own, Mapping)
    ):
        return True
    return has_object(call)


def has_object(call: ToolCallPart) -> bool:
    """Whether the model wrote an object, or nothing."""
    try:
        call.arguments  # noqa: B018  # it is asked whether this fails
    except ProtocolError:
        return False
    return True
