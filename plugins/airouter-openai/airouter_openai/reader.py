"""From the JSON of the Responses API to events.

There is one path. What a stream says in pieces is remembered by its length; the whole items, which a stream repeats
at its end and which are all that a body holds, add what has not been said yet.

Source: ``types/responses/response_stream_event.py`` of the vendor's SDK 3.54.0, and recorded answers of OpenAI's and
of llama.cpp's server, which numbers neither items nor parts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.errors import error_named, failure_in, status_in
from airouter_core.errors import ParameterError, ProtocolError, ProviderError
from airouter_core.values.events import (
    Finish,
    FinishReason,
    MetadataReported,
    PartAdded,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    StreamStart,
    TextDelta,
    ToolCallEnd,
    UsageReported,
    Warned,
)
from airouter_core.values.messages import FilePart, ProviderPart
from airouter_core.values.usage import Usage, count
from airouter_core.wire.calls import CallStarts
from airouter_core.wire.failures import is_error
from airouter_core.wire.json import decoded_object, items, mapping, text
from airouter_core.wire.sse import ServerSentEvent
from airouter_core.wire.streams import not_understood

from .errors import ERRORS
from .plugin import OPENAI
from .progress import ItemProgress

METADATA_FIELDS = (
    "service_tier",
    "incomplete_details",
    "conversation",
    "moderation",
    "previous_response_id",
    "prompt_cache_key",
    "safety_identifier",
)
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
"""Items that ask for a tool of the caller's, and where their arguments stand."""
IN_THE_PART = frozenset({"call_id", "name", "arguments", "input"})
"""Fields of a call that its part holds itself."""

WHOLE = (None, "completed", "complete")
"""What the status of an answer is that has everything to say, and says it."""
ENDINGS: Mapping[str, FinishReason] = {"max_output_tokens": "length", "content_filter": "content_filter"}
BETWEEN_SUMMARIES = "\n"

Events = Iterable[StreamEvent]


