"""Which settings files are trusted, and what the others may say.

Whoever clones a repository has its files in the working folder and has not read them. Such a file may choose among
what the user has: models, providers, numbers, words from a list. It may not say where prompts and keys go, nor what
program is run: addresses, paths, headers, keys and references count once the user has run ``airouter config trust``.

Trust is in a file's place and content together, as direnv and mise have it: a change of either ends it. A mark is a
file of its own, named by the hash of both, so that marks need no lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from ..errors import ConfigurationError
from .folders import config_folder
from .provider import ProviderConfig
from .references import holds_reference

MARKS = "trusted"


def is_trusted(path: str, content: bytes, environ: Mapping[str, str] | None = None) -> bool:
    """Whether the user has trusted this content in this place."""
    return os.path.exists(_mark(path, content, environ))


def trust(path: str, environ: Mapping[str, str] | None = None) -> None:
    """Trust a file as it is now.

    Raises:
        ConfigurationError: it cannot be read, or the trust cannot be written down.
    """
    with _told(path):
        with open(path, "rb") as file:
            mark = _mark(path, file.read(), environ)
        os.makedirs(os.path.dirname(mark), mode=0o700, exist_ok=True)
        with open(mark, "w", encoding="utf-8", errors="surrogateescape") as file:
            file.write(os.path.realpath(path))


def distrust(path: str, environ: Mapping[str, str] | None = None) -> bool:
    """Trust no content of this file any more; whether any was trusted.

    Raises:
        ConfigurationError: a mark cannot be removed.
    """
    place, folder = os.path.realpath(path), os.path.join(config_folder(environ), MARKS)
    found = False
    with _told(path):
        for mark in os.scandir(folder) if os.path.isdir(folder) else ():
            with open(mark.path, encoding="utf-8", errors="surrogateescape") as file:
                same = file.read() == place
            if same:
                os.unlink(mark.path)
                found = True
    return found


def wanting_trust(table: Mapping[str, Any], kind: type[ProviderConfig]) -> list[str]:
    """The settings of a provider's table that do not count in a file that is not trusted.

    A setting that nobody knows is not among them: it is refused anyway, with a better reason.
    """
    fields = attrs.fields_dict(kind)
    return [
        name
        for name, value in table.items()
        if holds_reference(value) or (name in fields and not is_harmless(fields[name]))
    ]


def is_harmless(field: attrs.Attribute[Any]) -> bool:
    """Whether anybody may choose this setting: it says so, or its values are numbers or words from a list."""
    said = field.metadata.get("harmless")
    if said is not None:
        return bool(said)
    numeric = field.metadata.get("kind") in ("number", "integer") and not field.metadata.get("also")
    return not field.metadata.get("secret") and (numeric or bool(field.metadata.get("choices")))


def _mark(path: str, content: bytes, environ: Mapping[str, str] | None) -> str:
    place = os.fsencode(os.path.realpath(path))
    return os.path.join(config_folder(environ), MARKS, hashlib.sha256(place + b"\0" + content).hexdigest())


@contextlib.contextmanager
def _told(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename not in (None, path) else ""
        raise ConfigurationError(f"cannot change the trust in {path!r}: {error.strerror}{where}") from error
