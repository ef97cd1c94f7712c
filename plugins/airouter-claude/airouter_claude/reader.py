"""From the JSON of a message to events.

A whole message is read as the stream it could have been: its blocks are opened and closed by the same functions, so
there is one path. The order of a stream: ``message_start``; for each block ``content_block_start``, deltas,
``content_block_stop``; ``message_delta``; ``message_stop``, without which the answer is not complete.
Source: the vendor's streaming page, and ``lib/streaming/_messages.py`` of its SDK (2.12.0).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.arguments import UNREADABLE
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
from airouter_core.values.messages import ReasoningPart
from airouter_core.values.usage import Usage, count, sent_in_all, with_counts
from airouter_core.wire.calls import CallStarts, written_arguments
from airouter_core.wire.failures import is_error
from airouter_core.wire.json import decoded_object, items, mapping, text
from airouter_core.wire.sse import ServerSentEvent
from airouter_core.wire.streams import not_understood

from .errors import error_inside, error_named
from .parts import KEY, THOUGHT_BY, metadata_of, part_of

FINISH_REASONS: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""``pause_turn`` is ``"other"``: the answer is to be sent back as it is, and goes on."""

TEXTS = ("text", "thinking")
OURS = (*TEXTS, "tool_use")
"""Blocks whose parts have a place of their own in a message."""

KEPT_FIELDS = ("stop_sequence", "stop_details", "container", "context_management", "diagnostics")
"""Fields of a message that are kept as metadata."""


class _OpenBlock(msgspec.Struct):
    """A block that is being read.

    Attributes:
        block: as it began, with what has been added to it since.
        fragments: of the JSON of a tool's input.
        call: which tool call this is, where it is one.
    """

    kind: str
    block: dict[str, Any]
    fragments: list[str] = msgspec.field(default_factory=list)
    call: int = 0


