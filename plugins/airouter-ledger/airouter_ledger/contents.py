"""What was said, where it is asked for: the text of prompt and answer, or everything with its files."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import Any

import msgspec

from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message, TextPart, ToolResultPart
from airouter_core.values.record import plain
from airouter_core.values.response import Response

from .database.base import Execute
from .records import text
from .switch import Content


class Stored(msgspec.Struct, frozen=True):
    """The content of one call, in the form that the database takes."""

    ask: bytes | None
    response: bytes | None
    prompt: str | None
    answer: str | None
    files: tuple[tuple[str, str, int, bytes | None], ...] = ()

    @property
    def size(self) -> int:
        """Bytes, about."""
        texts = (self.prompt or "", self.answer or "")
        blobs = (self.ask or b"", self.response or b"", *(data or b"" for *_, data in self.files))
        return sum(map(len, texts)) + sum(map(len, blobs))


def stored(ask: Ask, response: Response | None, content: Content) -> Stored | None:
    """What to keep of a call; ``None`` for nothing.

    Files are named by the hash of their bytes, so that one picture in a hundred calls is kept once; their bytes are
    kept with ``"full"`` alone. Options for providers are not kept: they may hold what is nobody's business.
    """
    if content == "none":
        return None
    files: dict[str, tuple[str, str, int, bytes | None]] = {}
    messages = tuple(_without_files(message, files, keep=content == "full") for message in ask.messages)
    prompt = "\n".join(message.text for message in ask.messages if message.role in ("user", "tool"))
    if content == "text":
        kept = msgspec.structs.replace(ask, messages=messages, tools=(), provider_options={}, arguments={})
    else:
        kept = msgspec.structs.replace(ask, messages=messages, provider_options={})
    answer = None
    said = None
    if response is not None:
        answer = response.text
        shown = _without_files(response.message, files, keep=content == "full")
        said = msgspec.structs.replace(response, message=shown, parsed=None, provider_metadata={}, alternatives=())
    return Stored(
        _packed(kept), None if said is None else _packed(said), text(prompt), text(answer), tuple(files.values())
    )


def write(execute: Execute, call: str, content: Stored) -> None:
    """The statements that keep a call's content."""
    execute(
        "INSERT INTO contents (call, ask, response, prompt, answer) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (call) DO NOTHING",
        call, content.ask, content.response, content.prompt, content.answer,
    )  # fmt: skip
    for hash_, media_type, size, data in content.files:
        execute(
            "INSERT INTO files (hash, media_type, size, data) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
            hash_, media_type, size, data,
        )  # fmt: skip
        execute("INSERT INTO files_of_calls (call, hash) VALUES (?, ?) ON CONFLICT DO NOTHING", call, hash_)


def unpacked(data: bytes | None, kind: type[Any]) -> Any:
    """The ask or the response that was packed; ``None`` where there is none."""
    return None if data is None else msgspec.json.decode(zlib.decompress(data), type=kind)


def with_files(messages: Iterable[Message], files: dict[str, bytes]) -> tuple[Message, ...]:
    """Messages with the bytes of their files put back, as far as they are kept."""

    def whole(part: Any) -> Any:
        if isinstance(part, FilePart) and part.data is None and (part.url or "").startswith(HASH):
            data = files.get(str(part.url).removeprefix(HASH))
            return part if data is None else msgspec.structs.replace(part, data=data, url=None)
        return part

    return tuple(
        msgspec.structs.replace(message, parts=tuple(whole(part) for part in message.parts)) for message in messages
    )


HASH = "sha256:"
"""Begins the address that a file has in the ledger."""


def _packed(value: Any) -> bytes:
    return zlib.compress(msgspec.json.encode(value, enc_hook=plain), 1)


def _without_files(message: Message, files: dict[str, tuple[str, str, int, bytes | None]], *, keep: bool) -> Message:
    if not any(isinstance(part, FilePart | ToolResultPart) for part in message.parts):
        return message

    def named(part: Any) -> Any:
        if isinstance(part, ToolResultPart):
            return msgspec.structs.replace(part, content=tuple(named(item) for item in part.content))
        if not isinstance(part, FilePart) or part.data is None:
            return part
        digest = hashlib.sha256(part.data).hexdigest()
        files[digest] = (digest, part.media_type, len(part.data), part.data if keep else None)
        return msgspec.structs.replace(part, data=None, url=HASH + digest)

    parts = tuple(named(part) if not isinstance(part, TextPart) else part for part in message.parts)
    return msgspec.structs.replace(message, parts=parts)
