"""``airouter bulk`` as people run it, with the toy model that is in the repository; and killed while it runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from airouter_core.plugins.registry import installed

MODELS = Path(__file__).parents[3] / "models"
ROWS = 40

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL"),
]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A folder with settings, a specification and rows."""
    pytest.importorskip("xllamacpp", reason="runs a real model: pip install 'airouter-llamacpp[embedded]'")
    pytest.importorskip("click", reason="airouter-core[cli] is not installed")
    if not any(info.name == "llama-cpp" for info in installed().providers()) or not MODELS.is_dir():
        pytest.skip("airouter-llamacpp and the models of the repository are needed")
    (tmp_path / "airouter.toml").write_text(f"[llama-cpp]\nmodels_dir = {json.dumps(str(MODELS))}\n")
    (tmp_path / "spec.toml").write_text(
        'target = "llama-cpp/airouter-toy"\nprompt = "What is {{ a }} + {{ b }}?"\nin_flight = 2\n'
        "[parameters]\ntemperature = 0\nmax_tokens = 20\n"
    )
    rows = [{"a": number, "b": 3} for number in range(ROWS)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def _command(table: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "airouter_core", "bulk", *arguments]


def _run(table: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        _command(table, *arguments), cwd=table, capture_output=True, text=True, check=False, timeout=1200
    )


def _bulk(table: Path, out: str, *more: str) -> tuple[str, ...]:
    return ("run", "spec.toml", "--config", "airouter.toml", "-i", "rows.jsonl", "-o", out, *more)


def _status(table: Path, out: str) -> dict[str, Any]:
    result = _run(table, "status", out, "--json")
    told: dict[str, Any] = json.loads(result.stdout) if result.returncode == 0 else {"valid": 0}
    return told


def test_a_run_of_a_real_model_that_was_killed_gives_the_same_bytes(table: Path) -> None:
    """As one that was not; `run` goes on, and at the end every row has its answer."""
    whole = _run(table, *_bulk(table, "whole", "--yes", "--json"))
    assert whole.returncode == 0, whole.stderr
    for answered in (5, 20):
        process = subprocess.Popen(_command(table, *_bulk(table, "killed", "--yes")), cwd=table, stdout=subprocess.PIPE)
        while process.poll() is None and _status(table, "killed")["valid"] < answered:
            time.sleep(0.01)
        process.kill()
        process.communicate()
    last = _run(table, *_bulk(table, "killed", "--yes", "--json"))
    assert last.returncode == 0, last.stderr
    files = sorted(path.name for path in (table / "whole").glob("*.jsonl"))
    assert files == ["answers-00000.jsonl", "errors.jsonl"]
    for name in files:
        assert (table / "killed" / name).read_bytes() == (table / "whole" / name).read_bytes()
    lines = [json.loads(line) for line in (table / "whole" / files[0]).read_text().splitlines()]
    assert len(lines) == ROWS
    assert "2 + 3 = 5" in lines[2]["answer"]


def test_the_commands_around_a_run(table: Path) -> None:
    """Cancelled before its end, taken up again, exported again; each says how it stands."""
    with (table / "rows.jsonl").open("a") as file:
        file.write("broken\n")
    refused = _run(table, *_bulk(table, "out"))
    assert refused.returncode == 1  # 2 says that rows have failed
    assert "--yes" in refused.stderr
    assert _run(table, "run").returncode == 1
    assert _run(table, *_bulk(table, "out", "--yes", "--config", "none.toml")).returncode == 1
    assert not (table / "out").exists()
    sampled = _run(table, *_bulk(table, "out", "--sample", "4", "--json"))
    assert sampled.returncode == 4, sampled.stderr
    assert f"{ROWS - 4} questions are left: about 0 USD" in sampled.stderr
    assert json.loads(sampled.stdout)["valid"] == 4
    cancelled = _run(table, "cancel", "out", "--json")
    assert json.loads(cancelled.stdout)["failed"] == ROWS - 4
    retried = _run(table, "retry", "out", "--class", "cancelled", "--config", "airouter.toml", "--json")
    assert retried.returncode == 2, retried.stderr  # one line is no row
    assert json.loads(retried.stdout)["valid"] == ROWS
    before = (table / "out" / "answers-00000.jsonl").read_bytes()
    os.unlink(table / "out" / "answers-00000.jsonl")
    assert _run(table, "export", "out").returncode == 2
    assert (table / "out" / "answers-00000.jsonl").read_bytes() == before
    assert f"run 1: {ROWS} calls, 0 USD (local)" in _run(table, "cost", "out").stdout
    assert _run(table, "resume", "out", "--config", "airouter.toml").returncode == 2


def test_what_is_wrong_is_said_in_a_line(table: Path) -> None:
    """With what to do next."""
    assert "holds no journal" in _run(table, "status", "nowhere").stderr
    (table / "spec.toml").write_text('target = "llama-cpp/airouter-toy"\npromt = "x"\n')
    wrong = _run(table, *_bulk(table, "out", "--yes"))
    assert wrong.returncode == 1
    assert "did you mean 'prompt'?" in wrong.stderr
