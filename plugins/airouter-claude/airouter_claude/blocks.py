"""The parts of our messages as content blocks of the Messages API; :mod:`~airouter_claude.parts` is the way back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.values.arguments import arguments_object
from airouter_core.values.message_dicts import ANY_PROVIDER
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.value import Value
from airouter_core.wire.json import mapping, text

from .caching import MARK, mark_last
from .config import OLD_VERSION
from .models import is_a_line, line_of
from .parts import KEY, PDF, THOUGHT_BY

Block = dict[str, Any]

IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
TEXTUAL = re.compile(r"text/.*|application/(?:.*\+)?(?:json|xml|yaml|x-yaml|toml|javascript|sql)")
"""Media types that are sent as plain text."""
NOT_IN_AN_ID = re.compile(r"[^a-zA-Z0-9_-]")


class Sending(Value, frozen=True):
    """To whom blocks are sent.

    Attributes:
        line: the model, as :func:`~airouter_claude.models.line_of` has it.
        version: the API version.
    """

    line: str
    version: str


def blocks_of(parts: Iterable[Part], role: str, sending: Sending) -> list[Block]:
    """The blocks of a message. Empty texts are left out, as the vendor refuses them; results of tools come first.

    Raises:
        UnsupportedFeatureError: a file is of a kind that is not read, or stands where none can.
        ParameterError: a text file is not in UTF-8.
    """
    blocks = [block for part in parts if (block := _block(part, role, sending)) is not None]
    return sorted(blocks, key=lambda block: block.get("type") != "tool_result") if role == "user" else blocks


def message_blocks(message: Message, role: str, sending: Sending) -> list[Block]:
    """The blocks of a message; a mark for the cache that stands beside them all is the last one's."""
    blocks = blocks_of(message.parts, role, sending)
    mark = mapping(message.provider_metadata.get(ANY_PROVIDER)).get(MARK)
    if mark and not any(MARK in block for block in blocks):
        mark_last(blocks, mark)
    return blocks


def require_readable(part: FilePart, role: str, sending: Sending) -> None:
    """Refuse a file that this API does not read.

    Raises:
        UnsupportedFeatureError: it is of another kind, or stands where none can.
    """
    if role == "assistant" and not part.is_image and sending.version != OLD_VERSION:
        raise UnsupportedFeatureError("Claude takes documents in messages of the user, not of the assistant")
    named = "source" in mapping(part.provider_metadata.get(KEY))
    by_address = part.url is not None and (part.is_image or part.media_type == PDF)
    readable = _media_type(part) in {*IMAGES, PDF} or TEXTUAL.fullmatch(part.media_type)
    by_bytes = part.data is not None and readable
    if not (named or by_address or by_bytes):
        where = "by its address" if part.url is not None else "by its bytes"
        raise UnsupportedFeatureError(
            f"Claude does not read {part.media_type} {where}; it reads JPEG, PNG, GIF, WebP and PDF, by bytes or "
            "address, and text by bytes: convert it, or give its media_type"
        )


def is_unsent_thought(part: Part, sending: Sending) -> bool:
    """Whether this is a thought that must not be sent to this model, since another one had it."""
    return isinstance(part, ReasoningPart) and _thinking_block(part, _extra(part), sending) is None


def _is_foreign(part: ReasoningPart, sending: Sending) -> bool:
    thinker = line_of(text(mapping(part.provider_metadata.get(KEY)).get(THOUGHT_BY)))
    # A gateway may call models by names of its own, which tell nothing.
    return thinker != sending.line and is_a_line(thinker) and is_a_line(sending.line)


def sent_id(identity: str) -> str:
    """A call's id in the characters that this API takes; other providers' ids may have more."""
    return NOT_IN_AN_ID.sub("_", identity) or "_"


def _block(part: Part, role: str, sending: Sending) -> Block | None:
    extra = _extra(part)
    match part:
        case TextPart() | RefusalPart():
            return _text_block(part.text, extra, role, sending)
        case ReasoningPart():
            return _thinking_block(part, extra, sending)
        case FilePart():
            return {**_file_block(part, extra, role, sending), **extra}
        case ToolCallPart():
            made = {"type": "tool_use", "id": sent_id(part.id), "name": part.name, "input": arguments_object(part)}
            return {**made, **extra}
        case ToolResultPart():
            return {**_result_block(part, sending), **extra}
        case ProviderPart():
            return dict(part.value) if part.provider == KEY else None


def _extra(part: Part) -> dict[str, Any]:
    """What stands in a block beside its part: our own metadata, and a mark for the cache given in a message dict."""
    metadata = mapping(getattr(part, "provider_metadata", None))
    mark = mapping(metadata.get(ANY_PROVIDER)).get("cache_control") if isinstance(part, TextPart | FilePart) else None
    return {**({"cache_control": mark} if mark else {}), **mapping(metadata.get(KEY))}


def _text_block(said: str, extra: Mapping[str, Any], role: str, sending: Sending) -> Block | None:
    if not said.strip():
        return None
    block = {"type": "text", "text": said, **extra}
    if role != "assistant" and sending.version != OLD_VERSION:
        # An answer quoted in a user's message must not bring its citations (migration guide 2026-10-21).
        block.pop("citations", None)
    return block


def _thinking_block(part: ReasoningPart, extra: Mapping[str, Any], sending: Sending) -> Block | None:
    if _is_foreign(part, sending):
        return None
    block = {name: value for name, value in extra.items() if name != THOUGHT_BY}
    if block.get("type") == "redacted_thinking":
        return block
    # Without its signature a thought is refused: it was another provider's.
    return {"type": "thinking", "thinking": part.text, **block} if block.get("signature") else None


def _file_block(part: FilePart, extra: Mapping[str, Any], role: str, sending: Sending) -> Block:
    require_readable(part, role, sending)
    kind = "image" if part.is_image else "document"
    block: Block = {"type": kind}
    if "source" not in extra:
        block["source"] = _source(part)
    if kind == "document" and part.name:
        block["title"] = part.name
    return block


def _source(part: FilePart) -> Block:
    if part.url is not None:
        return {"type": "url", "url": part.url}
    if TEXTUAL.fullmatch(part.media_type):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(part)}
    return {"type": "base64", "media_type": _media_type(part), "data": part.base64}


def _media_type(part: FilePart) -> str:
    return "image/jpeg" if part.media_type == "image/jpg" else part.media_type


def _decoded(part: FilePart) -> str:
    try:
        return (part.data or b"").decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ParameterError(f"{part.name or 'a text file'} is not in UTF-8 ({error.reason}); convert it") from error


def _result_block(part: ToolResultPart, sending: Sending) -> Block:
    block: Block = {"type": "tool_result", "tool_use_id": sent_id(part.tool_call_id)}
    content = blocks_of(part.content, "tool", sending)
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if part.is_error:
        block["is_error"] = True
    return block
