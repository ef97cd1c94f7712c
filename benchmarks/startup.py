"""Installing, importing, and whole programs."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping

from .environments import NotAvailableError, core_and_openai_wheels, install_size
from .laboratory import Laboratory, interleaved
from .programs import PROGRAMS
from .tables import Bound, Rounds, Row, Table, middle, ratio

LISTING = "from airouter_core import list_providers; list_providers()"
SUBJECTS = {"openai": "openai", "anthropic": "anthropic", "ollama": "ollama", "litellm": "litellm"}


def install(laboratory: Laboratory) -> Table:
    """What an installation takes: counted, not timed."""
    wanted = {"airouter-core + airouter-openai": core_and_openai_wheels(), "requests": ["requests"]}
    wanted.update({name: [SUBJECTS[name]] for name in laboratory.peers if name in SUBJECTS})
    rows: list[Row] = []
    notes: list[str] = []
    bounds: tuple[Bound, ...] = ()
    for subject, requirements in wanted.items():
        try:
            size = install_size(requirements)
        except NotAvailableError as error:
            notes.append(f"{subject} was not measured: {error}")
            continue
        rows.append(Row(subject, (str(size.distributions), f"{size.megabytes:.1f}"), size.megabytes))
        if not bounds:
            bounds = (
                Bound("distributions", (size.distributions,), 10, ""),
                Bound("megabytes, without byte code", (size.megabytes,), 5, "MB"),
            )
    return Table(
        "install",
        "Install",
        ("distributions", "MB"),
        tuple(rows),
        "MB installed, without byte code",
        bounds,
        5,
        tuple(notes),
    )


def imports(laboratory: Laboratory) -> Table:
    """Importing and listing, and two commands, beside ``import requests``."""
    command = os.path.join(os.path.dirname(laboratory.python), "airouter")
    programs: dict[str, tuple[str, ...]] = {
        "python": ("python", "-c", "pass"),
        "import requests": ("requests", "-c", "import requests"),
        "list_providers()": ("airouter", "-c", LISTING),
        "airouter --help": ("airouter", command, "--help"),
        "airouter providers": ("airouter", command, "providers"),
    }
    for peer in laboratory.peers_among(SUBJECTS):
        programs[f"import {peer}"] = (peer, "-c", f"import {SUBJECTS[peer]}")
    spent = _measured(laboratory, programs, 9)
    return _table(
        "import",
        "Import and list the providers, all five plugins installed; the command line",
        spent,
        "import requests",
        {"list_providers()": 0.8, "airouter --help": 1.2, "airouter providers": 1.2},
        0.8,
    )


def whole_programs(laboratory: Laboratory) -> Table:
    """Start, ask once, print, exit."""
    names = ("http.client", "requests", "airouter", *laboratory.peers_among(("openai", "litellm")))
    spent = _measured(laboratory, {name: (name, "-c", PROGRAMS[name]) for name in names}, 9)
    return _table("program", "A whole program: start, one call, print, exit", spent, "requests", {"airouter": 1.4}, 1.4)


def _measured(laboratory: Laboratory, programs: Mapping[str, tuple[str, ...]], rounds: int) -> Rounds:
    def measure(subject: str, arguments: tuple[str, ...]) -> dict[str, float]:
        return {"cpu_ms": laboratory.cpu_of(subject, *arguments)}

    measures: dict[str, Callable[[], Mapping[str, float]]] = {
        name: functools.partial(measure, subject, tuple(arguments)) for name, (subject, *arguments) in programs.items()
    }
    for measure_once in measures.values():
        measure_once()  # byte code is written, files are in memory
    return interleaved(measures, laboratory.rounds(rounds))["cpu_ms"]


def _table(name: str, title: str, spent: Rounds, reference: str, limits: Mapping[str, float], line: float) -> Table:
    rows = tuple(
        Row(subject, (f"{middle(values):.0f}", f"{ratio(values, spent[reference]):.2f}"), middle(values))
        for subject, values in spent.items()
    )
    bounds = tuple(
        Bound(f"{subject} / {reference}", (ratio(spent[subject], spent[reference]),), limit)
        for subject, limit in limits.items()
    )
    return Table(
        name,
        title,
        ("CPU ms", f"/ {reference}"),
        rows,
        "CPU ms of the process",
        bounds,
        line * middle(spent[reference]),
    )
