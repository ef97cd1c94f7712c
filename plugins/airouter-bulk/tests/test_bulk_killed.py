"""Runs that are killed at any moment, with the server as the witness: what it has answered and we have counted is kept,
and no more is asked twice than was under way.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Bulk

ROUNDS = int(os.environ.get("AIROUTER_BULK_KILLS", "4"))
"""Kills in all; the suite makes a handful, 1,000 are the whole test."""
ROWS, IN_FLIGHT = 60, 6
PROGRAM = Path(__file__).parent / "killed.py"

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")


def _started(bulk: Bulk, *more: str) -> subprocess.Popen[bytes]:
    arguments = [bulk.witness.server.url, str(bulk.folder), str(ROWS), str(IN_FLIGHT), *more]
    command = [sys.executable, str(PROGRAM), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _ends(process: subprocess.Popen[bytes], code: int) -> None:
    _, told = process.communicate(timeout=600)
    assert process.returncode == code, told.decode()


def _killed_somewhere(bulk: Bulk, *more: str) -> bool:
    """Run and kill it at some moment after it has begun to ask; whether it was killed before its end."""
    before = len(bulk.witness.calls)
    process = _started(bulk, *more)
    enough = before + random.randrange(0, 40)
    while process.poll() is None and len(bulk.witness.calls) <= enough:
        time.sleep(0.002)
    time.sleep(random.random() * 0.02)
    killed = process.poll() is None
    process.kill()
    _, told = process.communicate()
    assert killed or process.returncode in (0, 3), told.decode()
    return killed


def _states(bulk: Bulk) -> dict[str, int]:
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal:
        assert journal.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return dict(journal.execute("SELECT state, count(*) FROM attempts GROUP BY state").fetchall())


@pytest.mark.parametrize("more", [(), ("", "2")], ids=["alone", "workers"])
def test_killed_runs_lose_nothing_and_repeat_no_more_than_was_under_way(
    bulk: Bulk, tmp_path: Path, more: tuple[str, ...]
) -> None:
    """Round after round; and what comes out is byte for byte that of a run that was not killed."""
    bulk.witness.pause = 0.02
    undisturbed, folder = None, bulk.folder
    rounds = ROUNDS if not more else max(2, ROUNDS // 4)  # processes begin slowly
    kills = 0
    while kills < rounds:
        bulk.folder = folder.with_name(f"out-{kills}")
        bulk.witness.calls.clear()
        here = 0
        while kills < rounds and _killed_somewhere(bulk, *more):
            kills, here = kills + 1, here + 1
            states = _states(bulk)
            # Counted means durable: what the journal has as answered stays, and each of it was answered once.
            assert states.get("answered", 0) <= len(bulk.witness.calls)
            assert states.get("sent", 0) <= IN_FLIGHT
        _ends(_started(bulk, *more), 0)
        states = _states(bulk)
        assert states["answered"] == ROWS
        assert len(bulk.witness.calls) <= ROWS + states.get("uncertain", 0)
        assert states.get("uncertain", 0) <= here * IN_FLIGHT
        assert [line["n"] for line in bulk.lines()] == list(range(ROWS))
        undisturbed = undisturbed or bulk.bytes()
        assert bulk.bytes() == undisturbed
    bulk.folder = tmp_path / "whole"
    _ends(_started(bulk), 0)
    assert bulk.bytes() == undisturbed


def test_a_budget_holds_across_kills(bulk: Bulk) -> None:
    """What was under way stays booked, so a run that is killed again and again never spends more."""
    bulk.witness.pause = 0.01
    for _ in range(3):
        _killed_somewhere(bulk, "0.1")
    _ends(_started(bulk, "0.1"), 3)
    billed = 0.003 * len(bulk.witness.calls)
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal:
        spent, reserved = journal.execute("SELECT spent, reserved FROM runs").fetchone()
    assert billed <= 0.1 + 1e-9
    assert spent / 1e12 <= billed + 1e-9 <= (spent + reserved) / 1e12 + 2e-9


@pytest.mark.parametrize(
    ("signals", "more"),
    [
        ([signal.SIGINT], ()),
        ([signal.SIGTERM], ()),
        ([signal.SIGINT, signal.SIGINT], ()),
        ([signal.SIGTERM, signal.SIGINT], ("", "2")),
    ],
    ids=["once", "told to end", "twice", "workers"],
)
def test_ctrl_c_once_drains_and_twice_stops(bulk: Bulk, signals: list[int], more: tuple[str, ...]) -> None:
    """Once: no call is given up. Twice: at once; what was under way is uncertain, and is asked again."""
    presses = len(signals)
    bulk.witness.may_answer.clear()
    process = _started(bulk, *more)
    while len(bulk.witness.calls) < IN_FLIGHT:
        time.sleep(0.01)
        assert process.poll() is None, process.communicate()[1].decode()
    assert process.stdout is not None
    for number in signals:
        process.send_signal(number)
        assert process.stdout.readline() == b"heard\n", process.communicate()[1].decode()
    if presses == 1:
        bulk.witness.may_answer.set()
    _ends(process, 4)
    bulk.witness.may_answer.set()
    states = _states(bulk)
    assert (states.get("sent", 0) == 0) is (presses == 1)
    assert len(bulk.witness.calls) < ROWS
    _ends(_started(bulk), 0)
    assert len(bulk.witness.calls) == ROWS + states.get("sent", 0)