class MessageReader:
    """Reads one message; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self.done = False
        self._id: str | None = None
        self._model: str | None = None
        self._begun = False
        self._open: dict[int, _OpenBlock] = {}
        self._calls = CallStarts()
        self._usage: dict[str, Any] = {}
        self._stop_reason: str | None = None
        self._metadata: dict[str, Any] = {}

    def read(self, frame: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events of one server-sent event. An unknown type, and what follows the end, give none.

        Raises:
            ProtocolError: it is not in this format, or begins another message in the middle of this one.
            ProviderError: it reports an error.
        """
        if self.done:
            return ()
        if frame.event == "error":
            raise error_named(frame.data)
        if frame.data.startswith("[DONE]"):  # the mark of another format, which gateways put at the end of this one
            return self._message_stop({}) if self._stop_reason else ()
        event = decoded_object(frame.data)
        kind = text(event.get("type"))
        if kind == "error":
            raise error_inside(event)
        read = self._reads.get(kind or frame.event)
        if read is not None:
            return read(self, event)
        return () if kind or not event else self._untyped(event)

    def _untyped(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        if event.get("error") or is_error(event):
            raise error_inside(event)
        if other := _of_another_format(event):
            raise ProtocolError(f"the provider sent a stream of another format{other}")
        return (not_understood(event),)

    def read_message(self, message: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a whole message.

        Raises:
            ProtocolError: it is none.
            ProviderError: it is an error.
        """
        if message.get("type") == "error" or message.get("error"):
            raise error_inside(message)
        content = message.get("content")
        if isinstance(content, str):  # as it may be in a request
            content = [{"type": "text", "text": content}]
        if not isinstance(content, list):
            raise ProtocolError(f"the provider sent an answer without content{_of_another_format(message)}")
        yield from self._start({"message": message})
        for index, block in enumerate(content):
            yield from self._begin(index, mapping(block))
            yield from self._stop({"index": index})
        yield from self._message_delta({"delta": message})
        yield from self._message_stop({})

    def end(self) -> Iterator[StreamEvent]:
        """What only the end completes: nothing; without ``message_stop`` the answer is truncated."""
        return iter(())

    def _start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        message = mapping(event.get("message"))
        identity = text(message.get("id")) or None
        if self._begun:
            # Gateways were seen to double the event, and to splice a second attempt into the first one's stream: its
            # thoughts and calls must not be taken for one answer.
            if identity != self._id:
                raise ProtocolError(
                    f"the stream began another message ({identity}) before the first ({self._id}) was complete; "
                    "what arrived is in .partial, and the call can be made again"
                )
            return
        self._begun, self._id = True, identity
        self._model = text(message.get("model")) or None
        yield StreamStart(self._model, identity)
        yield from self._add_usage(message.get("usage"))

    def _block_start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        return self._begin(self._index(event, new=True), mapping(event.get("content_block")))

    def _begin(self, index: int, block: Mapping[str, Any]) -> Iterator[StreamEvent]:
        # llama.cpp stops its blocks only at the end of the message: where one begins, texts before it have ended; so
        # has a call at whose index another begins.
        for earlier in [place for place, known in self._open.items() if known.kind in TEXTS or place == index]:
            yield from self._close(self._open.pop(earlier))
        opened = self._open[index] = _OpenBlock(text(block.get("type")), dict(block))
        match opened.kind:
            case "text":
                if said := text(block.get("text")):
                    yield TextDelta(said)
            case "thinking":
                yield ReasoningDelta(text(block.get("thinking")))
            case "tool_use":
                start = self._calls.begin(block.get("id"), block.get("name"))
                opened.call = start.index
                yield start

    def _block_delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        delta = event.get("delta")
        if type(delta) is not dict:
            return ()
        opened = self._open.get(self._index(event))
        match delta.get("type"):
            case "text_delta" if opened is None or opened.kind in OURS:
                said = text(delta.get("text"))
                return (TextDelta(said),) if said else ()
            case "thinking_delta" if opened is None or opened.kind in OURS:
                return (ReasoningDelta(text(delta.get("thinking"))),)
            case "input_json_delta":
                return self._fragment(opened, text(delta.get("partial_json")))
        if opened is not None:
            _add_to(opened.block, delta)
        return ()

    def _fragment(self, opened: _OpenBlock | None, fragment: str) -> Iterable[StreamEvent]:
        if opened is None or opened.kind in TEXTS:
            raise ProtocolError("arguments arrived for a tool call that has not begun")
        if not fragment:
            return ()
        opened.fragments.append(fragment)
        return (ToolCallDelta(opened.call, fragment),) if opened.kind == "tool_use" else ()

    def _stop(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        opened = self._open.pop(self._index(event), None)
        return () if opened is None else self._close(opened)

    def _close(self, opened: _OpenBlock) -> Iterator[StreamEvent]:
        match opened.kind:
            case "text":
                yield PartEnd(metadata_of(opened.block))
            case "thinking":
                yield PartEnd(metadata_of(opened.block, **self._thinker))
            case "redacted_thinking":
                yield PartAdded(ReasoningPart("", metadata_of(opened.block, **self._thinker)))
            case "tool_use":
                if not opened.fragments:
                    yield ToolCallDelta(opened.call, written_arguments(opened.block.get("input")))
                yield ToolCallEnd(opened.call, metadata_of(opened.block))
            case _:
                if opened.fragments:
                    opened.block["input"] = _parsed("".join(opened.fragments))
                yield PartAdded(part_of(opened.block))

    def _message_delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        delta = mapping(event.get("delta"))
        if reason := delta.get("stop_reason"):
            self._stop_reason = str(reason)
        for field in KEPT_FIELDS:
            # A few stand beside the delta, not in it.
            if (value := delta.get(field, event.get(field))) is not None:
                self._metadata[field] = value
        return self._add_usage(event.get("usage"))

    def _message_stop(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        self.done = True
        for index in sorted(self._open):
            yield from self._close(self._open.pop(index))
        if self._metadata:
            yield MetadataReported({KEY: self._metadata})
        reason = self._stop_reason
        if reason is None:
            yield Warned("the provider ended the answer without saying why; it may not be whole")
        yield Finish(FINISH_REASONS.get(reason or "", "other"), reason)

    def _add_usage(self, said: Any) -> Iterable[StreamEvent]:
        told = mapping(said)
        if all(value is None for value in told.values()):
            return ()
        self._usage = with_counts(self._usage, told, ("input_tokens",))
        return (UsageReported(usage_of(self._usage)),)

    def _index(self, event: Mapping[str, Any], *, new: bool = False) -> int:
        """Which block an event is about: where it does not say, the one begun last, or one of its own."""
        index = event.get("index")
        if isinstance(index, int):
            return index
        last = max(self._open, default=-1)
        return last + 1 if new else last

    @property
    def _thinker(self) -> dict[str, Any]:
        return {THOUGHT_BY: self._model} if self._model else {}

    _reads: Mapping[str, Callable[[MessageReader, Mapping[str, Any]], Iterable[StreamEvent]]] = {
        "content_block_delta": _block_delta,
        "message_start": _start,
        "content_block_start": _block_start,
        "content_block_stop": _stop,
        "message_delta": _message_delta,
        "message_stop": _message_stop,
    }


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage in this API's terms: ``input_tokens`` counts what was neither read from the cache nor written to it."""
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    return Usage(
        input_tokens=sent_in_all(count(usage.get("input_tokens")), read, written),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=count(mapping(usage.get("output_tokens_details")).get("thinking_tokens")),
        raw=dict(usage),
    )


def _add_to(block: dict[str, Any], delta: Mapping[str, Any]) -> None:
    """Add a delta to what it extends: a citation to the list of them, text to text; anything else replaces."""
    if delta.get("type") == "citations_delta":
        block["citations"] = [*items(block.get("citations")), delta.get("citation")]
        return
    for name, value in delta.items():
        if name != "type":
            known = block.get(name)
            block[name] = known + value if isinstance(known, str) and isinstance(value, str) else value


def _of_another_format(said: Mapping[str, Any]) -> str:
    return "; it speaks chat completions: use the provider openai or compatible" if "choices" in said else ""


def _parsed(written: str) -> Any:
    try:
        return json.loads(written)
    except (ValueError, RecursionError):
        return {UNREADABLE: written}
