"""The standard streams: whatever they are, what is written fails for none of its characters, and a fault is one line.

What a model says may hold any character, and control characters too. To a pipe it goes as it is. A terminal would obey
the latter (colours, the title, the clipboard, text over text), so there they are shown instead, as ``cat -v`` does.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any, TextIO

import click

CLOSED = "standard output is closed, so nothing can be answered; send it to /dev/null if nobody shall read it"
FAULT = 1
"""Exit code where the answer could not be written, as others have it."""

_CONTROL = re.compile(r"[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All but tab and line break; those that turn the direction of writing, and so what a line seems to say, too."""
_OURS = str.maketrans({"…": "...", "─": "-", "—": "-", "→": "->"})


def on_standard_streams(program: Callable[[], int]) -> int:
    """Run a program with streams that can be written to; the exit code is the program's, unless its output is lost."""
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)  # else the next file that is opened would be standard input
    closed = sys.stdout is None
    if closed:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # it is the stream from here on
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # as above
    for stream in (sys.stdout, sys.stderr):
        reconfigure(stream, errors="backslashreplace")
    reconfigure(sys.stdin, errors="strict")
    if closed:
        say(f"airouter: {CLOSED}", sys.stderr)
        return FAULT
    try:
        code = program()
        sys.stdout.flush()
    except OSError as error:
        code = written_wrongly(error)
    with contextlib.suppress(OSError):
        sys.stderr.flush()
        return code
    drop(sys.stderr)
    return code


def reconfigure(stream: Any, *, errors: str) -> None:
    """Change what happens to characters that a stream cannot hold, where the stream can."""
    change = getattr(stream, "reconfigure", None)
    if change is not None:
        change(errors=errors)


def written_wrongly(error: OSError) -> int:
    """Say that the answer could not be written, and let what is left of it go; the exit code.

    A reader that has gone away wanted no more: that is no fault.
    """
    drop(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 0
    say(f"airouter: cannot write to standard output: {error.strerror or error}", sys.stderr)
    return FAULT


def drop(stream: TextIO) -> None:
    """Let what a stream still holds, and all that comes, go nowhere: the interpreter flushes it at its end."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def say(message: str, stream: TextIO) -> None:
    """Write a line of ours, which nobody's answer depends on: where it cannot be written, the program goes on."""
    try:
        stream.write(harmless(plainly(message, stream), stream) + "\n")
        stream.flush()
    except OSError:
        drop(stream)


def plainly(message: str, stream: TextIO) -> str:
    """Our own words without signs that the stream's encoding lacks."""
    return message if has_our_signs(stream) else message.translate(_OURS)


def has_our_signs(stream: TextIO) -> bool:
    """Whether the encoding of a stream has the signs that we use beside letters."""
    try:
        "…─⠋".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream ends in a terminal, also while rich draws there and stands in the stream's place."""
    beneath: TextIO = getattr(stream, "rich_proxied_file", stream)
    return beneath.isatty()


def harmless(text: str, stream: TextIO) -> str:
    """A text as it may be written to a stream: as it is, or on a terminal with its control characters shown."""
    return _CONTROL.sub(_visible, text.replace("\r\n", "\n")) if is_terminal(stream) else text


def styled(text: str, stream: TextIO, **style: Any) -> str:
    """A text in colours and weights, on a terminal that has them and whose user has not set ``NO_COLOR``."""
    shown = harmless(text, stream)
    return click.style(shown, **style) if obeys(stream) and not os.environ.get("NO_COLOR") else shown


def obeys(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands more than text; ``TERM=dumb`` is how those that do not say so."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in ("", "dumb")


class Writer:
    """Writes a text that comes in pieces to standard output, each at once; a line break may be torn over two pieces."""

    def __init__(self) -> None:
        self._held = ""

    def write(self, piece: str) -> None:
        """Write a piece.

        Raises:
            OSError: it cannot be written.
        """
        text, self._held = self._held + piece, ""
        if text.endswith("\r") and is_terminal(sys.stdout):
            text, self._held = text[:-1], "\r"
        sys.stdout.write(harmless(text, sys.stdout))
        sys.stdout.flush()

    def end(self) -> None:
        """Write what was held back, and end the line."""
        sys.stdout.write(harmless(self._held, sys.stdout) + "\n")
        sys.stdout.flush()
        self._held = ""


def _visible(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return f"^{chr(code + 0x40)}"
    return "^?" if code == 0x7F else f"\\u{code:04x}"
