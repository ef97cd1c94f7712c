"""Cloudflare: its native API's answers beside those of the format, and objects as text.

Some addresses of Workers AI answer natively: ``{"result": {"response": …}, "success": …}``, streams of
``{"response": …}``; both recorded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airouter_core.wire.json import items, mapping

from .functions import Own


def received(chunk: dict[str, Any]) -> dict[str, Any]:
    """In the format, whichever API it is of."""
    if chunk.get("success") is False:
        return {"error": next(iter(items(chunk.get("errors"))), {"message": "the call failed"})}
    if "choices" in chunk:
        for choice in items(chunk["choices"]):
            _as_text(mapping(choice).get("message"))
        return chunk
    answer = mapping(chunk.get("result")) if "result" in chunk else chunk
    if not {"response", "tool_calls"} & set(answer):
        return chunk
    message: dict[str, Any] = {"content": answer.get("response")}
    _as_text(message)
    if calls := items(answer.get("tool_calls")):
        message["tool_calls"] = [_call(mapping(call)) for call in calls]
    return {"choices": [{"index": 0, "message": message}], "usage": answer.get("usage")}


def _as_text(message: Any) -> None:
    """An answer by a schema comes as the object itself."""
    if isinstance(message, dict) and isinstance(said := message.get("content"), dict | list):
        message["content"] = _compact(said)


def _call(call: Mapping[str, Any]) -> Mapping[str, Any]:
    if "function" in call:
        return call
    arguments = call.get("arguments")
    said = arguments if isinstance(arguments, str) else _compact(arguments or {})
    return {"id": call.get("id"), "function": {"name": call.get("name"), "arguments": said}}


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


OWN = Own(received=received)
