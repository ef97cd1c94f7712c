"""From a request to the JSON of a chat completion."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ...errors import UnsupportedFeatureError
from ...profile.declarations import ParameterSupport
from ...profile.losses import Loss
from ...profile.resolving import overlaid, place
from ...values.messages import (
    FilePart,
    Message,
    Part,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ...values.request import Request
from ...values.tools import ResponseFormat, Tool, ToolChoice

SentMessage = Callable[[dict[str, Any], Message], dict[str, Any]]

LACKS = frozenset(Loss) - {Loss.NAMES, Loss.SEALED_THOUGHTS, Loss.PICTURE_DETAIL}
"""What the format has no place for."""


def chat_body(
    request: Request,
    support: Iterable[ParameterSupport],
    *,
    stream: bool,
    system_role: str,
    sent_message: SentMessage,
) -> dict[str, Any]:
    """The body, with ``provider_options`` laid over it."""
    body: dict[str, Any] = {
        "model": request.model,
        "messages": [sent for message in request.messages for sent in _messages(message, system_role, sent_message)],
    }
    if request.tools:
        body["tools"] = [tool_body(tool) for tool in request.tools]
    if request.tool_choice is not None and (request.tools or "tools" in request.provider_options):
        body["tool_choice"] = tool_choice_body(request.tool_choice)
    if request.response_format is not None:
        body["response_format"] = _response_format(request.response_format)
    place(body, request.parameters, support)
    if stream:
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return overlaid(body, request.provider_options)


def tool_body(tool: Tool) -> dict[str, Any]:
    """A tool, nested as this format has it."""
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = dict(tool.input_schema)
    if tool.strict is not None:
        function["strict"] = tool.strict
    return {"type": "function", "function": function}


def tool_choice_body(choice: ToolChoice) -> str | dict[str, Any]:
    """A tool choice as this format has it."""
    if choice.mode == "tool":
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode


def _messages(message: Message, system_role: str, sent_message: SentMessage) -> Iterator[dict[str, Any]]:
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                yield {"role": "tool", "tool_call_id": part.tool_call_id, "content": _result(part)}
        return
    sent: dict[str, Any] = {"role": system_role if message.role == "system" else message.role}
    if message.role == "assistant":
        _add_assistant(sent, message)
    else:
        sent["content"] = _content(message.parts)
    if message.name:
        sent["name"] = message.name
    yield sent_message(sent, message)


def _add_assistant(sent: dict[str, Any], message: Message) -> None:
    sent["content"] = message.text if any(isinstance(part, TextPart) for part in message.parts) else None
    refusals = [part.text for part in message.parts if isinstance(part, RefusalPart)]
    if refusals:
        sent["refusal"] = "".join(refusals)
    if message.tool_calls:
        sent["tool_calls"] = [_tool_call(call) for call in message.tool_calls]


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


def _tool_call(call: ToolCallPart) -> dict[str, Any]:
    return {
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments_json or "{}"},
    }


def _response_format(response_format: ResponseFormat) -> dict[str, Any]:
    if response_format.kind == "json":
        return {"type": "json_object"}
    described: dict[str, Any] = {"name": response_format.name, "schema": dict(response_format.schema or {})}
    if response_format.description is not None:
        described["description"] = response_format.description
    if response_format.strict is not None:
        described["strict"] = response_format.strict
    return {"type": "json_schema", "json_schema": described}
