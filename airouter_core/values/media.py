"""Bytes that are sent: read from files, decoded from base64, and told apart by how they begin."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
import stat

from ..errors import ParameterError

MOST_OF_A_FILE = 100 * 1024 * 1024
"""Bytes of a file that is read to be sent."""


def read_regular(path: str | os.PathLike[str]) -> bytes:
    """The content of a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file but a device or a pipe, or is longer than :data:`MOST_OF_A_FILE`.
    """
    # Looked at before it is opened, since opening a pipe waits, and a device may never end.
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("it is no regular file")
    with open(path, "rb") as file:
        data = file.read(MOST_OF_A_FILE + 1)
    if len(data) > MOST_OF_A_FILE:
        raise ValueError(f"it is longer than {MOST_OF_A_FILE} bytes, which no provider takes")
    return data


def decoded(text: str) -> bytes:
    """Read base64.

    Raises:
        ParameterError: it is none.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise ParameterError(f"{text[:20]!r}… is no valid base64") from error


SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypheic", "image/heic"),
    (4, b"ftypavif", "image/avif"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (0, b"\x1f\x8b", "application/gzip"),
)
"""How files begin, and where in them (the format specifications; the same as in file(1)'s table); the first counts."""
BEGINNING = 4096
"""Bytes that tell whether the rest is text."""


def media_type_of(data: bytes, name: str | None = None) -> str:
    """Tell the media type from the first bytes, else from the name, else ``application/octet-stream``."""
    return _signed(data) or (mimetypes.guess_type(name)[0] if name else None) or "application/octet-stream"


def media_type_of_file(data: bytes, name: str, said: str = "") -> str:
    """As :func:`media_type_of`, of a whole file: a name that contradicts the bytes does not count.

    A text that is called a picture is a text, and what is no text is none whatever it is called.

    Args:
        said: by the server that gave the file; counts after the name.
    """
    if signed := _signed(data):
        return signed
    guess = mimetypes.guess_type(name)[0] or said or "application/octet-stream"
    if _looks_like_text(data):
        # Also of drawings in SVG, which no model sees, and of programs in whatever language.
        return guess if is_textual(guess) and not guess.startswith("image/") else "text/plain"
    return "application/octet-stream" if guess.startswith("text/") else guess


def is_textual(media_type: str) -> bool:
    """Whether files of this type are text, whoever reads them."""
    return re.fullmatch(_TEXTUAL, media_type) is not None


_TEXTUAL = r"text/.+|application/(?:.+\+)?(?:json|xml|yaml|x-yaml|toml|javascript|sql|x-sh|x-ndjson)|image/svg\+xml"


def _signed(data: bytes) -> str | None:
    for place, signature, media_type in SIGNATURES:
        if data.startswith(signature, place) and _is_so(data, media_type):
            return media_type
    return None


def _is_so(data: bytes, media_type: str) -> bool:
    """Signatures of two letters and those inside begin other files too."""
    if media_type in ("image/webp", "audio/wav"):
        return data.startswith(b"RIFF")
    return media_type != "image/bmp" or not _looks_like_text(data)


def _looks_like_text(data: bytes) -> bool:
    beginning = data[:BEGINNING]
    if beginning.startswith((b"\xff\xfe", b"\xfe\xff")):
        return True
    if not beginning or b"\0" in beginning:
        return False
    try:
        beginning.decode()
    except UnicodeDecodeError as error:  # the last character may be cut
        return len(data) > BEGINNING and error.start >= BEGINNING - 3
    return True
