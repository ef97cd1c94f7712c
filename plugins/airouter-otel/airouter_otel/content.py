"""What was said, in the form that the conventions ask for: messages of parts, as JSON. Only where it is asked for."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from airouter_core.values.messages import (
    FilePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.response import Response


def instructions(messages: Iterable[Message]) -> str:
    """The system messages."""
    found = [_part(part) for message in messages if message.role == "system" for part in message.parts]
    return json.dumps(found, ensure_ascii=False)


def sent(messages: Iterable[Message]) -> str:
    """The other messages."""
    return json.dumps([_message(message) for message in messages if message.role != "system"], ensure_ascii=False)


def received(response: Response) -> str:
    """The answer, and its alternatives."""
    answers = (response, *response.alternatives)
    found = [{**_message(each.message), "finish_reason": each.finish_reason or "error"} for each in answers]
    return json.dumps(found, ensure_ascii=False)


def _message(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.parts]}


def _part(part: Any) -> dict[str, Any]:
    match part:
        case TextPart() | RefusalPart():
            return {"type": "text", "content": part.text}
        case ReasoningPart():
            return {"type": "reasoning", "content": part.text}
        case ToolCallPart():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": part.arguments_json}
        case ToolResultPart():
            said: Any = part.text if len(part.content) == 1 else [_part(item) for item in part.content]
            return {"type": "tool_call_response", "id": part.tool_call_id, "response": said}
        case FilePart(url=str(address)):
            return {"type": "uri", "modality": _modality(part), "mime_type": part.media_type, "uri": address}
        case FilePart():
            data = base64.b64encode(part.data or b"").decode()
            return {"type": "blob", "modality": _modality(part), "mime_type": part.media_type, "content": data}
    return {"type": type(part).__name__}


def _modality(part: FilePart) -> str:
    kind = part.media_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"
