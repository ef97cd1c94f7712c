"""Content blocks, as Anthropic's messages format has them, to the parts of our messages: answers, and whole histories.

What a part has no field for (a signature, citations, ``cache_control``, a document's title) is kept in its
``provider_metadata``, under the key and the names of whoever speaks the format, so that a conversation survives the
round trip block for block. A block that has no part of its own is a ``ProviderPart``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from ..errors import ParameterError
from ..values.messages import (
    FilePart,
    Message,
    Metadata,
    Part,
    ProviderPart,
    ReasoningPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ..values.value import NO_METADATA
from ..wire.json import items, mapping, text

PDF = "application/pdf"

HELD: Mapping[str, frozenset[str]] = {
    "text": frozenset({"type", "text"}),
    "thinking": frozenset({"type", "thinking"}),
    "redacted_thinking": frozenset(),
    "tool_use": frozenset({"type", "id", "name", "input"}),
    "tool_result": frozenset({"type", "tool_use_id", "content", "is_error"}),
    "image": frozenset({"type", "source"}),
    "document": frozenset({"type", "source", "title"}),
}
"""Fields of a block that its part holds itself."""


class BlockReader:
    """Reads blocks.

    Args:
        key: of the metadata in which what has no field of its own is kept: the name of the provider that gets it back.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def metadata_of(self, block: Mapping[str, Any], **more: Any) -> Metadata:
        """What a part keeps of a block beside its own fields; empty and missing ones are not kept."""
        held = HELD.get(text(block.get("type")), frozenset())
        kept = {name: value for name, value in block.items() if name not in held and value not in (None, "", [])}
        return {self._key: {**kept, **more}} if kept else NO_METADATA

    def part_of(self, block: Mapping[str, Any]) -> Part:
        """The part that a whole block is: what was answered, or what was sent before."""
        read = self._readers.get(text(block.get("type")))
        part = None if read is None else read(self, block)
        return ProviderPart(self._key, dict(block)) if part is None else part

    def parts_of(self, content: Any) -> list[Part]:
        """The parts of a content: a text, or a list of blocks."""
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else items(content)
        return [self.part_of(mapping(block)) for block in blocks]

    def messages_of(self, messages: Iterable[Mapping[str, Any]]) -> tuple[Message, ...]:
        """Messages in this format, as our values; the results of tools become messages of the role ``tool``.

        Raises:
            ParameterError: one has no known role.
        """
        return tuple(made for message in messages for made in self._messages(message))

    def _messages(self, message: Mapping[str, Any]) -> Iterator[Message]:
        parts = self.parts_of(message.get("content"))
        match message.get("role"):
            case "user":
                results = [part for part in parts if isinstance(part, ToolResultPart)]
                others = [part for part in parts if not isinstance(part, ToolResultPart)]
                if results:
                    yield Message("tool", tuple(results))
                if others or not results:
                    yield Message("user", tuple(others))
            case "assistant":
                yield Message("assistant", tuple(parts))
            case "system":
                yield Message("system", tuple(parts), provider_metadata={self._key: {"in_place": True}})
            case role:
                raise ParameterError(f"a message of this format has the role system, user or assistant, not {role!r}")

    def _read_text(self, block: Mapping[str, Any]) -> Part | None:
        said = block.get("text")
        return TextPart(said, self.metadata_of(block)) if isinstance(said, str) else None

    def _read_thinking(self, block: Mapping[str, Any]) -> Part:
        return ReasoningPart(text(block.get("thinking")), self.metadata_of(block))

    def _read_redacted(self, block: Mapping[str, Any]) -> Part:
        return ReasoningPart("", self.metadata_of(block))

    def _read_tool_use(self, block: Mapping[str, Any]) -> Part:
        written = json.dumps(block.get("input") or {}, ensure_ascii=False)
        return ToolCallPart(text(block.get("id")), text(block.get("name")), written, self.metadata_of(block))

    def _read_file(self, block: Mapping[str, Any]) -> Part | None:
        source = mapping(block.get("source"))
        media_type = text(source.get("media_type"))
        name = text(block.get("title")) or None
        if source.get("type") == "base64" and media_type:
            part = FilePart.from_data(text(source.get("data")), media_type=media_type, name=name)
        elif source.get("type") == "url":
            guess = "image/*" if block.get("type") == "image" else PDF
            part = FilePart(guess, url=text(source.get("url")), name=name)
        elif source.get("type") == "text":
            part = FilePart("text/plain", data=text(source.get("data")).encode(), name=name)
        else:
            return None
        return msgspec.structs.replace(part, provider_metadata=self.metadata_of(block))

    def _read_result(self, block: Mapping[str, Any]) -> Part:
        content = block.get("content")
        parts = self.parts_of(content)
        plain = [part for part in parts if isinstance(part, TextPart | FilePart)]
        # What only this vendor puts into a result is kept as it is, the whole of it.
        metadata = self.metadata_of(block)
        if len(plain) != len(parts):
            metadata = {self._key: {**mapping(metadata.get(self._key)), "content": content}}
        return ToolResultPart(
            text(block.get("tool_use_id")),
            plain,
            is_error=block.get("is_error") is True,
            provider_metadata=metadata,
        )

    _readers: Mapping[str, Callable[[BlockReader, Mapping[str, Any]], Part | None]] = {
        "text": _read_text,
        "thinking": _read_thinking,
        "redacted_thinking": _read_redacted,
        "tool_use": _read_tool_use,
        "tool_result": _read_result,
        "image": _read_file,
        "document": _read_file,
    }
