"""Tables: for people as wide as their terminal, for programs plain."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

from .paging import write_pages
from .streams import harmless, plainly, styled

SHORT = 12
"""Characters up to which the cells of a table are kept in one piece on a narrow terminal."""
GAP = 2
UNITS = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def write_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on stdout: as wide as the terminal, in pages if it is higher; unbounded and plain in a pipe.

    Where the columns would be too narrow to be read, each row stands in lines of its own.
    """
    lines = [[" ".join(plainly(cell, sys.stdout).split()) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        _write_plain([columns, *lines])
        return
    shown = [[harmless(cell, sys.stdout) for cell in line] for line in lines]
    width = _width()
    if sum(_least(columns, shown)) + GAP * (len(columns) - 1) > width:
        _write_stacked(columns, shown, width)
    else:
        _write_columns(columns, shown)


def in_units(size: int) -> str:
    """A number of bytes for people."""
    for unit, name in UNITS:
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} B"


def _width() -> int:
    from rich.console import Console

    return Console().width


def _least(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> list[int]:
    """How wide each column must be: the first, which is what a row is about, in one piece; others by their words."""
    first = max((len(line[0]) for line in lines), default=0)
    cells = ([column, *(line[place] for line in lines)] for place, column in enumerate(columns))
    widths = [max((_least_of(cell) for cell in column), default=0) for column in cells]
    return [max(first, widths[0]), *widths[1:]]


def _least_of(cell: str) -> int:
    return len(cell) if len(cell) <= SHORT else max(map(len, cell.split()), default=0)


def _write_columns(columns: Sequence[str], lines: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for position, (column, least) in enumerate(zip(columns, _least(columns, lines), strict=True)):
        table.add_column(column, overflow="fold", no_wrap=position == 0, min_width=least)
    for line in lines:
        table.add_row(*line)
    console = Console(markup=False, emoji=False, highlight=False)
    with console.capture() as captured:
        console.print(table)
    write_pages(captured.get().rstrip("\n"))


def _write_stacked(columns: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> None:
    shown = []
    for line in lines:
        shown.append(styled(line[0], sys.stdout, bold=True))
        for column, cell in zip(columns[1:], line[1:], strict=True):
            if cell != "-" and column:  # what says nothing here, and the bars, which need their column
                text = textwrap.fill(
                    f"{column}: {cell}",
                    width,
                    initial_indent="  ",
                    subsequent_indent="    ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                shown.append(text)
    if shown:
        write_pages("\n".join(shown))


def _write_plain(lines: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
