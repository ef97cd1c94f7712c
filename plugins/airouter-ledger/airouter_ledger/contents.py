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
from airouter_core.values.texts import is_named

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


WORTH_PACKING = 512
"""Bytes of JSON from which on packing saves more than it costs."""
MICROSECONDS = 1_000_000
"""In a second."""
INSERT = """INSERT INTO contents (number, call, ask, response, prompt, answer) VALUES (
    CASE WHEN EXISTS (SELECT 1 FROM contents WHERE number = CAST(? AS BIGINT))
        THEN (SELECT MAX(number) + 1 FROM contents WHERE number >= ? AND number < ?)
        ELSE CAST(? AS BIGINT) END,
    ?, ?, ?, ?, ?) ON CONFLICT (call) DO NOTHING"""


def stored(ask: Ask, response: Response | None, content: Content) -> Stored | None:
    """What to keep of a call; ``None`` for nothing.

    Files are named by the hash of their bytes, so that one picture in a hundred calls is kept once; their bytes are
    kept with ``"full"`` alone. Texts that were put into a question are kept once in the same way, and are found by
    their names. Options for providers are not kept: they may hold what is nobody's business.
    """
    if content == "none":
        return None
    files: dict[str, tuple[str, str, int, bytes | None]] = {}
    messages = tuple(_without_files(message, files, keep=content == "full") for message in ask.messages)
    prompt = "\n".join(_searched(message) for message in ask.messages if message.role in ("user", "tool"))
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


def write(execute: Execute, call: str, at: float, content: Stored) -> None:
    """The statements that keep the content of a call that began at a time."""
    number = int(at * MICROSECONDS)
    execute(INSERT, number, number, number + MICROSECONDS, number,
            call, content.ask, content.response, content.prompt, content.answer)  # fmt: skip
    for hash_, media_type, size, data in content.files:
        execute(
            "INSERT INTO files (hash, media_type, size, data) VALUES (?, ?, ?, ?) ON CONFLICT (hash) DO NOTHING",
            hash_, media_type, size, data,
        )  # fmt: skip
        execute("INSERT INTO files_of_calls (call, hash) VALUES (?, ?) ON CONFLICT DO NOTHING", call, hash_)


def unpacked(data: bytes | None, kind: type[Any]) -> Any:
    """The ask or the response that was packed; ``None`` where there is none."""
    if data is None:
        return None
    return msgspec.json.decode(data if data[:1] == b"{" else zlib.decompress(data), type=kind)


def with_files(messages: Iterable[Message], files: dict[str, bytes]) -> tuple[Message, ...]:
    """Messages with the bytes of their files put back, as far as they are kept."""

    def whole(part: Any) -> Any:
        if isinstance(part, FilePart) and part.data is None and (part.url or "").startswith(HASH):
            data = files.get(str(part.url).removeprefix(HASH))
            if data is None:
                return part
            is_text = part.media_type == FRAGMENT
            return TextPart(data.decode()) if is_text else msgspec.structs.replace(part, data=data, url=None)
        return part

    return tuple(
        msgspec.structs.replace(message, parts=tuple(whole(part) for part in message.parts)) for message in messages
    )


HASH = "sha256:"
"""Begins the address that a file has in the ledger."""
FRAGMENT = "text/plain; fragment"
"""What a text that was put into a question is kept as."""


def _searched(message: Message) -> str:
    """The text of a message, with no more than the names of the texts that were put into it."""
    texts = [part.text for part in message.parts if isinstance(part, TextPart)]
    return "".join(f"{text.partition(chr(10))[0]}\n" if is_named(text) else text for text in texts)


def _packed(value: Any) -> bytes:
    data = msgspec.json.encode(value, enc_hook=plain)
    return data if len(data) < WORTH_PACKING else zlib.compress(data, 1)


def _without_files(message: Message, files: dict[str, tuple[str, str, int, bytes | None]], *, keep: bool) -> Message:
    if not any(isinstance(part, FilePart | ToolResultPart) or _is_fragment(part) for part in message.parts):
        return message

    def named(part: Any) -> Any:
        if _is_fragment(part):
            data = part.text.encode()
            digest = hashlib.sha256(data).hexdigest()
            files[digest] = (digest, FRAGMENT, len(data), data)
            return FilePart(FRAGMENT, url=HASH + digest)
        if isinstance(part, ToolResultPart):
            return msgspec.structs.replace(part, content=tuple(named(item) for item in part.content))
        if not isinstance(part, FilePart) or part.data is None:
            return part
        digest = hashlib.sha256(part.data).hexdigest()
        files[digest] = (digest, part.media_type, len(part.data), part.data if keep else None)
        return msgspec.structs.replace(part, data=None, url=HASH + digest)

    return msgspec.structs.replace(message, parts=tuple(map(named, message.parts)))


def _is_fragment(part: Any) -> bool:
    return type(part) is TextPart and is_named(part.text)
