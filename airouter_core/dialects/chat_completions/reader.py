"""From the JSON of a chat completion to events.

A whole answer is read as one chunk in which ``message`` stands for ``delta``: there is one path. The common case, a
chunk with one piece of text, comes first and does little.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...errors import ProtocolError
from ...values.events import (
    Alternative,
    CostReported,
    MetadataReported,
    PartAdded,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    StreamStart,
    TextDelta,
    UsageReported,
    Warned,
)
from ...values.messages import FilePart
from ...values.usage import with_counts
from ...wire.failures import Failure, is_error
from ...wire.json import decoded_object, items, mapping, shown, text
from ...wire.sse import KEEP_ALIVES, ServerSentEvent
from ...wire.streams import not_understood
from .choice import CONTENT, Choice, numbered
from .content import file_part, read_content
from .dialect import NO_REASONS, ChatDialect
from .errors import error_named, status_in
from .usage import PROMPT, usage_of

CHUNK_FIELDS = frozenset({"id", "object", "created", "model", "choices", "usage"})
"""One of them is in each chunk."""
ALIVE = tuple(KEEP_ALIVES)
BROKEN_OFF = Failure(message="the server broke the answer off, and does not say why")


class ChatReader:
    """Reads the chunks of one answer; a :class:`~airouter_core.wire.streams.FrameReader`."""

    def __init__(self, dialect: ChatDialect) -> None:
        self._dialect = dialect
        self._provider = dialect.provider
        self._errors = dialect.errors
        self._metadata_names = frozenset(dialect.metadata_fields)
        self._choices: dict[int, Choice] = {}
        self._started = False
        self._metadata: dict[str, Any] = {}
        self._used: Mapping[str, Any] = {}
        self._broken = False
        self._noted = False
        self.done = False

    def read(self, frame: ServerSentEvent) -> Iterable[StreamEvent]:
        """The events of one server-sent event."""
        if frame.data.startswith("[DONE]"):
            self.done = True
            return ()
        if self.done:
            return ()
        if frame.event == "error":
            raise error_named(self._errors, frame.data, self._dialect.read_failure)
        try:
            chunk = decoded_object(frame.data)
        except ProtocolError:
            if not self._is_complete:
                raise
            return (Warned(f"the stream held what is no chunk behind the end of the answer: {shown(frame.data)}"),)
        return self._chunk(chunk if self._dialect.received is None else self._dialect.received(chunk))

    def read_answer(self, answer: dict[str, Any]) -> Iterable[StreamEvent]:
        """The events of a whole answer.

        Raises:
            ProtocolError: it holds no choice.
        """
        answer = answer if self._dialect.received is None else self._dialect.received(answer)
        if len(choices := items(answer.get("choices"))) == 1 and mapping(choices[0]).get("index"):
            answer = {**answer, "choices": [{**choices[0], "index": 0}]}  # the only one is the answer
        yield from self._chunk(answer)
        if not self._choices:
            raise ProtocolError("the provider sent an answer without choices")
        if not any(map(self._has_message, answer["choices"])):
            raise ProtocolError("the provider sent an answer without a message")
        self.done = True
        yield from self.end()

    def end(self) -> Iterator[StreamEvent]:
        """What only the end completes."""
        for index, choice in sorted(self._choices.items()):
            yield from _for_choice(index, choice.end(self._provider, finished=self.done))
        if self._metadata:
            yield MetadataReported({self._provider: self._metadata})
        if self._choices and not self.done and not self._used:
            yield Warned("the stream ended without its end mark; usage and cost may be missing")

    def _chunk(self, chunk: Mapping[str, Any]) -> Iterator[StreamEvent]:  # noqa: C901, PLR0912  # the common case stays inline
        choices = chunk.get("choices")
        if not self._started and _begins(chunk):
            self._started = True
            yield StreamStart(text(chunk.get("model")) or None, text(chunk.get("id")) or None)
        if type(choices) is not list:
            choices = ()
        elif len(choices) > 1:
            choices = numbered(choices)
        for choice in choices:
            if type(choice) is not dict:
                raise ProtocolError("the provider sent a choice that is no object")
            index = choice.get("index") or 0
            if type(index) is not int:
                index = 0
            state = self._choices.get(index)
            if state is None:
                state = self._choices[index] = Choice()
            delta = choice.get("delta")
            if delta and type(delta) is dict:
                if index:
                    yield from _for_choice(index, self._delta(state, delta))
                elif (content := delta.get("content")) and type(content) is str and len(delta) - ("role" in delta) == 1:
                    # "role" beside the text, at most: nothing else to look for.
                    if state.thinking is not None:
                        yield state.end_thought(self._provider)
                    state.texts.append(content)
                    yield TextDelta(content)
                else:
                    yield from self._delta(state, delta)
            elif state.is_fresh and not index and "delta" not in choice and (content := _words(choice)):
                state.texts.append(content)
                yield TextDelta(content)
            elif delta or "delta" not in choice:
                yield from _for_choice(index, self._delta(state, self._without_delta(state, choice)))
            if choice.get("finish_reason") or choice.get("logprobs") or len(choice) > 4 or choice.get("error"):
                yield from self._rest_of(index, state, choice)
        if chunk.get("usage"):
            yield from self._usage(chunk["usage"])
        if (error := chunk.get("error")) or self._broken:
            failure = self._dialect.read_failure(error, chunk) if error else BROKEN_OFF
            raise self._errors.error(failure, status=status_in(error) if error else 500, inside=True)
        if not choices:
            yield from self._without_choices(chunk)
        if not self._metadata_names.isdisjoint(chunk):
            self._keep(chunk)

    @property
    def _is_complete(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def _has_message(self, choice: Mapping[str, Any]) -> bool:
        """Whether there is what was answered, or a reason why not: what a filter has taken away is not there."""
        said = any(isinstance(choice.get(field), dict | str) for field in ("message", "delta", "text"))
        reason = self._dialect.finish_reasons.get(str(choice.get("finish_reason") or "stop"))
        return said or reason not in ("stop", "length", "tool_calls")

    def _without_choices(self, chunk: Mapping[str, Any]) -> Iterator[StreamEvent]:
        """Look what a chunk is in which nobody says anything: an error without its frame, or something unknown."""
        if is_error(chunk):
            raise self._errors.error(self._dialect.read_failure(chunk, chunk), status=status_in(chunk), inside=True)
        if chunk.get("type") in ALIVE:
            return
        if not self._noted and chunk and CHUNK_FIELDS.isdisjoint(chunk) and self._metadata_names.isdisjoint(chunk):
            self._noted = True
            yield not_understood(chunk)

    def _without_delta(self, state: Choice, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        """What stands in the place of a delta."""
        if choice.get("delta"):
            raise ProtocolError("the provider sent a delta that is no object")
        if message := mapping(choice.get("message")):
            return self._rest_of_message(state, message) if choice.get("finish_reason") else message
        return {"content": text(choice.get("text"))}

    def _rest_of_message(self, state: Choice, message: Mapping[str, Any], *, whole: bool = False) -> Mapping[str, Any]:
        """What a message adds to what was said in pieces: some servers repeat it, some say it only there.

        Args:
            whole: whether it stands beside a delta, and so is no piece itself.
        """
        said, content = "".join(state.texts), message.get("content")
        rest = dict(message)
        if said and isinstance(content, str):
            if content.startswith(said):
                rest["content"] = content[len(said) :]
            elif whole:
                rest["content"] = None
                state.differs = content.strip() != said.strip()
        if state.reasoned and whole:
            rest = {name: value for name, value in rest.items() if name not in self._dialect.reasoning_fields}
        return rest

    def _rest_of(self, index: int, state: Choice, choice: Mapping[str, Any]) -> Iterator[StreamEvent]:
        if error := choice.get("error"):
            raise self._errors.error(self._dialect.read_failure(error, None), status=status_in(error), inside=True)
        if logprobs := mapping(choice.get("logprobs")):
            state.logprobs.extend(items(logprobs.get("content")) or _in_columns(logprobs))
        if native := choice.get("native_finish_reason"):
            self._metadata["native_finish_reason"] = native
        if usage := choice.get("usage"):
            yield from self._usage(usage)
        if (reason := choice.get("finish_reason")) and str(reason) not in NO_REASONS and not state.finished:
            if "delta" in choice and (message := mapping(choice.get("message"))):
                rest = self._rest_of_message(state, message, whole=True)
                if state.differs:
                    differs = Warned("the whole message at the end of the stream differs from what was said in pieces")
                    yield from _for_choice(index, (differs,))
                yield from _for_choice(index, self._delta(state, rest))
            reasons = self._dialect.finish_reasons
            known = reasons.get(str(reason)) or reasons.get(str(reason).lower(), "other")
            if known == "error":
                self._broken = True  # said at the end of the chunk, which may hold more about it
                return
            state.finished = True
            yield from _for_choice(index, state.finish(reason, known, self._provider))

    def _delta(self, state: Choice, delta: Mapping[str, Any]) -> Iterator[StreamEvent]:
        for field in self._dialect.reasoning_fields:
            if (reasoning := delta.get(field)) and isinstance(reasoning, str):
                state.think(field)
                yield ReasoningDelta(reasoning)
                break
        for event in read_content(delta.get(CONTENT), state.content_parts.append):
            if type(event) is ReasoningDelta:
                state.think(CONTENT)
            elif state.thinking is not None:
                yield state.end_thought(self._provider)
            if type(event) is TextDelta:
                state.texts.append(event.text)
            yield event
        more = self._beside_content(state, delta)
        if more and state.thinking is not None:
            yield state.end_thought(self._provider)
        yield from more
        state.collect(delta, self._dialect)
        if function_call := mapping(delta.get("function_call")):
            self._metadata["function_call"] = _joined(self._metadata.get("function_call"), function_call)

    def _beside_content(self, state: Choice, delta: Mapping[str, Any]) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        if refusal := text(delta.get("refusal")):
            found.append(RefusalDelta(refusal))
        if fragments := delta.get("tool_calls"):
            found += state.calls.take(fragments if isinstance(fragments, list) else [fragments])
        for image in items(delta.get("images")):
            if address := text(mapping(mapping(image).get("image_url")).get("url")):
                found.append(PartAdded(file_part(FilePart.from_url, address)))
        return found

    def _usage(self, usage: Any) -> list[StreamEvent]:
        usage = mapping(usage)
        if all(value is None for value in usage.values()):
            return []  # some say so until they have counted
        self._used = usage = with_counts(self._used, usage, PROMPT)
        cost = self._dialect.cost(usage)
        counted: list[StreamEvent] = [UsageReported(usage_of(usage))]
        return counted if cost is None else [*counted, CostReported(cost)]

    def _keep(self, chunk: Mapping[str, Any]) -> None:
        for field in self._dialect.metadata_fields:
            if (value := chunk.get(field)) is not None:
                self._metadata[field] = value


def _in_columns(logprobs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Log probabilities as the format's first years had them, and some hosts have: a list of tokens beside theirs."""
    columns = items(logprobs.get("tokens")), items(logprobs.get("token_logprobs"))
    return [{"token": token, "logprob": logprob} for token, logprob in zip(*columns, strict=False)]


def _joined(known: Mapping[str, Any] | None, more: Mapping[str, Any]) -> Mapping[str, Any]:
    """The one call of the format's first years, whose name and arguments a stream brings in pieces."""
    if known is None:
        return dict(more)
    return {**more, **{name: text(known.get(name)) + text(more.get(name)) for name in ("name", "arguments")}}


def _begins(chunk: Mapping[str, Any]) -> bool:
    """Whether this belongs to the answer: a chunk before it may be about the prompt alone, without id or model."""
    named = chunk.get("choices") or (chunk.get("id") and chunk.get("model"))
    return bool(named) and not chunk.get("error")


def _words(choice: Mapping[str, Any]) -> str | None:
    """The text of a whole message that has nothing beside it to look for, as most have; else ``None``."""
    message = choice.get("message")
    if type(message) is not dict:
        return None
    for name, value in message.items():
        if value and name not in ("role", CONTENT):
            return None
    content = message.get(CONTENT)
    return content if type(content) is str else None


def _for_choice(index: int, events: Iterable[StreamEvent]) -> Iterable[StreamEvent]:
    return (Alternative(index, event) for event in events) if index else events
