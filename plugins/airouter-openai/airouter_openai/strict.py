"""Schemas in strict mode, which takes less of JSON Schema than there is.

Source: the vendor's page on structured outputs, "Supported schemas", and its answers of status 400.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airouter_core.profile.schemas import COMPOSED, in_words, with_one_object_at_the_top

REFUSED = frozenset({"default", "minLength", "maxLength", "minProperties", "maxProperties", "uniqueItems"})
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})


def as_sent(schema: Mapping[str, Any] | None, *, strict: bool | None) -> dict[str, Any]:
    """The schema, with what strict mode refuses told in words, where it is asked for."""
    return dict(in_words(schema or {}, _is_refused)) if strict else dict(schema or {})


def arguments_as_sent(schema: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """The schema of a tool's arguments, an object at its root; made of alternatives, it cannot be strict."""
    held = strict and set(COMPOSED).isdisjoint(schema)
    return {"parameters": as_sent(with_one_object_at_the_top(schema), strict=held), "strict": held}


def _is_refused(name: str, value: Any) -> bool:
    return name in REFUSED or (name == "format" and value not in FORMATS)
