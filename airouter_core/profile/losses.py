"""What of a conversation an API may have no place for, and the sentence that tells of it.

An API names what it lacks, and :func:`lost` finds out what of that a conversation holds. A file's name is a loss for
documents alone, and told by the few APIs that lack it: of a picture or a sound no model sees one. What
``provider_metadata`` holds for another provider is addressed to that one, so that nothing is lost here.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from enum import Enum

from ..values.arguments import are_readable
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


def lost(messages: Iterable[Message], lacks: Container[Loss], *, provider: str, api: str) -> Iterator[str]:
    """A sentence for each thing that these messages hold and the API lacks.

    Args:
        provider: canonical name.
        api: what has no place for it, as in "this format".
    """
    held: set[Loss] = set()
    names: dict[str, str] = {}
    for message in messages:
        if message.name:
            held.add(Loss.TOOL_NAMES if message.role == "tool" else Loss.NAMES)
        for part in message.parts:
            if type(part) is not TextPart:  # most are, and a text can be said everywhere
                held.update(_held(part, message.role, provider, names))
    if held:
        for loss, part_of_it in INCLUDED:
            if loss in held and loss in lacks:
                held.discard(part_of_it)
        yield from (f"{loss.value}: {api} has no place for that" for loss in Loss if loss in held and loss in lacks)


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
