"""`airouter run --dry-run`: the request as a command of curl, and nothing sent."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from airouter_core.cli.app import run_app
from airouter_core.plugins.registry import installed

INSTALLED = {info.name for info in installed().providers()}
needs_groq = pytest.mark.skipif("groq" not in INSTALLED, reason="asks through groq: pip install airouter-compatible")
needs_llama = pytest.mark.skipif("llama-cpp" not in INSTALLED, reason="asks through llama-cpp")


@needs_groq
@pytest.mark.skipif(shutil.which("curl") is None, reason="runs what is printed: install curl")
def test_what_is_printed_sends_the_same(
    serve_answers: Any, chat_answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Quotes and dollars of the question stay what they are; the key is the variable that holds it."""
    bodies: list[dict[str, Any]] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        bodies.append(body)
        return 200, "text/event-stream", chat_answer("Yes.")

    monkeypatch.setenv("GROQ_API_KEY", "gsk-secret-of-ours")
    where = ["-m", "groq/small", "--set", f"base_url={serve_answers(answer)}", "-o", "temperature=0.5"]
    asked = [*where, "It's \"worth\" $HOME and `id`\nisn't it?"]
    assert run_app(["run", "--dry-run", *asked]) == 0
    printed = capsys.readouterr().out
    assert bodies == []
    assert "secret" not in printed
    assert "'Authorization: Bearer '\"$GROQ_API_KEY\"" in printed
    subprocess.run(["sh", "-c", printed], capture_output=True, check=True, timeout=60)
    assert run_app(["run", *asked]) == 0
    assert bodies[0] == bodies[1]
    assert bodies[0]["stream"] is True


@needs_groq
def test_programs_read_it_as_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Whole, with tools and schema; what is left out is warned of, as it is where the question is asked."""
    monkeypatch.setenv("GROQ_API_KEY", "gsk-secret-of-ours")
    more = ["--tool", "calculate", "--yes-tools", "--schema", "sum int", "-o", "min_p=0.5"]
    assert run_app(["run", "--dry-run", "--json", "-m", "groq/small", *more, "Two and two?"]) == 0
    printed = capsys.readouterr()
    shown = json.loads(printed.out)
    assert (shown["method"], shown["headers"]["Authorization"]) == ("POST", "Bearer $GROQ_API_KEY")
    assert shown["url"].endswith("/chat/completions")
    assert shown["body"]["tools"][0]["function"]["name"] == "calculate"
    assert "sum" in shown["body"]["response_format"]["json_schema"]["schema"]["properties"]
    assert "min_p" not in shown["body"]
    assert "min_p" in printed.err


@needs_llama
def test_an_engine_has_no_address_yet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is started for it; that is said beside the request."""
    monkeypatch.delenv("LLAMA_CPP_BASE_URL", raising=False)
    assert run_app(["run", "--dry-run", "-m", "llama-cpp/any", "Hello!"]) == 0
    printed = capsys.readouterr()
    assert "/chat/completions" in printed.out
    assert "once its engine runs" in printed.err


def test_a_value_belongs_to_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    """As two words it would be taken for the question; that is told first, in one line."""
    assert run_app(["run", "-o", "temperature", "0.5", "Hello!"]) == 2
    printed = capsys.readouterr().err
    assert "NAME=VALUE in one word" in printed
    assert printed.count("\n") == 1
