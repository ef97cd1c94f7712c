"""Which parameters a call can have: some models think, and only they can be told how much.

Source: Cohere's pages on its models and on reasoning (2026-11).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.messages import FilePart, ToolResultPart
from airouter_core.values.request import Request

from .config import CohereConfig
from .plugin import PARAMETERS

THOUGHTLESS = re.compile(r"command(-(r|r7b|r-plus|light|nightly)\b.*|-a-(03-2025|vision|translate).*)?$|c4ai-")
"""Models that do not think; all others are taken to be able to."""
EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")


def support(request: Request, config: CohereConfig) -> Iterable[ParameterSupport]:
    """Which parameters this call can have, and as what.

    Raises:
        ParameterError: two of them contradict each other, or the conversation cannot be sent.
        UnsupportedFeatureError: a file stands where none can.
    """
    if not request.conversation:
        raise ParameterError("Cohere needs a message of the user beside the system prompt")
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ToolResultPart) and any(isinstance(item, FilePart) for item in part.content):
                raise UnsupportedFeatureError(
                    "cohere takes no pictures in results of tools; put them into a message of the user"
                )
    if request.parameter("reasoning_effort") == "none" and "reasoning_budget" in request.parameters:
        raise ParameterError('reasoning_effort="none" and a reasoning_budget contradict each other; give one of them')
    return _rows(request)


def thinks(model: str) -> bool:
    """Whether a model can think before it answers."""
    return THOUGHTLESS.match(model) is None


def _rows(request: Request) -> Iterator[ParameterSupport]:
    for row in PARAMETERS:
        match row.name:
            case "reasoning_effort" | "reasoning_budget" if not thinks(request.model):
                yield msgspec.structs.replace(row, field=None, reason=f"{request.model} does not think")
            case "reasoning_effort":
                words: dict[str | bool, Any] = {"none": "disabled", **dict.fromkeys(EFFORTS, "enabled")}
                yield msgspec.structs.replace(row, said_as=words)
            case _:
                yield row
