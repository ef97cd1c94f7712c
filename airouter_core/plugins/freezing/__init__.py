"""For PyInstaller, which finds this by its entry point: what a program needs that is put into one file."""

from __future__ import annotations

import os


def hook_dirs() -> list[str]:
    """The folders with hooks, as PyInstaller asks for them (entry point ``hook-dirs`` of ``pyinstaller40``)."""
    return [os.path.dirname(__file__)]
