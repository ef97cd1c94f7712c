"""Which parameters a call can have: a matter of the model, of the API version, and of each other.

Rules: migration guide of API version 2026-10-21 (sampling), the vendor's thinking and effort pages (2026-11), and, for
thinking beside sampling and for temperature beside top_p, its older documentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.messages import FilePart, ProviderPart, TextPart, ToolResultPart
from airouter_core.values.request import Request

from .blocks import Sending, require_readable
from .config import NEW_VERSION, OLD_VERSION, ClaudeConfig
from .models import ADAPTIVE, BETWEEN_TOOLS, DISABLED, EFFORTS, ENABLED, ModelFacts
from .plugin import NO_SAMPLING, PARAMETERS

SAMPLING = ("temperature", "top_p", "top_k")
SAMPLING_NAMES = frozenset(SAMPLING)
LIMITS: Mapping[str, Mapping[str, float]] = {
    "temperature": {"minimum": 0, "maximum": 1},
    "top_p": {"minimum": 0, "maximum": 1},
    "top_k": {"minimum": 0},
}


def api_version(request: Request, config: ClaudeConfig, facts: ModelFacts) -> str:
    """The API version to ask for: the newest, unless the call needs what only the older one has."""
    chosen = request.provider_options.get("api_version") or config.api_version
    if chosen:
        return str(chosen)
    samples = facts.samples and not SAMPLING_NAMES.isdisjoint(request.parameters)
    insists = not SAMPLING_NAMES.isdisjoint(request.provider_options)
    return OLD_VERSION if samples or insists else NEW_VERSION


def support(request: Request, config: ClaudeConfig, facts: ModelFacts) -> Iterable[ParameterSupport]:
    """Which parameters this call can have, and as what.

    Raises:
        ParameterError: two of them contradict each other.
        UnsupportedFeatureError: the call needs what the model does not do.
    """
    require_features(request, facts)
    require_contents(request, Sending(facts.line, api_version(request, config, facts)))
    return _rows(request, config, facts)


def _rows(request: Request, config: ClaudeConfig, facts: ModelFacts) -> Iterator[ParameterSupport]:
    for row in PARAMETERS:
        match row.name:
            case "temperature" | "top_p" | "top_k":
                yield _sampling(row.name, request, config, facts)
            case "max_tokens":
                yield _max_tokens(row, request, config, facts)
            case "reasoning_effort":
                yield _effort(row, request, facts)
            case "reasoning_budget":
                yield _budget(row, request, facts)
            case "parallel_tool_calls":
                yield _parallel(row, request)
            case _:
                yield row


def require_features(request: Request, facts: ModelFacts) -> None:
    """Refuse what the vendor would answer with an error.

    Raises:
        UnsupportedFeatureError: the message says what to do instead.
    """
    if is_forced(request) and not facts.can_be_forced:
        raise UnsupportedFeatureError(
            f'{request.model} cannot be made to call a tool; use tool_choice="auto" and ask for it in the prompt'
        )
    formatted = request.response_format
    if formatted is not None and formatted.kind == "json_schema" and not facts.follows_schema:
        raise UnsupportedFeatureError(
            f"{request.model} takes no schema for its answer; give it a tool with that schema and "
            'tool_choice="required", or take Claude 4.5 or newer'
        )
    if not facts.continues and _begins_the_answer(request):
        raise UnsupportedFeatureError(
            f"{request.model} does not continue an answer begun for it: let the last message be the user's "
            "(response_format gives an answer a form)"
        )


def require_contents(request: Request, sending: Sending) -> None:
    """Refuse messages that the vendor would refuse.

    Raises:
        ParameterError: the user says nothing.
        UnsupportedFeatureError: a file cannot be read.
    """
    if not request.conversation:
        raise ParameterError("Claude needs a message of the user beside the system prompt")
    for position, message in enumerate(request.messages):
        if message.role == "user" and all(
            isinstance(part, TextPart) and not part.text.strip() for part in message.parts
        ):
            raise ParameterError(
                f"messages[{position}] is empty: Claude takes no message of the user that says nothing"
            )
        for part in message.parts:
            for file in part.content if isinstance(part, ToolResultPart) else (part,):
                if isinstance(file, FilePart):
                    require_readable(file, message.role, sending)


def is_forced(request: Request) -> bool:
    """Whether the model must call a tool."""
    return request.tool_choice is not None and request.tool_choice.mode in ("required", "tool")


def thinks(request: Request, facts: ModelFacts) -> bool:
    """Whether this call asks the model to think, in a way that other parameters must respect."""
    given = request.provider_options.get("thinking")
    if isinstance(given, Mapping) and "type" in given:
        return given["type"] in (ENABLED, ADAPTIVE)
    if is_forced(request):
        return False
    if "reasoning_budget" in request.parameters and ENABLED in facts.thinking:
        return True
    effort = request.parameter("reasoning_effort")
    return effort not in (None, "none") and ADAPTIVE in facts.thinking and bool(facts.efforts)


def _sampling(name: str, request: Request, config: ClaudeConfig, facts: ModelFacts) -> ParameterSupport:
    if not facts.samples:
        return ParameterSupport(name, reason=f"{NO_SAMPLING}; say in the prompt how free the answer may be")
    if api_version(request, config, facts) != OLD_VERSION:
        return ParameterSupport(
            name, reason=f"the configured API version takes none; leave api_version out, or set it to {OLD_VERSION}"
        )
    moves = request.parameter(name) is not None and (name, request.parameter(name)) != ("temperature", 1)
    if moves and facts.line.startswith("claude-") and thinks(request, facts):
        return ParameterSupport(name, reason="a model that is to think takes none")
    if name == "top_p" and facts.one_of_both and "temperature" in request.parameters:
        return ParameterSupport(name, reason=f"{request.model} takes temperature or top_p, not both")
    return ParameterSupport(name, name, **LIMITS[name])  # type: ignore[arg-type]  # limits are numbers


def _max_tokens(row: ParameterSupport, request: Request, config: ClaudeConfig, facts: ModelFacts) -> ParameterSupport:
    # Features in trial raise the limit of some models.
    trial = config.betas or request.provider_options.get("betas")
    return row if trial or facts.max_output is None else msgspec.structs.replace(row, maximum=facts.max_output)


def _effort(row: ParameterSupport, request: Request, facts: ModelFacts) -> ParameterSupport:
    if request.parameter("reasoning_effort") == "none":
        return _no_effort(row, request, facts)
    if not facts.efforts:
        instead = "; reasoning_budget makes it think" if ENABLED in facts.thinking else ""
        return msgspec.structs.replace(row, field=None, reason=f"{request.model} has no effort levels{instead}")
    missing: dict[str | bool, Any] = {
        level: _nearest(level, facts.efforts) for level in EFFORTS if level not in facts.efforts
    }
    return msgspec.structs.replace(row, said_as={**row.said_as, **missing})


def _no_effort(row: ParameterSupport, request: Request, facts: ModelFacts) -> ParameterSupport:
    if "reasoning_budget" in request.parameters:
        raise ParameterError('reasoning_effort="none" and a reasoning_budget contradict each other; give one of them')
    off = next((name for name in (DISABLED, BETWEEN_TOOLS) if name in facts.thinking), None)
    if off is not None:
        return msgspec.structs.replace(row, field="thinking.type", said_as={"none": off})
    if facts.thinking:
        return msgspec.structs.replace(row, field=None, reason=f'{request.model} always thinks; "low" is the least')
    return msgspec.structs.replace(row, field=None, reason=f"{request.model} does not think anyway")


def _nearest(level: str, accepted: tuple[str, ...]) -> str:
    below = [name for name in EFFORTS[: EFFORTS.index(level)] if name in accepted]
    return below[-1] if below else accepted[0]


def _budget(row: ParameterSupport, request: Request, facts: ModelFacts) -> ParameterSupport:
    if ENABLED not in facts.thinking:
        return msgspec.structs.replace(
            row, field=None, reason=f"{request.model} takes no budget; reasoning_effort governs how much it thinks"
        )
    if is_forced(request):
        return msgspec.structs.replace(row, field=None, reason="a model that must call a tool does not think about it")
    limit = request.parameter("max_tokens", facts.max_output)
    return msgspec.structs.replace(row, maximum=limit - 1) if isinstance(limit, int) else row


def _parallel(row: ParameterSupport, request: Request) -> ParameterSupport:
    if not request.tools and not request.provider_options.get("tools"):
        return msgspec.structs.replace(row, field=None, reason="the call has no tools")
    if request.tool_choice is not None and request.tool_choice.mode == "none":
        return msgspec.structs.replace(row, field=None, reason='tool_choice="none" allows no call')
    return row


def _begins_the_answer(request: Request) -> bool:
    conversation = request.conversation
    if not conversation or conversation[-1].role != "assistant":
        return False
    # What the vendor's own tools paused is sent back as it came, and goes on.
    parts = conversation[-1].parts
    paused = any(isinstance(part, ProviderPart) for part in parts)
    return not paused and bool(parts) and isinstance(parts[-1], TextPart)
