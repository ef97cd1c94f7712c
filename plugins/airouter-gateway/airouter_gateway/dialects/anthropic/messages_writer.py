"""Answers of ``/v1/messages``: events of a stream, and whole messages.

One block is open at a time, and indices have no gaps. The prompt's size stands in ``message_start``, where clients
read it: as the provider counted it if it has said so by then, else as an estimate, which ``message_delta`` puts right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airouter_core.values.arguments import arguments_object
from airouter_core.values.events import Finish, FinishReason, MetadataReported, StreamEvent, UsageReported
from airouter_core.values.messages import Metadata, Part, ProviderPart, ReasoningPart, ToolCallPart
from airouter_core.values.replaying import events_of
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_core.wire.json import mapping

from ..binding import estimated_input
from ..fields import given
from ..question import Naming, Question
from ..refusals import Refusal
from ..sequence import Block, Sequence, Step
from .messages import CLAUDE
from .refused import error_of

encode = msgspec.json.encode
Body = dict[str, Any]

REASONS: dict[FinishReason | None, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
OWN_REASONS = frozenset(
    {
        "end_turn",
        "max_tokens",
        "stop_sequence",
        "tool_use",
        "pause_turn",
        "refusal",
        "model_context_window_exceeded",
    }
)
THINKING, REDACTED = "thinking", "redacted_thinking"
IN_DELTAS, BESIDE_DELTAS = ("container", "stop_details"), ("context_management",)
"""Fields of an answer that servers of this dialect tell at its end, and where in a stream they stand."""
OWN_COUNTS = ("cache_creation", "server_tool_use", "service_tier", "iterations")
"""Of what such servers count, that for which nobody else has a word."""


class MessagesWriter:
    """Writes one answer."""

    def __init__(self, question: Question, naming: Naming) -> None:
        self._question = question
        self._naming = naming
        self._sequence = Sequence()
        self._content: list[Body] = []
        self._begun = False
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._metadata: Metadata = {}

    def feed(self, event: StreamEvent) -> bytes:
        match event:
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
            case MetadataReported():
                self._metadata = {**self._metadata, **own_of(event.provider_metadata)}
            case _:
                written = b"".join(self._steps(self._sequence.feed(event)))
                return self._beginning() + written if written else b""
        return b""

    def end(self, seconds: float) -> bytes:
        written = b"".join(self._steps(self._sequence.end()))
        delta = {**self._ending, **given(self._metadata, *IN_DELTAS)}
        beside = given(self._metadata, *BESIDE_DELTAS)
        usage = usage_of(self._usage, self._estimate)
        last = _event({"type": "message_delta", "delta": delta, "usage": usage, **beside})
        return self._beginning() + written + last + _event({"type": "message_stop"})

    def failure(self, refusal: Refusal) -> bytes:
        return _event({"type": "error", "error": error_of(refusal)})

    def whole(self, response: Response, seconds: float) -> bytes:
        for event in events_of(response):
            self.feed(event)
        self.end(seconds)
        calls = {call.id: arguments_object(call) for call in response.tool_calls}
        for block in self._content:
            if block["type"] == "tool_use":
                block["input"] = calls.get(block["id"], {})
        return encode(
            {
                **self._message,
                "content": self._content,
                **self._ending,
                "usage": usage_of(self._usage, self._estimate),
                **given(self._metadata, *IN_DELTAS, *BESIDE_DELTAS),
            }
        )

    @property
    def _message(self) -> Body:
        return {
            "id": f"msg_{self._naming.id}",
            "type": "message",
            "role": "assistant",
            "model": self._naming.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    @property
    def _estimate(self) -> int:
        return estimated_input(self._question.ask)

    @property
    def _ending(self) -> Body:
        return {"stop_reason": self._stop_reason, "stop_sequence": self._metadata.get("stop_sequence")}

    @property
    def _stop_reason(self) -> str:
        if self._finish is None:
            return "end_turn"
        raw = self._finish.raw_finish_reason
        return raw if raw in OWN_REASONS else REASONS.get(self._finish.finish_reason, "end_turn")

    def _beginning(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        usage = {**usage_of(self._usage, self._estimate), "output_tokens": 1}
        return _event({"type": "message_start", "message": {**self._message, "usage": usage}})

    def _steps(self, steps: Iterable[Step]) -> Iterator[bytes]:
        for what, block, more in steps:
            if block.kind == "part":
                if what == "close" and (shown := _whole(block.part)) is not None:
                    yield self._whole_block(shown)
            elif block.kind == "reasoning" and not self._shows(block):
                continue
            elif what == "open":
                yield self._opened(_begun(block))
            elif what == "more":
                yield self._more(block, more)
            else:
                yield self._closed(block)

    def _shows(self, block: Block) -> bool:
        """Whether a thought is shown: one without words only to whom it can go back to."""
        unsaid = block.provider_metadata and not block.pieces
        return self._question.shows_thoughts and not (unsaid and not own_of(block.provider_metadata))

    def _whole_block(self, shown: Body) -> bytes:
        """A block that comes whole. The input of a tool stands in a delta, where clients look for it."""
        said = shown.get("input")
        if not isinstance(said, dict):
            return self._opened(shown) + self._stopped()
        written = self._opened({**shown, "input": {}})
        self._content[-1] = shown
        return (
            written + self._delta({"type": "input_json_delta", "partial_json": encode(said).decode()}) + self._stopped()
        )

    def _opened(self, shown: Body) -> bytes:
        self._content.append(shown)
        index = len(self._content) - 1
        return _event({"type": "content_block_start", "index": index, "content_block": shown})

    def _more(self, block: Block, more: str) -> bytes:
        match block.kind:
            case "reasoning":
                return self._delta({"type": "thinking_delta", "thinking": more})
            case "call":
                return self._delta({"type": "input_json_delta", "partial_json": more})
        return self._delta({"type": "text_delta", "text": more})

    def _closed(self, block: Block) -> bytes:
        shown = self._content[-1]
        written = b""
        if block.kind == "reasoning" and shown["type"] == THINKING:
            shown["thinking"] = block.text
            if signature := own_of(block.provider_metadata).get("signature"):
                shown["signature"] = signature
                written = self._delta({"type": "signature_delta", "signature": signature})
        elif block.kind in ("text", "refusal"):
            shown["text"] = block.text
            for citation in own_of(block.provider_metadata).get("citations") or ():
                shown.setdefault("citations", []).append(citation)
                written += self._delta({"type": "citations_delta", "citation": citation})
        return written + self._stopped()

    def _delta(self, delta: Body) -> bytes:
        return _event({"type": "content_block_delta", "index": len(self._content) - 1, "delta": delta})

    def _stopped(self) -> bytes:
        return _event({"type": "content_block_stop", "index": len(self._content) - 1})


PING = b'event: ping\ndata: {"type":"ping"}\n\n'


def usage_of(usage: Usage | None, estimate: int) -> Body:
    """Usage in this format's words: ``input_tokens`` is what the cache had no part in."""
    usage = usage or Usage()
    read, written = usage.cache_read_tokens, usage.cache_write_tokens
    sent = estimate if usage.input_tokens is None else usage.input_tokens - (read or 0) - (written or 0)
    told: Body = {"input_tokens": max(0, sent), "output_tokens": usage.output_tokens or 0}
    told["cache_read_input_tokens"] = read or 0
    told["cache_creation_input_tokens"] = written or 0
    if usage.reasoning_tokens is not None:
        told["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {**told, **given(usage.raw, *OWN_COUNTS)}


def own_of(kept: Metadata) -> Metadata:
    """What servers of this dialect have kept with a part."""
    return mapping(kept.get(CLAUDE))


def _event(said: Body) -> bytes:
    kind: str = said["type"]
    return b"event: " + kind.encode() + b"\ndata: " + encode(said) + b"\n\n"


def _begun(block: Block) -> Body:
    match block.kind:
        case "reasoning":
            own = own_of(block.provider_metadata)
            return _redacted(own) or {"type": THINKING, "thinking": "", "signature": ""}
        case "call":
            return {"type": "tool_use", "id": block.id, "name": block.name, "input": {}}
    return {"type": "text", "text": ""}


def _whole(part: Part | None) -> Body | None:
    """A part that comes whole, as far as this dialect has a block for it."""
    match part:
        case ProviderPart(provider, value) if provider == CLAUDE:
            return dict(value)
        case ReasoningPart():
            return _redacted(own_of(part.provider_metadata))
        case ToolCallPart():
            return {"type": "tool_use", "id": part.id, "name": part.name, "input": arguments_object(part)}
    return None


def _redacted(own: Metadata) -> Body | None:
    return {"type": REDACTED, "data": own.get("data")} if own.get("type") == REDACTED else None
