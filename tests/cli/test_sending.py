"""`-f` and `-a`: texts and files that go with a question, and what is said of their size."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.plugins.registry import installed

pytestmark = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()), reason="asks through airouter-llamacpp"
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


@pytest.fixture
def asked(serve_models: Any, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What a server behind the provider llama-cpp is asked; its model takes 4096 tokens."""
    monkeypatch.setenv("AIROUTER_PROVIDER", "llama-cpp")
    requests: list[dict[str, Any]] = serve_models({"id": "only", "meta": {"n_ctx": 4096, "n_ctx_train": 4096}})
    return requests


def question(asked: list[dict[str, Any]], place: int = -1) -> str:
    content = asked[-1]["messages"][place]["content"]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def test_fragments_stand_before_the_question(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under their names, once each, with their size said first; by path and by a name of one's own."""
    (tmp_path / "notes.md").write_text("Bread is two euros.")
    assert run_app(["fragments", "set", "prices", "notes.md"]) == 0
    assert run_app(["run", "-f", "notes.md", "-f", "notes.md", "What is bread?"]) == 0
    assert question(asked) == '<document name="notes.md">\nBread is two euros.\n</document>\n\nWhat is bread?'
    assert "sending notes.md 60 B" in capsys.readouterr().err
    assert run_app(["run", "-f", "prices", "What is bread?"]) == 0
    assert '<document name="prices">' in question(asked)


def test_a_fragment_alone_is_a_question(
    asked: list[dict[str, Any]], tmp_path: Path, refused: Callable[..., None]
) -> None:
    """It may hold the question itself; nothing at all is still an error."""
    (tmp_path / "question").write_text("What is bread?")
    assert run_app(["run", "-f", "question"]) == 0
    assert "What is bread?" in question(asked)
    refused(["run"], "Missing argument 'PROMPT'")


def test_the_pipe_may_be_a_fragment_or_a_file(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And is no part of the question then; it cannot be both."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("a,b\n"))
    assert run_app(["run", "-f", "-", "Sum it."]) == 0
    assert question(asked) == '<document name="standard input">\na,b\n</document>\n\nSum it.'
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a;b")))
    assert run_app(["run", "-a", "-", "Sum it."]) == 0
    assert question(asked) == '<document name="standard input">\na;b\n</document>\n\nSum it.'
    assert run_app(["run", "-f", "-", "-a", "-", "Sum it."]) == 2
    assert "give - once" in capsys.readouterr().err


def test_a_file_of_text_is_put_in_as_text_and_a_picture_is_not(
    asked: list[dict[str, Any]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """llama.cpp takes no documents; a picture under a wrong name is a picture."""
    (tmp_path / "table.csv").write_text("a,b")
    (tmp_path / "picture.txt").write_bytes(PNG)
    assert run_app(["run", "-a", "table.csv", "-a", "picture.txt", "What is this?"]) == 0
    content = asked[-1]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert content[0]["text"] == '<document name="table.csv">\na,b\n</document>\n\n'
    assert content[1]["image_url"]["url"].startswith("data:image/png;base64,")
    printed = capsys.readouterr().err
    assert "sending table.csv (text/csv) 3 B, picture.txt (image/png) 16 B" in printed
    assert "table.csv was put in as text" in printed


@pytest.mark.parametrize("option", ["-f", "-a"])
@pytest.mark.parametrize("source", ["http://localhost:8000/", "http://169.254.169.254/latest/", "missing.txt"])
def test_what_cannot_be_read_is_one_line_and_nothing_is_sent(
    asked: list[dict[str, Any]], option: str, source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Files that are not there, and addresses that are not public."""
    assert run_app(["run", option, source, "Well?"]) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert source.removesuffix("latest/").rstrip("/") in printed.err
    assert asked == []


def test_a_pipe_that_cannot_fit_is_measured_and_not_sent(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error says how much it is and how much the model takes; --large sends it all the same."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("word " * (4 << 20)))
    assert run_app(["run", "Sum it up."]) == 2
    printed = capsys.readouterr()
    assert "20.0 MiB of text, about 5242883 tokens, but only takes 4096: nothing was sent" in printed.err
    assert asked == []
    monkeypatch.setattr(sys, "stdin", io.StringIO("word " * 20000))
    assert run_app(["run", "--large", "Sum it up."]) == 0
    assert len(question(asked)) > 99_000
    assert "sending 97.7 KiB of text, about 25003 tokens; only takes 4096" in capsys.readouterr().err


def test_a_context_that_is_asked_for_counts(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As the user says it, before what the model is listed with."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("word " * 20000))
    assert run_app(["run", "-o", "ctx_size=100", "Sum it up."]) == 2
    assert "takes 100" in capsys.readouterr().err
    assert asked == []


def test_a_pipe_without_end_is_not_read_for_ever(
    asked: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody takes so much."""
    monkeypatch.setattr("airouter_core.cli.input.MOST_OF_A_FILE", 1 << 20)
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n" * (1 << 20)))
    assert run_app(["run"]) == 2
    assert "more than 1 MiB are piped in" in capsys.readouterr().err
    assert asked == []


def test_fragments_have_names(tmp_path: Path, capsys: pytest.CaptureFixture[str], refused: Callable[..., None]) -> None:
    """set, list, show, remove; a path counts from every folder."""
    (tmp_path / "notes.md").write_text("Bread.")
    assert run_app(["fragments", "set", "prices", "notes.md"]) == 0
    assert run_app(["fragments", "set", "rfc", "https://example.com/rfc.txt"]) == 0
    assert run_app(["fragments", "list", "--json"]) == 0
    found = {"prices": str(tmp_path / "notes.md"), "rfc": "https://example.com/rfc.txt"}
    assert json.loads(capsys.readouterr().out) == found
    assert run_app(["fragments", "show", "prices"]) == 0
    assert capsys.readouterr().out == '<document name="prices">\nBread.\n</document>\n'
    assert run_app(["fragments", "remove", "prices"]) == 0
    refused(["fragments", "remove", "prices"], "there is no fragment 'prices'; `airouter fragments list` shows")
    refused(["fragments", "set", "lost", "nothing.md"], "there is no file 'nothing.md', and it is no http(s) address")
    refused(["fragments", "set", "a b", "notes.md"], "the name of a fragment is a word")


def test_a_conversation_begins_with_what_is_named(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """-f and -a of `chat` go with the first message, and stay in the conversation as what was said."""
    (tmp_path / "notes.md").write_text("Bread.")
    monkeypatch.setattr(sys, "stdin", io.StringIO("What?\nAnd?\n"))
    assert run_app(["chat", "-f", "notes.md"]) == 0
    assert question(asked, 0) == '<document name="notes.md">\nBread.\n</document>\n\nWhat?'
    assert [question(asked, place) for place in (1, 2)] == ["yes ", "And?"]


def test_a_question_that_is_too_large_ends_no_conversation(
    asked: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is told, what was attached is not tried again, and the conversation goes on."""
    (tmp_path / "long.txt").write_text("word " * 20000)
    monkeypatch.setattr(sys, "stdin", io.StringIO("/attach long.txt\nWhat?\nhello\n"))
    assert run_app(["chat"]) == 0
    assert [message["content"] for message in asked[-1]["messages"]] == ["hello"]
    assert "not with the next message any more: long.txt" in capsys.readouterr().err
