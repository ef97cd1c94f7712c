"""The page of the command line: each of its examples is run."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli import tooling
from airouter_core.cli.app import run_app
from airouter_core.cli.questions import fetching
from airouter_core.cli.questions.fetching import Fetched
from airouter_core.cli.targets import current_settings
from airouter_core.plugins.registry import installed

PAGE = Path(__file__).parents[2] / "docs" / "command-line.md"
HERE = "llama-cpp/airouter-toy"
ELSEWHERE = re.compile(r"\b(?:claude|gemini|openrouter)/[\w./-]+")
"""Models that no test can ask; the local one stands in for them."""

pytestmark = [
    pytest.mark.skipif(not PAGE.is_file(), reason="reads the page beside the core, which an installed one has not"),
    pytest.mark.skipif(
        not any(info.name == "llama-cpp" for info in installed().providers()), reason="asks through airouter-llamacpp"
    ),
]


def examples() -> list[str]:
    """The command lines of the page, in its order, without their comments."""
    text = PAGE.read_text(encoding="utf-8") if PAGE.is_file() else ""
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    return [line[2:].partition("  #")[0].strip() for block in blocks for line in block.splitlines() if line[:2] == "$ "]


@pytest.fixture
def fresh_plugins() -> Iterator[None]:
    """Plugins as they are with the settings of this test: the ledger looks at them once."""
    installed.cache_clear()
    yield
    installed.cache_clear()


@pytest.mark.usefixtures("fresh_plugins")
def test_each_example_does_what_it_says(
    serve_answers: Any, own_surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the page, each on what those before it have set up; `setup` is answered in its own tests."""
    _prepare(own_surroundings, monkeypatch)
    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(_answer))
    remembers = any(source.distribution == "airouter-ledger" for source in installed().sources)
    if remembers:
        assert run_app(["logs", "on", "--content", "full"]) == 0
    assert run_app(["models", "default", HERE]) == 0
    ran = 0
    for line in examples():
        before, _, command = line.rpartition("airouter ")
        arguments = shlex.split(ELSEWHERE.sub(HERE, command))
        if arguments[0] == "setup" or ("-c" in arguments and not remembers):
            continue
        current_settings.cache_clear()
        monkeypatch.setattr(sys, "stdin", io.StringIO("words through a pipe") if before.strip() else None)
        assert run_app(arguments) == 0, f"{line}\n{capsys.readouterr().err}"
        ran += 1
    assert ran > 10


def _prepare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the examples name: files, functions, an address, and somebody at a terminal."""
    (folder / "notes.md").write_text("Notes.")
    (folder / "scan.pdf").write_text("a scan that is a text, which llama.cpp takes too")
    (folder / "texts").mkdir()
    (folder / "texts" / "style.md").write_text("Be brief.")
    (folder / "mine.py").write_text("def own(text: str) -> str:\n    return text\n")
    (folder / "package").mkdir()
    (folder / "package" / "__init__.py").write_text("")
    (folder / "package" / "module.py").write_text("def function(text: str) -> str:\n    return text\n")
    monkeypatch.setattr(fetching, "fetch", lambda url, **_: Fetched(url, b"The specification.", "text/plain"))
    monkeypatch.setattr(tooling, "can_ask", lambda: True)


def _answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
    if not path.endswith("/chat/completions"):
        return 200, "application/json", b'{"data": [{"id": "airouter-toy"}]}'
    formed = json.dumps({"name": "Ada", "age": 36, "tags": []})
    content = formed if "response_format" in body else "So:\n```python\nr'[0-9-]+'\n```\n"
    choice = {"index": 0, "finish_reason": "stop"}
    message = {"role": "assistant", "content": content}
    if body.get("stream"):
        event = json.dumps({"choices": [{**choice, "delta": message}]}).encode()
        return 200, "text/event-stream", b"data: " + event + b"\n\ndata: [DONE]\n\n"
    return 200, "application/json", json.dumps({"choices": [{**choice, "message": message}]}).encode()
