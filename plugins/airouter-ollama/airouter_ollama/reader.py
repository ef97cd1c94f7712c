"""From the lines of an answer to events.

A whole answer is the one line of a stream in which everything stands: there is one path. The common case, a line with
one piece of text, comes first and does little. Source: Ollama, api/types.go (``ChatResponse``), fb307609.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.events import (
    Finish,
    FinishReason,
    MetadataReported,
    PartAdded,
    ReasoningDelta,
    StreamEvent,
    StreamStart,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    UsageReported,
)
from airouter_core.values.messages import FilePart
from airouter_core.values.usage import Usage, count
from airouter_core.wire.calls import CallStarts, written_arguments
from airouter_core.wire.json import decoded_object, items, mapping, shown, text
from airouter_core.wire.streams import not_understood

from .errors import error_in_answer
from .plugin import OLLAMA

DONE_REASONS: Mapping[str, FinishReason] = {"stop": "stop", "length": "length"}

KNOWN = frozenset({"message", "response", "done"})
"""One of these stands in each line of an answer."""

COUNTS = ("prompt_eval_count", "eval_count")
METADATA = (
    "created_at",
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
    "remote_model",
    "remote_host",
)
"""Kept as the server sends them; durations are in nanoseconds."""


class AnswerReader:
    """Reads the lines of one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self) -> None:
        self._started = False
        self._foreign: str | None = None
        self._calls = CallStarts()
        self._logprobs: list[Any] = []
        self.done = False

    @property
    def begun(self) -> bool:
        """Whether anything of an answer has come."""
        return self._started

    def read(self, frame: str) -> Iterable[StreamEvent]:
        """The events of one line. What follows the last one is not looked at."""
        return () if self.done else self._line(decoded_object(frame), frame)

    def end(self) -> Iterable[StreamEvent]:
        """Nothing: an answer is complete with its last line, or not at all.

        Raises:
            ProtocolError: nothing that came was part of an answer.
        """
        if self._foreign is not None and not self._started:
            raise ProtocolError(
                f"ollama sent JSON that is no answer: {self._foreign}; check that base_url is an Ollama server"
            )
        return ()

    def _line(self, line: Mapping[str, Any], frame: str) -> Iterator[StreamEvent]:
        if not self._started and not KNOWN.isdisjoint(line):
            self._started = True
            yield StreamStart(text(line.get("model")) or None)
        message = line.get("message")
        if isinstance(message, Mapping):
            if (content := message.get("content")) and type(content) is str and len(message) == 2:
                yield TextDelta(content)  # "role" beside it: nothing else to look for
            else:
                yield from self._message(message)
        elif "response" in line:
            # What /api/generate says, a gateway may say here too.
            yield from self._message({"content": line["response"], "thinking": line.get("thinking")})
        if logprobs := line.get("logprobs"):
            self._logprobs.extend(items(logprobs))
        if line.get("error"):
            raise error_in_answer(line["error"], frame)
        if line.get("done") is True:
            self.done = True
            yield from self._last(line)
        elif line and KNOWN.isdisjoint(line):
            yield not_understood(line)
            self._foreign = self._foreign or shown(frame)

    def _message(self, message: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if thinking := text(message.get("thinking")):
            yield ReasoningDelta(thinking)
        if content := text(message.get("content")):
            yield TextDelta(content)
        for image in items(message.get("images")):
            yield PartAdded(_image(image))
        for call in items(message.get("tool_calls")):
            yield from self._tool_call(mapping(call))

    def _tool_call(self, call: Mapping[str, Any]) -> Iterator[StreamEvent]:
        # Calls arrive whole. Their own index may start at 0 on each line, so they are counted here.
        function = mapping(call.get("function"))
        start = self._calls.begin(call.get("id"), function.get("name"))
        yield start
        yield ToolCallDelta(start.index, written_arguments(function.get("arguments")))
        yield ToolCallEnd(start.index)

    def _last(self, line: Mapping[str, Any]) -> Iterator[StreamEvent]:
        yield UsageReported(usage_of(line))
        metadata = {name: line[name] for name in METADATA if line.get(name) is not None}
        if self._logprobs:
            metadata["logprobs"] = self._logprobs
        if metadata:
            yield MetadataReported({OLLAMA.name: metadata})
        reason = text(line.get("done_reason")) or None
        known = DONE_REASONS.get(reason or "", "other")
        yield Finish("tool_calls" if known == "stop" and self._calls.count else known, reason)


def usage_of(line: Mapping[str, Any]) -> Usage:
    """Usage from an answer's last line. Ollama counts the whole prompt, also where it was cached."""
    return Usage(
        input_tokens=count(line.get("prompt_eval_count")),
        output_tokens=count(line.get("eval_count")),
        raw={name: line[name] for name in COUNTS if name in line},
    )


def _image(content: Any) -> FilePart:
    try:
        return FilePart.from_data(text(content))
    except ParameterError as error:
        raise ProtocolError(f"the provider sent an image that is no base64: {error}") from error
