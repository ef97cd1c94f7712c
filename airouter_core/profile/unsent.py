"""What of a conversation a provider is not told: said in the response's warnings, since nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from ..values.message_dicts import ANY_PROVIDER, NO_PROVIDER
from ..values.messages import FilePart, Message, ProviderPart, TextPart, ToolResultPart


def notes_on(
    messages: Iterable[Message], provider: str, takes_field: Callable[[str], bool], speaks: str = ""
) -> Iterator[str]:
    """A sentence for each thing that is left out.

    Args:
        provider: canonical name.
        takes_field: whether a field that the common format does not know is sent.
        speaks: the format of the request: what was said in it goes on as it came.
    """
    for position, message in enumerate(messages):
        if message.is_plain:
            continue
        where = f"messages[{position}]"
        yield from _fields(message.provider_metadata, where, provider, takes_field, speaks)
        for part in message.parts:
            if isinstance(part, ProviderPart):
                if part.provider not in (provider, speaks):
                    yield f"{where}: a part that only {part.provider!r} understands was not sent to {provider}"
            elif isinstance(part, TextPart | FilePart):
                yield from _fields(part.provider_metadata, where, provider, takes_field, speaks)
            else:
                # Calls and results have a place of their own in each format, with no room for more.
                metadata = getattr(part, "provider_metadata", None)
                yield from _fields(metadata, where, provider, lambda field: False, speaks)
                for item in part.content if isinstance(part, ToolResultPart) else ():
                    yield from _fields(item.provider_metadata, where, provider, takes_field, speaks)


def _fields(metadata: Any, where: str, provider: str, takes_field: Callable[[str], bool], speaks: str) -> Iterator[str]:
    if not metadata or (speaks and speaks in metadata):
        return
    for key in (ANY_PROVIDER, NO_PROVIDER):
        kept = metadata.get(key)
        for field in kept if isinstance(kept, Mapping) else ():
            if key == NO_PROVIDER or not takes_field(field):
                yield f"{where}: the field {field!r} was not sent: {provider} is not known to take it"
