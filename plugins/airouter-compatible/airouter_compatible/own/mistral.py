"""Mistral: thoughts as parts of the content, and ids of calls that are nine letters and digits."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from airouter_core.values.messages import Message, ReasoningPart
from airouter_core.wire.json import items, mapping

from .functions import Own

IDENTITY = re.compile(r"[a-zA-Z0-9]{9}")


def sent_message(sent: dict[str, Any], message: Message) -> dict[str, Any]:
    """With the thoughts of the assistant in front of what it said (mistralai 3.7.0, ``ThinkChunk``)."""
    thoughts = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    if not thoughts:
        return sent
    said = sent.get("content") or []
    parts = [{"type": "text", "text": said}] if isinstance(said, str) else said
    texts = [part for part in parts if part.get("type") != "thinking"]
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": thoughts}]}
    return {**sent, "content": [thinking, *texts]}


def adapt(body: dict[str, Any]) -> dict[str, Any]:
    """With ids that it takes: those of another service, in a conversation that goes on here, are replaced alike.

    An answer that is to be gone on with must say so (mistralai 3.7.0, ``AssistantMessage.prefix``).
    """
    last = body["messages"][-1]
    if last.get("role") == "assistant" and not last.get("tool_calls"):
        last.setdefault("prefix", True)
    for message in body["messages"]:
        if isinstance(answered := message.get("tool_call_id"), str):
            message["tool_call_id"] = identity(answered)
        if calls := items(message.get("tool_calls")):
            message["tool_calls"] = [{**call, "id": identity(str(mapping(call).get("id")))} for call in calls]
    return body


def identity(given: str) -> str:
    """The id, or nine letters and digits in its place, the same for the same."""
    return given if IDENTITY.fullmatch(given) else hashlib.sha256(given.encode()).hexdigest()[:9]


OWN = Own(sent_message=sent_message, adapt=adapt, thoughts=True)
