"""Markdown on a terminal, as it is made.

A terminal forgets nothing that has scrolled by. So only the last block of an answer (a paragraph, a list, a piece of
code) is drawn again as it grows; it is written for good when the blank line behind it has come.
"""

from __future__ import annotations

import re
import sys
import time
from typing import TYPE_CHECKING, Protocol

import click

from .streams import Writer, harmless, obeys

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.markdown import Markdown

BETWEEN = 0.1
"""Seconds between two drawings of a block that grows."""

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
    return obeys(sys.stdout) and encoding.startswith("utf")


class Blocks:
    """Renders the blocks of a Markdown text."""

    def __init__(self) -> None:
        self._line = ""
        self._lines: list[str] = []
        self._fence: str | None = None
        self._shown = False
        self._live: Live | None = None
        self._drawn = 0.0

    def write(self, piece: str) -> None:
        """Take a piece.

        Raises:
            OSError: it cannot be written.
        """
        *lines, self._line = (self._line + piece).split("\n")
        for line in lines:
            self._take(line.removesuffix("\r"))
        self._draw()

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

    def _draw(self) -> None:
        """Draw the block that grows, so far as it fits on the screen."""
        text = "\n".join([*self._lines, self._line]).strip("\n")
        if not text.strip() or time.monotonic() < self._drawn + BETWEEN:
            return
        if self._live is None:
            from rich.live import Live

            self._part()
            self._live = Live(
                console=_console(), auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._live.update(_rendered(text), refresh=True)
        self._drawn = time.monotonic()

    def _show(self) -> None:
        """Write the block for good."""
        text = "\n".join(self._lines).strip("\n")
        self._lines.clear()
        if self._live is not None:
            self._live.update("", refresh=True)  # stopping would draw all of what does not fit, and erase a part
            self._live.stop()
            self._live = None
        elif text.strip():
            self._part()
        if text.strip():
            console = _console()
            with console.capture() as captured:
                console.print(_rendered(text))
            sys.stdout.write(captured.get().strip("\n") + "\n")
            sys.stdout.flush()

    def _part(self) -> None:
        """A blank line between two blocks."""
        if self._shown:
            sys.stdout.write("\n")
        self._shown = True


def _console() -> Console:
    from rich.console import Console

    return Console(markup=False, emoji=False)


def _rendered(text: str) -> Markdown:
    from rich.markdown import Markdown

    return Markdown(harmless(text, sys.stdout), hyperlinks=False)


def _fence_after(open_fence: str | None, found: str, line: str) -> str | None:
    """The fence of the code block that is open behind a line with a fence."""
    if open_fence is None:
        return found
    closes = found.startswith(open_fence) and line.strip() == found
    return None if closes else open_fence
