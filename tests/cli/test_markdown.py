"""Markdown on a terminal, pages of what is long, and neither anywhere else."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.cli import paging
from airouter_core.cli.app import run_app
from airouter_core.cli.markdown import Blocks, writer_for
from airouter_core.cli.streams import Writer
from airouter_core.cli.tables import write_table
from airouter_core.plugins.registry import installed

needs_llama = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()), reason="asks through airouter-llamacpp"
)

TEXT = """# A title

Some **bold** words
in a paragraph.

- one

  still one
- two

1. first
2. second

```python
def f():

    return 1
```
The end."""


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and what its encoding is."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


Start = Callable[[], Terminal]


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> Start:
    """Standard output, as a terminal of 60 columns without colours."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "20")
    monkeypatch.setenv("NO_COLOR", "1")

    def start() -> Terminal:
        stream = Terminal()
        monkeypatch.setattr(sys, "stdout", stream)  # in the test, since the capturing of pytest sets it before
        return stream

    return start


@pytest.fixture
def never_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks are shown for good only: what is drawn in between depends on the clock."""
    monkeypatch.setattr(Blocks, "_draw", lambda self: None)


@pytest.mark.usefixtures("never_drawn")
@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_a_text_looks_the_same_in_whatever_pieces_it_comes(on_terminal: Start, size: int) -> None:
    """Blocks end where they end, and nothing is lost at the end of the text."""
    out = on_terminal()
    writer = Blocks()
    for start in range(0, len(TEXT), size):
        writer.write(TEXT[start : start + size])
    writer.end()
    shown = [line.strip() for line in _plain(out.getvalue()).splitlines()]
    assert [line for line in shown if line][-9:] == [
        "Some bold words in a paragraph.",
        "• one",
        "still one",
        "• two",
        "1 first",
        "2 second",
        "def f():",
        "return 1",
        "The end.",
    ]
    assert "A title" in out.getvalue()


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)


def test_what_a_model_says_moves_no_cursor(on_terminal: Start) -> None:
    """Control characters are shown, addresses become no links, and what was drawn is the same as what stays."""
    out = on_terminal()
    writer = Blocks()
    writer.write("look: \x1b]52;c;aGk=\x07 and [here](https://example.com)\n\nnext \x1b[2J")
    writer.end()
    assert "^[]52;c;aGk=^G" in out.getvalue()
    assert "\x1b]" not in out.getvalue()
    assert "^[[2J" in out.getvalue()


def test_only_terminals_that_can_show_it_get_it(on_terminal: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, another encoding, a dumb terminal and who does not want it get the text as it is."""
    out = on_terminal()
    assert isinstance(writer_for(markdown=True), Blocks)
    assert isinstance(writer_for(markdown=False), Writer)
    monkeypatch.setattr(out.__class__, "encoding", "ascii")
    assert isinstance(writer_for(markdown=True), Writer)
    monkeypatch.setattr(out.__class__, "encoding", "utf-8")
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(writer_for(markdown=True), Writer)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert isinstance(writer_for(markdown=True), Writer)


def _rows(count: int) -> list[tuple[str, str]]:
    return [(f"row {number}", "x") for number in range(count)]


def test_a_table_that_is_too_high_comes_in_pages(
    on_terminal: Start, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By the pager that is set; one that fits, and whoever wants no pager, gets it at once."""
    out = on_terminal()
    pager = tmp_path / "pager"
    pager.write_text(f"#!/bin/sh\ncat > {tmp_path}/paged\n")
    pager.chmod(0o755)
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("PAGER", str(pager))
    write_table(("name", "value"), _rows(5))
    assert "row 4" in out.getvalue()
    write_table(("name", "value"), _rows(50))
    assert "row 49" in (tmp_path / "paged").read_text()
    assert "row 49" not in out.getvalue()
    monkeypatch.setenv("AIROUTER_PAGER", "")
    write_table(("name", "value"), _rows(50))
    assert "row 49" in out.getvalue()


@pytest.mark.parametrize("pager", ["no-such-program-here", "cat", "'", "/"])
def test_without_a_pager_all_is_written(on_terminal: Start, monkeypatch: pytest.MonkeyPatch, pager: str) -> None:
    """Nothing is lost because a variable is wrong."""
    out = on_terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("PAGER", pager)
    paging.write_pages("\n".join(map(str, range(100))))
    assert out.getvalue().endswith("99\n")


def test_a_pager_that_ends_early_is_no_error(on_terminal: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has seen enough goes."""
    out = on_terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setenv("PAGER", "true")
    paging.write_pages("x\n" * 200_000)
    assert out.getvalue() == ""


@pytest.fixture
def answering(serve_answers: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server behind llama-cpp that answers with a text in Markdown."""

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if not path.endswith("/chat/completions"):
            return 200, "application/json", b'{"data": [{"id": "only"}]}'
        delta = {
            "choices": [{"index": 0, "delta": {"content": "Some **bold** words.\n\n- one\n"}, "finish_reason": "stop"}]
        }
        return 200, "text/event-stream", b"data: " + json.dumps(delta).encode() + b"\n\ndata: [DONE]\n\n"

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    monkeypatch.setenv("AIROUTER_PROVIDER", "llama-cpp")


@needs_llama
@pytest.mark.usefixtures("answering")
def test_a_pipe_gets_the_text_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever was asked for."""
    assert run_app(["run", "--markdown", "hi"]) == 0
    assert capsys.readouterr().out == "Some **bold** words.\n\n- one\n\n"


@needs_llama
@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize(("width", "height"), [(40, 10), (80, 24), (200, 50)])
def test_markdown_in_a_terminal(terminal: Any, program: Any, width: int, height: int) -> None:
    """Rendered unless --no-markdown says otherwise; the figures stand below it."""
    shown = terminal(program("run", "hi"), width, height).wait_for("ended 0")
    assert "Some bold words." in shown
    assert " • one" in shown
    shown = terminal(program("run", "--no-markdown", "hi"), width, height).wait_for("ended 0")
    assert "Some **bold** words." in shown


@needs_llama
@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("variable", ["NO_COLOR", "LC_ALL"])
def test_markdown_without_colours_and_in_a_c_locale(
    terminal: Any, program: Any, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The words are there in any case."""
    monkeypatch.setenv(variable, "C")
    monkeypatch.setenv("PYTHONUTF8", "0")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    shown = terminal(program("run", "hi"), 80, 24).wait_for("ended 0")
    assert "bold" in shown
    assert "words." in shown
