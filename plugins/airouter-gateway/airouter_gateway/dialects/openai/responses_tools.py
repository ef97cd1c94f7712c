"""Tools of ``/v1/responses``: as functions for everybody, and those that are none as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.values.tools import Tool

from ..fields import kind_of, list_in, object_in, rest, text_of
from ..question import NamedTool
from .allowed_tools import allowed_in

OPENAI = "openai"
"""The provider under whose name parts keep what only it understands."""
OF_FUNCTIONS = ("type", "name", "description", "parameters", "strict")
FREE_FORM = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
"""What stands in for a tool whose input is any text."""


class OfferedTools:
    """The tools of a body."""

    def __init__(self, entries: Iterable[Mapping[str, Any]]) -> None:
        self.plain: list[Tool] = []
        self.offered: list[Tool] = []
        self.others: list[dict[str, Any]] = []
        self.names: dict[str, NamedTool] = {}
        self.losses: list[str] = []
        for entry in entries:
            self._add(entry)

    @property
    def names_here(self) -> Mapping[tuple[str | None, str], str]:
        """By namespace and name, under what name a tool is offered."""
        return {(named.namespace, named.name): name for name, named in self.names.items()}

    def _add(self, entry: Mapping[str, Any]) -> None:
        kind = kind_of(entry)
        if kind == "function":
            tool = _function(entry)
            self.offered.append(tool)
            unknown = rest(entry, *OF_FUNCTIONS)
            if not unknown:
                self.plain.append(tool)
                return
            self.losses.append(f"fields of tool {tool.name!r} were not sent: {', '.join(sorted(unknown))}")
        self.others.append(dict(entry))
        if kind == "custom":
            self._offer(entry, None, custom=True)
            self.losses.append(f"tool {entry.get('name')!r} takes any text; it was offered as a function of one text")
        elif kind == "namespace":
            for inner in list_in(entry, "tools"):
                self._offer(inner, text_of(entry, "name"), custom=kind_of(inner) == "custom")
        elif kind != "function":
            self.losses.append(f"a tool of type {kind} was left out: only {OPENAI} has it")

    def _offer(self, entry: Mapping[str, Any], namespace: str | None, *, custom: bool) -> None:
        name = text_of(entry, "name") or ""
        ours = f"{namespace}__{name}" if namespace else name
        self.names[ours] = NamedTool(name, namespace, custom)
        made = Tool(ours, text_of(entry, "description"), FREE_FORM) if custom else _function({**entry, "name": ours})
        self.offered.append(made)


def _function(entry: Mapping[str, Any]) -> Tool:
    strict = entry.get("strict")
    schema = object_in(entry, "parameters") or {"type": "object", "properties": {}}
    return Tool(text_of(entry, "name") or "", text_of(entry, "description"), schema, strict=strict)


def choice_of(choice: Any, tools: OfferedTools) -> Any:
    """The choice of a tool, as far as what it names is offered."""
    if not tools.offered or choice is None or allowed_in(choice) is not None:
        return None
    if isinstance(choice, Mapping):
        name = text_of(choice, "name")
        if name not in {tool.name for tool in tools.offered}:
            tools.losses.append(f"tool_choice {choice.get('type')!r} was not sent: the tool that it names was left out")
            return None
    return choice
