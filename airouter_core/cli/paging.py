"""Pages of what is longer than a terminal is high, as git shows them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys

import click

VARIABLES = ("AIROUTER_PAGER", "PAGER")
"""Programs that show pages; the first that is set counts, and an empty one or ``cat`` shows none."""
USUAL = "less"
LESS = "FRX"
"""As git has it: ends by itself where all fits, shows colours, leaves what was shown on the screen."""


def write_pages(text: str) -> None:
    """Write a text to standard output: in pages, where it is a terminal that is not high enough.

    Raises:
        OSError: it cannot be written.
    """
    pager = _pager() if _is_too_long(text) else None
    if pager is None or not _shown_by(pager, text):
        click.echo(text)


def _is_too_long(text: str) -> bool:
    if not sys.stdout.isatty() or sys.stdin is None or not sys.stdin.isatty():
        return False
    return text.count("\n") + 1 >= shutil.get_terminal_size().lines


def _pager() -> list[str] | None:
    named = next((os.environ[name] for name in VARIABLES if name in os.environ), USUAL)
    try:
        command = shlex.split(named)
    except ValueError:
        return None
    if not command or command[0] == "cat" or os.environ.get("TERM", "dumb") == "dumb":
        return None
    return command if shutil.which(command[0]) else None


def _shown_by(pager: list[str], text: str) -> bool:
    """Whether a program has shown it. Ctrl-C is for that program, which stops searching and goes on."""
    sys.stdout.flush()
    data = text.encode(sys.stdout.encoding or "utf-8", "backslashreplace") + b"\n"
    before = signal.signal(signal.SIGINT, lambda *_: None)  # not SIG_IGN, which the program would inherit
    try:
        subprocess.run(pager, input=data, env={"LESS": LESS, **os.environ}, check=False)  # noqa: S603  # the user's own
    except OSError:
        return False
    finally:
        signal.signal(signal.SIGINT, before)
    return True
