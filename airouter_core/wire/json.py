"""JSON on the wire: written strictly, read with errors that say what came instead."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ..errors import ParameterError, ProtocolError
from ..values.characters import is_whole

SHOWN = 80

_read = msgspec.json.Decoder().decode
"""As json.loads at a third of its cost, and stricter: what it refuses is read once more by json.loads."""
_write = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

ESCAPED_HALF = "\\ud"
"""How half of a surrogate pair begins in JSON of ASCII."""

COMMENTS = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:\s+|:[^\r\n]*[\r\n])+")
"""What keeps an event stream alive; it has been seen before plain JSON too."""


def encoded(payload: Any) -> bytes:
    """JSON in UTF-8.

    Raises:
        ParameterError: the payload holds something JSON cannot say, such as NaN or an object, or half of a character.
    """
    try:
        written = _write(payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise ParameterError(f"the request cannot be written as JSON: {error}") from error
    if ESCAPED_HALF in written:  # of a pair, nearly always; then both halves are sent, and read as one
        for where, said in _texts(payload, ""):
            if not is_whole(said):
                raise ParameterError(
                    f"{where.lstrip('.') or 'a text'} of the request holds half of a character (a lone surrogate), "
                    "which no text in UTF-8 can: repair or replace it"
                )
    return written.encode("ascii")


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    """All strings of a JSON value, each with where it stands."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from _texts(str(name), f"a name in {where or 'the top'}")
            yield from _texts(item, f"{where}.{name}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _texts(item, f"{where}[{index}]")


def decoded_object(data: bytes | str) -> dict[str, Any]:
    """A JSON object, read.

    Raises:
        ProtocolError: it is no JSON, or no object; the message shows how it begins.
    """
    value = decoded_value(data)
    if not isinstance(value, dict):
        raise ProtocolError(f"the provider sent JSON that is no object: {shown(data)}")
    return value


def decoded_value(data: bytes | str) -> Any:
    """Any JSON value, read.

    Raises:
        ProtocolError: it is no JSON; the message shows how it begins.
    """
    if isinstance(data, bytes):
        data = without_comments(data)
    try:
        return _read(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass  # said properly below; NaN, half of a character, or a mark of the byte order in front are no fault
    try:
        return json.loads(data if isinstance(data, str) else data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        if is_html(data):
            raise ProtocolError(
                f"the provider sent a web page instead of JSON ({shown(data)}); check base_url and any proxy"
            ) from error
        what = "an empty answer" if not data.strip() else f"no valid JSON ({shown(data)})"
        raise ProtocolError(f"the provider sent {what}") from error


def object_in(body: bytes) -> Mapping[str, Any] | None:
    """The object that a body is, or the first of a list of them; ``None`` of any other, which is no fault here."""
    try:
        content = json.loads(without_comments(body).decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if isinstance(content, list) and content:
        content = content[0]
    return content if isinstance(content, Mapping) else None


def is_html(data: bytes | str) -> bool:
    """Whether this begins as a web page does."""
    start = data[:200] if isinstance(data, str) else data[:200].decode("utf-8", "replace")
    return start.lstrip("\ufeff \t\r\n").startswith("<")


def begins_as_json(data: bytes) -> bool:
    """Whether this begins as a JSON object or list does, which no line of an event stream may."""
    return without_comments(data)[:4].lstrip(b"\xef\xbb\xbf")[:1] in (b"{", b"[")


def is_event_stream(data: bytes) -> bool:
    """Whether this begins as server-sent events do."""
    return without_comments(data)[:12].lstrip(b"\xef\xbb\xbf").startswith((b"data:", b"event:", b"id:", b"retry:"))


def without_comments(data: bytes) -> bytes:
    """The bytes from the first that is neither blank nor in a comment of an event stream."""
    if data[:1] == b"{":  # nearly always
        return data
    match = COMMENTS.match(data)
    return data[match.end() :] if match else data


def after_prelude(data: bytes) -> bytes:
    """The bytes from the first that may tell what this is; of a comment without its end, only that it is one."""
    rest = without_comments(data)
    return b":" if rest.startswith(b":") else rest


def is_prelude(data: bytes) -> bool:
    """Whether all there is so far is blank or comments, complete or not, so that what follows may be anything."""
    return without_comments(data)[:1] in (b"", b":")


def shown(data: bytes | str) -> str:
    """The beginning, fit for a message."""
    text = data[: SHOWN * 4] if isinstance(data, str) else data[: SHOWN * 4].decode("utf-8", "replace")
    text = " ".join(text.split())
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "…")


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: for optional parts of an answer."""
    if type(value) is dict:  # what JSON has; asking for a Mapping takes ten times as long
        return value
    return value if value is not None and isinstance(value, Mapping) else {}


def items(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one: for optional parts of an answer."""
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """The value if it is a string, else an empty one: for optional parts of an answer."""
    return value if isinstance(value, str) else ""
