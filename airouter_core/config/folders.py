"""Where files of the user's own are kept, and which settings file is in force; light, for every program asks it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ConfigurationError

if TYPE_CHECKING:
    from .files import Settings

FILE_NAMES = ("airouter.toml", "providers.json")
VARIABLE = "AIROUTER_CONFIG"


def config_folder(environ: Mapping[str, str] | None = None) -> str:
    """The user's folder for settings and keys: where the system has it, as ``platformdirs`` knows.

    ``$XDG_CONFIG_HOME/airouter`` comes first on every system, and a ``~/.config/airouter`` that exists stays in use,
    also where the system's own place is another. Neither loads the library, which costs a command 20 ms.
    """
    environ = os.environ if environ is None else environ
    chosen = environ.get("XDG_CONFIG_HOME", "")
    if os.path.isabs(chosen):  # others are to be ignored, says the XDG base directory specification
        return os.path.join(chosen, "airouter")
    earlier = os.path.join(os.path.expanduser("~"), ".config", "airouter")
    if os.path.isdir(earlier) or _is_where_linux_has_it(environ):
        return earlier
    import platformdirs

    return platformdirs.user_config_dir("airouter", appauthor=False, roaming=True)


def is_exposed(path: str) -> bool:
    """Whether others on this machine may read a file."""
    return os.name == "posix" and bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))


def find_settings(environ: Mapping[str, str] | None = None, folder: str = ".") -> str | None:
    """The settings file in force: as ``AIROUTER_CONFIG`` names it, in the working folder, or in the user's own.

    Raises:
        ConfigurationError: ``AIROUTER_CONFIG`` names a file that is not there.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(VARIABLE)
    if named:
        if not os.path.isfile(named):
            raise ConfigurationError(f"{VARIABLE} (or --config) names {named!r}, which is no file")
        return named
    return first_in(folder) or first_in(config_folder(environ))


def settings_in_force(environ: Mapping[str, str] | None = None, folder: str = ".") -> Settings | None:
    """What :func:`find_settings` finds, read; a file found in the working folder must have been trusted to count whole.

    Raises:
        ConfigurationError: as :func:`find_settings`, or the file cannot be read.
    """
    environ = os.environ if environ is None else environ
    path = find_settings(environ, folder)
    if path is None:
        return None
    chosen = bool(environ.get(VARIABLE)) or os.path.realpath(os.path.dirname(path)) == os.path.realpath(
        config_folder(environ)
    )
    from .files import read  # most programs have no settings file

    return read(path, None if chosen else environ)


def first_in(folder: str) -> str | None:
    """The settings file of a folder, if it has one."""
    return next((path for name in FILE_NAMES if os.path.isfile(path := os.path.join(folder, name))), None)


def _is_where_linux_has_it(environ: Mapping[str, str]) -> bool:
    # Android calls itself Linux before Python 3.13, and has it elsewhere.
    return sys.platform == "linux" and "ANDROID_ROOT" not in environ
