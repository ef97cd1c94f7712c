"""The user's switch: whether calls are remembered without a settings file that says so. Nothing else is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal, get_args

from airouter_core.config.folders import config_folder

Content = Literal["none", "text", "full"]
CONTENTS: tuple[Content, ...] = get_args(Content)
"""How much of what is said is kept."""
SWITCH = "ledger-on"
"""The file whose presence says that the ledger is on; it holds the word for ``content``."""


def switch(environ: Mapping[str, str] | None = None) -> Content | None:
    """What the switch says: which content to keep, or ``None`` for off."""
    try:
        with open(_path(environ), encoding="ascii") as file:
            said = file.read().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return next((content for content in CONTENTS if content == said), "none")


def switch_on(content: Content) -> None:
    """Switch the ledger on for this user.

    Raises:
        OSError: the user's folder cannot be written.
    """
    os.makedirs(config_folder(), mode=0o700, exist_ok=True)
    with open(_path(None), "w", encoding="ascii") as file:
        file.write(content + "\n")


def switch_off() -> bool:
    """Switch it off; whether it was on.

    Raises:
        OSError: the user's folder cannot be written.
    """
    try:
        os.remove(_path(None))
    except FileNotFoundError:
        return False
    return True


def _path(environ: Mapping[str, str] | None) -> str:
    return os.path.join(config_folder(environ), SWITCH)
