"""The parts of our messages as content blocks of the Converse API; :mod:`~airouter_bedrock.reader` is the way back.

A block is a JSON object with one key that names its kind. What a part has no field for is in its
``provider_metadata["bedrock"]`` under the service's own names. Source: the service model's ``ContentBlock``.
"""

from __future__ import annotations

import hashlib
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
from airouter_core.wire.json import mapping

from .plugin import BEDROCK

Block = dict[str, Any]

KEY = BEDROCK.name
MARK = "cache_control"
"""The field of message dicts that marks the end of what is to be cached."""
UNREADABLE = "INVALID_JSON"
"""Key under which arguments that are no JSON object are sent back."""
NOT_IN_AN_ID, NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_.:-]"), re.compile(r"[^a-zA-Z0-9 \-()\[\]]+|(?<= ) +")
LONGEST_ID, LONGEST_NAME = 64, 200
S3 = "s3://"

FORMATS: Mapping[str, tuple[str, str]] = {
    **{f"image/{name}": ("image", name) for name in ("png", "jpeg", "gif", "webp")},
    "image/jpg": ("image", "jpeg"),
    "application/pdf": ("document", "pdf"),
    "text/csv": ("document", "csv"),
    "text/html": ("document", "html"),
    "text/markdown": ("document", "md"),
    "text/plain": ("document", "txt"),
    "application/msword": ("document", "doc"),
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": ("document", "docx"),
    "application/vnd.ms-excel": ("document", "xls"),
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": ("document", "xlsx"),
    **{f"video/{name}": ("video", name) for name in ("mp4", "webm", "mpeg")},
    "video/quicktime": ("video", "mov"),
    "video/x-matroska": ("video", "mkv"),
    "video/x-flv": ("video", "flv"),
    "video/x-ms-wmv": ("video", "wmv"),
    "video/3gpp": ("video", "three_gp"),
    **{
        f"audio/{name}": ("audio", name)
        for name in ("wav", "aac", "flac", "ogg", "opus", "webm", "mp4", "m4a", "x-aac")
    },
    "audio/mpeg": ("audio", "mp3"),
    "audio/mp3": ("audio", "mp3"),
    "audio/x-wav": ("audio", "wav"),
    "audio/x-m4a": ("audio", "m4a"),
}
"""Kind of block and format of each media type. Other texts are sent as plain ones."""


def message_blocks(message: Message, role: str) -> list[Block]:
    """The blocks of a message, results of tools first; a mark for the cache that stands beside them all ends them."""
    blocks = blocks_of(message.parts)
    if role == "user":
        blocks.sort(key=lambda block: "toolResult" not in block)
    point = cache_point(message.provider_metadata)
    if point is not None and blocks and "cachePoint" not in blocks[-1]:
        blocks.append(point)
    return blocks


def blocks_of(parts: Iterable[Part]) -> list[Block]:
    """The blocks of parts. Blank texts are left out, as the service refuses them.

    Raises:
        UnsupportedFeatureError: a file is of a kind that is not read.
    """
    blocks: list[Block] = []
    for part in parts:
        block = _block(part)
        if block is not None:
            blocks.append(block)
            # A result cannot hold such a point, so that one inside it stands behind it.
            marked = (part, *part.content) if isinstance(part, ToolResultPart) else (part,)
            points = (cache_point(getattr(one, "provider_metadata", {})) for one in marked)
            blocks += [point for point in points if point is not None][:1]
    return blocks


def cache_point(metadata: Mapping[str, Any]) -> Block | None:
    """The block that a mark for the cache in a message dict stands for; ``None`` for a mark that is not known."""
    mark = mark_of(metadata)
    if mark is None or not is_known_mark(mark):
        return None
    return {"cachePoint": {"type": "default", **({"ttl": mark["ttl"]} if "ttl" in mark else {})}}


def mark_of(metadata: Mapping[str, Any]) -> Any:
    """The mark for the cache in a message dict, if there is one."""
    return mapping(metadata.get(ANY_PROVIDER)).get(MARK)


def is_known_mark(mark: Any) -> bool:
    """Whether a mark for the cache can be said here."""
    known = isinstance(mark, Mapping) and mark.keys() <= {"type", "ttl"}
    return known and mark.get("type") in ("ephemeral", "default") and mark.get("ttl", "5m") in ("5m", "1h")


