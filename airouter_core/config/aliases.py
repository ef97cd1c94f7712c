"""Short names for addresses, in a file of the user's own: ``aliases.toml``, a line for each.

They are kept beside the settings file and not in it, so that they count in every folder, also in one that has a
settings file of its own; no file that somebody else has written can say where an alias leads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ..errors import ConfigurationError
from .editing import parsed_toml, read_text, with_lines
from .folders import config_folder
from .writing import alone, write_whole

WHAT = "the aliases"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def aliases_file(environ: Mapping[str, str] | None = None) -> str:
    """Where they are kept."""
    return os.path.join(config_folder(environ), "aliases.toml")


def read_aliases(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """All aliases: what each stands for, by name.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    path = aliases_file(environ)
    found = parsed_toml(read_text(path), path)
    for name, address in found.items():
        if not isinstance(address, str):
            raise ConfigurationError(f"{path!r}: {name} must be an address in quotation marks, not {address!r}")
    return found


def expanded(address: str, environ: Mapping[str, str] | None = None) -> str:
    """What an alias stands for; whatever is none, as it is.

    Raises:
        ConfigurationError: as :func:`read_aliases`.
    """
    return read_aliases(environ).get(address, address)


def set_alias(name: str, address: str, environ: Mapping[str, str] | None = None) -> None:
    """Let a name stand for an address, in place of an earlier one.

    Raises:
        ConfigurationError: the name is no word of letters, digits, ``.``, ``_`` and ``-``, or it cannot be written.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(f"an alias is a word of letters, digits, '.', '_' and '-', not {name!r}")
    _change(name, address, environ)


def remove_alias(name: str, environ: Mapping[str, str] | None = None) -> bool:
    """Forget an alias; whether there was one.

    Raises:
        ConfigurationError: it cannot be written.
    """
    if name not in read_aliases(environ):
        return False
    _change(name, None, environ)
    return True


def _change(name: str, address: str | None, environ: Mapping[str, str] | None) -> None:
    path = aliases_file(environ)
    with alone(os.path.realpath(path), WHAT):
        write_whole(path, with_lines(read_text(path), path, None, {name: address}), WHAT)
