"""``/v1/moderations``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import FilePart, TextPart
from airouter_core.values.value import Value

from ..fields import object_of, text_of

USUAL = "omni-moderation-latest"


class Judged(Value, frozen=True, kw_only=True):
    """What is to be judged, and by which operation of a provider."""

    model: str
    operation: str
    arguments: dict[str, Any]


def read_moderations(body: bytes) -> Judged:
    """What a body has judged: a text, several, or texts and pictures that belong together.

    Raises:
        ParameterError: it is none of these.
    """
    said = object_of(body)
    value = said.get("input")
    model = text_of(said, "model") or USUAL
    if isinstance(value, str) and value:
        return Judged(model=model, operation="moderate_content", arguments={"content": value})
    if not isinstance(value, list) or not value or not all(value):
        raise ParameterError("input must be a text, a list of texts or a list of parts, none of them empty")
    if all(isinstance(item, str) for item in value):
        return Judged(model=model, operation="moderate_contents", arguments={"texts": value})
    if not all(isinstance(item, Mapping) for item in value):
        raise ParameterError("input must be a text, a list of texts or a list of parts")
    (message,) = messages_from([{"role": "user", "content": value}])
    parts = [part for part in message.parts if isinstance(part, TextPart | FilePart)]
    return Judged(model=model, operation="moderate_content", arguments={"content": parts})


def moderations_body(identity: str, model: str, results: Sequence[Any]) -> bytes:
    """The judgements, in the words of who has judged."""
    told = [
        {
            "flagged": result.flagged,
            "categories": result.categories,
            "category_scores": result.scores,
            "category_applied_input_types": result.applied_input_types,
        }
        for result in results
    ]
    return msgspec.json.encode({"id": f"modr-{identity.removeprefix('req_')}", "model": model, "results": told})
