"""How many tokens a call may have, before it is sent: rather too many than too few."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.record import plain
from airouter_core.values.tokens import estimate_tokens

MARGIN = 1.25
"""The estimate is within some tens of percent for prose; limits of money are kept with room."""
FRAME = 8
"""Tokens that a message has beside its words, about."""
PICTURE = 1600
"""Tokens of a picture: the most that a large one has at the common vendors without asking for more detail."""
BYTES_PER_TOKEN = 100
"""Of other files; a page of a PDF is some 3,000 tokens in about as many hundred bytes."""


def most_tokens(ask: Ask, otherwise: int) -> tuple[int, int]:
    """Tokens that are sent and that are made at most.

    Args:
        otherwise: tokens made by a call that does not limit them.
    """
    sent = sum(FRAME + sum(map(_tokens, message.parts)) for message in ask.messages)
    for part in (ask.tools, ask.response_format):
        if part:
            sent += _text(json.dumps(plain(part)))
    sent += sum(map(_text, _texts(ask.arguments)))
    limits = [value for name, value in ask.parameters.items() if NAMES.get(name, name) == "max_tokens"]
    made = next((value for value in limits if isinstance(value, int) and value > 0), otherwise)
    answers = next((value for name, value in ask.parameters.items() if NAMES.get(name, name) == "n"), 1)
    made *= answers if isinstance(answers, int) and answers > 0 else 1
    return int(sent * MARGIN), made if ask.kind == "chat" else 0


def _tokens(part: Any) -> int:
    if isinstance(part, TextPart | ReasoningPart):
        return _text(part.text)
    if isinstance(part, ToolCallPart):
        return _text(part.name) + _text(part.arguments_json)
    if isinstance(part, ToolResultPart):
        return sum(map(_tokens, part.content))
    if isinstance(part, FilePart):
        return PICTURE if part.is_image or part.data is None else max(len(part.data) // BYTES_PER_TOKEN, 1)
    return 0


def _text(text: str) -> int:
    return estimate_tokens(text)


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, Message):
        yield value.text
