"""Whether a prompt fits: what can be known before a call, and what can be told from its counts afterwards.

Ollama drops the oldest messages of a conversation that does not fit, and says nothing (ollama#3839); when the answer
fills the context it drops the front of the prompt as well. Since 0.12.6 a server refuses instead, with both numbers,
when the request says ``truncate: false`` and ``shift: false``; so that is what is sent, and the counts are compared
only where it cannot help.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airouter_core.values.messages import FilePart, ReasoningPart, RefusalPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.value import Value

REFUSES_SINCE = (0, 12, 6)
"""The first version whose chat endpoint knows ``truncate`` and ``shift`` (api/types.go of 0.12.5 and 0.12.6)."""

SMALLEST = 2048
"""Tokens; smaller contexts are not worth a reload. Also the lowest default that any version had."""
ANSWER = 1024
"""Tokens kept free for an answer whose ``max_tokens`` is not given."""
IMAGE = 1024
"""Tokens assumed for an image; models differ from some 250 to some 4000."""
TURN = 8
"""Tokens that a template puts around a message."""
MARGIN = 1.25
"""How far an estimate of prose is taken to be wrong, upwards."""
LEAST = 0.5
"""And downwards: a text has hardly ever fewer tokens than this share of the estimate."""
BLOCK = 256
"""The runner rounds a context up to a multiple of this many tokens."""


def estimated_tokens(request: Request) -> int:
    """About how many tokens the prompt of a request has, with its tools."""
    tokens = sum(estimate_tokens(json.dumps(dict(tool.input_schema))) + TURN for tool in request.tools)
    for message in request.messages:
        tokens += TURN + sum(_part_tokens(part) for part in message.parts)
    return tokens


def needed_context(prompt_tokens: int, request: Request) -> int:
    """How many tokens prompt and answer need together."""
    return prompt_tokens + int(request.parameter("max_tokens", ANSWER)) + TURN


def fitting_context(needed: int, limit: int | None) -> int:
    """The smallest power of two that is enough, within what the model was trained for."""
    context = SMALLEST
    while context < needed:
        context *= 2
    return context if limit is None else min(context, limit)


def cache_bytes(model_info: Mapping[str, Any], context: int) -> int | None:
    """Memory that a context of this length takes: keys and values of 16 bits in each layer; ``None`` if unknown.

    Args:
        model_info: as ``/api/show`` gives it, with GGUF's keys (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
    """
    kind = model_info.get("general.architecture")
    layers = model_info.get(f"{kind}.block_count")
    heads = model_info.get(f"{kind}.attention.head_count")
    key_heads = model_info.get(f"{kind}.attention.head_count_kv", heads)
    width = model_info.get(f"{kind}.embedding_length")
    if not all(isinstance(value, int) and value > 0 for value in (layers, heads, key_heads, width)):
        return None
    head: int = width // heads  # type: ignore[operator]  # checked above
    sizes = [model_info.get(f"{kind}.attention.{name}_length", head) for name in ("key", "value")]
    return int(2 * context * layers * key_heads * sum(sizes))  # type: ignore[operator]  # as above


def refuses_to_truncate(version: str) -> bool:
    """Whether a server of this version does as ``truncate: false`` says; a version that cannot be read does not."""
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", version)
    return found is not None and tuple(map(int, found.groups())) >= REFUSES_SINCE


class Evidence(Value, frozen=True):
    """What is known when a call is over.

    Attributes:
        context: tokens that the loaded model holds, as far as known.
        estimate: of the prompt, made before.
        prompt_tokens, answer_tokens: as the server counted.
    """

    context: int
    estimate: int
    prompt_tokens: int | None
    answer_tokens: int | None

    @property
    def prompt_cut(self) -> str | None:
        """What to say when far fewer tokens were read than were sent, and no more fit."""
        least = int(self.estimate * LEAST)
        if least <= self._room or (self.prompt_tokens or 0) >= least:
            return None
        read = "it does not say how many" if self.prompt_tokens is None else self.prompt_tokens
        return (
            f"the prompt was probably cut: it has about {self.estimate} tokens, the loaded context holds "
            f"{self.context}, and ollama read {read}; {ADVICE}"
        )

    @property
    def overflowed(self) -> str | None:
        """What to say when prompt and answer together are longer than the context."""
        read, made = self.prompt_tokens or 0, self.answer_tokens or 0
        if read + made <= self._room:
            return None
        return (
            f"prompt and answer ({read} and {made} tokens) are longer than the loaded context of {self.context}: "
            f"ollama dropped the front of the prompt while it answered; {ADVICE}"
        )

    @property
    def _room(self) -> int:
        return -(-self.context // BLOCK) * BLOCK


ADVICE = 'give a larger context (parameters={"context": …}), or "auto"'


def dropped_messages(prompt_tokens: int | None, context: int | None) -> str:
    """What to say when a prompt did not fit and is sent again, to be cut."""
    numbers = f" ({prompt_tokens} tokens, {context} fit)" if prompt_tokens and context else ""
    return f"the prompt is longer than the context{numbers}: ollama left out the oldest messages; {ADVICE}"


def _part_tokens(part: object) -> int:
    match part:
        case TextPart() | RefusalPart() | ReasoningPart():
            return estimate_tokens(part.text)
        case ToolCallPart():
            return estimate_tokens(part.name + part.arguments_json)
        case ToolResultPart():
            return sum(_part_tokens(item) for item in part.content)
        case FilePart():
            return IMAGE
        case _:
            return 0
