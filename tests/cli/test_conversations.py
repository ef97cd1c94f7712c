"""`airouter chat` and `compare`: through pipes, and in a real terminal."""

from __future__ import annotations

import io
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.plugins.registry import installed
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

pytestmark = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="asks through the llama-cpp provider: pip install airouter-llamacpp",
)

PATIENCE = 600
"""Seconds until a terminal that shows nothing is given up; nothing is measured with it."""


@pytest.fixture
def asked(serve_answers: Any, chat_answer: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """A server that says how many messages it got, and which model it is; gives the requests."""
    requests: list[dict[str, Any]] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if not path.endswith("/chat/completions"):
            return 200, "application/json", b'{"data": [{"id": "only"}]}'
        requests.append(body)
        if body["model"] == "broken":
            return 400, "application/json", b'{"error": {"message": "no such luck"}}'
        text = f"{body['model']} got {len(body['messages'])} messages"
        return 200, "text/event-stream", chat_answer(text)

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    return requests


def converse(lines: str, *arguments: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    return run_app(["chat", "-p", "llama-cpp", *arguments])


def test_a_conversation_goes_on(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each question is sent with what was said before; figures are on stderr."""
    assert converse("hello\nand again\n", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr()
    assert "only got 1 messages" in printed.out
    assert "only got 3 messages" in printed.out
    assert [message["role"] for message in asked[1]["messages"]] == ["user", "assistant", "user"]
    assert "6 tokens in" in printed.err


def test_a_conversation_warns_once(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is left out of each message is told with the first."""
    assert converse("hello\nand again\n", "-o", "verbosity=low", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().err.count("'verbosity' was left out") == 1
    assert len(asked) == 2


def test_commands_change_what_is_sent(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/system, /model, /attach, /clear, and a message of several lines."""
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    lines = f'/system Be brief.\n/model other --force\n/attach {picture}\n"""\none\ntwo\n"""\n/clear\n/system\nagain\n'
    assert converse(lines, "-o", "temperature=0", monkeypatch=monkeypatch) == 0
    first, second = asked
    assert first["model"] == "other"
    assert first["temperature"] == 0
    assert first["messages"][0] == {"role": "system", "content": "Be brief."}
    assert first["messages"][1]["content"][0]["type"] == "image_url"
    assert first["messages"][1]["content"][1]["text"] == "one\ntwo"
    assert second["messages"] == [{"role": "user", "content": "again"}]


def test_a_conversation_is_saved(asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON for programs and as text for people; nothing is overwritten."""
    data, text = tmp_path / "talk.json", tmp_path / "talk.md"
    text.write_text("mine")
    assert converse(f"hi\n/save {data}\n/save {text}\n", "-s", "Be brief.", monkeypatch=monkeypatch) == 0
    saved = json.loads(data.read_text())
    assert (saved["provider"], saved["model"]) == ("llama-cpp", "only")
    assert datetime.fromisoformat(saved["date"]).tzinfo is not None
    assert [turn["role"] for turn in saved["messages"]] == ["system", "user", "assistant"]
    assert text.read_text() == "mine"


def test_files_of_a_conversation_are_saved_by_name(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said cannot be understood without them."""
    picture, data, text = (tmp_path / name for name in ("dot.png", "talk.json", "talk.md"))
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert converse(f"/attach {picture}\nwhat?\n/save {data}\n/save {text}\n", monkeypatch=monkeypatch) == 0
    assert json.loads(data.read_text())["messages"][0] == {"role": "user", "content": "what?", "files": ["dot.png"]}
    assert "## user\n\n(dot.png)\n\nwhat?\n" in text.read_text()


def test_a_file_can_be_taken_back(asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """/attach without a path."""
    picture = tmp_path / "dot.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert converse(f"/attach {picture}\n/attach\nhello\n", monkeypatch=monkeypatch) == 0
    assert asked[0]["messages"] == [{"role": "user", "content": "hello"}]


def test_a_message_may_begin_with_a_slash(asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Between quotation marks it is no command."""
    assert converse('"""\n/etc/hosts is what?\n"""\n', monkeypatch=monkeypatch) == 0
    assert asked[0]["messages"] == [{"role": "user", "content": "/etc/hosts is what?"}]


def test_what_cannot_be_asked_does_not_end_the_conversation(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A question that is refused before anything is sent is told like one that fails."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom")
    assert converse(f"hello\n/attach {film}\nwhat?\n/attach\nhello\n", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr()
    assert "video" in printed.err
    assert "only got 3 messages" in printed.out


def test_what_fails_does_not_end_the_conversation(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is one line, the question is not kept, and the next one is answered."""
    lines = (
        "/model broken --force\nhello\n/nonsense\n/attach nothing-there\n/help\n"
        "/model fine --force\nhello\n/usage\n/exit\nnever sent\n"
    )
    assert converse(lines, monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr()
    assert "no such luck" in printed.err
    assert "there is no command /nonsense" in printed.err
    assert "cannot read" in printed.err
    assert "fine got 1 messages" in printed.out
    assert len(asked) == 2


def test_a_model_that_is_not_there_is_refused(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/model looks into the provider's list, proposes what is near, and keeps the model that works."""
    assert converse("/model onyl\nhello\n/model llama-cpp/only\nhello\n", monkeypatch=monkeypatch) == 0
    assert "did you mean 'only'" in capsys.readouterr().err
    assert [request["model"] for request in asked] == ["only", "only"]


def test_a_question_is_asked_again(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/retry puts the new answer in place of the old one, and asks again what has failed."""
    lines = "/retry\nhello\n/retry\n/model broken --force\nagain\n/model only\n/retry\n"
    assert converse(lines, monkeypatch=monkeypatch) == 0
    assert [len(request["messages"]) for request in asked] == [1, 1, 3, 3]
    assert asked[3]["messages"][-1] == {"role": "user", "content": "again"}
    assert "nothing was asked yet" in capsys.readouterr().err


def test_parameters_are_set_while_talking(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/set takes any spelling, replaces what was given under another one, and takes it away with no value."""
    lines = "/set temp=0.5\nhello\n/set temprature=1\n/set seed\n/set temperature=\nhello\n/set\n/set top_p=1\n"
    assert converse(lines, "-o", "temperature=0", monkeypatch=monkeypatch) == 0
    assert [request.get("temperature") for request in asked] == [0.5, None]
    said = capsys.readouterr().err
    assert "did you mean 'temperature'" in said
    assert "a parameter is given as NAME=VALUE, not 'seed'" in said
    assert said.count("no parameters\n") == 2
    assert said.count("top_p=1.0\n") == 1


def test_what_was_refused_is_not_attached_again(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A film that nobody takes spoils one question, not all that follow."""
    film = tmp_path / "film.mp4"
    film.write_bytes(b"\0\0\0\x18ftypisom")
    assert converse(f"/attach {film}\nwhat?\nhello\n", monkeypatch=monkeypatch) == 0
    assert "not with the next message any more: film.mp4" in capsys.readouterr().err
    assert [request["messages"] for request in asked] == [[{"role": "user", "content": "hello"}]]


def test_a_saved_conversation_is_gone_on_with(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """/load takes what /save has written, and nothing else; what is loaded is sent."""
    data, other = tmp_path / "talk.json", tmp_path / "other.json"
    other.write_text('{"messages": [{"role": "tool", "content": "x"}]}')
    lines = f"hi\n/save {data}\n/clear\n/load {other}\n/load {data}\nand again\n"
    assert converse(lines, "-s", "Be brief.", monkeypatch=monkeypatch) == 0
    assert [turn["role"] for turn in asked[1]["messages"]] == ["system", "user", "assistant", "user"]
    assert "is no conversation that /save has written" in capsys.readouterr().err


def test_models_are_compared(asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """All answer the same question; one that fails is told, and is the exit code."""
    assert run_app(["compare", "-t", "llama-cpp:one", "-t", "gguf:two", "hi"]) == 0
    printed = capsys.readouterr().out
    assert "one got 1 messages" in printed
    assert "two got 1 messages" in printed
    assert run_app(["compare", "-t", "llama-cpp:one", "-t", "llama-cpp:broken", "--json", "hi"]) == 1
    found = {item["model"]: item for item in json.loads(capsys.readouterr().out)}
    assert found["one"]["error"] is None
    assert "no such luck" in found["broken"]["error"]


def test_one_that_is_not_ready_costs_only_its_own_answer(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to set all of them up to hear from one; a name that nobody has is told at once."""
    _ours(0, "compare", "-t", "llama-cpp:one", "hi")
    if not any(info.name == "openai" for info in installed().providers()):
        pytest.skip("is about another provider: pip install airouter-openai")
    capsys.readouterr()
    _ours(1, "compare", "-t", "llama-cpp:one", "-t", "openai:some", "hi")
    printed = capsys.readouterr().out
    assert "one got 1 messages" in printed
    assert "`airouter keys set openai`" in printed
    assert "openai:some (not asked)" in printed
    _ours(2, "compare", "-t", "llama-cpp:one", "-t", "opnai:some", "hi")
    assert not capsys.readouterr().out


def test_what_was_left_out_of_a_comparison_is_told(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """A warning of one answer names whose it is."""
    _ours(0, "compare", "-t", "llama-cpp:one", "-o", "verbosity=low", "hi")
    assert re.search(r"warning: llama-cpp:one: .*verbosity", capsys.readouterr().err)


def test_half_an_answer_of_a_comparison_does_not_look_whole(
    serve_answers: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What arrived is shown with what went wrong, and an answer that was cut says so."""
    cut = {"choices": [{"index": 0, "delta": {"content": "Cut"}, "finish_reason": "length"}]}
    torn = {"choices": [{"index": 0, "delta": {"content": "Torn"}, "finish_reason": None}]}

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        data = b"data: " + json.dumps(cut if body["model"] == "cut" else torn).encode() + b"\n\n"
        return 200, "text/event-stream", data + (b"data: [DONE]\n\n" if body["model"] == "cut" else b"")

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    _ours(1, "compare", "-t", "llama-cpp:cut", "-t", "llama-cpp:torn", "hi")
    printed = capsys.readouterr().out
    assert re.search(r"cut \(.*ended by: length\)\nCut\n", printed)
    assert re.search(r"torn \(failed .*\)\nTorn\n\n\w", printed)


def _ours(code: int, *arguments: str) -> None:
    assert run_app(arguments) == code


def test_chat_in_a_terminal(asked: list[dict[str, Any]], terminal: Any, program: Any) -> None:
    """Typed, answered, recalled from the history, ended with Ctrl-D."""
    pytest.importorskip("prompt_toolkit", reason="editing is part of the extra: pip install 'airouter-core[cli]'")
    screen = terminal(program("chat", "-p", "llama-cpp", "-m", "only"))
    screen.wait_for("/help lists commands")
    screen.keys("hello", "Enter")
    screen.wait_for("only got 1 messages")
    screen.keys("Up", "Enter")
    screen.wait_for("only got 3 messages")
    screen.keys("C-d")
    screen.wait_for("ended 0")
    assert [body["messages"][-1]["content"] for body in asked] == ["hello", "hello"]


def test_an_answer_that_is_stopped(terminal: Any, program: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its words are kept; thoughts alone are not, and what was not counted is not said to be nothing."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        thinks = request.json["messages"][-1]["content"] == "think"
        delta = {"reasoning_content": "Hm."} if thinks else {"content": "Half an"}
        event = {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        head = Answer(200, {"content-type": "text/event-stream"}, framing="close").head
        connection.send(head + b"data: " + json.dumps(event).encode() + b"\n\n")
        connection.wait(PATIENCE)

    with LoopbackServer(behave) as server:
        monkeypatch.setenv("LLAMA_CPP_BASE_URL", f"http://127.0.0.1:{server.port}")
        screen = terminal(program("chat", "-p", "llama-cpp", "-m", "only"))
        screen.wait_for("/help lists commands")
        screen.keys("think", "Enter")
        screen.wait_for("only …")
        screen.keys("C-c")
        screen.wait_for("stopped")
        screen.keys("/usage", "Enter")
        screen.wait_for("0 out, 0 messages")
        screen.keys("talk", "Enter")
        screen.wait_for("Half an")
        screen.keys("C-c")
        screen.wait_for("[only]")
        screen.keys("/usage", "Enter")
        screen.wait_for("2 messages")
        screen.keys("C-d")
        shown = screen.wait_for("ended 0")
    assert "(answers without figures: 1), 2 messages" in shown
    assert "None" not in shown


def test_compare_in_a_terminal(asked: list[dict[str, Any]], terminal: Any, program: Any) -> None:
    """Side by side, each in its own box."""
    screen = terminal(program("compare", "-t", "llama-cpp:left", "-t", "llama-cpp:right", "hi"))
    shown = screen.wait_for("ended 0")
    line = next(line for line in shown.splitlines() if "left got" in line)
    assert "right got" in line


def test_another_provider_takes_over(
    asked: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the only model it has, or one that is named and checked; a wrong name changes nothing."""
    lines = "hi\n/provider nobody\n/provider gguf nothing\n/provider gguf only\nand again\n/provider\n"
    assert converse(lines, "-m", "first", monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr().err
    assert [body["model"] for body in asked] == ["first", "only"]
    assert len(asked[1]["messages"]) == 3
    assert "lists no model 'nothing'" in printed
    assert "'nobody'" in printed


def test_a_question_is_edited_and_asked_in_place_of_the_last_one(
    asked: list[dict[str, Any]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its answer is taken back, what was attached stays; before a question, and without a terminal, that is said."""
    (tmp_path / "notes.md").write_text("Bread.")
    lines = "/edit too early\n/attach notes.md\nhello\n/edit hallo\n/edit\nand again\n"
    assert converse(lines, monkeypatch=monkeypatch) == 0
    printed = capsys.readouterr().err
    assert "nothing was asked yet" in printed
    assert "/edit TEXT asks TEXT instead" in printed
    assert [len(body["messages"]) for body in asked] == [1, 1, 3]
    texts = [part["text"] for part in asked[2]["messages"][0]["content"]]
    assert texts == ['<document name="notes.md">\nBread.\n</document>\n\n', "hallo"]


def test_a_question_is_edited_in_an_editor(
    asked: list[dict[str, Any]], terminal: Any, program: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that $VISUAL or $EDITOR names."""
    pytest.importorskip("prompt_toolkit", reason="editing is part of the extra: pip install 'airouter-core[cli]'")
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "edited" > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    screen = terminal(program("chat", "-p", "llama-cpp", "-m", "only"))
    screen.wait_for("/help lists commands")
    screen.keys("hello", "Enter")
    screen.wait_for("only got 1 messages")
    screen.keys("/edit", "Enter")
    screen.keys("/usage", "Enter")
    screen.wait_for("2 messages")
    screen.keys("C-d")
    screen.wait_for("ended 0")
    assert [body["messages"][-1]["content"] for body in asked] == ["hello", "edited"]
