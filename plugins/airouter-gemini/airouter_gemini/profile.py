"""What each family of models takes, and which parameters a call can have.

Sources: budgets and levels of thinking from Google's pages on thinking (AI Studio and Vertex AI, 2026-11) and its guide
to Gemini 3.5 Flash; how much an effort is in tokens for models that take a budget, from Google's page on its
chat-completions endpoint; signatures from its page on thought signatures.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.messages import ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.value import Value

from .config import GeminiConfig
from .plugin import PARAMETERS, THINKING

LEVELS = ("minimal", "low", "medium", "high", "xhigh")
BUDGETS: Mapping[str, int] = {
    "minimal": 1024,
    "low": 1024,
    "medium": 8192,
    "high": 24_576,
    "xhigh": 24_576,
    "max": 24_576,
}
"""Tokens that stand for an effort, where a model takes a number."""


class Family(Value, frozen=True, kw_only=True):
    """What the models of a family take.

    Attributes:
        levels: the levels of thinking, from least to most; empty where a budget takes their place.
        least, most: the budget in tokens; ``most`` is 0 where no limit is told.
        can_stop: whether thinking can be turned off.
        signed: whether calls in the history must have their signatures, and results of tools may hold files.
    """

    levels: tuple[str, ...] = ()
    least: int = 0
    most: int = 0
    can_stop: bool = False
    signed: bool = False

    @property
    def thinks(self) -> bool:
        return bool(self.levels or self.most)


def _by_level(*levels: str) -> Family:
    return Family(levels=levels, signed=True)


NEWEST = _by_level("low", "medium", "high")
"""What models that are not in the table are taken to be like."""
FAMILIES: tuple[tuple[re.Pattern[str], Family], ...] = tuple(
    (re.compile(pattern), family)
    for pattern, family in (
        (r"gemini-(1|2\.0|exp)|gemma|learnlm|aqa", Family()),
        (r"gemini-2\.5-pro", Family(least=128, most=32_768)),
        (r"gemini-2\.5-flash-lite", Family(most=24_576, can_stop=True)),
        (r"gemini-2\.5-flash-image", Family()),
        (r"gemini-2\.5", Family(most=24_576, can_stop=True)),
        (r"gemini-3-pro", _by_level("low", "high")),
        (r"gemini-3(\.[1-6])?-flash", _by_level("minimal", "low", "medium", "high")),
    )
)


@functools.lru_cache(maxsize=256)  # asked several times in each call
def family_of(model: str) -> Family:
    """The family of a model, by its bare name."""
    name = model.rpartition("/")[2].lower()
    return next((family for pattern, family in FAMILIES if pattern.match(name)), NEWEST)


def support(request: Request, config: GeminiConfig) -> Iterable[ParameterSupport]:
    """Which parameters this call can have, and as what.

    Raises:
        ParameterError: two of them contradict each other, or the conversation cannot be sent.
    """
    require_contents(request)
    if {"reasoning_effort", "reasoning_budget"} <= request.parameters.keys():
        raise ParameterError("Gemini takes reasoning_effort or reasoning_budget, not both; give one of them")
    return _rows(request, family_of(request.model))


def require_contents(request: Request) -> None:
    """Refuse messages that Google would refuse.

    Raises:
        ParameterError: there is nothing but the system's words, or a result of which nobody knows the tool.
    """
    if not any(message.parts for message in request.conversation):
        raise ParameterError("Gemini needs a message of the user beside the system prompt")
    called: set[str] = set()
    for position, message in enumerate(request.messages):
        for part in message.parts:
            if isinstance(part, ToolCallPart):
                called.add(part.id)
            elif isinstance(part, ToolResultPart) and not part.name and part.tool_call_id not in called:
                raise ParameterError(
                    f"messages[{position}] is the result of no call before it ({part.tool_call_id!r}); give it the "
                    "name of its tool"
                )


def _rows(request: Request, family: Family) -> Iterator[ParameterSupport]:
    for row in PARAMETERS:
        match row.name:
            case "reasoning_effort":
                yield _effort(row, request, family)
            case "reasoning_budget":
                yield _budget(row, request, family)
            case "top_logprobs" if not request.parameter("logprobs"):
                yield msgspec.structs.replace(row, field=None, reason="it needs logprobs=True beside it")
            case _:
                yield row


def _effort(row: ParameterSupport, request: Request, family: Family) -> ParameterSupport:
    if not family.thinks:
        return msgspec.structs.replace(row, field=None, reason=f"{request.model} does not think")
    if request.parameter("reasoning_effort") == "none" and not family.can_stop:
        least = family.levels[0] if family.levels else "minimal"
        return msgspec.structs.replace(row, field=None, reason=f'{request.model} always thinks; "{least}" is the least')
    words: dict[str | bool, Any]
    if not family.levels:
        words = {"none": 0, **{effort: min(budget, family.most) for effort, budget in BUDGETS.items()}}
        return msgspec.structs.replace(row, field=f"{THINKING}.thinkingBudget", said_as=words)
    words = {level: nearest(level, family.levels).upper() for level in (*LEVELS, "max")}
    return msgspec.structs.replace(row, said_as=words)


def nearest(level: str, taken: tuple[str, ...]) -> str:
    """The level itself, else the next lower one that is taken, else the lowest."""
    order = (*LEVELS, "max")
    below = [name for name in order[: order.index(level) + 1] if name in taken]
    return below[-1] if below else taken[0]


def _budget(row: ParameterSupport, request: Request, family: Family) -> ParameterSupport:
    if not family.thinks:
        return msgspec.structs.replace(row, field=None, reason=f"{request.model} does not think")
    return msgspec.structs.replace(row, minimum=family.least, maximum=family.most or None)


RETIRED: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(models/)?gemini-(1\.\d|2\.0)-flash-(lite|8b)"), "gemini-3.5-flash-lite"),
    (re.compile(r"(models/)?gemini-(1\.\d|2\.0)-flash"), "gemini-3.6-flash"),
)
"""Generations that Google has shut down (its changelog of 2026-06-01), and the same size of today's."""


def successor_of(model: str) -> str | None:
    """The model that takes the place of a retired one; ``None`` for all others."""
    return next((successor for names, successor in RETIRED if names.match(model)), None)
