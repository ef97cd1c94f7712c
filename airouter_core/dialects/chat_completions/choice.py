"""What must be remembered of one answer while its chunks come."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ...values.events import Finish, FinishReason, MetadataReported, PartAdded, PartEnd, StreamEvent, Warned
from ...values.messages import FilePart
from ...wire.json import items, mapping, text
from .calls import Calls
from .content import file_part
from .dialect import ChatDialect

CONTENT = "content"
REASONING_FIELD = "reasoning_field"
"""In the metadata of a thought: where the server said it, and gets it back."""


FUNCTION_CALL = "function_call"
"""Why an answer ended that calls a function as the format's first years had it, which is kept as metadata."""


class Choice(msgspec.Struct, eq=False):
    """What must be remembered of one answer.

    Attributes:
        texts: the pieces of its text.
        reasoned: whether it has thought aloud.
        thinking: the field of the thought that is being said, or ``None``.
        differs: whether the whole message at the end says something else than its pieces.
        kept: fields that are kept with the message, to be sent back.
        content_parts: parts of its content that say nothing themselves.
        announced: whether the reason why it ended is a call that has not come.
    """

    calls: Calls = msgspec.field(default_factory=Calls)
    logprobs: list[Any] = msgspec.field(default_factory=list)
    annotations: list[Any] = msgspec.field(default_factory=list)
    content_parts: list[Any] = msgspec.field(default_factory=list)
    kept: dict[str, Any] = msgspec.field(default_factory=dict)
    audio: dict[str, str] = msgspec.field(default_factory=dict)
    texts: list[str] = msgspec.field(default_factory=list)
    reasoned: bool = False
    thinking: str | None = None
    differs: bool = False
    finished: bool = False
    announced: bool = False

    @property
    def is_fresh(self) -> bool:
        """Whether nothing was said yet."""
        return not self.texts and self.thinking is None

    def think(self, field: str) -> None:
        """Go on with a thought, or begin one, that is said in a field."""
        self.reasoned = True
        self.thinking = self.thinking or field

    def collect(self, delta: Mapping[str, Any], dialect: ChatDialect) -> None:
        """Take what is kept with the message, and is no event."""
        for field in dialect.part_fields:
            for item in items(delta.get(field)):
                _join(self.kept.setdefault(field, []), item, dialect.growing_fields)
        for field in dialect.returned_fields:
            if value := mapping(delta.get(field)):
                self.kept[field] = {**mapping(self.kept.get(field)), **value}
        self.annotations.extend(items(delta.get("annotations")))
        if audio := mapping(delta.get("audio")):
            self.add_audio(audio)

    def end_thought(self, provider: str) -> StreamEvent:
        """End the thought that is open, with the name of the field in which it goes back."""
        field, self.thinking = self.thinking, None
        return PartEnd({provider: {REASONING_FIELD: field}})

    def add_audio(self, audio: Mapping[str, Any]) -> None:
        """Take one fragment of spoken answer: base64 of the sound, and its words."""
        for field in ("data", "transcript"):
            self.audio[field] = self.audio.get(field, "") + text(audio.get(field))
        for field in ("id", "expires_at"):
            if audio.get(field):
                self.audio[field] = audio[field]

    def finish(self, reason: Any, known: FinishReason, provider: str) -> Iterator[StreamEvent]:
        """Take the finish reason."""
        if self.thinking is not None:
            yield self.end_thought(provider)
        yield from self.calls.end(provider)
        self.announced = known == "tool_calls" and not self.calls and reason != FUNCTION_CALL
        yield Finish("tool_calls" if known == "stop" and self.calls else known, str(reason))

    def _calls_behind_the_end(self, provider: str) -> Iterator[StreamEvent]:
        """Some say why they end before they say the rest."""
        yield from self.calls.end(provider)
        if not self.calls:
            yield Warned("the provider said that the model calls a tool, and sent no call")

    def end(self, provider: str, *, finished: bool) -> Iterator[StreamEvent]:
        """Give what was collected; an answer that ended in good order without a reason has ended."""
        if self.thinking is not None:
            yield self.end_thought(provider)
        kept: dict[str, Any] = {field: values for field, values in self.kept.items() if values}
        if self.content_parts:
            kept["content_parts"] = self.content_parts
        if self.logprobs:
            kept["logprobs"] = self.logprobs
        if self.annotations:
            kept["annotations"] = self.annotations
        if data := self.audio.pop("data", ""):
            yield PartAdded(file_part(functools.partial(FilePart.from_data, media_type="audio/*"), data))
        if self.audio:
            kept["audio"] = self.audio
        if kept:
            yield PartEnd({provider: kept})
            yield MetadataReported({provider: kept})
        if self.announced:
            yield from self._calls_behind_the_end(provider)
        if finished and not self.finished:
            self.finished = True
            yield from self.calls.end(provider)
            yield Warned("the provider ended the answer without saying why; it may not be whole")
            yield Finish("tool_calls" if self.calls else "other")


def numbered(choices: list[Any]) -> list[Any]:
    """Choices that stand side by side are several answers: where their numbers do not tell them apart, places do."""
    if len({str(mapping(choice).get("index")) for choice in choices}) == len(choices):
        return choices
    return [{**choice, "index": place} if type(choice) is dict else choice for place, choice in enumerate(choices)]


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
