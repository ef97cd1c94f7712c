"""``airouter ollama``: what it writes, and how it ends."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from airouter_core.errors import ModelNotFoundError
from airouter_core.testing.server import Answer
from airouter_ollama import commands
from airouter_ollama.progress import Progress

HEARING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
"""Ctrl-C is heard also where our own parent ignores it, as shells have it for what runs in the background."""
MAIN = "from airouter_core.cli import main; raise SystemExit(main())"
LAYER = "sha256:" + "a" * 64


def lines(*values: Any) -> Answer:
    """A stream of lines."""
    pieces = tuple(json.dumps(value).encode() + b"\n" for value in values)
    return Answer(200, {"content-type": "application/x-ndjson"}, pieces)


PULLED = lines(
    {"status": "pulling manifest"},
    {"status": "pulling aaaaaaaaaaaa", "digest": LAYER, "total": 1000},
    {"status": "pulling aaaaaaaaaaaa", "digest": LAYER, "total": 1000, "completed": 400},
    {"status": "verifying sha256 digest"},
    {"status": "success"},
)


def run(server: Any, *arguments: str) -> Result:
    """Run a command in this process."""
    return CliRunner().invoke(commands.ollama, ["--host", server.url, *arguments])


def test_a_pull_is_reported(stub: Callable[..., Any]) -> None:
    """In a log there is a line for each step and layer, with --json an object for each report."""
    with stub(pull=PULLED) as server:
        result = run(server, "pull", "m")
        assert result.exit_code == 0
        assert result.output.splitlines() == [
            "pulling manifest",
            "pulling aaaaaaaaaaaa (1000 B)",
            "verifying sha256 digest",
            "success",
        ]
        result = run(server, "pull", "m", "--json")
        reports = [json.loads(line) for line in result.stdout.splitlines()]
        assert [report["status"] for report in reports][-1] == "success"
        assert reports[2]["completed"] == 400


def test_a_bar_for_each_layer(capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal each layer has a bar, which is full when the server goes on, whatever its last report said."""
    bars = commands._Bars()
    with bars:
        for line in PULLED.pieces:
            content = json.loads(line)
            bars.report(Progress(**content))
        (task,) = bars._display.tasks
        assert task.completed == task.total == 1000
    assert "pulling manifest" in capsys.readouterr().err


def test_loaded_models_are_listed(stub: Callable[..., Any]) -> None:
    """A table for people, JSON for programs."""
    model = {
        "name": "m:latest",
        "size": 2 * 2**30,
        "size_vram": 0,
        "context_length": 4096,
        "expires_at": "2319-01-01T00:00:00Z",
    }
    with stub(ps=Answer.of_json({"models": [model]})) as server:
        header, row = run(server, "ps").stdout.splitlines()
        assert header.split()[0] == "model"
        assert row.split("  ")[0] == "m:latest"
        for word in ("2.0 GiB", "0 B", "4096", "for ever"):
            assert word in row
        assert json.loads(run(server, "ps", "--json").stdout)[0]["context_length"] == 4096


def test_a_model_is_shown(stub: Callable[..., Any]) -> None:
    """What is known is shown, what is not is left out."""
    shown = {
        "details": {"family": "llama", "parameter_size": "8B"},
        "model_info": {"general.architecture": "llama", "llama.context_length": 8192},
        "capabilities": ["completion", "tools"],
        "parameters": 'stop                           "a"\nnum_ctx                        512',
    }
    with stub(show=Answer.of_json(shown)) as server:
        text = run(server, "show", "m").stdout
        assert "context       8192" in text
        assert "can           chat, tools" in text
        assert "num_ctx=512" in text
        assert "quantization" not in text
        assert json.loads(run(server, "show", "m", "--json").stdout)["options"] == {"stop": ["a"], "num_ctx": 512}


def test_what_a_server_says_moves_no_cursor(stub: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and licenses are others' words: on a terminal their control characters are shown."""
    evil = "m\x1b]0;owned\x07"
    model = {"name": evil, "size": 1, "size_vram": 0, "expires_at": "2319-01-01T00:00:00Z"}
    shown = {"details": {"family": evil}, "model_info": {}, "capabilities": [], "license": evil}
    with stub(ps=Answer.of_json({"models": [model]}), show=Answer.of_json(shown)) as server:
        for command in (("ps",), ("show", "m")):
            out = io.StringIO()
            monkeypatch.setattr(out, "isatty", lambda: True, raising=False)
            with contextlib.redirect_stdout(out):
                commands.ollama.main(["--host", server.url, *command], standalone_mode=False)
            assert "^[]0;owned^G" in out.getvalue()
            assert "\x1b]" not in out.getvalue()


def test_models_are_removed(stub: Callable[..., Any]) -> None:
    """Each name is one request; one that is not there is an error."""
    with stub(delete=Answer(200, {}, (), "length")) as server:
        assert run(server, "rm", "a", "b").exit_code == 0
        assert [request.json for request in server.requests] == [{"model": "a"}, {"model": "b"}]
    with stub(delete=Answer.of_json({"error": "model 'a' not found"}, status=404)) as server:
        assert isinstance(run(server, "rm", "a").exception, ModelNotFoundError)


def test_ctrl_c_stops_a_pull(stub: Callable[..., Any]) -> None:
    """The exit code is 130, and the last words are how to go on."""
    slow = Answer(
        200, {"content-type": "application/x-ndjson"}, (PULLED.pieces[0], *PULLED.pieces[1:3] * 200), pause=0.1
    )
    with stub(pull=slow) as server:
        command = [sys.executable, "-c", HEARING + MAIN, "ollama", "--host", server.url, "pull", "m"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, text=True)
        try:
            assert process.stderr is not None
            assert process.stderr.readline().strip() == "pulling manifest"
            process.send_signal(signal.SIGINT)
            _, complaint = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    assert "airouter ollama pull m" in complaint
    assert "Traceback" not in complaint
