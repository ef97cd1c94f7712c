"""From a request to the JSON of an interaction: the conversation as steps, all of it each time.

Nothing is left with Google unless ``store`` says so; so an earlier interaction is continued by sending its steps again.
Source: types of SDK google-genai 3.6.1 (``_gaos/types/interactions``), and recorded requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.profile.declarations import ParameterSupport
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.values.arguments import arguments_object
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_core.wire.json import mapping

from ..config import GeminiConfig
from ..parts import KEY, STEP, Json, is_step, object_of
from ..plugin import PARAMETERS
from ..profile import LEVELS, family_of, nearest, require_contents
from ..request import OWN_OPTIONS, late_system_note, unread_arguments

FIELDS: Mapping[str, str] = {
    "temperature": "generation_config.temperature",
    "top_p": "generation_config.top_p",
    "max_tokens": "generation_config.max_output_tokens",
    "stop": "generation_config.stop_sequences",
    "seed": "generation_config.seed",
    "service_tier": "service_tier",
}
LACKS = frozenset({Loss.NAMES, Loss.TOOL_NAMES, Loss.RESULT_NAMES})
MODES = {"auto": "auto", "none": "none", "required": "any"}
KINDS = ("image", "audio", "video")


def support(request: Request, config: GeminiConfig) -> Iterable[ParameterSupport]:
    """Which parameters this call can have, and as what.

    Raises:
        ParameterError: the conversation cannot be sent.
    """
    require_contents(request)
    return [_row(row, request) for row in PARAMETERS]


def interaction_body(request: Request, config: GeminiConfig, *, stream: bool) -> Json:
    """The body of a call, with ``provider_options`` laid over it; tools are added to those of the call."""
    body: Json = {"model": request.model, "input": list(_steps(request.conversation)), "store": config.store}
    if request.system_text:
        body["system_instruction"] = request.system_text
    own = [part for message in request.messages if message.role == "system" for part in message.parts]
    body["input"] += [dict(part.value) for part in own if is_step(part)]
    if request.tools:
        body["tools"] = list(map(_tool, request.tools))
        if choice := _choice(request):
            body["generation_config"] = {"tool_choice": choice}
    place(body, request.parameters, request.rows)
    if request.response_format is not None:
        body["response_format"] = _form(request.response_format)
    if request.provider_options.get("include_thoughts", config.include_thoughts):
        body.setdefault("generation_config", {})["thinking_summaries"] = "auto"
    if stream:
        body["stream"] = True
    options = {name: value for name, value in request.provider_options.items() if name not in OWN_OPTIONS}
    return overlaid(body, options, joined=("tools",))


def notes(request: Request, config: GeminiConfig) -> Iterator[str]:
    """What the caller should know about how this request is said."""
    yield from late_system_note(request)
    parts = [part for message in request.messages for part in message.parts]
    if any(isinstance(part, ReasoningPart) and not _step_of(part) for part in parts):
        yield "thoughts of another model or API in the history were left out, as models take only their own"
    if any(isinstance(part, ProviderPart) and part.provider == KEY and not is_step(part) for part in parts):
        yield f"{Loss.OWN_PARTS.value}: this one has no place for them"
    if any(isinstance(part, FilePart) and part.name and _kind(part) == "document" for part in parts):
        yield "names of documents were not sent: this API has no place for that"
    yield from unread_arguments(parts)


def _steps(messages: Iterable[Message]) -> Iterator[Json]:
    for message in messages:
        said = "model_output" if message.role == "assistant" else "user_input"
        content: list[Json] = []
        for part in message.parts:
            if (item := _content(part, message.role)) is not None:
                content.append(item)
            elif (step := _step(part)) is not None:
                if content:
                    yield {"type": said, "content": content}
                content = []
                yield step
        if content:
            yield {"type": said, "content": content}


def _content(part: Part, role: str = "user") -> Json | None:
    """What stands inside a step: words and files."""
    match part:
        case TextPart() | RefusalPart() if part.text or role != "assistant":
            return {"type": "text", "text": part.text, **_step_of(part)}
        case FilePart():
            return _file(part)
    return None


def _step(part: Part) -> Json | None:
    match part:
        case ReasoningPart() if kept := _step_of(part):
            summary = {"summary": [{"type": "text", "text": part.text}]} if part.text else {}
            return {"type": "thought", **summary, **kept}
        case ToolCallPart():
            arguments = arguments_object(part)
            return {
                "type": "function_call",
                "id": part.id,
                "name": part.name,
                "arguments": arguments,
                **_step_of(part),
            }
        case ToolResultPart():
            return _result(part)
        case ProviderPart() if is_step(part):
            return dict(part.value)
    return None


def _result(part: ToolResultPart) -> Json:
    made: Json = {"type": "function_result", "call_id": part.tool_call_id}
    if part.name:
        made["name"] = part.name
    if any(isinstance(item, FilePart) for item in part.content):
        made["result"] = [item for item in map(_content, part.content) if item is not None]
    else:
        made["result"] = object_of(part.text) or part.text
    if part.is_error:
        made["is_error"] = True
    return made


def _file(part: FilePart) -> Json:
    made: Json = {"type": _kind(part)}
    if part.url is None:
        made["data"] = part.base64
    else:
        made["uri"] = part.url
    if not part.media_type.endswith("*"):
        made["mime_type"] = part.media_type
    if part.detail in ("low", "high"):
        made["resolution"] = part.detail
    return {**made, **_step_of(part)}


def _kind(part: FilePart) -> str:
    kind = part.media_type.partition("/")[0]
    return kind if kind in KINDS else "document"


def _step_of(part: Part) -> Json:
    """What is kept of the step, or of the content, that a part was."""
    own = mapping(mapping(getattr(part, "provider_metadata", None)).get(KEY))
    return dict(mapping(own.get(STEP)))


def _tool(tool: Tool) -> Json:
    told = {} if tool.description is None else {"description": tool.description}
    return {"type": "function", "name": tool.name, **told, "parameters": dict(tool.input_schema)}


def _choice(request: Request) -> Any:
    choice = request.tool_choice or ToolChoice()
    if choice.name is not None:
        return {"allowed_tools": {"mode": "any", "tools": [choice.name]}}
    if choice.mode == "auto" and any(tool.strict for tool in request.tools):
        return "validated"
    return None if request.tool_choice is None else MODES[choice.mode]


def _form(wanted: ResponseFormat) -> Json:
    made: Json = {"type": "text", "mime_type": "application/json"}
    if wanted.schema is not None:
        told = {} if wanted.description is None else {"description": wanted.description}
        made["schema"] = {**told, **wanted.schema}
    return made


def _row(row: ParameterSupport, request: Request) -> ParameterSupport:
    if row.name in FIELDS:
        return msgspec.structs.replace(row, field=FIELDS[row.name])
    if row.name == "reasoning_effort":
        return _effort(row, request)
    if row.field is None:
        return row
    reason = 'the Interactions API has no such field; api="generate" has it'
    return msgspec.structs.replace(row, field=None, reason=reason)


def _effort(row: ParameterSupport, request: Request) -> ParameterSupport:
    levels = family_of(request.model).levels or LEVELS
    if request.parameter("reasoning_effort") == "none":
        return msgspec.structs.replace(row, field=None, reason=f'"{levels[0]}" is the least that can be asked for')
    words: dict[str | bool, Any] = {
        level: nearest(level, levels) for level in (*LEVELS, "max") if nearest(level, levels) != level
    }
    return msgspec.structs.replace(row, field="generation_config.thinking_level", said_as=words)
