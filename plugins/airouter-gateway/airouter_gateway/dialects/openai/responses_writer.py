"""Answers of ``/v1/responses``: the events with their numbers and ids, and whole responses.

The strictest reader wants ``sequence_number`` and ``output_index`` everywhere, a full response object in
``response.created``, and at the end the ids that were streamed; so the items of the end are the very ones that were
written along the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.events import Finish, StreamEvent, StreamStart, UsageReported
from airouter_core.values.messages import FilePart, ProviderPart
from airouter_core.values.replaying import events_of
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from ..question import NamedTool, Naming, Question
from ..refusals import Refusal
from ..sequence import Block, Sequence, Step
from .refused import error_of
from .responses_tools import OPENAI

encode = msgspec.json.encode
Item = dict[str, Any]

INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}
REPEATED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": {"effort": None, "summary": None},
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What an answer repeats of its question, and what it says where nothing was given."""
PREFIXES = {"text": "msg", "refusal": "msg", "reasoning": "rs", "call": "fc", "part": "item"}


class ResponsesWriter:
    """Writes one answer."""

    def __init__(self, question: Question, naming: Naming) -> None:
        said = question.said
        self._naming = naming
        self._tools = question.tools
        self._number = 0
        self._begun = False
        self._sequence = Sequence()
        self._output: list[Item] = []
        self._usage: Usage | None = None
        self._finish: Finish | None = None
        self._frame: Item = {
            "id": f"resp_{naming.id}",
            "object": "response",
            "created_at": naming.created,
            "model": naming.model,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "previous_response_id": said.get("previous_response_id"),
            "store": bool(said.get("store")),
            **{name: said[name] if said.get(name) is not None else usual for name, usual in REPEATED.items()},
        }

    def feed(self, event: StreamEvent) -> bytes:
        match event:
            case UsageReported():
                self._usage = event.usage
            case Finish():
                self._finish = event
            case StreamStart():
                pass
            case _:
                steps = list(self._sequence.feed(event))
                return self._beginning() + b"".join(self._steps(steps)) if steps else b""
        return b""

    def end(self, seconds: float) -> bytes:
        begin = self._beginning()  # it may be that nothing was said at all
        rest = b"".join(self._steps(self._sequence.end()))
        return begin + rest + self._event(f"response.{self._status}", response=self.response())

    def failure(self, refusal: Refusal) -> bytes:
        begin = self._beginning()
        error = error_of(refusal)
        told = {"code": error["code"] or error["type"], "message": error["message"]}
        # Some clients take a response that failed for one that has ended, and stop at an error alone. The vendor says
        # it in an object, its documents without one: both are here.
        begin += self._event("error", **told, param=error["param"], error=error)
        failed = {**self._frame, "status": "failed", "error": told, "output": self._output, "usage": None}
        return begin + self._event("response.failed", response=failed)

    def whole(self, response: Response, seconds: float) -> bytes:
        for event in events_of(response):
            self.feed(event)
        self.end(seconds)
        return encode(self.response())

    @property
    def _status(self) -> str:
        reason = None if self._finish is None else self._finish.finish_reason
        return "incomplete" if reason in INCOMPLETE else "completed"

    def response(self) -> Item:
        """The answer as far as it has come; all of it, once its end is written."""
        reason = None if self._finish is None else INCOMPLETE.get(self._finish.finish_reason)
        return {
            **self._frame,
            "status": self._status,
            "incomplete_details": None if reason is None else {"reason": reason},
            "output": self._output,
            "usage": usage_of(self._usage),
        }

    def _beginning(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        begun = {**self._frame, "status": "in_progress", "output": [], "usage": None}
        first = self._event("response.created", response=begun)
        return first + self._event("response.in_progress", response=begun)

    def _event(self, kind: str, **fields: Any) -> bytes:
        said = encode({"type": kind, **fields, "sequence_number": self._number})
        self._number += 1
        return b"event: " + kind.encode() + b"\ndata: " + said + b"\n\n"

    def _steps(self, steps: Iterable[Step]) -> Iterator[bytes]:
        for what, block, more in steps:
            if what == "open":
                yield self._opened(block)
            elif what == "more":
                yield self._more(block, more)
            else:
                yield self._closed(block)

    def _opened(self, block: Block) -> bytes:
        number = len(self._output)
        named = self._tools.get(block.name)
        prefix = "ctc" if named is not None and named.custom else PREFIXES[block.kind]
        item = _begun(block, f"{prefix}_{self._naming.id}_{number}", named)
        self._output.append(item)
        if block.kind == "part":
            return b""
        shown = {**item, "status": "in_progress"} if block.kind != "reasoning" else item
        written = self._event("response.output_item.added", output_index=number, item=shown)
        if block.kind == "reasoning":
            part = {"type": "summary_text", "text": ""}
            return written + self._about("response.reasoning_summary_part.added", summary_index=0, part=part)
        if block.kind in ("text", "refusal"):
            return written + self._about("response.content_part.added", content_index=0, part=_content(block, ""))
        return written

    def _more(self, block: Block, more: str) -> bytes:
        match block.kind:
            case "text":
                return self._about("response.output_text.delta", content_index=0, delta=more, logprobs=[])
            case "refusal":
                return self._about("response.refusal.delta", content_index=0, delta=more)
            case "reasoning":
                return self._about("response.reasoning_summary_text.delta", summary_index=0, delta=more)
        named = self._tools.get(block.name)
        if named is not None and named.custom:
            return b""  # its text stands inside of JSON, and is told when that is whole
        return self._about("response.function_call_arguments.delta", delta=more)

    def _closed(self, block: Block) -> bytes:
        text = block.text
        item = self._output[-1]
        match block.kind:
            case "text":
                item["content"] = [_content(block, text)]
                written = self._about("response.output_text.done", content_index=0, text=text, logprobs=[])
                written += self._about("response.content_part.done", content_index=0, part=_content(block, text))
            case "refusal":
                item["content"] = [_content(block, text)]
                written = self._about("response.refusal.done", content_index=0, refusal=text)
                written += self._about("response.content_part.done", content_index=0, part=_content(block, text))
            case "reasoning":
                part = {"type": "summary_text", "text": text}
                item["summary"] = [part] if text else []
                item |= {name: value for name, value in _own(block).items() if name == "encrypted_content"}
                written = self._about("response.reasoning_summary_text.done", summary_index=0, text=text)
                written += self._about("response.reasoning_summary_part.done", summary_index=0, part=part)
            case "call":
                written = self._called(block, item, text)
            case _:
                item.update(_whole_part(block))
                written = self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)
        if block.kind != "reasoning":
            item["status"] = "completed"
        return written + self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _called(self, block: Block, item: Item, text: str) -> bytes:
        named = self._tools.get(block.name)
        if named is not None and named.custom:
            item["input"] = said = _free_text(text)
            written = self._about("response.custom_tool_call_input.delta", delta=said)
            return written + self._about("response.custom_tool_call_input.done", input=said)
        item["arguments"] = text or "{}"
        if named is None and (namespace := _own(block).get("namespace")):
            item["namespace"] = namespace
        return self._about("response.function_call_arguments.done", name=item["name"], arguments=item["arguments"])

    def _about(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=self._output[-1]["id"], output_index=len(self._output) - 1, **fields)


