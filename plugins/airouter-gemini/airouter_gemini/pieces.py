"""Calls whose arguments arrive value by value, as Vertex AI streams them with ``streamFunctionCallArguments``.

Each piece names a place in the arguments (a JSONPath of names and positions) and a value, or more of a text that stood
there already. A call is complete with the first piece that announces no other.
Source: types FunctionCall and PartialArg of SDK google-genai 3.6.1.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ProtocolError
from airouter_core.wire.json import items, mapping, text

STEP = re.compile(r"\.([^.\[\]]+)|\[['\"]([^'\"]+)['\"]\]|\[(\d+)\]")
VALUES = ("stringValue", "numberValue", "boolValue")


class PiecedCall:
    """A call that is being put together, in the form in which a whole one arrives."""

    def __init__(self) -> None:
        self.part: dict[str, Any] = {}
        self._call: dict[str, Any] = {"args": {}}

    def add(self, part: Mapping[str, Any]) -> bool:
        """Take a piece; whether the call is complete with it.

        Raises:
            ProtocolError: a piece belongs nowhere.
        """
        call = mapping(part.get("functionCall"))
        self._call.update({name: call[name] for name in ("name", "id") if text(call.get(name))})
        self._call["args"].update(mapping(call.get("args")))
        for piece in map(mapping, items(call.get("partialArgs"))):
            self._put(piece)
        self.part.update({**part, "functionCall": self._call})
        return call.get("willContinue") is not True

    def _put(self, piece: Mapping[str, Any]) -> None:
        path = text(piece.get("jsonPath"))
        steps: list[str | int] = [name or quoted or int(position) for name, quoted, position in STEP.findall(path)]
        if not steps:
            raise ProtocolError(f"the provider sent a piece of arguments for no place among them: {path!r}")
        value = next((piece[name] for name in VALUES if name in piece), None)
        target: Any = self._call["args"]
        for step, following in itertools.pairwise(steps):
            target = _inside(target, step, [] if isinstance(following, int) else {})
        known = _inside(target, steps[-1], None)
        longer = isinstance(known, str) and isinstance(value, str)
        target[steps[-1]] = known + value if longer else value


def _inside(target: Any, step: str | int, otherwise: Any) -> Any:
    """What stands at a place, made if nothing does."""
    if isinstance(step, int) and isinstance(target, list) and step <= len(target):
        if step == len(target):
            target.append(otherwise)
        return target[step]
    if isinstance(step, str) and isinstance(target, dict):
        return target.setdefault(step, otherwise)
    raise ProtocolError(f"the provider sent a piece of arguments for a place that cannot be: {step!r}")
