"""Where files of the user's own are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping


def config_folder(environ: Mapping[str, str] | None = None) -> str:
    """The user's folder for settings and keys."""
    environ = os.environ if environ is None else environ
    if os.name == "nt":
        base = environ.get("APPDATA") or os.path.expanduser("~")
    else:
        base = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, "airouter")


def is_exposed(path: str) -> bool:
    """Whether others on this machine may read a file."""
    return os.name == "posix" and bool(os.stat(path).st_mode & (stat.S_IRGRP | stat.S_IROTH))
