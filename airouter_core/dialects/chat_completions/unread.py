"""What was said in this format and is read by nobody here: it goes on as it came.

Whoever passes a conversation on that was said in this format keeps such fields in ``provider_metadata`` under
:data:`FORMAT`, and parts of unknown kinds as ``ProviderPart(FORMAT, …)``; :func:`kept_as_it_came` does both. They are
laid over what is written of the message, so that what layers changed in it stays changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from ...profile.resolving import overlaid
from ...values.message_dicts import ANY_PROVIDER, NO_PROVIDER
from ...values.messages import FilePart, Message, Metadata, Part, ProviderPart, RefusalPart, TextPart, ToolResultPart
from ...wire.json import mapping

FORMAT = "chat-completions"
"""The name of this format, as a key."""
Entry = dict[str, Any]


def as_it_came(sent: Entry, message: Message) -> Entry:
    """A message as it is written, with what nobody has read of it."""
    shown = [part for part in message.parts if isinstance(part, TextPart | FilePart | ProviderPart)]
    shown = [part for part in shown if not isinstance(part, ProviderPart) or part.provider == FORMAT]
    if any(isinstance(part, ProviderPart) or _own(part.provider_metadata) for part in shown):
        sent["content"] = _entries(sent.get("content"), shown)
    for call, part in zip(sent.get("tool_calls") or (), message.tool_calls, strict=False):
        call.update(overlaid(call, _own(part.provider_metadata)))
    return overlaid(sent, _own(message.provider_metadata))


def result_as_it_came(sent: Entry, result: ToolResultPart) -> Entry:
    """The same of a tool's result."""
    if any(_own(part.provider_metadata) for part in result.content):
        sent["content"] = _entries(sent["content"], result.content)
    own = _own(result.provider_metadata)
    return overlaid(sent, own) if own else sent


def kept_as_it_came(message: Message) -> Message:
    """A message of which servers of this format are sent also what nobody here has read."""
    if message.is_plain:
        return message
    parts = tuple(map(_kept, message.parts))
    return msgspec.structs.replace(message, parts=parts, provider_metadata=_named(message.provider_metadata))


def _kept(part: Part) -> Part:
    if isinstance(part, ProviderPart):
        return part
    if isinstance(part, RefusalPart):
        return part
    named = msgspec.structs.replace(part, provider_metadata=_named(part.provider_metadata))
    if isinstance(named, ToolResultPart):
        return msgspec.structs.replace(named, content=tuple(map(_kept, named.content)))
    return named


def _named(metadata: Metadata) -> Metadata:
    fields = dict(mapping(metadata.get(ANY_PROVIDER)))
    for name, value in mapping(metadata.get(NO_PROVIDER)).items():
        around, _, field = name.partition(".")
        fields[around] = {**mapping(fields.get(around)), field: value}
    return {**metadata, FORMAT: fields} if fields else metadata


def _entries(content: Any, parts: Iterable[Part]) -> list[Any]:
    """The parts of a content, each with what is its own; those of unknown kinds where they stood."""
    texts = [part for part in parts if isinstance(part, TextPart)]
    if isinstance(content, list):
        known = iter(content)
    else:
        known = iter([{"type": "text", "text": part.text} for part in texts])
    made: list[Any] = []
    for part in parts:
        if isinstance(part, ProviderPart):
            made.append(dict(part.value))
        elif (entry := next(known, None)) is not None:
            made.append(overlaid(entry, _own(getattr(part, "provider_metadata", {}))))
    return [*made, *known]


def _own(metadata: Metadata) -> Mapping[str, Any]:
    return mapping(metadata.get(FORMAT))
