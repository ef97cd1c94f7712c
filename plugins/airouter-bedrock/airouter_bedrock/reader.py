"""From the JSON of Converse and ConverseStream to events.

A whole message is read as the stream it could have been: its blocks are closed by the same functions. The order of a
stream: ``messageStart``; for each block ``contentBlockStart`` (tool calls and results have one, texts and thoughts do
not), deltas, ``contentBlockStop``; ``messageStop``, without which the answer is not complete; ``metadata``, with the
usage. Source: the service model's ``ConverseStreamOutput``, and recorded streams.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.events import (
    Finish,
    FinishReason,
    MetadataReported,
    PartAdded,
    PartEnd,
    ReasoningDelta,
    StreamEvent,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    UsageReported,
    Warned,
)
from airouter_core.values.messages import FilePart, Metadata, ProviderPart, ReasoningPart
from airouter_core.values.usage import Usage, count, sent_in_all
from airouter_core.values.value import NO_METADATA
from airouter_core.wire.calls import COMPACT, CallStarts, written_arguments
from airouter_core.wire.json import decoded_object, items, mapping, text

from .blocks import KEY
from .errors import error_in_stream, error_inside
from .eventstream import EventMessage

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
SERVER_SIDE = "server_tool_use"
"""The type of calls that the service answers itself; that of the caller's is ``tool_use``, or left out."""
KEPT_FIELDS = ("metrics", "trace", "performanceConfig", "serviceTier", "additionalModelResponseFields")
"""Fields of an answer that are kept as metadata."""


class _OpenBlock(msgspec.Struct, eq=False):
    """A block that is being read.

    Attributes:
        kind: its key, such as ``"text"`` or ``"toolUse"``; empty until something has told.
        value: of that key, as it began and with what has been added to it since.
        fragments: of the JSON of a tool's input, or of base64.
        call: which tool call of the caller's this is, where it is one.
        citations: that belong to a text.
    """

    kind: str = ""
    value: dict[str, Any] = msgspec.field(default_factory=dict)
    fragments: list[str] = msgspec.field(default_factory=list)
    call: int | None = None
    citations: list[Any] = msgspec.field(default_factory=list)


