"""What is put into a question from elsewhere: texts and files, by path, by web address, or by a name of the user's.

::

    Message.user(fragment("notes.md"), fragment("https://example.com/rfc.txt"), attachment("chart.png"), "Is it right?")

Only addresses that are given here are read, and only public ones (:mod:`.fetching`); an address that stands in a text
is never followed.
"""

from __future__ import annotations

import os
import stat
from urllib.parse import unquote, urlsplit

from ...errors import ParameterError
from ...values.media import MOST_OF_A_FILE, media_type_of_file
from ...values.messages import FilePart, TextPart
from ...values.texts import named_text, text_of
from ..own_files.fragments import FRAGMENTS

WEB = ("http://", "https://")


def fragment(source: str | os.PathLike[str]) -> TextPart:
    """A text, read now, as it stands in a question: under its name.

    Args:
        source: a path, a public web address, or a name that ``airouter fragments set`` has given to one. A name wins
            over a file that is called alike; ``./`` before it means the file.

    Raises:
        ParameterError: it cannot be read, is no text (but a picture, say), or its address is not public.
        ConfigurationError: the file of names cannot be read.
        ExecutionError: an address cannot be read.
    """
    given = os.fspath(source)
    found = FRAGMENTS.read().get(given) if isinstance(given, str) and os.sep not in given else None
    part, charset = _read(found or given)
    text = text_of(part.data or b"", charset)
    if text is None:
        raise ParameterError(
            f"{part.name or given} is no text in UTF-8 ({part.media_type}); convert it, or attach it as a file"
        )
    return TextPart(named_text(given, text))


def attachment(source: str | os.PathLike[str]) -> FilePart:
    """A file, read now; what it is is told by its first bytes before its name.

    It is read here also where it has a web address, so that what is sent is known, and providers that fetch nothing
    can be asked too; ``FilePart.from_url`` lets the provider fetch it.

    Args:
        source: a path or a public web address.

    Raises:
        ParameterError: it cannot be read, or its address is not public.
        ExecutionError: an address cannot be read.
    """
    return _read(os.fspath(source))[0]


def _read(source: str) -> tuple[FilePart, str | None]:
    """A file, and the encoding that a server says it is in."""
    if isinstance(source, str) and source.startswith(WEB):
        from .fetching import fetch

        fetched = fetch(source, limit=MOST_OF_A_FILE)
        name = unquote(os.path.basename(urlsplit(fetched.url).path)) or urlsplit(fetched.url).hostname or "file"
        media_type = media_type_of_file(fetched.data, name, fetched.media_type)
        return FilePart(media_type, data=fetched.data, name=name), fetched.charset
    path = os.path.expanduser(source)
    if _is_pipe(path):  # as shells make of <(command)
        with open(path, "rb") as file:
            data = file.read(MOST_OF_A_FILE + 1)
        if len(data) > MOST_OF_A_FILE:
            raise ParameterError(f"{source!r} gives more than {MOST_OF_A_FILE} bytes, which no provider takes")
        name = os.path.basename(path)
        return FilePart(media_type_of_file(data, name), data=data, name=name), None
    return FilePart.from_path(path), None


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False
