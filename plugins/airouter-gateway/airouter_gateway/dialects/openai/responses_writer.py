"""Answers of ``/v1/responses``: the events with their numbers and ids, and whole responses.

The strictest reader wants ``sequence_number`` and ``output_index`` everywhere, a full response object in
``response.created``, and at the end the ids that were streamed; so the items of the end are the very ones that were
written along the way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from airouter_core.values.events import Finish, MetadataReported, StreamEvent, StreamStart, UsageReported
from airouter_core.values.folding import merge_metadata
from airouter_core.values.replaying import events_of
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from .. import beside
from ..fields import given
from ..question import Naming, Question
from ..refusals import Refusal
from ..sequence import Block, Sequence, Step
from .refused import error_of
from .responses_items import ENCRYPTED, Item, begun_item, content_of, free_text, is_shown, own_of, usage_of, whole_part

encode = msgspec.json.encode

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
        self._metadata: dict[str, Any] = {}
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
            case MetadataReported():
                merge_metadata(self._metadata, event.provider_metadata)
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
        merge_metadata(self._metadata, response.provider_metadata)
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
            **given(beside.named(self._metadata), "service_tier"),
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
            if not is_shown(block):
                continue
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
        item = begun_item(block, f"{prefix}_{self._naming.id}_{number}", named)
        self._output.append(item)
        if block.kind == "part":
            return b""
        shown = {**item, "status": "in_progress"} if block.kind != "reasoning" else item
        written = self._event("response.output_item.added", output_index=number, item=shown)
        if block.kind in ("text", "refusal"):
            return written + self._about("response.content_part.added", content_index=0, part=content_of(block, ""))
        return written

    def _more(self, block: Block, more: str) -> bytes:
        match block.kind:
            case "text":
                return self._about("response.output_text.delta", content_index=0, delta=more, logprobs=[])
            case "refusal":
                return self._about("response.refusal.delta", content_index=0, delta=more)
            case "reasoning":
                written = self._about("response.reasoning_summary_text.delta", summary_index=0, delta=more)
                return written if block.written > 1 else self._summary_begun() + written
        named = self._tools.get(block.name)
        if named is not None and named.custom:
            return b""  # its text stands inside of JSON, and is told when that is whole
        return self._about("response.function_call_arguments.delta", delta=more)

    def _summary_begun(self) -> bytes:
        part = {"type": "summary_text", "text": ""}
        return self._about("response.reasoning_summary_part.added", summary_index=0, part=part)

    def _closed(self, block: Block) -> bytes:
        text = block.text
        item = self._output[-1]
        match block.kind:
            case "text":
                written = self._text_closed(block, item)
            case "refusal":
                item["content"] = [content_of(block, text)]
                written = self._about("response.refusal.done", content_index=0, refusal=text)
                written += self._about("response.content_part.done", content_index=0, part=content_of(block, text))
            case "reasoning":
                part = {"type": "summary_text", "text": text}
                item["summary"] = [part] if text else []
                item |= given(own_of(block), ENCRYPTED)
                written = b""
                if text:
                    written = self._about("response.reasoning_summary_text.done", summary_index=0, text=text)
                    written += self._about("response.reasoning_summary_part.done", summary_index=0, part=part)
            case "call":
                written = self._called(block, item, text)
            case _:
                item |= whole_part(block.part) or {}
                written = self._event("response.output_item.added", output_index=len(self._output) - 1, item=item)
        if block.kind != "reasoning":
            item["status"] = "completed"
        return written + self._event("response.output_item.done", output_index=len(self._output) - 1, item=item)

    def _text_closed(self, block: Block, item: Item) -> bytes:
        metadata = block.provider_metadata
        content = content_of(block, block.text)
        content["annotations"] = beside.sources(metadata, nested=False)
        content["logprobs"] = likely = beside.likelihoods(metadata) or beside.likelihoods(self._metadata)
        item["content"] = [content]
        item |= given(own_of(block), "phase")
        written = b"".join(
            self._about(
                "response.output_text.annotation.added", content_index=0, annotation_index=place, annotation=source
            )
            for place, source in enumerate(content["annotations"])
        )
        written += self._about("response.output_text.done", content_index=0, text=block.text, logprobs=likely)
        return written + self._about("response.content_part.done", content_index=0, part=content)

    def _called(self, block: Block, item: Item, text: str) -> bytes:
        named = self._tools.get(block.name)
        if named is not None and named.custom:
            item["input"] = said = free_text(text)
            written = self._about("response.custom_tool_call_input.delta", delta=said)
            return written + self._about("response.custom_tool_call_input.done", input=said)
        item["arguments"] = text or "{}"
        if named is None and (namespace := own_of(block).get("namespace")):
            item["namespace"] = namespace
        return self._about("response.function_call_arguments.done", name=item["name"], arguments=item["arguments"])

    def _about(self, kind: str, **fields: Any) -> bytes:
        return self._event(kind, item_id=self._output[-1]["id"], output_index=len(self._output) - 1, **fields)
