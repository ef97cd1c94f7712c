"""The results as a page, with a plot for each table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from .baseline import BASELINE, TAKEN
from .findings import FINDINGS
from .plot import svg
from .tables import Bound, Table

FOLDER = os.path.dirname(os.path.abspath(__file__))

FOREWORD = """# What a call costs

Written by `make bench` ({how}, {day}; how it is done and how to read it: [README.md](README.md)).
{machine}. {versions}.

Only figures of one table may be compared, and ratios say more than figures: they are medians of round-by-round
ratios, the subjects interleaved. CPU is user and system time of the client's process, all threads.
A bound is met when it holds in two runs of three.
"""


def write(tables: Sequence[Table], how: str, measured: Iterable[str], versions: Mapping[str, str]) -> str:
    """Write RESULTS.md and the plots; the result is the page's path. ``how`` says how often was measured."""
    plots = os.path.join(FOLDER, "plots")
    os.makedirs(plots, exist_ok=True)
    for table in tables:
        with open(os.path.join(plots, f"{table.name}.svg"), "w") as file:
            file.write(svg(table))
    path = os.path.join(FOLDER, "RESULTS.md")
    with open(path, "w") as file:
        file.write(page(tables, how, frozenset(measured), versions))
    return path


def page(tables: Sequence[Table], how: str, measured: frozenset[str], versions: Mapping[str, str]) -> str:
    """The page's text."""
    named = ", ".join(f"{name} {version}" for name, version in versions.items())
    foreword = FOREWORD.format(how=how, day=datetime.now(UTC).date().isoformat(), machine=machine(), versions=named)
    return "\n".join([foreword, _summary(tables), *(_section(table, measured) for table in tables)])


def machine() -> str:
    """This machine, in words."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, {platform.system()}, "
        f"Python {platform.python_version()}, load {load:.1f} when the last run ended"
    )


def _summary(tables: Sequence[Table]) -> str:
    rows = [
        (table.title, bound.name, _figures(bound), _limit(bound), _verdict(bound))
        for table in tables
        for bound in table.bounds
    ]
    return "## Bounds\n\n" + _markdown(("table", "what", "each run", "at most", ""), rows)


def _section(table: Table, measured: frozenset[str]) -> str:
    rows = [(row.subject, *row.figures) for row in table.rows]
    parts = [
        f"\n## {table.title}\n",
        _markdown(("subject", *table.columns), rows),
        f"![{table.title}](plots/{table.name}.svg)\n",
    ]
    parts += [
        f"* {bound.name}: {_figures(bound)}; at most {_limit(bound)}: {_verdict(bound)}" for bound in table.bounds
    ]
    if table.name in FINDINGS and not all(bound.met for bound in table.bounds):
        parts.append(f"* why: {FINDINGS[table.name]}")
    dated = [row for row in BASELINE.get(table.name, ()) if row.peer not in measured]
    if dated:
        said = "; ".join(f"{row.peer} {', '.join(filter(None, (row.figure, row.ratio)))}" for row in dated)
        parts.append(f"* not measured in this run, as they were ({TAKEN}): {said}")
    parts += [f"* {note}" for note in table.notes]
    return "\n".join(parts)


def _figures(bound: Bound) -> str:
    return ", ".join(f"{value:.2f}" if value < 100 else f"{value:.0f}" for value in bound.values)


def _limit(bound: Bound) -> str:
    return f"{bound.limit:g} {bound.unit}".strip()


def _verdict(bound: Bound) -> str:
    return "met" if bound.met else "**not met**"


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
