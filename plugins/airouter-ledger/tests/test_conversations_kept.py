"""`airouter run -c`: what the ledger keeps of a conversation is what the next question stands on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("click", reason="the command line is an extra: pip install 'airouter-ledger[cli]'")

from airouter_core.cli.app import run_app
from airouter_core.cli.targets import current_settings
from airouter_core.plugins.registry import installed
from airouter_core.testing.server import Connection, LoopbackServer, ReceivedRequest
from airouter_ledger.ledger import Ledger, default_path

pytestmark = pytest.mark.skipif(
    "llama-cpp" not in {info.name for info in installed().providers()}, reason="asks through airouter-llamacpp"
)


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A server that answers with the number of messages it got; gives the requests. An empty home, no ledger yet."""
    requests: list[Any] = []

    def answer(request: ReceivedRequest, connection: Connection) -> None:
        requests.append(request.json["messages"])
        message = {"role": "assistant", "content": f"got {len(requests[-1])}"}
        body = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.send(head.encode() + body)

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.chdir(tmp_path)
    installed.cache_clear()
    current_settings.cache_clear()
    with LoopbackServer(answer) as server:
        monkeypatch.setenv("LLAMA_CPP_BASE_URL", f"http://127.0.0.1:{server.port}")
        yield requests
    installed.cache_clear()
    current_settings.cache_clear()


def ask(*arguments: str) -> int:
    return run_app(["run", "--no-stream", "-m", "llama-cpp/any", *arguments])


def test_a_question_goes_on_with_the_last_conversation(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """-c sends what was said, its system prompt among it, to the model that said it; --conversation names one."""
    assert run_app(["logs", "on", "--content", "full"]) == 0
    assert ask("-s", "Be brief.", "one") == 0
    assert run_app(["run", "--no-stream", "-c", "two"]) == 0
    assert [(turn["role"], turn["content"]) for turn in asked[1]] == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "got 2"),
        ("user", "two"),
    ]
    capsys.readouterr()
    assert run_app(["logs", "--json"]) == 0
    calls = json.loads(capsys.readouterr().out)
    sessions = {call["session"] for call in calls}
    assert len(sessions) == 1
    assert run_app(["logs"]) == 0
    shown = capsys.readouterr().out
    assert all(f"{call['seconds']:.2f}" in shown for call in calls)
    assert ask("alone") == 0
    assert len(asked[2]) == 1
    assert run_app(["run", "--no-stream", "--conversation", sessions.pop(), "three"]) == 0
    assert len(asked[3]) == 6


def test_where_nothing_is_kept_the_error_says_how_to_keep_it(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the ledger is on, and where it keeps no content, nothing is sent."""
    assert ask("-c", "one") == 2
    assert "airouter logs on --content full" in capsys.readouterr().err
    assert run_app(["logs", "on"]) == 0
    assert ask("one") == 0
    assert ask("-c", "two") == 2
    assert len(asked) == 1


@pytest.mark.parametrize("content", ["text", "full"])
def test_a_text_that_was_put_into_questions_is_kept_once(
    asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    """However often it was asked about; what was said is whole all the same, and it is found by its name."""
    (tmp_path / "notes.md").write_text("Bread is two euros. " * 500)
    assert run_app(["logs", "on", "--content", content]) == 0
    assert ask("-f", "notes.md", "What is bread?") == 0
    assert ask("-f", "notes.md", "And what is butter?") == 0
    assert run_app(["run", "--no-stream", "-c", "Sure?"]) == 0
    assert asked[2][0] == asked[1][0]
    with Ledger.open(default_path()) as ledger:
        rows = ledger.database.read("SELECT size FROM files")
        assert [size for (size,) in rows] == [10_000 + len('<document name="notes.md">\n\n</document>\n\n') - 1]
        ((longest,),) = ledger.database.read("SELECT max(length(ask) + length(prompt)) FROM contents")
        assert longest < 2000
        assert len(list(ledger.calls(text="notes butter"))) == 2
        for call in ledger.calls():
            asked_then, _ = ledger.content(call.id)
            assert asked_then is not None
            assert asked_then.messages[0].text.count("Bread") == 500
