"""``airouter costs``: what was spent."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import click

from airouter_core.cli.output import note, write_json
from airouter_core.cli.tables import write_table

from ..ledger import Sum
from .logs import AS_JSON, conditions, filters
from .opening import the_ledger

BLOCKS = " ▏▎▍▌▋▊▉█"
WIDTH = 24
"""Characters of the longest bar."""


@click.command()
@filters
@click.option(
    "--by",
    default="day",
    show_default=True,
    metavar="WHAT",
    help="day, month, model, provider, user, session or tag:NAME.",
)
@AS_JSON
def costs(by: str, as_json: bool, **given: Any) -> None:
    """Say what was spent, by day, model, tag and more."""
    with the_ledger() as ledger:
        sums = ledger.costs(by, **conditions(given))
    if as_json:
        write_json(sums)
        return
    if not sums:
        note("no call is remembered that fits")
        return
    highest = max((total.amount for total in sums), default=Decimal(0))
    columns = (by.removeprefix("tag:"), "calls", "dollars", "unknown", "tokens in", "out", "saved")
    drawn = sys.stdout.isatty()
    write_table((*columns, "") if drawn else columns, (_row(total, highest, drawn=drawn) for total in sums))
    total = sum((total.amount for total in sums), Decimal(0))
    unknown = sum(total.unknown for total in sums)
    note(f"{total:.4f} dollars together" + (f", and {unknown} calls whose cost nobody knows" if unknown else ""))


def _row(total: Sum, highest: Decimal, *, drawn: bool) -> tuple[str, ...]:
    cells = (
        total.name or "-", str(total.calls), f"{total.amount:.4f}", str(total.unknown or "-"),
        f"{total.input_tokens:,}", f"{total.output_tokens:,}", f"{total.saved:.4f}" if total.saved else "-",
    )  # fmt: skip
    return (*cells, _bar(total.amount / highest if highest else Decimal(0))) if drawn else cells


def _bar(part: Decimal) -> str:
    eighths = round(part * WIDTH * 8)
    return "█" * (eighths // 8) + BLOCKS[eighths % 8].strip()
