"""From the JSON of an interaction to events.

An interaction is a list of steps. A whole one is read as the stream it could have been: its steps are opened and closed
by the same functions, so that there is one path. The order of a stream: ``interaction.created``; for each step
``step.start``, deltas, ``step.stop``; ``interaction.completed``, which has the counts and no steps; ``done``. Until the
summer of 2026 steps were called contents, and stood in ``outputs``.
Source: types of SDK google-genai 3.6.1 (``_gaos/types/interactions``), and recorded streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.events import (
    Finish,
    FinishReason,
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
from airouter_core.values.media import decoded, media_type_of
from airouter_core.values.messages import FilePart, Metadata, ProviderPart
from airouter_core.values.value import NO_METADATA
from airouter_core.wire.calls import CallStarts
from airouter_core.wire.json import decoded_object, items, mapping, text
from airouter_core.wire.sse import ServerSentEvent

from ..counts import OF_INTERACTIONS, usage_of
from ..errors import error_inside
from ..parts import KEY, STEP, written

FINISH_REASONS: Mapping[str, FinishReason] = {
    "completed": "stop",
    "requires_action": "tool_calls",
    "incomplete": "length",
    "failed": "error",
}
"""The status of an interaction; whatever else it may be is "other"."""
END = "[DONE]"
FILES = ("image", "audio", "video", "document")
HELD: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text"}),
    "thought": frozenset({"type", "summary"}),
    "function_call": frozenset({"type", "id", "name", "arguments"}),
    **dict.fromkeys(FILES, frozenset({"type", "data", "uri", "mime_type"})),
}
"""Fields of a step, or of what stands in one, that its part holds itself."""


class _OpenStep(msgspec.Struct):
    """A step that is being read.

    Attributes:
        step: as it began, with what has been added to it since.
        call: which tool call this is, where it is one.
        content: what is said in it now: a text, or a file whose bytes arrive.
    """

    kind: str
    step: dict[str, Any]
    call: int = 0
    has_arguments: bool = False
    content: dict[str, Any] = msgspec.field(default_factory=dict)


class InteractionReader:
    """Reads one interaction; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self.done = False
        self._open: dict[int, _OpenStep] = {}
        self._calls = CallStarts()

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
        kind = text(event.get("event_type")) or frame.event
        if kind == "error" or event.get("error"):
            raise error_inside(event)
        read = self._reads.get(kind)
        return () if read is None else read(self, event)

    def read_interaction(self, interaction: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of a whole interaction.

        Raises:
            ProtocolError: it is none.
            ProviderError: it is an error.
        """
        if interaction.get("error"):
            raise error_inside(interaction)
        if not text(interaction.get("status")):
            raise ProtocolError("the provider sent an interaction without a status")
        yield from self._created({"interaction": interaction})
        for index, step in enumerate(items(interaction.get("steps", interaction.get("outputs")))):
            yield from self._begin({"index": index, "step": step})
            yield from self._stop({"index": index})
        yield from self._completed({"interaction": interaction})

    def end(self) -> Iterable[StreamEvent]:
        """What only the end completes: nothing; without ``interaction.completed`` the answer is truncated."""
        return ()

    def _created(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        interaction = mapping(event.get("interaction"))
        model = text(interaction.get("model")) or text(interaction.get("agent"))
        yield StreamStart(model or None, text(interaction.get("id")) or None)

    def _begin(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        step = mapping(event.get("step", event.get("content")))
        opened = self._open[_index(event)] = _OpenStep(text(step.get("type")), dict(step))
        match opened.kind:
            case "function_call":
                start = self._calls.begin(step.get("id"), step.get("name"))
                opened.call = start.index
                yield start
            case "model_output":
                for content in map(mapping, items(step.get("content"))):
                    yield from self._add(opened, content)
            case "thought":
                for content in map(mapping, items(step.get("summary"))):
                    yield ReasoningDelta(text(content.get("text")))
            case kind if kind in HELD:
                opened.kind = "model_output"
                yield from self._add(opened, step)

    def _delta(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        delta = mapping(event.get("delta"))
        opened = self._open.get(_index(event))
        if opened is None:
            raise ProtocolError("something arrived for a step that has not begun")
        match delta.get("type"):
            case "thought_summary":
                said = text(mapping(delta.get("content")).get("text"))
                return (ReasoningDelta(said),) if said else ()
            case "thought_signature":
                opened.step["signature"] = text(opened.step.get("signature")) + text(delta.get("signature"))
                return ()
            case "arguments_delta":
                return self._fragment(opened, text(delta.get("arguments", delta.get("partial_arguments"))))
            case "text_annotation_delta":
                known = items(opened.content.get("annotations"))
                opened.content["annotations"] = [*known, *items(delta.get("annotations"))]
                return ()
            case kind if opened.kind == "model_output" and kind in ("text", *FILES):
                return self._add(opened, delta)
        opened.step.update({name: value for name, value in delta.items() if name != "type"})
        return ()

    def _fragment(self, opened: _OpenStep, fragment: str) -> Iterable[StreamEvent]:
        if not fragment or opened.kind != "function_call":
            return ()
        opened.has_arguments = True
        return (ToolCallDelta(opened.call, fragment),)

    def _add(self, opened: _OpenStep, content: Mapping[str, Any]) -> Iterator[StreamEvent]:
        kind = text(content.get("type"))
        if opened.content and opened.content.get("type") != kind:
            yield from self._end_content(opened)
        if kind == "text":
            opened.content.update({name: value for name, value in content.items() if name != "text"})
            if said := text(content.get("text")):
                yield TextDelta(said)
            return
        pieces = [*items(opened.content.get("data")), *filter(None, (text(content.get("data")),))]
        opened.content = {**opened.content, **content, "data": pieces}

    def _end_content(self, opened: _OpenStep) -> Iterator[StreamEvent]:
        content, opened.content = opened.content, {}
        if content.get("type") == "text":
            yield PartEnd(_kept(content))
        elif content:
            file = _file(content)
            yield PartAdded(ProviderPart(KEY, content) if file is None else file)

    def _stop(self, event: Mapping[str, Any]) -> Iterable[StreamEvent]:
        opened = self._open.pop(_index(event), None)
        return () if opened is None else self._close(opened)

    def _close(self, opened: _OpenStep) -> Iterator[StreamEvent]:
        match opened.kind:
            case "model_output":
                yield from self._end_content(opened)
            case "thought":
                yield ReasoningDelta("")
                yield PartEnd(_kept(opened.step))
            case "function_call":
                if not opened.has_arguments:
                    yield ToolCallDelta(opened.call, written(opened.step.get("arguments")))
                yield ToolCallEnd(opened.call, _kept(opened.step))
            case _:
                yield PartAdded(ProviderPart(KEY, opened.step))

    def _completed(self, event: Mapping[str, Any]) -> Iterator[StreamEvent]:
        for index in sorted(self._open):
            yield from self._close(self._open.pop(index))
        interaction = mapping(event.get("interaction"))
        if usage := mapping(interaction.get("usage")):
            yield UsageReported(usage_of(usage, OF_INTERACTIONS))
        status = text(interaction.get("status"))
        errors = items(interaction.get("errors"))
        if status == "failed" and errors:
            raise error_inside({"error": errors[0]})
        yield Finish(FINISH_REASONS.get(status, "other"), status or None)

    _reads: Mapping[str, Callable[[InteractionReader, Mapping[str, Any]], Iterable[StreamEvent]]] = {
        "interaction.created": _created,
        "interaction.start": _created,
        "interaction.completed": _completed,
        "interaction.complete": _completed,
        "step.start": _begin,
        "step.delta": _delta,
        "step.stop": _stop,
        "content.start": _begin,
        "content.delta": _delta,
        "content.stop": _stop,
    }


def _kept(step: Mapping[str, Any]) -> Metadata:
    held = HELD.get(text(step.get("type")), frozenset())
    kept = {name: value for name, value in step.items() if name not in held and value not in (None, "", [])}
    if step.get("type") == "thought":
        kept.setdefault("signature", "")  # what a thought is known by when it is sent back
    return {KEY: {STEP: kept}} if kept else NO_METADATA


def _file(content: Mapping[str, Any]) -> FilePart | None:
    data = b"".join(decoded(piece) for piece in items(content.get("data")))
    address = text(content.get("uri"))
    media_type = text(content.get("mime_type")) or (media_type_of(data) if data else f"{content.get('type')}/*")
    if data:
        return FilePart(media_type, data=data, provider_metadata=_kept(content))
    return FilePart(media_type, url=address, provider_metadata=_kept(content)) if address else None


def _index(event: Mapping[str, Any]) -> int:
    index = event.get("index")
    return index if isinstance(index, int) else 0
