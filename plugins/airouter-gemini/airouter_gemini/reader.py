"""From the JSON of generateContent to events.

A stream is made of answers: each holds more parts of the candidates, and the counts so far. A whole answer is read as
a stream of one, so that there is one path. A candidate is complete with its ``finishReason``; no marker follows the
last one. Source: types of SDK google-genai 3.6.1, and recorded streams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.errors import ProtocolError
from airouter_core.values.events import (
    Alternative,
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
from airouter_core.values.messages import ProviderPart
from airouter_core.values.usage import with_counts
from airouter_core.wire.calls import CallStarts
from airouter_core.wire.failures import is_error
from airouter_core.wire.json import decoded_object, decoded_value, items, mapping, text
from airouter_core.wire.sse import ServerSentEvent
from airouter_core.wire.streams import not_understood

from .counts import OF_ANSWERS, usage_of
from .errors import error_inside, prompt_blocked
from .parts import ID_IS_OURS, KEY, THOUGHT, file_of, metadata_of, written
from .pieces import PiecedCall

FINISH_REASONS: Mapping[str, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "MODEL_ARMOR",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
        ),
        "content_filter",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL",
            "MALFORMED_RESPONSE",
            "MISSING_THOUGHT_SIGNATURE",
            "TOO_MANY_TOOL_CALLS",
            "UNEXPECTED_TOOL_CALL",
        ),
        "error",
    ),
}
NUMBERED = (
    "",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "MALFORMED_FUNCTION_CALL",
    "MODEL_ARMOR",
)
"""Reasons as numbers, which Vertex AI sends to who asks for them (``google/cloud/aiplatform/v1/content.proto``)."""
UNSPECIFIED = "FINISH_REASON_UNSPECIFIED"
KNOWN = frozenset(
    {"candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime", "modelStatus"}
)
"""One of them stands in each answer of a stream."""
KEPT_FIELDS = (
    "groundingMetadata",
    "urlContextMetadata",
    "citationMetadata",
    "safetyRatings",
    "finishMessage",
    "avgLogprobs",
)
"""Fields of a candidate that are kept as metadata."""


class AnswerReader:
    """Reads one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    done = False
    """No marker ends a stream: it is read until it stops."""

    def __init__(self) -> None:
        self._start = StreamStart()
        self._usage: Mapping[str, Any] = {}
        self._candidates: dict[int, CandidateReader] = {}

    def read(self, frame: ServerSentEvent) -> Iterator[StreamEvent]:
        """The events of one server-sent event.

        Raises:
            ProtocolError: it is not in this format.
            ProviderError: it reports an error, or that the prompt was blocked.
        """
        if frame.data.startswith("[DONE]"):  # the mark of another format, which gateways put at the end of this one
            return iter(())
        return self.read_answer(decoded_object(frame.data))

    def read_body(self, body: bytes) -> Iterator[StreamEvent]:
        """The events of a whole body: an answer, or the list of them that streams are in some versions.

        Raises:
            ProtocolError: it is none.
            ProviderError: it is an error.
        """
        value = decoded_value(body)
        answers = value if isinstance(value, list) else [value]
        if not any(mapping(answer).keys() & {"candidates", "promptFeedback", "error"} for answer in answers):
            raise ProtocolError("the provider sent an answer without candidates")
        for answer in answers:
            yield from self.read_answer(mapping(answer))

    def read_answer(self, answer: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """The events of an answer, or of the part of one that a stream brings."""
        if answer.get("error") or (KNOWN.isdisjoint(answer) and is_error(answer)):
            raise error_inside(answer)
        if answer and KNOWN.isdisjoint(answer):
            yield not_understood(answer)
        start = StreamStart(text(answer.get("modelVersion")) or None, text(answer.get("responseId")) or None)
        if start not in (self._start, StreamStart()):
            self._start = start
            yield start
        usage = mapping(answer.get("usageMetadata"))
        if usage and (counted := with_counts(self._usage, usage, OF_ANSWERS[:1])) != self._usage:
            self._usage = counted
            yield UsageReported(usage_of(counted, OF_ANSWERS))
        if feedback := mapping(answer.get("promptFeedback")):
            yield MetadataReported({KEY: {"promptFeedback": feedback}})
            if feedback.get("blockReason"):
                raise prompt_blocked(feedback)
        for position, candidate in enumerate(map(mapping, items(answer.get("candidates")))):
            yield from self._read_candidate(position, candidate)

    def end(self) -> Iterable[StreamEvent]:
        """What only the end completes: nothing."""
        return ()

    def _read_candidate(self, position: int, candidate: Mapping[str, Any]) -> Iterator[StreamEvent]:
        given = candidate.get("index")
        # The first one's index is left out by some; in a stream each answer may hold another candidate alone.
        index = given if isinstance(given, int) else position
        reader = self._candidates.setdefault(index, CandidateReader())
        for event in reader.read(candidate, self._start.id):
            yield event if index == 0 else Alternative(index, event)


class CandidateReader:
    """Reads one of the answers that were asked for."""

    def __init__(self) -> None:
        self._open: type[TextDelta | ReasoningDelta] | None = None
        self._calls = CallStarts()
        self._pieces: dict[str, PiecedCall] = {}
        self._logprobs: dict[str, list[Any]] = {}

    def read(self, candidate: Mapping[str, Any], identity: str | None) -> Iterator[StreamEvent]:
        """The events of what came of it now.

        Args:
            identity: of the answer; ids begin with it that are made for calls without one.
        """
        for part in map(mapping, items(mapping(candidate.get("content")).get("parts"))):
            yield from self._part(part, identity)
        if kept := self._kept(candidate):
            yield MetadataReported({KEY: kept})
        reason = candidate.get("finishReason")
        if isinstance(reason, int):
            reason = NUMBERED[reason] if 0 <= reason < len(NUMBERED) else str(reason)
        if text(reason) and reason != UNSPECIFIED:
            yield from self._close()
            if self._pieces:
                raise ProtocolError("the answer ended in the middle of a tool call's arguments")
            known = FINISH_REASONS.get(text(reason).upper(), "other")
            called = known == "stop" and self._calls.count > 0
            if called:
                known = "tool_calls"
            if known == "error" and (why := text(candidate.get("finishMessage"))):
                yield Warned(why)
            yield Finish(known, text(reason))

    def _part(self, part: Mapping[str, Any], identity: str | None) -> Iterator[StreamEvent]:
        if isinstance(part.get("text"), str):
            yield from self._text(part)
            return
        yield from self._close()
        if "functionCall" in part:
            yield from self._called(part, identity)
        elif file := file_of(part):
            yield PartAdded(file)
        elif part:
            yield PartAdded(ProviderPart(KEY, dict(part)))

    def _text(self, part: Mapping[str, Any]) -> Iterator[StreamEvent]:
        kind = ReasoningDelta if part.get(THOUGHT) is True else TextDelta
        more = metadata_of(part, "text", THOUGHT)
        if kind is not self._open and (more or part["text"]):
            yield from self._close()
        if more:
            # What is signed stays a part of its own, as it came.
            yield from self._close()
            self._open = kind
            yield kind(part["text"])
            yield PartEnd(_thought(kind, mapping(more[KEY])))
            self._open = None
        elif part["text"]:
            self._open = kind
            yield kind(part["text"])

    def _called(self, part: Mapping[str, Any], identity: str | None) -> Iterator[StreamEvent]:
        call = mapping(part["functionCall"])
        if not self._pieces and not {"partialArgs", "willContinue"} & call.keys():
            yield from self._call(part, call, identity)
            return
        key = text(call.get("id")) or next(reversed(self._pieces), "")  # only the first piece must say whose it is
        pieces = self._pieces.setdefault(key, PiecedCall())
        if pieces.add(part):
            del self._pieces[key]
            yield from self._call(pieces.part, pieces.part["functionCall"], identity)

    def _call(self, part: Mapping[str, Any], call: Mapping[str, Any], identity: str | None) -> Iterator[StreamEvent]:
        ours = f"{identity}-{self._calls.count}" if identity else ""
        start = self._calls.begin(call.get("id"), call.get("name"), instead=ours)
        yield start
        yield ToolCallDelta(start.index, written(call.get("args")))
        told = {} if start.id == call.get("id") else {ID_IS_OURS: True}
        yield ToolCallEnd(start.index, metadata_of(part, "functionCall", **told))

    def _close(self) -> Iterator[StreamEvent]:
        if self._open is not None:
            yield PartEnd(_thought(self._open, {}))
            self._open = None

    def _kept(self, candidate: Mapping[str, Any]) -> dict[str, Any]:
        kept = {name: candidate[name] for name in KEPT_FIELDS if candidate.get(name) is not None}
        for name, value in mapping(candidate.get("logprobsResult")).items():
            if isinstance(value, list):
                self._logprobs.setdefault(name, []).extend(value)
                kept["logprobsResult"] = {key: list(known) for key, known in self._logprobs.items()}
        return kept


def _thought(kind: type[TextDelta | ReasoningDelta], more: Mapping[str, Any]) -> dict[str, Any]:
    kept = {THOUGHT: True, **more} if kind is ReasoningDelta else dict(more)
    return {KEY: kept} if kept else {}
