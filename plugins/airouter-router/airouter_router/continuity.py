"""What in a conversation only one provider can read: sealed thoughts, and things that are kept there under an id.

A signature, an encrypted thought or the id of an earlier answer is refused everywhere but where it was made. Readable
reasoning is for anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message, ProviderPart

SEALED = frozenset(
    {"signature", "encrypted_content", "thought_signature", "thoughtSignature", "redactedContent", "redacted_content",
     "reasoning_details"}
)  # fmt: skip
KEPT = frozenset({"previous_response_id", "conversation", "container", "file_id", "file_uri"})


def kept_at(ask: Ask) -> frozenset[str]:
    """The providers that keep something which the ask names by an id: nobody else can answer it."""
    found = {name for name, options in ask.provider_options.items() if any(options.get(word) for word in KEPT)}
    for message in ask.messages:
        for part in () if message.is_plain else message.parts:
            if isinstance(part, FilePart) and part.data is None and part.url is None:
                found |= set(_holding(part.provider_metadata, KEPT))
    return frozenset(found)


def sealed_by(ask: Ask) -> frozenset[str]:
    """The providers whose sealed thoughts belong to a tool loop that is still open."""
    return frozenset(_sealing(_open_loop(ask.messages)))


def _open_loop(messages: tuple[Message, ...]) -> Iterator[Message]:
    """The turns since somebody last spoke, where the last of them is a tool's result."""
    if messages and messages[-1].role == "tool":
        for message in reversed(messages):
            if message.role == "user":
                return
            yield message


def _sealing(messages: Iterable[Message]) -> Iterator[str]:
    for message in messages:
        for part in () if message.is_plain else message.parts:
            if isinstance(part, ProviderPart):
                if not SEALED.isdisjoint(part.value):
                    yield part.provider
            elif metadata := getattr(part, "provider_metadata", None):
                yield from _holding(metadata, SEALED)


def _holding(metadata: Mapping[str, Any], words: frozenset[str]) -> Iterator[str]:
    for provider, values in metadata.items():
        if isinstance(values, Mapping) and any(values.get(word) for word in words):
            yield provider
