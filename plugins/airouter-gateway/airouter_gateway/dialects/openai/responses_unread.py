"""What of the items of ``/v1/responses`` nobody is sent: fields that are not known here, for the receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..fields import kind_of, list_in, object_in

OF_MESSAGES = frozenset({"type", "role", "content", "id", "status", "phase"})
OF_RESULTS = frozenset({"type", "call_id", "output", "id", "status"})
OF_ANSWERS = frozenset({"type", "text", "refusal", "logprobs"})
OF_FORMS = frozenset({"type", "name", "schema", "strict", "description"})
RESULTS = ("function_call_output", "custom_tool_call_output")


def unread_of(said: Mapping[str, Any]) -> tuple[str, ...]:
    """One line for all of them; none where everything goes on. Thoughts and calls go on as they came."""
    names = list(_in_items(said))
    names += [f"text.format.{name}" for name in _rest(object_in(object_in(said, "text"), "format"), OF_FORMS)]
    return (f"fields were not sent: {', '.join(names)}",) if names else ()


def _in_items(said: Mapping[str, Any]) -> Iterator[str]:
    for place, item in enumerate(() if isinstance(said.get("input"), str) else list_in(said, "input")):
        kind = kind_of(item, "message")
        if kind not in ("message", *RESULTS):
            continue
        yield from (f"input[{place}].{name}" for name in _rest(item, OF_RESULTS if kind in RESULTS else OF_MESSAGES))
        content = item.get("content")
        if item.get("role") == "assistant" and isinstance(content, list):
            for part in content:
                yield from (f"input[{place}].content.{name}" for name in _rest(part, OF_ANSWERS))


def _rest(said: Any, known: frozenset[str]) -> list[str]:
    """Those of its fields that say something, and are not known."""
    if not isinstance(said, Mapping):
        return []
    return [name for name, value in said.items() if name not in known and value not in (None, [], {})]
