"""Answers of ``/v1/chat/completions``: chunks and whole completions.

All chunks of an answer share their beginning, which is written once; what differs is the delta.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from airouter_core.values.events import (
    Finish,
    FinishReason,
    MetadataReported,
    PartAdded,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UsageReported,
)
from airouter_core.values.folding import merge_metadata
from airouter_core.values.messages import FilePart, Metadata, Part
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from .. import beside
from ..question import Naming, Question
from ..refusals import Refusal
from .refused import error_of

encode = msgspec.json.encode

REASONS: dict[FinishReason | None, str] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
"""All other reasons are said as ``stop``, since clients know no others."""
FIELDS: dict[type, bytes] = {TextDelta: b"content", ReasoningDelta: b"reasoning_content", RefusalDelta: b"refusal"}


class ChatWriter:
    """Writes one answer."""

    def __init__(self, question: Question, naming: Naming) -> None:
        self._identity = {"id": f"chatcmpl-{naming.id}", "created": naming.created, "model": naming.model}
        self._include_usage = question.include_usage
        head = encode({**self._identity, "object": "chat.completion.chunk"})
        self._prefix = b"data: " + head[:-1] + b',"choices":[{"index":0,"delta":{'
        self._begun = False
        self._calls: dict[int, int] = {}
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}
        self._heard: list[Part] = []

    def feed(self, event: StreamEvent) -> bytes:
        field = FIELDS.get(type(event))
        if field is not None:
            said = encode(event.text)  # type: ignore[union-attr]  # the three deltas have a text
            return self._chunk(b'"' + field + b'":' + said) if said != b'""' else b""
        match event:
            case ToolCallStart():
                self._calls[event.index] = place = len(self._calls)
                call = {"index": place, "id": event.id, "type": "function"}
                return self._call({**call, "function": {"name": event.name, "arguments": ""}})
            case ToolCallDelta() if event.arguments_json:
                place = self._calls.get(event.index, 0)
                return self._call({"index": place, "function": {"arguments": event.arguments_json}})
            case PartAdded() if images := _images((event.part,)):
                return self._chunk(b'"images":' + encode(images))
            case PartAdded():
                self._heard.append(event.part)
            case MetadataReported():
                merge_metadata(self._metadata, event.provider_metadata)
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
        return b""

    def end(self, seconds: float) -> bytes:
        reason = REASONS.get(self._finish.finish_reason if self._finish else None, "stop")
        told = encode(self._beside(self._heard, self._metadata))[1:-1]
        likely = beside.likelihoods(self._metadata)
        written = self._chunk(told, reason, encode({"content": likely, "refusal": None}) if likely else b"null")
        if self._include_usage:
            chunk = {**self._identity, "object": "chat.completion.chunk", "choices": [], "usage": usage_of(self._usage)}
            chunk |= beside.named(self._metadata)
            written += b"data: " + encode(chunk) + b"\n\n"
        return written + b"data: [DONE]\n\n"

    def failure(self, refusal: Refusal) -> bytes:
        return b"data: " + encode({"error": error_of(refusal)}) + b"\n\n"

    def whole(self, response: Response, seconds: float) -> bytes:
        more = self._beside(response.message.parts, response.provider_metadata)
        says_otherwise = response.tool_calls or response.refusal or "audio" in more
        said: dict[str, Any] = {
            "role": "assistant",
            "content": response.text or (None if says_otherwise else ""),
            "refusal": response.refusal,
            **more,
        }
        if response.reasoning is not None:
            said["reasoning_content"] = response.reasoning
        if response.tool_calls:
            said["tool_calls"] = [
                {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments_json}}
                for call in response.tool_calls
            ]
        if images := _images(response.message.parts):
            said["images"] = images
        likely = beside.likelihoods(response.provider_metadata)
        choice = {
            "index": 0,
            "message": said,
            "logprobs": {"content": likely, "refusal": None} if likely else None,
            "finish_reason": REASONS.get(response.finish_reason, "stop"),
        }
        answer = {**self._identity, "object": "chat.completion", "choices": [choice]}
        named = beside.named(response.provider_metadata)
        return encode({**answer, "usage": usage_of(response.usage), **named})

    def _beside(self, parts: Iterable[Part], metadata: Metadata) -> dict[str, Any]:
        """Fields of a message that are neither words nor calls, as far as the provider has sent any."""
        found = {
            "annotations": beside.sources(metadata, nested=True),
            "audio": beside.sound(parts, metadata, f"audio_{self._identity['id']}"),
        }
        return {name: value for name, value in found.items() if value}

    def _call(self, call: dict[str, Any]) -> bytes:
        return self._chunk(b'"tool_calls":[' + encode(call) + b"]")

    def _chunk(self, delta: bytes, reason: str | None = None, likely: bytes = b"null") -> bytes:
        said = b"null" if reason is None else encode(reason)
        role = b""
        if not self._begun:
            self._begun = True
            role = b'"role":"assistant"' + (b"," if delta else b"")
        return self._prefix + role + delta + b'},"logprobs":' + likely + b',"finish_reason":' + said + b"}]}\n\n"


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    """Usage in this format's words; ``None`` where nobody has counted."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    sent, made = usage.input_tokens or 0, usage.output_tokens or 0
    told: dict[str, Any] = {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made}
    if usage.cache_read_tokens is not None:
        told["prompt_tokens_details"] = {"cached_tokens": usage.cache_read_tokens}
    if usage.reasoning_tokens is not None:
        told["completion_tokens_details"] = {"reasoning_tokens": usage.reasoning_tokens}
    return told


def _images(parts: tuple[Part, ...]) -> list[dict[str, Any]]:
    files = [part for part in parts if isinstance(part, FilePart) and part.is_image]
    return [{"type": "image_url", "image_url": {"url": part.data_url}} for part in files]
