"""Plays every fault against every provider, and prints the table: ``python -m airouter_core.testing.fault_table``.

Arguments are the files with the providers' conformance classes; without any, those of the plugins and examples below
the current folder. ``--write FILE`` puts the table into a document, between its two marks.
"""

from __future__ import annotations

import concurrent.futures
import glob
import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping, Sequence

from .conformance import ProviderConformance
from .faults import FAULTS, Fault, Outcome, outcomes_of

PLACES = ("plugins/*/tests/test_*_conformance.py", "examples/*/tests/test_*_conformance.py")
BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
AT_ONCE = 4
"""Faults that are played at the same time; most of them wait."""

Table = Mapping[str, Mapping[str, Mapping[str, Outcome]]]
"""By the fault's id, the provider's column, and the half that asked."""


def subjects_in(paths: Iterable[str]) -> dict[str, ProviderConformance]:
    """The providers with a wire that conformance files are about, by the name of their column.

    Without those that leave faults to another provider of their implementation.
    """
    found: dict[str, ProviderConformance] = {}
    classes: list[type[ProviderConformance]] = []
    for number, path in enumerate(sorted(paths)):
        spec = importlib.util.spec_from_file_location(f"_conformance_{number}", path)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        classes += [
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, ProviderConformance)
            and value.__module__ == module.__name__
            and value.__name__.startswith("Test")
            and value.like is None
            and value().has_wire
        ]
    names = [subject.info.name for subject in classes]
    for subject in classes:
        found[_column(subject, alone=names.count(subject.info.name) == 1)] = subject()
    return found


def table_of(subjects: Mapping[str, ProviderConformance], faults: Sequence[Fault] = FAULTS) -> Table:
    """What each half of each provider makes of each fault."""
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        plays = {
            fault.id: {name: pool.submit(outcomes_of, fault, subject) for name, subject in subjects.items()}
            for fault in faults
        }
        return {fault: {name: play.result() for name, play in row.items()} for fault, row in plays.items()}


def wrong_in(table: Table) -> list[str]:
    """What is not as the table of faults says."""
    return [
        f"{fault}, {name}, {half}: {outcome.said}; {'; '.join(outcome.problems)}"
        for fault, row in table.items()
        for name, outcomes in row.items()
        for half, outcome in outcomes.items()
        if not outcome.right
    ]


def rendered(table: Table, columns: Iterable[str]) -> str:
    """The table as Markdown: a row for each fault with what whole answers and streams get, and a mark for each half."""
    names = sorted(columns)
    lines = [
        f"| fault | a whole answer | a stream | {' | '.join(names)} |",
        f"|---|---|---|{':-:|' * len(names)}",
    ]
    by_name: dict[str, dict[bool, Fault]] = {}
    for fault in FAULTS:
        by_name.setdefault(fault.name, {})[fault.stream] = fault
    for name, ways in by_name.items():
        expected = [_expected(ways[way]) if way in ways else "does not apply" for way in (False, True)]
        cells = [_cell([table[fault.id][column] for fault in ways.values()]) for column in names]
        lines.append(f"| {name} | {' | '.join((*expected, *cells))} |")
    return "\n".join(lines).replace("`answer`", "the answer")


def main(arguments: Sequence[str]) -> int:
    """Print the table, or write it; 1 if a provider makes something else of a fault."""
    given = list(arguments)
    target = given.pop(given.index("--write") + 1) if "--write" in given else None
    paths = [path for path in given if path != "--write"] or [path for place in PLACES for path in glob.glob(place)]
    subjects = subjects_in(paths)
    table = table_of(subjects)
    text = rendered(table, subjects)
    if target is None:
        sys.stdout.write(text + "\n")
    else:
        with open(target, encoding="utf-8") as file:
            document = file.read()
        before, _, rest = document.partition(BEGIN)
        with open(target, "w", encoding="utf-8") as file:
            file.write(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    wrong = wrong_in(table)
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


def _column(subject: type[ProviderConformance], *, alone: bool) -> str:
    words = re.findall("[A-Z][a-z]*", subject.__name__.removeprefix("Test"))
    return subject.info.name if alone else f"{subject.info.name} {' '.join(words).lower()}"


def _expected(fault: Fault) -> str:
    return " or ".join(f"`{name}`" for name in (fault.expected, fault.or_else) if name)


def _cell(ways: Sequence[Mapping[str, Outcome]]) -> str:
    return " ".join(_mark([outcomes[half] for outcomes in ways]) for half in ways[0])


def _mark(outcomes: Iterable[Outcome]) -> str:
    wrong = [outcome.said for outcome in outcomes if not outcome.right]
    return ", ".join(wrong) if wrong else "✓"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