class ResponseReader:
    """Reads the events of one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self._items: list[ItemProgress] = []
        self._by_key: dict[int | str, ItemProgress] = {}
        self._start = StreamStart()
        self._starts = CallStarts()
        self._logprobs: list[Any] = []
        self._annotations: list[Any] = []
        self.done = False

    def read(self, frame: ServerSentEvent) -> Events:
        """The events of one server-sent event. Unknown types give nothing; what has no type is an error, or told."""
        if self.done:
            return ()
        if frame.data == "[DONE]":
            self.done = True
            return ()
        if frame.event == "error":
            raise error_named(ERRORS, frame.data, failure_in)
        event = decoded_object(frame.data)
        kind = text(event.get("type"))
        handler = HANDLERS.get(kind or frame.event)
        if handler is not None:
            return handler(self, event)
        return () if kind or not event else self._untyped(event)

    def read_answer(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a whole answer.

        Raises:
            ProviderError: it says that it failed.
            ProtocolError: it is no response.
        """
        missing = "output" not in answer or (answer["output"] is None and answer.get("status") in WHOLE)
        if missing and not answer.get("error"):
            other = "; it speaks chat completions: set api to chat" if "choices" in answer else ""
            raise ProtocolError(f"the provider sent an answer without output{other}")
        yield from self._answer(answer)

    def end(self) -> Events:
        """Nothing is left for the end."""
        return ()

    def _untyped(self, event: Mapping[str, Any]) -> Events:
        if "choices" in event:
            raise ProtocolError("the provider sent a stream of chat completions: set api to chat")
        if event.get("error") or is_error(event):
            raise error_of(event.get("error") or event)
        return (not_understood(event),)

    # One method for each kind of event.

    def _begun(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._started(mapping(event.get("response")))

    def _item_added(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        item = mapping(event.get("item"))
        state = self._item(event, item, begins=True)
        if state.kind in CALLS:
            yield from state.begin_call(item, self._starts)

    def _text(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        delta = text(event.get("delta"))
        self._item(event).saw("content", _number(event.get("content_index")), delta)
        yield TextDelta(delta)

    def _refusal(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        delta = text(event.get("delta"))
        self._item(event).saw("content", _number(event.get("content_index")), delta)
        yield RefusalDelta(delta)

    def _reasoning_text(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        delta = text(event.get("delta"))
        self._item(event).saw("content", _number(event.get("content_index")), delta)
        yield ReasoningDelta(delta)

    def _summary(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        index = _number(event.get("summary_index"))
        state = self._item(event)
        if index and not state.said.get(("summary", index)):
            yield ReasoningDelta(BETWEEN_SUMMARIES)
        delta = text(event.get("delta"))
        state.saw("summary", index, delta)
        yield ReasoningDelta(delta)

    def _arguments(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._item(event).argue(text(event.get("delta")))

    # A delta may be left out where its whole follows, and a server may say the whole alone.

    def _text_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from map(TextDelta, self._unsaid(event, "content", "content_index", event.get("text")))

    def _refusal_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from map(RefusalDelta, self._unsaid(event, "content", "content_index", event.get("refusal")))

    def _reasoning_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from map(ReasoningDelta, self._unsaid(event, "content", "content_index", event.get("text")))

    def _arguments_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        state = self._item(event)
        yield from state.argue(state.rest("arguments", 0, event.get("arguments", event.get("input"))))

    def _unsaid(self, event: Mapping[str, Any], field: str, index: str, whole: Any) -> Iterator[str]:
        state, number = self._item(event), _number(event.get(index))
        if rest := state.rest(field, number, whole):
            state.saw(field, number, rest)
            yield rest

    def _part_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._content(self._item(event), _number(event.get("content_index")), mapping(event.get("part")))

    def _item_done(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        item = mapping(event.get("item"))
        yield from self._whole(self._item(event, item), item)

    def _ended(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        answer = mapping(event.get("response"))
        status = text(event.get("type")).rpartition(".")[2]
        yield from self._answer(answer if answer.get("status") else {**answer, "status": status})

    def _failed(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from ()
        raise error_of(event.get("error") or {name: event.get(name) for name in ("code", "message", "param")})

    # What they are made of.

    def _started(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        start = StreamStart(text(answer.get("model")) or self._start.model, text(answer.get("id")) or self._start.id)
        if start != self._start:
            self._start = start
            yield start

    def _item(
        self, event: Mapping[str, Any], item: Mapping[str, Any] | None = None, *, begins: bool = False
    ) -> ItemProgress:
        """The item that an event is about: by an id that is known, else by its place, else the last one.

        Some servers make up an id for each event, and others begin two items at one place.
        """
        place = event.get("output_index")
        identity = text((item or {}).get("id")) or text(event.get("item_id"))
        key: int | str = place if type(place) is int else identity
        state = self._by_key.get(identity) if identity else None
        if state is None:
            there = self._by_key.get(key)
            # What is described already is another one; what has only been spoken of is the one that begins late.
            state = None if begins and there is not None and there.kind else there
        if state is None and key == "" and item is None and self._items:
            state = self._items[-1]
        if state is None:
            state = ItemProgress(len(self._items))
            self._items.append(state)
            self._by_key[state.number if key == "" else key] = state
        if identity:
            self._by_key.setdefault(identity, state)
        state.describe(item or {}, identity)
        return state

    def _answer(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield from self._started(answer)
        for place, item in enumerate(map(mapping, items(answer.get("output")))):
            state = self._by_key.get(text(item.get("id"))) or self._item({"output_index": place}, item)
            state.describe(item, "")  # it may have been spoken of by pieces alone
            yield from self._whole(state, item)
        if usage := mapping(answer.get("usage")):
            yield UsageReported(usage_of(usage))
        if metadata := self._metadata(answer):
            yield MetadataReported({OPENAI.name: metadata})
        self.done = True
        if answer.get("status") == "failed" or answer.get("error"):
            raise error_of(answer.get("error"))
        if any(item.waits for item in self._items):
            raise ProtocolError("arguments arrived for a tool call that never began")
        yield from self._finish(text(answer.get("status")) or "completed", mapping(answer.get("incomplete_details")))

    def _finish(self, status: str, incomplete: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if status in WHOLE:
            called = any(item.kind in CALLS for item in self._items)
            yield Finish("tool_calls" if called else "stop", status)
            return
        if status in ("queued", "in_progress"):
            yield Warned(
                f"the answer is still being made in the background ({status}); get_response() asks for it by its id"
            )
        yield Finish(ENDINGS.get(text(incomplete.get("reason")), "other"), status)

    def _metadata(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        known = {field: answer[field] for field in METADATA_FIELDS if answer.get(field) is not None}
        collected = {"logprobs": self._logprobs, "annotations": self._annotations}
        return {**known, **{name: values for name, values in collected.items() if values}}

    def _whole(self, state: ItemProgress, item: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """What a complete item adds to what was said of it."""
        if state.ended:
            return
        state.ended = True
        match state.kind:
            case "message":
                said = item.get("content")
                parts = [{"type": "output_text", "text": said}] if isinstance(said, str) else items(said)
                for index, part in enumerate(parts):
                    yield from self._content(state, index, mapping(part))
            case "reasoning":
                yield from self._thought(state, item)
            case "function_call" | "custom_tool_call":
                yield from state.begin_call(item, self._starts)
                yield from state.argue(state.rest("arguments", 0, item.get(CALLS[state.kind])))
                kept = {name: value for name, value in item.items() if name not in IN_THE_PART}
                yield ToolCallEnd(state.number, {OPENAI.name: kept})
            case "image_generation_call" if isinstance(item.get("result"), str):
                kept = {name: value for name, value in item.items() if name != "result" and value is not None}
                yield PartAdded(msgspec.structs.replace(_image(item["result"]), provider_metadata={OPENAI.name: kept}))
            case "":
                raise ProtocolError("the provider sent an item without a type")
            case _:
                yield PartAdded(ProviderPart(OPENAI.name, dict(item)))

    def _thought(self, state: ItemProgress, item: Mapping[str, Any]) -> Iterator[StreamEvent]:
        for field in ("summary", "content"):
            for index, part in enumerate(items(item.get(field))):
                if rest := state.rest(field, index, mapping(part).get("text")):
                    if index and not state.said.get((field, index)):
                        rest = BETWEEN_SUMMARIES + rest
                    yield ReasoningDelta(rest)
        # A thought that is not shown is a part all the same: it goes back with the conversation.
        yield ReasoningDelta("")
        yield PartEnd({OPENAI.name: dict(item)})

    def _content(self, state: ItemProgress, index: int, part: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """What a complete piece of content adds to what was said of it."""
        if index in state.closed:
            return
        match part.get("type"):
            case "output_text" | "text":
                state.closed.add(index)
                if rest := state.rest("content", index, part.get("text")):
                    yield TextDelta(rest)
                own: dict[str, Any] = {"type": "message", "id": state.id, "phase": state.phase}
                for field, collected in (("annotations", self._annotations), ("logprobs", self._logprobs)):
                    if found := items(part.get(field)):
                        own[field] = found
                        collected.extend(found)
                yield PartEnd({OPENAI.name: {name: value for name, value in own.items() if value}})
            case "refusal":
                state.closed.add(index)
                if rest := state.rest("content", index, part.get("refusal")):
                    yield RefusalDelta(rest)
                yield PartEnd()


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage in this API's terms: ``input_tokens`` holds cached tokens, ``output_tokens`` holds reasoning."""
    sent = mapping(usage.get("input_tokens_details"))
    made = mapping(usage.get("output_tokens_details"))
    return Usage(
        input_tokens=count(usage.get("input_tokens")),
        output_tokens=count(usage.get("output_tokens")),
        cache_read_tokens=count(sent.get("cached_tokens")),
        cache_write_tokens=count(sent.get("cache_write_tokens")),
        reasoning_tokens=count(made.get("reasoning_tokens")),
        raw=dict(usage),
    )


def error_of(error: Any) -> ProviderError:
    """The error that an answer with status 200 reports inside."""
    failure = failure_in(error or {"message": "the answer failed, and nothing says why"})
    return ERRORS.error(failure, status=status_in(error), inside=True)


def _number(value: Any) -> int:
    """An index, which a server may leave out."""
    return value if type(value) is int else 0


def _image(content: str) -> FilePart:
    try:
        return FilePart.from_data(content)
    except ParameterError as error:
        raise ProtocolError("the provider sent an image that is no base64") from error


Handler = Callable[[ResponseReader, Mapping[str, Any]], Events]

HANDLERS: Mapping[str, Handler] = {
    "response.output_text.delta": ResponseReader._text,
    "response.created": ResponseReader._begun,
    "response.in_progress": ResponseReader._begun,
    "response.queued": ResponseReader._begun,
    "response.output_item.added": ResponseReader._item_added,
    "response.output_item.done": ResponseReader._item_done,
    "response.content_part.done": ResponseReader._part_done,
    "response.output_text.done": ResponseReader._text_done,
    "response.refusal.delta": ResponseReader._refusal,
    "response.refusal.done": ResponseReader._refusal_done,
    "response.reasoning_text.delta": ResponseReader._reasoning_text,
    "response.reasoning_text.done": ResponseReader._reasoning_done,
    "response.reasoning_summary_text.delta": ResponseReader._summary,
    "response.function_call_arguments.delta": ResponseReader._arguments,
    "response.function_call_arguments.done": ResponseReader._arguments_done,
    "response.custom_tool_call_input.delta": ResponseReader._arguments,
    "response.custom_tool_call_input.done": ResponseReader._arguments_done,
    "response.completed": ResponseReader._ended,
    "response.incomplete": ResponseReader._ended,
    "response.failed": ResponseReader._ended,
    "response.cancelled": ResponseReader._ended,
    "error": ResponseReader._failed,
}
