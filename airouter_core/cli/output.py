"""What people see, and what programs read."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import click

from ..errors import (
    AirouterError,
    AuthenticationError,
    ExecutionError,
    MissingApiKeyError,
    ModelNotFoundError,
    ProviderError,
)
from ..values.record import plain

SHORT = 12
"""Characters up to which the cells of a table are kept in one piece on a narrow terminal."""
SHOWN: list[str] = []
"""What is waited for now; a terminal has room for one such line."""
WARNED = f"{__name__}.warned"


def complain(message: str) -> None:
    """One line on stderr about what went wrong."""
    click.secho("airouter: ", fg="red", bold=True, nl=False, err=True)
    click.echo(message, err=True)


def told(error: AirouterError | OSError) -> str:
    """What went wrong, in one line; the error itself speaks to programs, so the command that helps is added."""
    if isinstance(error, OSError) and error.strerror:
        return ": ".join(str(part) for part in (error.filename, error.strerror) if part)
    return " ".join(str(error).split()) + _command_for(error)


def _command_for(error: Exception) -> str:
    if isinstance(error, MissingApiKeyError):
        return f"; `airouter keys set {error.provider or 'PROVIDER'}` stores one"
    if isinstance(error, ProviderError) and error.provider:
        if isinstance(error, AuthenticationError):
            return f"; `airouter keys set {error.provider}` stores another"
        if isinstance(error, ModelNotFoundError):
            return f"; `airouter models {error.provider}` lists them"
    return ""


def error_record(error: AirouterError) -> dict[str, object]:
    """An error for programs, with what had arrived by then."""
    partial = error.partial if isinstance(error, ExecutionError) else None
    vendor = error if isinstance(error, ProviderError) else None
    return {
        "type": type(error).__name__,
        "message": told(error),
        "provider": vendor.provider if vendor else None,
        "status": vendor.status if vendor else None,
        "request_id": vendor.request_id if vendor else None,
        "retryable": error.retryable if isinstance(error, ExecutionError) else False,
        "partial": partial.text if partial else None,
    }


def note(message: str) -> None:
    """One line on stderr beside the answer."""
    click.secho(message, dim=True, err=True)


def warn(message: str) -> None:
    """One line on stderr about something that should be known; said once."""
    context = click.get_current_context(silent=True)
    if context is not None:
        said: set[str] = context.meta.setdefault(WARNED, set())
        if message in said:
            return
        said.add(message)
    click.secho("warning: ", fg="yellow", nl=False, err=True)
    click.echo(message, err=True)


def write_json(value: Any) -> None:
    """A value on stdout, for programs."""
    click.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: as wide as the terminal, or unbounded and plain in a pipe."""
    if not sys.stdout.isatty():
        _write_plain([columns, *rows])
        return
    from rich.console import Console
    from rich.table import Table

    class Output(Console):
        def on_broken_pipe(self) -> None:
            # The command line ends quietly when its reader has gone; rich would end the process itself, as a failure.
            raise BrokenPipeError

    table = Table(box=None, pad_edge=False, header_style="bold")
    lines = list(rows)
    for position, column in enumerate(columns):
        widest = max((len(line[position]) for line in lines), default=0)
        least = max(min(widest, SHORT), *map(len, column.split()))
        table.add_column(column, overflow="fold", no_wrap=position == 0, min_width=least)
    for line in lines:
        table.add_row(*line)
    Output(markup=False).print(table)


def _write_plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    try:
        for line in lines:
            cells = (" ".join(cell.split()).ljust(width) for cell, width in zip(line, widths, strict=True))
            click.echo("  ".join(cells).rstrip())
    except BrokenPipeError as error:
        raise BrokenPipeError from error  # without its number, by which click would end the process as a failure


@contextlib.contextmanager
def waiting(message: str) -> Iterator[None]:
    """A spinner on stderr while something takes its time; nothing where nobody watches."""
    if not sys.stderr.isatty() or SHOWN:
        yield
        return
    from rich.console import Console

    SHOWN.append(message)
    try:
        with Console(stderr=True).status(message):
            yield
    finally:
        SHOWN.clear()
