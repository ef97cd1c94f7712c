"""Answers of ``/api/chat`` and ``/api/generate``: lines of JSON, the last of them with ``done``; and whole answers."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

import msgspec

from airouter_core.values.arguments import arguments_object
from airouter_core.values.events import Finish, MetadataReported, ReasoningDelta, StreamEvent, TextDelta, UsageReported
from airouter_core.values.folding import merge_metadata
from airouter_core.values.messages import ToolCallPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from ..beside import likelihoods
from ..question import Naming, Question
from ..refusals import Refusal
from ..sequence import Sequence, Step
from .refused import error_of

encode = msgspec.json.encode
Line = dict[str, Any]


class ChatWriter:
    """Writes one answer of ``/api/chat``."""

    def __init__(self, question: Question, naming: Naming) -> None:
        self._identity = {"model": naming.model, "created_at": time_of(naming.created)}
        self._sequence = Sequence()
        self._finish: Finish | None = None
        self._usage: Usage | None = None
        self._metadata: dict[str, Any] = {}

    def feed(self, event: StreamEvent) -> bytes:
        match event:
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
            case MetadataReported():
                merge_metadata(self._metadata, event.provider_metadata)
            case TextDelta() if event.text:
                return self._line(self.said(event.text))
            case ReasoningDelta() if event.text:
                return self._line(self.said("", thinking=event.text))
            case _:
                return self._calls(self._sequence.feed(event))
        return b""

    def end(self, seconds: float) -> bytes:
        rest = self._calls(self._sequence.end())
        return rest + encode({**self._identity, **self.said(""), **self._last(seconds)}) + b"\n"

    def failure(self, refusal: Refusal) -> bytes:
        return encode(error_of(refusal)) + b"\n"

    def whole(self, response: Response, seconds: float) -> bytes:
        self._usage = response.usage
        merge_metadata(self._metadata, response.provider_metadata)
        if response.finish_reason is not None:
            self._finish = Finish(response.finish_reason, response.raw_finish_reason)
        calls = [_called(call) for call in response.tool_calls]
        said = self.said(response.text, thinking=response.reasoning, tool_calls=calls or None)
        return encode({**self._identity, **said, **self._last(seconds)})

    def said(self, content: str, **more: Any) -> Line:
        """What a line says beside its frame."""
        return {
            "message": {"role": "assistant", "content": content, **{k: v for k, v in more.items() if v is not None}}
        }

    def _calls(self, steps: Iterable[Step]) -> bytes:
        """Calls stand in one piece, their arguments as an object."""
        done = [block for what, block, _ in steps if what == "close" and block.kind == "call"]
        return b"".join(self._call(block.id, block.name, block.text) for block in done)

    def _call(self, identity: str, name: str, arguments: str) -> bytes:
        return self._line(self.said("", tool_calls=[_called(ToolCallPart(identity, name, arguments))]))

    def _line(self, said: Line) -> bytes:
        return encode({**self._identity, **said, "done": False}) + b"\n"

    def _last(self, seconds: float) -> Line:
        usage = self._usage or Usage()
        reason = "length" if self._finish is not None and self._finish.finish_reason == "length" else "stop"
        total = int(seconds * 1e9)
        likely = likelihoods(self._metadata)
        counts = {"prompt_eval_count": usage.input_tokens, "eval_count": usage.output_tokens}
        return {
            "done": True,
            "done_reason": reason,
            "total_duration": total,
            "load_duration": 0,
            **{name: value for name, value in counts.items() if value is not None},
            "prompt_eval_duration": 0,
            "eval_duration": total,
            **({"logprobs": likely} if likely else {}),
        }


class GenerateWriter(ChatWriter):
    """Writes one answer of ``/api/generate``: its text lies flat."""

    def said(self, content: str, **more: Any) -> Line:
        return {"response": content, **{name: value for name, value in more.items() if value is not None}}


def loaded(naming: Naming, *, unloaded: bool, chat: bool) -> bytes:
    """What is said when a model was only to be loaded, or unloaded."""
    said: Line = {"message": {"role": "assistant", "content": ""}} if chat else {"response": ""}
    frame = {"model": naming.model, "created_at": time_of(naming.created)}
    return encode({**frame, **said, "done": True, "done_reason": "unload" if unloaded else "load"}) + b"\n"


def time_of(seconds: int) -> str:
    """RFC 3339."""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _called(call: ToolCallPart) -> Line:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call)}}
