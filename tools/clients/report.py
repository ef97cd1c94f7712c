"""The table, in the page that tells of clients."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

from .clients import NOT_RUN, SCENARIOS
from .scenarios import Row

BEGIN, END = "<!-- clients: begin -->", "<!-- clients: end -->"


def write_report(page: Path, rows: Sequence[Row], *, silence: float, alone: bool) -> None:
    """Put the table between its marks."""
    text = page.read_text(encoding="utf-8")
    made = "\n".join([BEGIN, "", *_lines(rows, silence=silence, alone=alone), "", END])
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


def _lines(rows: Sequence[Row], *, silence: float, alone: bool) -> list[str]:
    where = "where nothing but loopback could be reached" if alone else "on a machine with a network"
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    lines = [f"Run on {day}, {where}, with {silence:g} s of silence.", ""]
    lines += [f"| client | version | {' | '.join(SCENARIOS)} |", f"|---|---|{'---|' * len(SCENARIOS)}"]
    for row in rows:
        marks = " | ".join(row.cells[name].mark for name in SCENARIOS)
        lines.append(f"| {row.client.name} | {row.version} | {marks} |")
    notes = [f"- {row.client.name}, {name}: {cell.why}" for row in rows for name, cell in row.cells.items() if cell.why]
    lines += ["", *notes] if notes else []
    lines += ["", "Not driven here:", ""]
    return [*lines, *(f"- {name}: {why}" for name, why in NOT_RUN.items())]
