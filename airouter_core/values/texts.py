"""Files that are text: which are, and how one stands in a question for a model that takes words alone."""

from __future__ import annotations

import codecs
import re

import msgspec

from .media import is_textual
from .messages import FilePart, Message, Part, TextPart

_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
NAMED = '<document name="'
_NO_TEXT = re.compile("[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""Characters that files of text do not have; tabs, breaks, form feeds and the escapes of terminals they do."""


def text_of(data: bytes, charset: str | None = None) -> str | None:
    """The text that bytes are; ``None`` when they are none.

    Args:
        charset: to try where they are not in UTF-8 and begin with no mark that says what they are in.
    """
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    for encoding in (marked,) if marked else ("utf-8", charset):
        try:
            text = data.decode(encoding) if encoding else None
        except (UnicodeDecodeError, LookupError):
            continue
        if text is not None:
            return None if _NO_TEXT.search(text) else text
    return None


def named_text(name: str, text: str) -> str:
    """A text as it stands in a question, under its name."""
    title = " ".join(name.split()).replace('"', "'")
    return f'{NAMED}{title}">\n{text.rstrip()}\n</document>\n\n'


def is_named(text: str) -> bool:
    """Whether this is what :func:`named_text` makes: a text that somebody has put into a question."""
    return text.startswith(NAMED)


def as_text(part: FilePart) -> TextPart | None:
    """A file of text as words; ``None`` for any other."""
    if part.data is None or not is_textual(part.media_type):
        return None
    text = text_of(part.data)
    return None if text is None else TextPart(named_text(part.name or "file", text))


def with_texts_in_place(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[str, ...]]:
    """Messages whose files of text are words, and the names of these files."""
    names: list[str] = []

    def placed(part: Part) -> Part:
        text = as_text(part) if isinstance(part, FilePart) else None
        if text is None or not isinstance(part, FilePart):
            return part
        names.append(part.name or part.media_type)
        return text

    made = tuple(
        message
        if message.is_plain
        else msgspec.structs.replace(message, parts=tuple(placed(part) for part in message.parts))
        for message in messages
    )
    return (made, tuple(names)) if names else (messages, ())
