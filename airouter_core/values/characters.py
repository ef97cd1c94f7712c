"""Characters beyond U+FFFF, which JSON may write as two halves, and servers cut in two."""

from __future__ import annotations

from typing import Any


def is_whole(text: str) -> bool:
    """Whether a text holds no half of a character, once halves that stand together are taken as one."""
    if text.isascii():
        return True
    try:
        text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return False
    return True


def with_whole_characters(text: str) -> str:
    """The text with halves that stand together joined, and each that stands alone replaced by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def with_whole_strings(value: Any) -> Any:
    """A value of JSON whose strings, names of fields among them, are such texts."""
    if isinstance(value, str):
        return with_whole_characters(value)
    if isinstance(value, list):
        return [with_whole_strings(item) for item in value]
    if isinstance(value, dict):
        return {with_whole_characters(name): with_whole_strings(item) for name, item in value.items()}
    return value


def parted(text: str) -> tuple[str, str]:
    """The text up to the first half of a character at its end, and that half, which waits for the other."""
    return (text[:-1], text[-1]) if text and "\ud800" <= text[-1] <= "\udbff" else (text, "")
