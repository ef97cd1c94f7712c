"""The table of faults in the documentation is the kit's own, and every cell of it is right."""

from __future__ import annotations

import functools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import pytest
import test_sample_conformance as sound

from airouter_core.testing.fault_table import BEGIN, END, main, rendered, subjects_in, table_of, wrong_in
from airouter_core.testing.faults import ANSWER, FAULTS, Fault, Outcome
from airouter_core.testing.plays import status

ROOT = pathlib.Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "reliability.md"
CONFORMANCE = sorted(map(str, ROOT.glob("plugins/*/tests/test_*_conformance.py")))


def _documented() -> list[list[str]]:
    table = DOCUMENT.read_text().partition(BEGIN)[2].partition(END)[0].strip()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


def _as_said(columns) -> list[list[str]]:
    right = {
        name: {half.name: Outcome(ANSWER, True, ()) for half in subject.halves} for name, subject in columns.items()
    }
    said = dict.fromkeys((fault.id for fault in FAULTS), right)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in rendered(said, columns).splitlines()]


def test_the_documented_table_is_the_kits() -> None:
    """Every fault has its row, every plugin its column, and no cell says anything but that it is as it should be."""
    pytest.importorskip("airouter_llamacpp", reason="the plugins are not installed")
    columns = subjects_in(CONFORMANCE)
    assert {subject.info.name for subject in columns.values()} >= {
        *("claude", "llama-cpp", "ollama", "openai", "openrouter"),
    }
    assert _documented() == _as_said(columns)


def test_no_two_faults_have_one_name() -> None:
    """Rows are told apart by their names."""
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    assert len(FAULTS) > 80


def test_a_wrong_outcome_is_seen_in_the_table(capsys, tmp_path) -> None:
    """A provider that makes something else of a fault is named, and the program fails."""
    wrong = Fault("kit", False, "QuotaExceededError", status(500))
    table = table_of({"sample": sound.TestSample()}, [wrong])
    lines = wrong_in(table)
    assert [line.partition(";")[0] for line in lines] == [
        f"kit (whole), sample, {half.name}: ServerError" for half in sound.TestSample.halves
    ]
    assert {outcome.said for outcome in table["kit (whole)"]["sample"].values()} == {"ServerError"}


def test_the_table_is_written_between_its_marks(monkeypatch, tmp_path) -> None:
    """What stands around the table in a document stays."""
    document = tmp_path / "page.md"
    document.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    monkeypatch.setattr("airouter_core.testing.fault_table.FAULTS", FAULTS[:2])
    two = functools.partial(table_of, faults=FAULTS[:2])
    monkeypatch.setattr("airouter_core.testing.fault_table.table_of", two)
    assert main(["--write", str(document), str(pathlib.Path(__file__).parent / "test_sample_conformance.py")]) == 0
    lines = document.read_text().splitlines()
    assert lines[:2] == ["before", BEGIN]
    assert lines[-2:] == [END, "after"]
    assert "| refused | `ConnectionFailedError` | `ConnectionFailedError` | ✓ ✓ ✓ |" in lines
