"""From a request to the JSON of a chat completion."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ...errors import UnsupportedFeatureError
from ...profile.resolving import overlaid, place
from ...values.arguments import CALL_FIELDS, arguments_text
from ...values.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ...values.request import Request
from ...values.tools import ResponseFormat, Tool, ToolChoice
from ...values.value import NO_METADATA
from ...wire.json import mapping
from .choice import CONTENT, REASONING_FIELD
from .dialect import ChatDialect
from .unread import as_it_came, result_as_it_came


def chat_body(dialect: ChatDialect, request: Request, *, stream: bool) -> dict[str, Any]:
    """The body, with ``provider_options`` laid over it."""
    system_role = dialect.system_role(request.model)
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [sent for message in request.messages for sent in _messages(message, system_role, dialect)],
    }
    if request.tools:
        body["tools"] = [tool_body(tool) for tool in request.tools]
    if request.tool_choice is not None and (request.tools or "tools" in request.provider_options):
        body["tool_choice"] = tool_choice_body(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    place(body, request.parameters, request.rows)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return overlaid(body, request.provider_options)


def tool_body(tool: Tool) -> dict[str, Any]:
    """A tool, nested as this format has it."""
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = tool.arguments_schema
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def tool_choice_body(choice: ToolChoice) -> str | dict[str, Any]:
    """A tool choice as this format has it."""
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _messages(message: Message, system_role: str, dialect: ChatDialect) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                result = {"role": "tool", "tool_call_id": part.tool_call_id, "content": _result(part)}
                yield result_as_it_came(result, part)
        return
    sent: dict[str, Any] = {"role": system_role if message.role == "system" else message.role}
    if message.role == "assistant":
        _add_assistant(sent, message, dialect)
    else:
        sent["content"] = _content(message.parts)
    if message.name:
        sent["name"] = message.name
    sent = dialect.sent_message(sent, message)
    yield sent if message.is_plain else as_it_came(sent, message)


def _add_assistant(sent: dict[str, Any], message: Message, dialect: ChatDialect) -> None:
    said = any(isinstance(part, TextPart) for part in message.parts)
    refusals = [part.text for part in message.parts if isinstance(part, RefusalPart)]
    # Null beside nothing is refused by most: a turn of thoughts alone has said nothing, which is a text too.
    sent["content"] = message.text if said or not (message.tool_calls or refusals) else None
    if refusals:
        sent["refusal"] = "".join(refusals)
    if message.tool_calls:
        sent["tool_calls"] = [_tool_call(call, dialect.provider) for call in message.tool_calls]
    _give_back(sent, message, dialect)


def _give_back(sent: dict[str, Any], message: Message, dialect: ChatDialect) -> None:
    """Send back what only this provider understands of its earlier answer: thoughts, and fields that it added."""
    thinking: list[dict[str, Any]] = []
    for part in message.parts:
        own = mapping(getattr(part, "provider_metadata", NO_METADATA).get(dialect.provider))
        field = own.get(REASONING_FIELD)
        if not own or isinstance(part, ToolCallPart):
            continue
        if isinstance(part, ReasoningPart) and field == CONTENT:
            thinking.append({"type": "thinking", "thinking": [{"type": "text", "text": part.text}]})
        elif isinstance(part, ReasoningPart) and isinstance(field, str):
            sent[field] = sent.get(field, "") + part.text
        for name in dialect.returned_fields:
            if value := mapping(own.get(name)):
                sent[name] = {**mapping(sent.get(name)), **value}
    if thinking:
        texts = [{"type": "text", "text": sent["content"]}] if sent["content"] else []
        sent["content"] = [*thinking, *texts]


def _content(parts: Iterable[Part]) -> str | list[dict[str, Any]]:
    said = [part for part in parts if isinstance(part, TextPart | FilePart)]
    if not said:
        return ""
    if len(said) == 1 and isinstance(said[0], TextPart):
        return said[0].text
    return [_text(part) if isinstance(part, TextPart) else _file(part) for part in said]


def _text(part: TextPart) -> dict[str, Any]:
    return {"type": "text", "text": part.text}


def _file(part: FilePart) -> dict[str, Any]:
    if part.is_image:
        image = {"url": part.data_url}
        return {"type": "image_url", "image_url": {**image, "detail": part.detail} if part.detail else image}
    kind, _, subtype = part.media_type.partition("/")
    if kind == "audio":
        if part.data is None:
            raise UnsupportedFeatureError("this format takes sound as bytes only, not by address")
        audio_format = {"mpeg": "mp3", "x-wav": "wav", "wave": "wav"}.get(subtype, subtype)
        return {"type": "input_audio", "input_audio": {"data": part.base64, "format": audio_format}}
    return {"type": "file", "file": {"filename": part.name or "document.pdf", "file_data": part.data_url}}


def _result(part: ToolResultPart) -> str:
    if any(isinstance(item, FilePart) for item in part.content):
        raise UnsupportedFeatureError(
            "this format takes text only as the result of a tool; send a file as a user message"
        )
    return part.text


def _tool_call(call: ToolCallPart, provider: str) -> dict[str, Any]:
    own = dict(mapping(mapping(call.provider_metadata.get(provider)).get(CALL_FIELDS)))
    of_function = mapping(own.pop("function", None))
    if own.get("type") == "custom":
        return {**own, "id": call.id, "custom": {"name": call.name, "input": call.arguments_json}}
    function = {**of_function, "name": call.name, "arguments": arguments_text(call)}
    return {**own, "id": call.id, "type": "function", "function": function}


def _response_format(response_format: ResponseFormat) -> dict[str, Any]:
    if response_format.kind == "json":
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": response_format.name, "schema": dict(response_format.schema or {})}
    if response_format.description is not None:
        described["description"] = response_format.description
    if response_format.strict is not None:
        described["strict"] = response_format.strict
    return {"type": "json_schema", "json_schema": described}
