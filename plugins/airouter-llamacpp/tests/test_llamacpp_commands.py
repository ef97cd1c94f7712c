"""``airouter llamacpp``: what runs, what it logs, and its end."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airouter_llamacpp.programs.records import new_record, running_servers

from .conftest import GREEDY, TOY, MakeProvider, needs_programs, until

pytest.importorskip("click")
pytest.importorskip("rich")


def airouter(*arguments: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run a command line; its exit code, output and errors."""
    from airouter_core.cli.app import run_app

    code = run_app(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_nothing_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder is no error, but there is nothing to stop or to read."""
    place = ("--dir", str(tmp_path))
    assert airouter("llamacpp", "ps", *place, capsys=capsys)[0] == 0
    assert airouter("llamacpp", "stop", "--all", *place, capsys=capsys)[2].strip() == "no server runs"
    code, _, errors = airouter("llamacpp", "logs", *place, capsys=capsys)
    assert code == 2
    assert "older logs are in" in errors
    assert airouter("llamacpp", "stop", "m", *place, capsys=capsys)[2].strip() == "airouter: no server 'm' runs"
    assert airouter("llamacpp", "stop", *place, capsys=capsys)[0] == 2


def test_a_record_that_was_left_behind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is shown as gone, and removed by stop; what is no record is passed over."""
    record, _ = new_record(str(tmp_path), "m", {"model": "m", "context": 1, "program": "/x"})
    described = json.loads(Path(record).read_text())
    Path(record).write_text(json.dumps({**described, "address": "http://127.0.0.1:9", "supervisor": 2**22 + 1}))
    (tmp_path / "other.json").write_text("[]")
    (server,) = running_servers(str(tmp_path))
    assert server.state == "gone"
    assert airouter("llamacpp", "stop", "--all", "--dir", str(tmp_path), capsys=capsys)[0] == 0
    assert running_servers(str(tmp_path)) == []


@pytest.mark.engine
@needs_programs
def test_a_server_is_seen_read_and_stopped(
    make: MakeProvider, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Another program sees the server with its log, and ends it; whoever used it starts it again."""
    provider = make("server")
    provider.execute(TOY, "Hi", parameters=GREEDY)
    place = ("--dir", str(tmp_path / "state"))
    code, out, _ = airouter("llamacpp", "ps", "--json", *place, capsys=capsys)
    assert code == 0
    (shown,) = json.loads(out)
    assert (shown["model"], shown["state"], shown["context"]) == ("airouter-toy/airouter-toy", "ready", 4096)
    assert "airouter-toy/airouter-toy" in airouter("llamacpp", "ps", *place, capsys=capsys)[1]
    assert "listening on" in airouter("llamacpp", "logs", "-n", "200", *place, capsys=capsys)[1]
    assert airouter("llamacpp", "stop", TOY, *place, capsys=capsys) == (0, "", "stopped 1\n")
    assert until(lambda: running_servers(str(tmp_path / "state")) == [])
    assert provider.execute(TOY, "Hi", parameters=GREEDY)
