"""A table asked of two real engines by the command, killed twice, and gone on with: the bytes of an undisturbed run."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from airouter_bulk.journal.records import unpacked
from airouter_core.plugins.registry import installed
from airouter_core.testing.server import free_port

ROOT = Path(__file__).resolve().parents[3]
SERVER = Path(os.environ.get("AIROUTER_LLAMA_BIN", ROOT / ".cache/engines/llamacpp/bin")) / "llama-server"
TOY = ROOT / "models/airouter-toy/airouter-toy.gguf"
ROWS = int(os.environ.get("AIROUTER_BULK_ROWS", "60"))
"""Rows of the table; the suite asks a handful, 2,000 are the whole test. Its figures: ``--log-cli-level=info``."""
KILLS, IN_FLIGHT = 2, 4
LOGGER = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
    pytest.mark.skipif(
        not SERVER.is_file(), reason="no llama-server: tools/engines/llamacpp.sh .cache/engines/llamacpp"
    ),
    pytest.mark.skipif(not TOY.is_file(), reason="no models/airouter-toy: make it with tools/toy_model"),
]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Path]:
    """A folder with rows, a specification, and the settings of a route over two engines that run."""
    pytest.importorskip("click", reason="airouter-core[cli] is not installed")
    if not {"llama-cpp", "router"} <= {info.name for info in installed().providers()}:
        pytest.skip("airouter-llamacpp and airouter-router are needed")
    with ExitStack() as engines:
        settings = [engines.enter_context(_engine(tmp_path, name)) for name in ("one", "two")]
        route = 'strategy = "least_busy"\ntargets = ["one/airouter-toy", "two/airouter-toy"]\n'
        (tmp_path / "airouter.toml").write_text("".join(settings) + f"[router.routes.both]\n{route}")
        (tmp_path / "spec.toml").write_text(
            f'target = "route:both"\nprompt = "What is {{{{ a }}}} + {{{{ b }}}}?"\nin_flight = {IN_FLIGHT}\n'
            "[parameters]\ntemperature = 0\nseed = 1\nmax_tokens = 20\n"
        )
        rows = ({"id": number, "a": number % 100, "b": number // 100} for number in range(ROWS))
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        yield tmp_path


@contextmanager
def _engine(folder: Path, name: str) -> Iterator[str]:
    """A llama-server while it runs; its table in a settings file."""
    port = free_port()
    place = ["--host", "127.0.0.1", "--port", str(port)]
    command = [str(SERVER), "-m", str(TOY), *place, "-c", "1024", "-np", "2", "--threads", "1"]
    with (folder / f"{name}.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            for _ in range(1200):
                try:
                    urllib.request.urlopen(f"{address}/health", timeout=60).close()
                    break
                except OSError:
                    time.sleep(0.1)
            yield f'[{name}]\nprovider = "llama-cpp"\nbase_url = "{address}"\n'
        finally:
            process.kill()


def _begun(table: Path, out: str) -> subprocess.Popen[str]:
    arguments = ["spec.toml", "--config", "airouter.toml", "-i", "rows.jsonl", "-o", out, "--yes", "--json"]
    command = [sys.executable, "-m", "airouter_core", "bulk", "run", *arguments]
    return subprocess.Popen(command, cwd=table, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    told, complaints = process.communicate()
    assert process.returncode == 0, complaints
    found: dict[str, Any] = json.loads(told)
    return found


def _asked(table: Path, out: str, query: str) -> list[Any]:
    if not (table / out / "journal.db").is_file():
        return []
    with closing(sqlite3.connect(table / out / "journal.db", timeout=60)) as journal:
        try:
            return journal.execute(query).fetchall()
        except sqlite3.OperationalError:  # its tables are not made yet
            return []


def _answered(table: Path, out: str) -> int:
    return sum(count for (count,) in _asked(table, out, "SELECT count(*) FROM attempts WHERE state = 'answered'"))


def test_a_run_over_two_engines_that_is_killed_twice_gives_the_bytes_of_one_that_is_not(table: Path) -> None:
    """Nothing is lost, no more is asked twice than was under way, and both engines have answered."""
    for moment in sorted(random.sample(range(1, ROWS - IN_FLIGHT), KILLS)):
        process = _begun(table, "killed")
        while _answered(table, "killed") < moment:
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        process.kill()
        process.communicate()
    last = _ended(_begun(table, "killed"))
    assert (last["valid"], last["failed"], last["pending"]) == (ROWS, 0, 0)
    lost = _asked(table, "killed", "SELECT count(*) FROM attempts WHERE state = 'uncertain'")[0][0]
    assert lost <= KILLS * IN_FLIGHT
    assert last["calls"] == ROWS + lost
    answers = _asked(table, "killed", "SELECT answer FROM attempts WHERE answer IS NOT NULL")
    by = Counter(unpacked(answer).served_by for (answer,) in answers)
    assert len(by) == 2, by
    whole = _ended(_begun(table, "whole"))
    assert (whole["valid"], whole["calls"]) == (ROWS, ROWS)
    for name in ("answers-00000.jsonl", "errors.jsonl"):
        assert (table / "killed" / name).read_bytes() == (table / "whole" / name).read_bytes()
    lines = [json.loads(line) for line in (table / "whole" / "answers-00000.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(ROWS))
    LOGGER.info("%d rows, %d kills, %d calls lost with them, answers by engine: %s", ROWS, KILLS, lost, dict(by))
