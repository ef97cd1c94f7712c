"""The content of a message: a text, a list of parts, or an object where a server writes its JSON unquoted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ...errors import ParameterError, ProtocolError
from ...values.events import PartAdded, ReasoningDelta, RefusalDelta, StreamEvent, TextDelta
from ...values.messages import FilePart
from ...wire.json import items, mapping, text

THOUGHTS = ("thinking", "reasoning")
"""Types of parts that hold a thought, and names of the fields that hold its text."""


def read_content(content: Any, keep: Callable[[Any], None]) -> Iterable[StreamEvent]:
    """The events of a content.

    Args:
        keep: is given each part that says nothing of its own, to be kept with the answer.
    """
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (TextDelta(content),)
    if isinstance(content, list):
        return (event for part in content for event in _read_part(part, keep))
    return (TextDelta(json.dumps(content, ensure_ascii=False)),)


def file_part(read: Callable[[str], FilePart], said: str) -> FilePart:
    """A file that the server sent.

    Raises:
        ProtocolError: it cannot be read.
    """
    try:
        return read(said)
    except ParameterError as error:
        raise ProtocolError(f"the provider sent a file that cannot be read: {error}") from error


def _read_part(part: Any, keep: Callable[[Any], None]) -> Iterator[StreamEvent]:
    if isinstance(part, str):
        if part:
            yield TextDelta(part)
        return
    part = mapping(part)
    kind = text(part.get("type"))
    if kind in THOUGHTS:
        yield ReasoningDelta(_thought(part))
    elif kind == "refusal":
        yield RefusalDelta(text(part.get("refusal")))
    elif address := text(mapping(part.get("image_url")).get("url")):
        yield PartAdded(file_part(FilePart.from_url, address))
    elif isinstance(said := part.get("text"), str):
        if said:
            yield TextDelta(said)
    else:
        keep(part)


def _thought(part: Mapping[str, Any]) -> str:
    for field in (*THOUGHTS, "summary", "text"):
        said = part.get(field)
        if isinstance(said, str):
            return said
        if isinstance(said, list):
            return "".join(text(mapping(piece).get("text")) for piece in items(said))
    return ""
