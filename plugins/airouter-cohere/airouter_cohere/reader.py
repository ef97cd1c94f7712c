"""From the JSON of the chat API, version 2, to events.

A whole answer is read as the stream it could have been: its contents and calls are opened and closed by the same
functions, so that there is one path. The order of a stream: ``message-start``; the plan, piece by piece; for each
content ``content-start``, deltas and citations, ``content-end``; for each call ``tool-call-start``, deltas,
``tool-call-end``; ``message-end``, without which the answer is not complete. A plan is no part of the answer's text.
Source: types of SDK cohere 7.3.1, and recorded streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

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
)
from airouter_core.values.messages import ProviderPart
from airouter_core.values.usage import Usage, count
from airouter_core.wire.calls import CallStarts, written_arguments
from airouter_core.wire.failures import is_error
from airouter_core.wire.json import decoded_object, items, mapping, text
from airouter_core.wire.sse import ServerSentEvent
from airouter_core.wire.streams import not_understood

from .errors import error_inside, stopped
from .request import CITATIONS, KEY, PLAN, THINKING

FINISH_REASONS: Mapping[str, FinishReason] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
    "ERROR": "error",
    "TIMEOUT": "error",
}
END = "[DONE]"


class MessageReader:
    """Reads one message; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self.done = False
        self._open = ""
        self._calls: dict[int, int] = {}
        self._starts = CallStarts()
        self._plan: list[str] = []
        self._cited: list[Any] = []
        self._uncited: list[Any] = []
        self._logprobs: list[Any] = []

    def read(self, frame: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events of one server-sent event.

        Raises:
            ProtocolError: it is not in this format.
            ProviderError: it reports an error.
        """
        if frame.data == END:
            self.done = True
            return ()
        event = decoded_object(frame.data)
        kind = text(event.get("type"))
        if "error" in (kind, frame.event) or (not kind and (event.get("error") or is_error(event))):
            raise error_inside(event)
        read = self._reads.get(kind or frame.event)
        if read is not None:
            return read(self, event)
        return () if kind or not event else (not_understood(event),)

    def read_message(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a whole answer.

        Raises:
            ProtocolError: it is none.
            ProviderError: it is an error.
        """
        message = answer.get("message")
        if isinstance(message, str) or answer.get("error"):
            raise error_inside(answer)
        if not isinstance(message, Mapping):
            raise ProtocolError("the provider sent an answer without a message")
        yield from self._message_start(answer)
        yield from self._take_plan({"delta": {"message": message}})
        self._cite(items(message.get(CITATIONS)))
        said = message.get("content")
        contents = [{"type": "text", "text": said}] if isinstance(said, str) else items(said)
        for content in map(mapping, contents):
            yield from self._content_start({"delta": {"message": {"content": content}}})
        yield from self._content_end({})
        for index, call in enumerate(items(message.get("tool_calls"))):
            yield from self._call_start({"index": index, "delta": {"message": {"tool_calls": call}}})
            yield from self._call_end({"index": index})
        self._logprobs += items(answer.get("logprobs"))
        yield from self._message_end({"delta": answer})

    def end(self) -> Iterable[StreamEvent]:
        """What only the end completes: nothing; without ``message-end`` the answer is truncated."""
        return ()

    def _message_start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield StreamStart(id=text(event.get("id")) or None)

    def _take_plan(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        if said := text(_message(event).get(PLAN)):
            self._plan.append(said)
        return ()

    def _content_start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        content = mapping(_message(event).get("content"))
        yield from self._content_end({})
        yield from self._say_plan()
        self._open = text(content.get("type"))
        yield from self._content_delta(event)

    def _content_delta(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        content = mapping(_message(event).get("content"))
        if logprobs := event.get("logprobs"):
            self._logprobs.append(logprobs)
        if thought := text(content.get(THINKING)):
            yield ReasoningDelta(thought)
        if said := text(content.get("text")):
            yield TextDelta(said)

    def _content_end(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        kind, self._open = self._open, ""
        if kind == THINKING:
            yield PartEnd({KEY: {"type": THINKING}})
        elif kind:
            cited, self._uncited = self._uncited, []
            yield PartEnd({KEY: {CITATIONS: cited}} if cited else {})

    def _citation(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        self._cite([_message(event).get(CITATIONS)])
        return ()

    def _call_start(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._content_end({})
        yield from self._say_plan()
        call = mapping(_message(event).get("tool_calls"))
        function = mapping(call.get("function"))
        yield from self._call_end(event)  # of one at the same index, which nobody has ended
        start = self._starts.begin(call.get("id"), function.get("name"))
        self._calls[_index(event)] = start.index
        yield start
        yield from self._call_delta(event)

    def _call_delta(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        call = mapping(_message(event).get("tool_calls"))
        said = mapping(call.get("function")).get("arguments")
        if fragment := text(said) if isinstance(said, str | None) else written_arguments(said):
            if _index(event) not in self._calls:
                raise ProtocolError("arguments arrived for a tool call that has not begun")
            yield ToolCallDelta(self._calls[_index(event)], fragment)

    def _call_end(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        number = self._calls.pop(_index(event), None)
        if number is not None:
            yield ToolCallEnd(number)

    def _message_end(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._content_end({})
        for index in list(self._calls):
            yield from self._call_end({"index": index})
        yield from self._say_plan()
        delta = mapping(event.get("delta"))
        if self._uncited:  # what was thought or planned may be cited too
            yield PartAdded(ProviderPart(KEY, {CITATIONS: self._uncited}))
        kept = {CITATIONS: self._cited, "logprobs": self._logprobs}
        if kept := {name: value for name, value in kept.items() if value}:
            yield MetadataReported({KEY: kept})
        if usage := mapping(delta.get("usage")):
            yield UsageReported(usage_of(usage))
        reason = text(delta.get("finish_reason"))
        if text(delta.get("error")):
            raise stopped(reason, text(delta.get("error")))
        if reason:
            yield Finish(FINISH_REASONS.get(reason.upper(), "other"), reason)

    def _cite(self, citations: list[Any]) -> None:
        found = [citation for citation in citations if isinstance(citation, Mapping)]
        self._cited += found
        self._uncited += found

    def _say_plan(self) -> Iterator[StreamEvent]:
        if self._plan:
            plan, self._plan = "".join(self._plan), []
            yield PartAdded(ProviderPart(KEY, {PLAN: plan}))
            yield MetadataReported({KEY: {PLAN: plan}})

    _reads: Mapping[str, Callable[[MessageReader, Mapping[str, Any]], Iterable[StreamEvent]]] = {
        "content-delta": _content_delta,
        "message-start": _message_start,
        "tool-plan-delta": _take_plan,
        "content-start": _content_start,
        "content-end": _content_end,
        "citation-start": _citation,
        "tool-call-start": _call_start,
        "tool-call-delta": _call_delta,
        "tool-call-end": _call_end,
        "message-end": _message_end,
    }


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage as the tokens that the model saw and made; what is billed, which is less, is in ``raw``."""
    tokens = mapping(usage.get("tokens")) or mapping(usage.get("billed_units"))
    return Usage(
        input_tokens=count(tokens.get("input_tokens")),
        output_tokens=count(tokens.get("output_tokens")),
        cache_read_tokens=count(usage.get("cached_tokens")),
        reasoning_tokens=count(tokens.get("reasoning_tokens")),
        raw=dict(usage),
    )


def _message(event: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(event.get("delta")).get("message"))


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
