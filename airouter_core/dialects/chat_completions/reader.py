"""From the JSON of a chat completion to events.

A whole answer is read as one chunk in which ``message`` stands for ``delta``: there is one path. The common case, a
chunk with one piece of text, comes first and does little.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ...errors import ParameterError, ProtocolError
from ...values.events import (
    Alternative,
    CostReported,
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
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
    UsageReported,
)
from ...values.messages import FilePart
from ...values.usage import Cost, Usage, count
from ...wire.failures import ErrorTable
from ...wire.json import decoded_object, items, mapping, text
from ...wire.sse import ServerSentEvent
from .errors import ReadFailure, failure_in, status_in

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "error": "error",
}


Received = Callable[[dict[str, Any]], dict[str, Any]]
"""A chunk or a whole answer, as a server sends it, put into this format."""


class ChatReader:
    """Reads the chunks of one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(
        self,
        provider: str,
        errors: ErrorTable,
        *,
        reasoning_fields: tuple[str, ...],
        metadata_fields: tuple[str, ...],
        part_fields: tuple[str, ...],
        cost: Callable[[Mapping[str, Any]], Cost | None],
        growing_fields: tuple[str, ...] = (),
        read_failure: ReadFailure = failure_in,
        received: Received | None = None,
        finish_reasons: Mapping[str, FinishReason] = FINISH_REASONS,
    ) -> None:
        self._received = received
        self._finish_reasons = finish_reasons
        self._provider = provider
        self._errors = errors
        self._reasoning_fields = reasoning_fields
        self._metadata_fields = metadata_fields
        self._metadata_names = frozenset(metadata_fields)
        self._part_fields = part_fields
        self._growing_fields = growing_fields
        self._cost = cost
        self._read_failure = read_failure
        self._choices: dict[int, _Choice] = {}
        self._started = False
        self._metadata: dict[str, Any] = {}
        self.done = False

    def read(self, frame: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events of one server-sent event."""
        if frame.data.startswith("[DONE]"):
            self.done = True
            return ()
        if self.done:
            return ()
        chunk = decoded_object(frame.data)
        return self._chunk(chunk if self._received is None else self._received(chunk))

    def read_answer(self, answer: dict[str, Any]) -> Iterable[StreamEvent]:
        """The events of a whole answer.

        Raises:
            ProtocolError: it holds no choice.
        """
        yield from self._chunk(answer if self._received is None else self._received(answer))
        if not self._choices:
            raise ProtocolError("the provider sent an answer without choices")
        self.done = True

    def end(self) -> Iterator[StreamEvent]:
        """What only the end completes."""
        for index, choice in sorted(self._choices.items()):
            yield from _for_choice(index, choice.end(self._provider, finished=self.done))
        if self._metadata:
            yield MetadataReported({self._provider: self._metadata})

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[StreamEvent]:  # noqa: C901  # the common case stays inline
        if not self._started and _begins(chunk):
            self._started = True
            yield StreamStart(text(chunk.get("model")) or None, text(chunk.get("id")) or None)
        for choice in items(chunk.get("choices")):
            if type(choice) is not dict:
                raise ProtocolError("the provider sent a choice that is no object")
            index = choice.get("index") or 0
            if type(index) is not int:
                index = 0
            delta = choice.get("delta") or choice.get("message")
            if delta and type(delta) is dict:
                if index:
                    yield from _for_choice(index, self._delta(index, delta))
                elif (content := delta.get("content")) and type(content) is str and len(delta) - ("role" in delta) == 1:
                    # "role" beside the text, at most: nothing else to look for.
                    self._choice(0)
                    yield TextDelta(content)
                else:
                    yield from self._delta(0, delta)
            if choice.get("finish_reason") or choice.get("logprobs") or len(choice) > 4 or choice.get("error"):
                yield from self._rest_of(index, choice)
        if chunk.get("usage"):
            yield from self._usage(chunk["usage"])
        if chunk.get("error"):
            error = chunk["error"]
            raise self._errors.error(self._read_failure(error, chunk), status=status_in(error), inside=True)
        if not self._metadata_names.isdisjoint(chunk):
            self._keep(chunk)

    def _rest_of(self, index: int, choice: Mapping[str, Any]) -> Iterator[StreamEvent]:
        state = self._choice(index)
        if choice.get("error"):
            error = choice["error"]
            raise self._errors.error(self._read_failure(error, None), status=status_in(error), inside=True)
        if logprobs := mapping(choice.get("logprobs")):
            state.logprobs.extend(items(logprobs.get("content")))
        if native := choice.get("native_finish_reason"):
            self._metadata["native_finish_reason"] = native
        if (reason := choice.get("finish_reason")) and not state.finished:
            state.finished = True
            yield from _for_choice(index, state.finish(reason, self._finish_reasons))

    def _delta(self, index: int, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        state = self._choice(index)
        yield from self._reasoning(delta)
        yield from _content(delta.get("content"))
        if refusal := text(delta.get("refusal")):
            yield RefusalDelta(refusal)
        for position, call in enumerate(items(delta.get("tool_calls"))):
            yield from state.tool_call(call, position)
        for image in items(delta.get("images")):
            if address := text(mapping(mapping(image).get("image_url")).get("url")):
                yield PartAdded(_file(FilePart.from_url, address))
        self._collect(state, delta)

    def _reasoning(self, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        for field in self._reasoning_fields:
            if reasoning := delta.get(field):
                if isinstance(reasoning, str):
                    yield ReasoningDelta(reasoning)
                return

    def _collect(self, state: _Choice, delta: Mapping[str, Any]) -> None:
        for field in self._part_fields:
            for item in items(delta.get(field)):
                _join(state.kept.setdefault(field, []), item, self._growing_fields)
        state.annotations.extend(items(delta.get("annotations")))
        if function_call := delta.get("function_call"):
            self._metadata["function_call"] = function_call
        if audio := mapping(delta.get("audio")):
            state.add_audio(audio)

    def _usage(self, usage: Any) -> Iterator[StreamEvent]:
        usage = mapping(usage)
        yield UsageReported(usage_of(usage))
        cost = self._cost(usage)
        if cost is not None:
            yield CostReported(cost)

    def _keep(self, chunk: Mapping[str, Any]) -> None:
        for field in self._metadata_fields:
            if (value := chunk.get(field)) is not None:
                self._metadata[field] = value

    def _choice(self, index: int) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
        return choice


class _OpenCall(msgspec.Struct, eq=False):
    """A call whose fragments are still coming. It begins when its name is known."""

    ordinal: int
    id: str = ""
    name: str = ""
    begun: bool = False
    held_back: str = ""


class _Choice(msgspec.Struct, eq=False):
    """What must be remembered of one answer."""

    calls: list[_OpenCall] = msgspec.field(default_factory=list)
    by_index: dict[int, _OpenCall] = msgspec.field(default_factory=dict)
    logprobs: list[Any] = msgspec.field(default_factory=list)
    annotations: list[Any] = msgspec.field(default_factory=list)
    kept: dict[str, list[Any]] = msgspec.field(default_factory=dict)
    audio: dict[str, str] = msgspec.field(default_factory=dict)
    finished: bool = False

    def tool_call(self, fragment: Any, position: int) -> Iterator[StreamEvent]:
        """Take one fragment. Servers differ: an index may be missing or used twice, a name may come late."""
        fragment = mapping(fragment)
        function = mapping(fragment.get("function") or fragment.get("custom"))
        index = fragment.get("index")
        index = index if type(index) is int else position
        name, identity = text(function.get("name")), text(fragment.get("id"))
        call = self.by_index.get(index)
        if call is None or (identity and name and call.id and identity != call.id):
            call = self.by_index[index] = _OpenCall(len(self.calls))
            self.calls.append(call)
        call.id = call.id or identity
        call.name = call.name or name
        arguments = function.get("arguments", function.get("input"))
        piece = arguments if isinstance(arguments, str) else _as_text(arguments)
        if not call.begun and call.name:
            call.begun = True
            yield ToolCallStart(call.ordinal, call.id or f"call_{call.ordinal}", call.name)
            piece = call.held_back + piece
        if not call.begun:
            call.held_back += piece
        elif piece:
            yield ToolCallDelta(call.ordinal, piece)

    def add_audio(self, audio: Mapping[str, Any]) -> None:
        """Take one fragment of spoken answer: base64 of the sound, and its words."""
        for field in ("data", "transcript"):
            self.audio[field] = self.audio.get(field, "") + text(audio.get(field))
        for field in ("id", "expires_at"):
            if audio.get(field):
                self.audio[field] = audio[field]

    def finish(self, reason: Any, known_reasons: Mapping[str, FinishReason]) -> Iterator[StreamEvent]:
        """Take the finish reason."""
        if self.calls:
            yield from self._end_calls()
        known = known_reasons.get(str(reason), "other")
        yield Finish("tool_calls" if known == "stop" and self.calls else known, str(reason))

    def _end_calls(self) -> Iterator[StreamEvent]:
        for call in self.calls:
            if call.begun:
                yield ToolCallEnd(call.ordinal)
            elif call.id or call.held_back:
                raise ProtocolError(f"the provider sent tool call {call.id!r} without a name")

    def end(self, provider: str, *, finished: bool) -> Iterator[StreamEvent]:
        """Give what was collected; an answer that ended in good order without a reason has ended."""
        if self.finished and not (self.kept or self.logprobs or self.annotations or self.audio):
            return
        kept: dict[str, Any] = {field: values for field, values in self.kept.items() if values}
        if self.logprobs:
            kept["logprobs"] = self.logprobs
        if self.annotations:
            kept["annotations"] = self.annotations
        if data := self.audio.pop("data", ""):
            yield PartAdded(_file(functools.partial(FilePart.from_data, media_type="audio/*"), data))
        if self.audio:
            kept["audio"] = self.audio
        if kept:
            yield PartEnd({provider: kept})
            yield MetadataReported({provider: kept})
        if finished and not self.finished:
            self.finished = True
            yield from self._end_calls()
            yield Finish("tool_calls" if self.calls else "other")


def usage_of(usage: Mapping[str, Any]) -> Usage:
    """Usage in this format's terms: ``prompt_tokens`` holds cached tokens, ``completion_tokens`` holds reasoning."""
    prompt = mapping(usage.get("prompt_tokens_details"))
    completion = mapping(usage.get("completion_tokens_details"))
    return Usage(
        input_tokens=count(usage.get("prompt_tokens")),
        output_tokens=count(usage.get("completion_tokens")),
        cache_read_tokens=count(prompt.get("cached_tokens")),
        cache_write_tokens=count(prompt.get("cache_write_tokens")),
        reasoning_tokens=count(completion.get("reasoning_tokens")),
        raw=dict(usage),
    )


def _begins(chunk: Mapping[str, Any]) -> bool:
    """Whether this belongs to the answer: a chunk before it may be about the prompt alone, without id or model."""
    named = chunk.get("choices") or (chunk.get("id") and chunk.get("model"))
    return bool(named) and not chunk.get("error")


def _content(content: Any) -> Iterator[StreamEvent]:
    if isinstance(content, str):
        if content:
            yield TextDelta(content)
        return
    for part in items(content):
        if said := text(mapping(part).get("text")):
            yield TextDelta(said)


def _join(known: list[Any], item: Any, growing: tuple[str, ...]) -> None:
    """Add an item; one that carries on another of its type and index is joined to it, as fragments of a stream are."""
    fields = [field for field in growing if field in mapping(item)]
    key = (item.get("type"), item.get("index")) if isinstance(item, Mapping) else None
    start = next((old for old in reversed(known) if key == (mapping(old).get("type"), mapping(old).get("index"))), None)
    if key is None or start is None or not (fields or any(field in start for field in growing)):
        known.append(dict(item) if isinstance(item, Mapping) else item)
        return
    grown = {field: text(start.get(field)) + text(item.get(field)) for field in fields}
    start.update({name: value for name, value in item.items() if value is not None or name not in start})
    start.update(grown)


def _file(read: Callable[[str], FilePart], said: str) -> FilePart:
    try:
        return read(said)
    except ParameterError as error:
        raise ProtocolError(f"the provider sent a file that cannot be read: {error}") from error


def _for_choice(index: int, events: Iterable[StreamEvent]) -> Iterable[StreamEvent]:
    return (Alternative(index, event) for event in events) if index else events


def _as_text(arguments: Any) -> str:
    import json

    return "" if arguments is None else json.dumps(arguments)
