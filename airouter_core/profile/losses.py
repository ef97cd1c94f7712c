"""What of a conversation its target is not sent, each thing told in a sentence: nothing is dropped in silence.

Some of it depends on the API alone: one names what it lacks, as :class:`Loss`, and what a conversation holds of that is
told once, however often it is there. The rest belongs to somebody else: fields and parts that only another provider
understands, each told with its place. A file's name is a loss for documents alone, and told by the few APIs that lack
it: of a picture or a sound no model sees one. What ``provider_metadata`` holds for another provider is addressed to
that one, so that nothing is lost here.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import msgspec

from ..values.arguments import are_readable
from ..values.message_dicts import ANY_PROVIDER, NO_PROVIDER
from ..values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)


class Loss(Enum):
    """Something that a conversation may hold, as what is said where it cannot be sent."""

    NAMES = "names of messages were not sent"
    TOOL_NAMES = "names of messages of the role tool were not sent"
    RESULT_NAMES = "names of tool results that differ from their calls' were not sent"
    ERRORS = "tool results were sent without saying that they are errors"
    THOUGHTS = "thoughts in the history were not sent"
    THOUGHTS_OF_OTHERS = "thoughts in the history that were had elsewhere were not sent"
    SEALED_THOUGHTS = "thoughts in the history that only another provider can read were not sent"
    PICTURES_OF_ASSISTANT = "pictures in messages of the assistant were not sent"
    FILES_OF_ASSISTANT = "files in messages of the assistant were not sent"
    PICTURE_DETAIL = "how closely to look at pictures was not sent"
    FILE_DETAIL = "how closely to look at files that are no pictures was not sent"
    OWN_PARTS = "parts of another API of this provider were not sent"
    ARGUMENTS = "arguments of tool calls in the history that are no JSON object were sent wrapped in one"


INCLUDED = (
    (Loss.THOUGHTS, Loss.THOUGHTS_OF_OTHERS),
    (Loss.THOUGHTS, Loss.SEALED_THOUGHTS),
    (Loss.THOUGHTS_OF_OTHERS, Loss.SEALED_THOUGHTS),
)
"""Losses of which the second is said with the first."""


def unsent(
    messages: Iterable[Message],
    provider: str,
    lacks: Container[Loss],
    *,
    takes_field: Callable[[str], bool],
    speaks: str = "",
) -> Iterator[str]:
    """A sentence for each thing that is left out.

    Args:
        provider: canonical name.
        lacks: what its API has no place for.
        takes_field: whether a field that the common format does not know is sent.
        speaks: the format of the request: what was said in it goes on as it came.
    """
    foreign = _Foreign(provider, takes_field, speaks)
    held: set[Loss] = set()
    names: dict[str, str] = {}
    for position, message in enumerate(messages):
        if message.is_plain:
            continue
        yield from foreign.in_message(message, f"messages[{position}]")
        if message.name:
            held.add(Loss.TOOL_NAMES if message.role == "tool" else Loss.NAMES)
        for part in message.parts:
            held.update(_held(part, message.role, provider, names))
    if not held:  # nearly always
        return
    for loss, part_of_it in INCLUDED:
        if loss in held and loss in lacks:
            held.discard(part_of_it)
    yield from (f"{loss.value}: this API has no place for that" for loss in Loss if loss in held and loss in lacks)


class _Foreign(msgspec.Struct):
    """Tells of what is meant for somebody else, or for nobody that is known."""

    provider: str
    takes_field: Callable[[str], bool]
    speaks: str

    def in_message(self, message: Message, where: str) -> Iterator[str]:
        yield from self._fields(message.provider_metadata, where)
        for part in message.parts:
            if isinstance(part, ProviderPart):
                if part.provider not in (self.provider, self.speaks):
                    yield f"{where}: a part that only {part.provider!r} understands was not sent to {self.provider}"
                continue
            # Calls, results and thoughts have a place of their own in each format, with no room for more.
            has_room = isinstance(part, TextPart | FilePart)
            yield from self._fields(getattr(part, "provider_metadata", None), where, has_room=has_room)
            for item in part.content if isinstance(part, ToolResultPart) else ():
                yield from self._fields(item.provider_metadata, where)

    def _fields(self, metadata: Any, where: str, *, has_room: bool = True) -> Iterator[str]:
        if not metadata or (self.speaks and self.speaks in metadata):
            return
        for key in (ANY_PROVIDER, NO_PROVIDER):
            kept = metadata.get(key)
            for field in kept if isinstance(kept, Mapping) else ():
                if key == NO_PROVIDER or not has_room or not self.takes_field(field):
                    yield f"{where}: the field {field!r} was not sent: {self.provider} is not known to take it"


def _held(part: Part, role: str, provider: str, names: dict[str, str]) -> Iterator[Loss]:
    match part:
        case ToolCallPart():
            names[part.id] = part.name
            if not are_readable(part):
                yield Loss.ARGUMENTS
        case ToolResultPart():
            yield from _held_by_result(part, names)
        case ReasoningPart():
            yield Loss.THOUGHTS
            if provider not in part.provider_metadata:
                yield Loss.THOUGHTS_OF_OTHERS
            if not part.text and provider not in part.provider_metadata:
                yield Loss.SEALED_THOUGHTS
        case FilePart():
            yield from _held_by_file(part, role)
        case ProviderPart() if part.provider == provider:
            yield Loss.OWN_PARTS


def _held_by_result(part: ToolResultPart, names: Mapping[str, str]) -> Iterator[Loss]:
    if part.is_error:
        yield Loss.ERRORS
    if part.name and part.name != names.get(part.tool_call_id):
        yield Loss.RESULT_NAMES
    for item in part.content:
        if isinstance(item, FilePart):
            yield from _held_by_file(item, "tool")


def _held_by_file(part: FilePart, role: str) -> Iterator[Loss]:
    if part.detail not in (None, "auto"):
        yield Loss.PICTURE_DETAIL if part.is_image else Loss.FILE_DETAIL
    if role == "assistant":
        yield Loss.PICTURES_OF_ASSISTANT if part.is_image else Loss.FILES_OF_ASSISTANT
