"""``tool_choice`` of the kind ``allowed_tools``: some of the tools may be called, while all stand in the prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.values.ask import Ask
from airouter_core.values.tools import ToolChoice

from ..fields import kind_of, list_in, object_in, text_of

ALLOWED = "allowed_tools"
MODES = {"auto": "auto", "required": "required"}


def allowed_in(choice: Any) -> Mapping[str, Any] | None:
    """Mode and tools of such a choice, which Responses says flat and chat completions in an object; else ``None``."""
    if not isinstance(choice, Mapping) or kind_of(choice) != ALLOWED:
        return None
    return object_in(choice, ALLOWED) or choice


def narrowed(ask: Ask, allowed: Mapping[str, Any]) -> Ask:
    """The ask for a model that has no such choice: it is offered the allowed tools alone."""
    names = {text_of(object_in(tool, "function") or tool, "name") for tool in list_in(allowed, "tools")}
    tools = tuple(tool for tool in ask.tools if tool.name in names)
    mode = MODES.get(str(allowed.get("mode")), "auto")
    choice = msgspec.convert({"mode": mode}, ToolChoice) if tools else None
    return msgspec.structs.replace(ask, tools=tools, tool_choice=choice)