def usage_of(usage: Usage | None) -> dict[str, Any] | None:
    """Usage in this format's words; ``None`` where nobody has counted."""
    if usage is None or (usage.input_tokens is None and usage.output_tokens is None):
        return None
    sent, made = usage.input_tokens or 0, usage.output_tokens or 0
    return {
        "input_tokens": sent,
        "input_tokens_details": {"cached_tokens": usage.cache_read_tokens or 0},
        "output_tokens": made,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens or 0},
        "total_tokens": sent + made,
    }


def _begun(block: Block, identity: str, named: NamedTool | None) -> Item:
    match block.kind:
        case "text" | "refusal":
            return {"id": identity, "type": "message", "role": "assistant", "content": []}
        case "reasoning":
            return {"id": identity, "type": "reasoning", "summary": []}
        case "call" if named is not None and named.custom:
            return {"id": identity, "type": "custom_tool_call", "call_id": block.id, "name": named.name, "input": ""}
        case "call":
            name = block.name if named is None else named.name
            call = {"id": identity, "type": "function_call", "call_id": block.id, "name": name, "arguments": ""}
            return {**call, "namespace": named.namespace} if named is not None and named.namespace else call
    return {"id": identity, "type": "item"}


def _content(block: Block, text: str) -> Item:
    if block.kind == "refusal":
        return {"type": "refusal", "refusal": text}
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _whole_part(block: Block) -> Item:
    match block.part:
        case FilePart() as file if file.data is not None:
            return {"type": "image_generation_call", "result": file.base64}
        case ProviderPart(provider, value) if provider == OPENAI:
            return dict(value)
    return {"type": "message", "role": "assistant", "content": []}


def _own(block: Block) -> dict[str, Any]:
    own = block.provider_metadata.get(OPENAI)
    return dict(own) if isinstance(own, dict) else {}


def _free_text(arguments: str) -> str:
    try:
        said = msgspec.json.decode(arguments or "{}")
    except msgspec.DecodeError as error:
        raise ProtocolError("the model's input for a tool is no valid JSON") from error
    return str(said.get("input", "")) if isinstance(said, dict) else str(said)
