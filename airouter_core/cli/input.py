"""What people and programs give: arguments, and what comes through a pipe."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import click

from ..values.media import MOST_OF_A_FILE


class Text(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click alone
    """Text for a model. An argument that is not in the terminal's encoding reaches Python as halves of characters."""

    name = "text"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            self.fail(f"is no valid UTF-8 at character {error.start + 1}; convert it first", param, ctx)
        return value


TEXT = Text()


def piped() -> str:
    """What comes through a pipe, without the line break at its end; empty when nothing can.

    Raises:
        click.UsageError: it is no text in the encoding of this terminal, or has no end.
    """
    if sys.stdin is None or sys.stdin.isatty():
        return ""
    with _decoding():
        text = sys.stdin.read(MOST_OF_A_FILE + 1)
    _bound(len(text))
    return text.removeprefix("\ufeff").rstrip("\n")


def piped_bytes() -> bytes:
    """What comes through a pipe, as it is.

    Raises:
        click.UsageError: nothing can, or it has no end.
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise click.UsageError("- is what comes through a pipe, and nothing is piped in.")
    data = sys.stdin.buffer.read(MOST_OF_A_FILE + 1)
    _bound(len(data))
    return data


def _bound(length: int) -> None:
    if length > MOST_OF_A_FILE:
        raise click.UsageError(f"more than {MOST_OF_A_FILE >> 20} MiB are piped in, which no provider takes.")


def piped_line() -> str:
    """The next line that comes through a pipe, with its line break; empty at the end.

    Raises:
        click.UsageError: as :func:`piped`.
    """
    with _decoding():
        return sys.stdin.readline() if sys.stdin is not None else ""


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        name = error.encoding.upper()
        raise click.UsageError(
            f"standard input is no {name} text (byte {error.object[error.start]:#04x}); convert it, as with "
            f"`iconv -t {name}`, or attach the file with -a"
        ) from error


def text_or_pipe(text: str | None) -> str:
    """What was given, or what comes through a pipe.

    Raises:
        click.UsageError: neither.
    """
    text = piped() if text is None else text
    if not text.strip():
        raise click.UsageError("Missing argument 'TEXT': give it, or pipe it in.")
    return text