class ConverseReader:
    """Reads one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self.done = False
        self._open: dict[int, _OpenBlock] = {}
        self._calls = CallStarts()
        self._metadata: dict[str, Any] = {}
        self._stopped = False

    def read(self, frame: EventMessage) -> Iterable[StreamEvent]:
        """The events of one message. What is unknown gives none.

        Raises:
            ProtocolError: it is not in this format.
            ProviderError: it reports an error.
        """
        if frame.headers.get(":message-type", "event") != "event":
            raise error_in_stream(frame)
        content = decoded_object(frame.payload)
        read = self._reads.get(frame.headers.get(":event-type", ""))
        return () if read is None else read(self, content)

    def read_answer(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a whole answer.

        Raises:
            ProtocolError: it is none.
            ProviderError: it is an error.
        """
        message = mapping(mapping(answer.get("output")).get("message"))
        content = message.get("content")
        if not isinstance(content, list):
            if answer.keys() & {"message", "Message", "error", "__type"}:
                raise error_inside(answer)
            raise ProtocolError("the provider sent an answer without output")
        yield StreamStart()
        for block in map(mapping, content):
            yield from self._whole(block)
        yield from self._message_stop(answer)
        yield from self._metadata_event(answer)

    def end(self) -> Iterator[StreamEvent]:
        """What only the end completes: nothing; without ``messageStop`` the answer is truncated."""
        if self._stopped and not self.done:
            yield Warned("the answer ended without its last event; usage may be missing")
        yield from self._kept()

    def _message_start(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        return (StreamStart(),)

    def _block_start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        kind, value = _only(event.get("start"))
        if not kind:
            return
        yield from self._block_stop(event)  # of one at the same index, which nobody has ended
        opened = self._open[_index(event)] = _OpenBlock(kind, dict(mapping(value)))
        yield from self._begun(opened)

    def _begun(self, opened: _OpenBlock) -> Iterator[StreamEvent]:
        if opened.kind == "toolUse" and opened.value.get("type") != SERVER_SIDE:
            start = self._calls.begin(opened.value.get("toolUseId"), opened.value.get("name"))
            opened.call = start.index
            yield start

    def _block_delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        kind, value = _only(event.get("delta"))
        opened = self._open.get(_index(event))
        if opened is None:
            opened = self._open[_index(event)] = _OpenBlock()
        match kind:
            case "text":
                opened.kind = "text"
                return (TextDelta(text(value)),) if value else ()
            case "reasoningContent":
                return self._thought(opened, mapping(value))
            case "toolUse":
                return self._fragment(opened, text(mapping(value).get("input")))
            case "citation":
                opened.kind = opened.kind or "text"
                opened.citations.append(value)
            case "toolResult":
                opened.value["content"] = [*items(opened.value.get("content")), *items(value)]
            case "image":
                opened.kind = "image"
                _add(opened.value, mapping(value))
        return ()

    def _thought(self, opened: _OpenBlock, delta: Mapping[str, Any]) -> Iterable[StreamEvent]:
        opened.kind = "reasoningContent"
        for name in ("signature", "redactedContent"):
            if said := text(delta.get(name)):
                opened.value[name] = said if name == "signature" else _joined(opened.value.get(name), said)
        return (ReasoningDelta(text(delta["text"])),) if delta.get("text") else ()

    def _fragment(self, opened: _OpenBlock, fragment: str) -> Iterable[StreamEvent]:
        if opened.kind != "toolUse":
            raise ProtocolError("arguments arrived for a tool call that has not begun")
        if not fragment:
            return ()
        opened.fragments.append(fragment)
        return () if opened.call is None else (ToolCallDelta(opened.call, fragment),)

    def _block_stop(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        opened = self._open.pop(_index(event), None)
        return () if opened is None else self._closed(opened)

    def _whole(self, block: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a block that came in one piece."""
        kind, value = _only(block)
        opened = _OpenBlock(kind, dict(mapping(value)))
        match kind:
            case "text":
                yield from (TextDelta(said) for said in (text(value),) if said)
            case "citationsContent":
                opened.kind = "text"
                opened.citations = items(mapping(value).get("citations"))
                said = "".join(text(mapping(piece).get("text")) for piece in items(mapping(value).get("content")))
                yield from (TextDelta(piece) for piece in (said,) if piece)
            case "reasoningContent":
                opened.value.clear()
                yield from self._thought(opened, {**mapping(value), **mapping(mapping(value).get("reasoningText"))})
            case "toolUse":
                yield from self._begun(opened)
                yield from self._fragment(opened, written_arguments(opened.value.get("input"), COMPACT))
        yield from self._closed(opened)

    def _closed(self, opened: _OpenBlock) -> Iterator[StreamEvent]:
        match opened.kind:
            case "text":
                yield PartEnd({KEY: {"citations": opened.citations}} if opened.citations else NO_METADATA)
            case "reasoningContent" if "redactedContent" in opened.value:
                yield PartAdded(ReasoningPart("", {KEY: opened.value}))
            case "reasoningContent":
                yield PartEnd({KEY: opened.value} if opened.value else NO_METADATA)
            case "toolUse" if opened.call is not None:
                if not opened.fragments:
                    yield ToolCallDelta(opened.call, "{}")
                yield ToolCallEnd(opened.call, _metadata_of_call(opened.value))
            case "toolUse":
                yield PartAdded(ProviderPart(KEY, {"toolUse": {**opened.value, "input": _parsed(opened.fragments)}}))
            case "image":
                yield PartAdded(_picture(opened.value))
            case kind if kind:
                yield PartAdded(ProviderPart(KEY, {kind: opened.value}))

    def _message_stop(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        self._stopped = True
        for index in sorted(self._open):
            yield from self._closed(self._open.pop(index))
        reason = text(event.get("stopReason")) or None
        meaning = FINISH_REASONS.get(reason or "", "other")
        self._keep(event)
        yield Finish("tool_calls" if meaning == "stop" and self._calls.count else meaning, reason)

    def _metadata_event(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        self.done = True
        if usage := mapping(event.get("usage")):
            yield UsageReported(usage_of(usage))
        self._keep(event)
        yield from self._kept()

    def _keep(self, event: Mapping[str, Any]) -> None:
        self._metadata.update({name: event[name] for name in KEPT_FIELDS if event.get(name)})

    def _kept(self) -> Iterator[StreamEvent]:
        if self._metadata:
            yield MetadataReported({KEY: self._metadata})
            self._metadata = {}

    _reads: Mapping[str, Callable[[ConverseReader, Mapping[str, Any]], Iterable[StreamEvent]]] = {
        "contentBlockDelta": _block_delta,
        "messageStart": _message_start,
        "contentBlockStart": _block_start,
        "contentBlockStop": _block_stop,
        "messageStop": _message_stop,
        "metadata": _metadata_event,
    }


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage in this API's terms: ``inputTokens`` counts what was neither read from the cache nor written to it."""
    read, written = count(usage.get("cacheReadInputTokens")), count(usage.get("cacheWriteInputTokens"))
    return Usage(
        input_tokens=sent_in_all(count(usage.get("inputTokens")), read, written),
        output_tokens=count(usage.get("outputTokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        raw=dict(usage),
    )


def _only(union: Any) -> tuple[str, Any]:
    """The one member of a union: its name and its value; nothing where there is none that says anything."""
    return next(((name, value) for name, value in mapping(union).items() if value is not None), ("", None))


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("contentBlockIndex")
    return index if isinstance(index, int) else 0


def _metadata_of_call(value: Mapping[str, Any]) -> Metadata:
    known = ("toolUseId", "name", "input", "type")
    kept = {name: item for name, item in value.items() if name not in known and item not in (None, "", [], {})}
    return {KEY: kept} if kept else NO_METADATA


def _joined(known: Any, more: str) -> str:
    """Base64 of the bytes of two pieces of base64."""
    if not known:
        return more
    try:
        return base64.b64encode(base64.b64decode(known) + base64.b64decode(more)).decode("ascii")
    except ValueError as error:
        raise ProtocolError("the provider sent a hidden thought that is no base64") from error


def _add(value: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a piece of a picture to what there is of it."""
    said = mapping(delta.get("source")).get("bytes")
    if isinstance(said, str):
        known = mapping(value.get("source")).get("bytes")
        value["source"] = {"bytes": _joined(known, said)}
    value.update({name: item for name, item in delta.items() if name != "source"})


def _picture(value: Mapping[str, Any]) -> FilePart | ProviderPart:
    said = mapping(value.get("source")).get("bytes")
    if not isinstance(said, str):
        return ProviderPart(KEY, {"image": dict(value)})
    try:
        data = base64.b64decode(said)
    except ValueError as error:
        raise ProtocolError("the provider sent a picture that is no base64") from error
    return FilePart(f"image/{text(value.get('format')) or '*'}", data=data)


def _parsed(fragments: Iterable[str]) -> Any:
    written = "".join(fragments)
    try:
        return json.loads(written or "{}")
    except (ValueError, RecursionError):
        return {"input": written}
