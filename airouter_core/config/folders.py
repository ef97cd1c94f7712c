"""Where files of the user's own are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping


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
    if os.path.isdir(earlier):
        return earlier
    import platformdirs

    return platformdirs.user_config_dir("airouter", appauthor=False, roaming=True)


def is_exposed(path: str) -> bool:
    """Whether others on this machine may read a file."""
    return os.name == "posix" and bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))
