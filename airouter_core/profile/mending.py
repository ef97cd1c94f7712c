"""A request made good before it is sent: what vendors refuse and nobody meant, with a note on each thing.

What only one vendor refuses is made good in its plugin. Everything here is true of all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from ..values.media import media_type_of
from ..values.messages import FilePart, Message, Part, ToolResultPart
from ..values.request import Request
from .histories import with_results

NOT_IN_A_NAME = r"[\s<|\\/>]+"
LONGEST_NAME = 64


def mended(request: Request) -> tuple[Request, list[str]]:
    """The request, and a sentence for each thing in it that was put right."""
    notes: list[str] = []
    messages = request.messages
    if not all(message.is_plain for message in messages):
        messages = tuple(_mended(message, f"messages[{position}]", notes) for position, message in enumerate(messages))
        messages = with_results(messages, notes)
    changed: dict[str, Any] = {}
    if notes:
        changed["messages"] = messages
    stop = request.parameter("stop")
    if isinstance(stop, list | tuple) and "" in stop:
        kept = tuple(text for text in stop if text != "")
        given = {name: value for name, value in request.parameters.items() if name != "stop"}
        changed["parameters"] = {**given, "stop": kept} if kept else given
        notes.append("empty texts in stop were left out: an answer ends with one before it begins")
    return (msgspec.structs.replace(request, **changed) if changed else request), notes


def _mended(message: Message, where: str, notes: list[str]) -> Message:
    return message if message.is_plain else _with_sendable_name(_with_right_labels(message, where, notes), where, notes)


def _with_sendable_name(message: Message, where: str, notes: list[str]) -> Message:
    """A message under a name that is taken: OpenAI's pattern, which others have too, knows no blanks, <, |, / and >."""
    if message.name is None or message.role == "tool":
        return message
    name = re.sub(NOT_IN_A_NAME, "_", message.name)[:LONGEST_NAME]
    if name == message.name:
        return message
    notes.append(f"{where}: the name {message.name!r} was sent as {name!r}, which vendors take")
    return msgspec.structs.replace(message, name=name)


def _with_right_labels(message: Message, where: str, notes: list[str]) -> Message:
    parts = tuple(_relabelled_part(part, where, notes) for part in message.parts)
    same = all(old is new for old, new in zip(parts, message.parts, strict=True))
    return message if same else msgspec.structs.replace(message, parts=parts)


def _relabelled_part(part: Part, where: str, notes: list[str]) -> Part:
    if isinstance(part, FilePart):
        return _relabelled(part, where, notes)
    if isinstance(part, ToolResultPart):
        content = _relabelled_all(part.content, where, notes)
        return part if content == part.content else msgspec.structs.replace(part, content=content)
    return part


def _relabelled_all(parts: Iterable[Any], where: str, notes: list[str]) -> tuple[Any, ...]:
    return tuple(_relabelled_part(part, where, notes) for part in parts)


def _relabelled(part: FilePart, where: str, notes: list[str]) -> FilePart:
    """A picture under the name of its own format: its bytes say what it is, and a label that contradicts is refused."""
    if part.data is None or not part.is_image:
        return part
    found = media_type_of(part.data)
    said = "image/jpeg" if part.media_type == "image/jpg" else part.media_type
    if found == said or not found.startswith("image/"):
        return part
    notes.append(f"{where}: a picture was sent as {found}, which its bytes are, and not as {part.media_type}")
    return msgspec.structs.replace(part, media_type=found)
