"""From a request to the JSON of the chat API, version 2, and the headers that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from airouter_core.config.loading import require_api_key
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.values.arguments import are_readable, arguments_text
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
from airouter_core.values.tools import ResponseFormat, Tool
from airouter_core.wire.http import bearer
from airouter_core.wire.json import items, mapping

from .config import CohereConfig
from .plugin import COHERE

KEY = COHERE.name
CITATIONS = "citations"
PLAN = "tool_plan"
THINKING = "thinking"
"""What parts keep under Cohere's own names: a text's citations, the plan before calls, that a thought is its own."""

Json = dict[str, Any]

LACKS = frozenset(
    {
        Loss.NAMES,
        Loss.TOOL_NAMES,
        Loss.RESULT_NAMES,
        Loss.ERRORS,
        Loss.PICTURES_OF_ASSISTANT,
        Loss.FILES_OF_ASSISTANT,
    }
)
"""What this API has no place for."""


def chat_body(request: Request, config: CohereConfig, *, stream: bool) -> Json:
    """The body, with ``provider_options`` laid over it."""
    body: Json = {"model": request.model, "messages": list(_messages(request.messages)), "stream": stream}
    if request.tools:
        body.update(_tools(request))
    place(body, request.parameters, request.rows)
    if "thinking" in body:
        body["thinking"].setdefault("type", "enabled")
    if request.response_format is not None:
        body["response_format"] = _form(request.response_format)
    return overlaid(body, request.provider_options, joined=("tools", "documents"))


def credentials(config: CohereConfig) -> dict[str, str]:
    """The header that says who asks.

    Raises:
        MissingApiKeyError: the vendor is asked without a key.
    """
    if config.own_credential:
        return {}
    if config.needs_api_key:
        require_api_key(config.api_key, provider=KEY, variable=COHERE.api_key_env)
    return bearer(config)


def notes(request: Request, config: CohereConfig) -> Iterator[str]:
    """What the caller should know about how this request is said."""
    parts = [part for message in request.messages for part in message.parts]
    if any(isinstance(part, ReasoningPart) and not _own(part) for part in parts):
        yield "thoughts of another model in the history were left out, as models take only their own"
    if not all(are_readable(part) for part in parts if isinstance(part, ToolCallPart)):
        yield "arguments of tool calls in the history that are no JSON object were sent wrapped in one"
    if any(message.role != "assistant" and any(map(_is_own, message.parts)) for message in request.messages):
        yield f"{Loss.OWN_PARTS.value}: this API takes them in messages of the assistant"
    choice = request.tool_choice
    if choice is not None and choice.name is not None and len(request.tools) > 1:
        yield f"only the tool {choice.name!r} was offered, as this API cannot choose one of several"


def _messages(messages: Iterable[Message]) -> Iterator[Json]:
    for message in messages:
        match message.role:
            case "assistant":
                yield _assistant(message)
            case "tool":
                yield from (_result(part) for part in message.parts if isinstance(part, ToolResultPart))
            case role:
                content = [item for part in message.parts if (item := _content(part)) is not None]
                yield {"role": role, "content": _plain(content)}


def _assistant(message: Message) -> Json:
    made: Json = {"role": "assistant"}
    content = [item for part in message.parts if (item := _said(part)) is not None]
    if content:
        made["content"] = _plain(content)
    if calls := [_call(part) for part in message.parts if isinstance(part, ToolCallPart)]:
        made["tool_calls"] = calls
    cited = [cite for part in message.parts for cite in items(_own(part).get(CITATIONS))]
    if cited:
        made[CITATIONS] = cited
    for part in message.parts:
        if isinstance(part, ProviderPart) and _is_own(part):
            made.update(part.value)
    if made.keys() == {"role"}:
        made["content"] = ""
    return made


def _said(part: Part) -> Json | None:
    """What stands in the content of a message of the assistant."""
    match part:
        case TextPart() | RefusalPart() if part.text:
            return {"type": "text", "text": part.text}
        case ReasoningPart() if part.text and _own(part):
            return {"type": "thinking", "thinking": part.text}
    return None


def _content(part: Part) -> Json | None:
    """What stands in the content of any other message."""
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "text": part.text}
        case FilePart():
            image: Json = {"url": part.data_url}
            if part.detail is not None:
                image["detail"] = part.detail
            return {"type": "image_url", "image_url": image}
    return None


def _call(part: ToolCallPart) -> Json:
    function = {"name": part.name, "arguments": arguments_text(part)}
    return {"id": part.id, "type": "function", "function": function}


def _result(part: ToolResultPart) -> Json:
    content = [item for item in map(_content, part.content) if item is not None]
    own = items(_own(part).get("content"))  # such as documents, which can be cited
    return {"role": "tool", "tool_call_id": part.tool_call_id, "content": own or _plain(content)}


def _plain(content: list[Json]) -> str | list[Json]:
    """One text as it is, all else as a list."""
    alone = len(content) == 1 and content[0]["type"] == "text"
    return str(content[0]["text"]) if alone else content


def _own(part: Part) -> Json:
    return dict(mapping(mapping(getattr(part, "provider_metadata", None)).get(KEY)))


def _is_own(part: Part) -> bool:
    return isinstance(part, ProviderPart) and part.provider == KEY


def _tools(request: Request) -> Json:
    choice = request.tool_choice
    named = None if choice is None else choice.name
    offered = [tool for tool in request.tools if named in (None, tool.name)]
    made: Json = {"tools": list(map(_tool, offered))}
    if any(tool.strict for tool in offered):
        made["strict_tools"] = True
    if choice is not None and choice.mode != "auto":
        made["tool_choice"] = "NONE" if choice.mode == "none" else "REQUIRED"
    return made


def _tool(tool: Tool) -> Json:
    told = {} if tool.description is None else {"description": tool.description}
    return {"type": "function", "function": {"name": tool.name, **told, "parameters": dict(tool.input_schema)}}


def _form(wanted: ResponseFormat) -> Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    told = {} if wanted.description is None else {"description": wanted.description}
    return {"type": "json_object", "json_schema": {**told, **wanted.schema}}
