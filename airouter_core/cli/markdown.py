"""Markdown on a terminal: an answer is shown block by block as it is made, each when it is complete."""

from __future__ import annotations

import os
import re
import sys
from typing import Protocol

import click

from .streams import Writer, harmless

markdown_option = click.option(
    "--markdown/--no-markdown",
    default=True,
    envvar="AIROUTER_MARKDOWN",
    help="Show Markdown as it is meant on a terminal; a pipe always gets it as it is.",
)

_FENCE = re.compile(r"\s*(`{3,}|~{3,})")
_ITEM = re.compile(r"\s*(?:[-*+]|\d+[.)])\s")


class TextWriter(Protocol):
    """Writes a text that comes in pieces to standard output."""

    def write(self, piece: str) -> None: ...

    def end(self) -> None: ...


def writer_for(*, markdown: bool) -> TextWriter:
    """What writes an answer: rendered where somebody sees it on a terminal that can show it, else as it is."""
    return Blocks() if markdown and _can_show() else Writer()


def _can_show() -> bool:
    encoding = (sys.stdout.encoding or "").lower().replace("-", "")
    return sys.stdout.isatty() and encoding.startswith("utf") and os.environ.get("TERM", "") not in ("", "dumb")


class Blocks:
    """Renders the blocks of a Markdown text, each when the blank line behind it has come: a terminal forgets nothing
    that was shown, so that nothing is shown that could still become something else.
    """

    def __init__(self) -> None:
        self._line = ""
        self._lines: list[str] = []
        self._fence: str | None = None
        self._shown = False

    def write(self, piece: str) -> None:
        """Take a piece.

        Raises:
            OSError: it cannot be written.
        """
        *lines, self._line = (self._line + piece).split("\n")
        for line in lines:
            self._take(line.removesuffix("\r"))

    def end(self) -> None:
        """Show what is left."""
        if self._line:
            self._take(self._line)
            self._line = ""
        self._show()
        self._fence = None

    def _take(self, line: str) -> None:
        if self._fence is None and not line.strip():
            if not self._is_list():
                self._show()
            elif self._lines[-1]:
                self._lines.append("")
            return
        if self._lines and not self._lines[-1] and self._fence is None and not line.startswith((" ", "\t")):
            self._show()
        if (match := _FENCE.match(line)) is not None:
            self._fence = _fence_after(self._fence, match[1], line)
        self._lines.append(line)

    def _is_list(self) -> bool:
        """Whether it is known only from the next line if the block is at its end: what is indented belongs to it."""
        return bool(self._lines) and _ITEM.match(self._lines[0]) is not None

    def _show(self) -> None:
        text = "\n".join(self._lines).strip("\n")
        self._lines.clear()
        if not text.strip():
            return
        from rich.console import Console
        from rich.markdown import Markdown

        if self._shown:
            sys.stdout.write("\n")
        self._shown = True

        class Output(Console):
            def on_broken_pipe(self) -> None:
                raise BrokenPipeError  # rich would end the process itself

        Output(markup=False, emoji=False).print(Markdown(harmless(text, sys.stdout), hyperlinks=False))
        sys.stdout.flush()


def _fence_after(open_fence: str | None, found: str, line: str) -> str | None:
    """The fence of the code block that is open behind a line with a fence."""
    if open_fence is None:
        return found
    closes = found.startswith(open_fence) and line.strip() == found
    return None if closes else open_fence
