"""Whatever happens to the process, or to the server: what was answered is remembered, and no budget is exceeded."""

from __future__ import annotations

import importlib.util
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from airouter_ledger.errors import LedgerError
from airouter_ledger.ledger import Ledger

ROUNDS = int(os.environ.get("AIROUTER_KILLS", "8"))
"""Lives that are ended; ``AIROUTER_KILLS=500`` for all of them (some minutes)."""


def _program() -> ModuleType:
    # Tests are no package, so the program beside them is loaded by its path.
    spec = importlib.util.spec_from_file_location("killed", Path(__file__).with_name("killed.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


killed = _program()


def start(address: str, life: int) -> subprocess.Popen[bytes]:
    program = [sys.executable, str(killed.__file__), address, str(life)]
    # Without a buffer: what it has read ahead of the first answer would be lost to who reads the others.
    return subprocess.Popen(program, bufsize=0, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def first_answers(process: subprocess.Popen[bytes]) -> list[str]:
    """Wait for one; there is none once the budget is used up."""
    assert process.stdout is not None
    return process.stdout.readline().decode().split()


def ended(process: subprocess.Popen[bytes]) -> list[str]:
    out, errors = process.communicate(timeout=1200)
    assert b"Traceback" not in errors, errors.decode()
    lines = out.split(b"\n")
    return [line.decode() for line in lines[:-1]]  # the last may be cut


def check(address: str, answered: list[str]) -> None:
    with Ledger.open(address) as ledger:
        known = {str(row[0]) for row in ledger.database.read("SELECT id FROM calls")}
        assert set(answered) <= known
        assert killed.spent(ledger) <= killed.BUDGETS[0].amount
        booked = ledger.database.read("SELECT COALESCE(SUM(amount), 0) FROM reservations")
        totals = ledger.database.read("SELECT COALESCE(SUM(amount), 0) FROM spent")
        assert int(booked[0][0]) == int(totals[0][0])
        if ledger.database.dialect == "sqlite":
            assert ledger.database.read("PRAGMA integrity_check") == [("ok",)]


def test_killed_at_any_moment(address: str) -> None:
    """Sixteen threads, ended by kill -9 at random moments, again and again on the same ledger."""
    moments = random.Random(20261130)
    answered: list[str] = []
    for life in range(ROUNDS):
        process = start(address, life)
        answered += first_answers(process)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        answered += ended(process)
    assert answered
    check(address, answered)


def test_the_server_is_killed(server: Any) -> None:
    """PostgreSQL is ended in mid-run and started again: the calls wait for it, and none is lost."""
    address = server.address(server.new_schema())
    process = start(address, 0)
    answered = first_answers(process)
    server.stop("immediate")
    server.start()
    with Ledger.open(address) as ledger:
        before = ledger.count()
        while ledger.count() == before and process.poll() is None:  # it ends by itself when its budget is used up
            time.sleep(0.05)
    process.kill()
    answered += ended(process)
    check(address, answered)


def test_without_an_end(address: str) -> None:
    """Left alone, the threads use the budget up and end by themselves; nothing of it is lost or exceeded."""
    first: Any = ended(start(address, 0))
    check(address, first)
    with Ledger.open(address) as ledger:
        assert killed.spent(ledger) > 18


def test_a_server_that_stays_away_is_waited_for_once(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes later hears at once that it is away, and it is found again when it is back."""
    paused: list[float] = []
    monkeypatch.setattr("airouter_ledger.database.postgres.PATIENCE", 0.5)
    monkeypatch.setattr("airouter_ledger.database.postgres.PAUSE", 0.05)
    with Ledger.open(server.address(server.new_schema())) as ledger:
        pause = time.sleep
        monkeypatch.setattr("airouter_ledger.database.postgres.time.sleep", lambda of: (paused.append(of), pause(of)))
        server.stop("immediate")
        try:
            for _ in range(2):  # the first gives up a moment before it has been away for so long
                with pytest.raises(LedgerError):
                    ledger.database.read("SELECT 1")
            assert paused
            paused.clear()
            for _ in range(3):
                with pytest.raises(LedgerError):
                    ledger.database.read("SELECT 1")
            assert not paused
        finally:
            server.start()
        assert ledger.database.read("SELECT 1")
