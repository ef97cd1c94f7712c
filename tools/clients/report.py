"""The table, in the page that tells of clients. Rows that were not run again stay as they were seen."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from pathlib import Path

from .clients import CLIENTS, NOT_RUN, SCENARIOS
from .scenarios import Row

BEGIN, END = "<!-- clients: begin -->", "<!-- clients: end -->"


def write_report(page: Path, rows: Sequence[Row], *, silence: float, alone: bool) -> None:
    """Put what was seen between its marks, beside what was seen before of other clients."""
    text = page.read_text(encoding="utf-8")
    before = text[text.index(BEGIN) : text.index(END)].splitlines()
    made = "\n".join([BEGIN, "", *_lines(before, rows, silence, alone=alone), "", END])
    page.write_text(re.sub(f"{BEGIN}.*{END}", lambda _: made, text, flags=re.DOTALL), encoding="utf-8")


def _lines(before: Sequence[str], rows: Sequence[Row], silence: float, *, alone: bool) -> list[str]:
    day = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")
    table = {line.split(" | ")[0].removeprefix("| "): line for line in before if line.startswith("| ")}
    notes = [line for line in before if line.startswith("- ")]
    seen = f"{day}, {silence:g} s" if alone else f"{day}, {silence:g} s, with a network"
    for row in rows:
        marks = " | ".join(row.cells[name].mark for name in SCENARIOS)
        table[row.client.name] = f"| {row.client.name} | {row.version} | {marks} | {seen} |"
        notes = [note for note in notes if not note.startswith(f"- {row.client.name}, ")]
        notes += [f"- {row.client.name}, {name}: {cell.why}" for name, cell in row.cells.items() if cell.why]
    names = [client.name for client in CLIENTS]
    lines = [f"| client | version | {' | '.join(SCENARIOS)} | seen |", f"|---|---|{'---|' * len(SCENARIOS)}---|"]
    lines += [table[name] for name in names if name in table]
    told = [note for note in notes if any(note.startswith(f"- {name}, ") for name in names)]
    lines += ["", *told] if told else []
    if unseen := [name for name in names if name not in table]:
        lines += ["", f"Driven by the same program, and not seen yet: {'; '.join(unseen)}."]
    return [*lines, "", "Not driven here:", "", *(f"- {name}: {why}" for name, why in NOT_RUN.items())]