def is_unsent_thought(part: Part) -> bool:
    """Whether this is a thought that no model here would take back: it bears no signature of this service."""
    return isinstance(part, ReasoningPart) and _thought(part) is None


def sent_id(identity: str) -> str:
    """A call's id in the characters and the length that this API takes; other providers' ids may have more."""
    made = NOT_IN_AN_ID.sub("_", identity) or "_"
    if len(made) <= LONGEST_ID:
        return made
    return f"{made[:31]}_{hashlib.sha256(identity.encode()).hexdigest()[:32]}"


def sent_name(name: str | None) -> str:
    """A document's name as this API takes it: letters, digits, single blanks, hyphens and brackets, no ending."""
    stem = (name or "").rpartition(".")[0] or (name or "")
    return NOT_IN_A_NAME.sub(" ", stem).strip()[:LONGEST_NAME].strip() or "document"


def is_renamed(part: FilePart) -> bool:
    """Whether this is a document whose name is sent otherwise than without its ending."""
    name = part.name or ""
    document = not part.media_type.startswith(("image/", "audio/", "video/"))
    return document and bool(name) and sent_name(name) not in (name, name.rpartition(".")[0])


def require_readable(part: FilePart) -> None:
    """Refuse a file that this API does not read.

    Raises:
        UnsupportedFeatureError: it is of another kind, or at an address other than ``s3://``.
    """
    own = mapping(part.provider_metadata.get(KEY))
    if part.url is not None and not part.url.startswith(S3) and "source" not in own:
        raise UnsupportedFeatureError("bedrock fetches files from s3:// addresses only: give the bytes of this one")
    if _format(part) is None:
        raise UnsupportedFeatureError(
            f"bedrock does not read {part.media_type}; it reads PNG, JPEG, GIF and WebP, PDF, Word, Excel, CSV, HTML, "
            "Markdown and text, and some models video and sound: convert it, or give its media_type"
        )


def _block(part: Part) -> Block | None:
    match part:
        case TextPart() | RefusalPart():
            return _text(part.text, mapping(getattr(part, "provider_metadata", {}).get(KEY)))
        case ReasoningPart():
            return _thought(part)
        case FilePart():
            return _file(part)
        case ToolCallPart():
            arguments = arguments_object(part)
            return {"toolUse": {"toolUseId": sent_id(part.id), "name": part.name, "input": arguments, **_own(part)}}
        case ToolResultPart():
            return {"toolResult": _result(part)}
        case ProviderPart():
            return dict(part.value) if part.provider == KEY else None


def _own(part: Part) -> Mapping[str, Any]:
    return mapping(mapping(getattr(part, "provider_metadata", None)).get(KEY))


def _text(said: str, own: Mapping[str, Any]) -> Block | None:
    if citations := own.get("citations"):
        content = [{"text": said}] if said else []
        return {"citationsContent": {"content": content, "citations": citations}}
    return {"text": said} if said.strip() else None


def _thought(part: ReasoningPart) -> Block | None:
    own = _own(part)
    if "redactedContent" in own:
        return {"reasoningContent": {"redactedContent": own["redactedContent"]}}
    if "signature" in own:
        return {"reasoningContent": {"reasoningText": {"text": part.text, "signature": own["signature"]}}}
    return None


def _file(part: FilePart) -> Block:
    require_readable(part)
    found = _format(part)
    assert found is not None  # a file that is not read was refused
    kind, name = found
    made: Block = {"format": name, "source": _source(part), **_own(part)}
    if kind == "document":
        made = {"name": sent_name(part.name), **made}
    return {kind: made}


def _format(part: FilePart) -> tuple[str, str] | None:
    known = FORMATS.get(part.media_type)
    if known is None and (part.url or "").startswith(S3) and part.media_type == "image/*":
        return FORMATS.get(f"image/{(part.url or '').rpartition('.')[2].lower()}")
    if known is None and part.media_type.startswith("text/"):
        return ("document", "txt")
    return known


def _source(part: FilePart) -> Block:
    if part.url is not None:
        return {"s3Location": {"uri": part.url}}
    if not part.data:
        raise ParameterError(f"{part.name or 'a file'} is empty")
    return {"bytes": part.base64}


def _result(part: ToolResultPart) -> Block:
    made: Block = {"toolUseId": sent_id(part.tool_call_id), "content": blocks_of(part.content)}
    if part.is_error:
        made["status"] = "error"
    return {**made, **_own(part)}
