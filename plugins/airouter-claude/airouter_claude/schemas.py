"""Schemas that bind the model, of which this API takes a part of JSON Schema.

Source: the vendor's page on structured outputs, "JSON Schema limitations", and ``lib/_parse/_transform.py`` of its SDK
(2.12.0), which tells in the description what is not taken, as is done here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airouter_core.profile.schemas import closed, in_words, is_open, is_recursive, schemas_in, with_choices

REFUSED = frozenset(
    {
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "pattern",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
    }
)
FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
NOT_HELD = frozenset({"not", "if", "then", "else", "prefixItems", "patternProperties", "propertyNames", "contains"})


def binding(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema as the API takes it, or ``None`` where it cannot hold the model to it.

    Each object says that it has no further properties; bounds stand in the description.
    """
    made = closed(with_choices(schema))
    for one in schemas_in(made):
        if NOT_HELD & one.keys() or is_open(one) or isinstance(one.get("additionalProperties"), Mapping):
            return None
    return None if is_recursive(made) else dict(in_words(made, _is_refused))


def as_words(schema: Mapping[str, Any]) -> str:
    """What to ask for in the prompt, where the schema cannot bind."""
    return f"It must fit this JSON Schema: {json.dumps(schema, ensure_ascii=False)}"


def _is_refused(name: str, value: Any) -> bool:
    if name == "minItems":
        return value not in (0, 1)
    return name in REFUSED or (name == "format" and value not in FORMATS)
