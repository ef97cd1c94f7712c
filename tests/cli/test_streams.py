"""Standard streams of every kind: closed, full, of another encoding, a terminal; and what comes in through them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.file_proxy import FileProxy

from airouter_core.cli.app import app, run_app
from airouter_core.cli.output import waiting
from airouter_core.cli.streams import Writer, harmless, styled
from airouter_core.cli.tables import write_table
from airouter_core.plugins.registry import installed
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

pytestmark = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="asks through the llama-cpp provider: pip install airouter-llamacpp",
)

SAID = "\u2192 \x1b]0;title\x07 \U0001f600"


@pytest.fixture
def command(
    serve_answers: Any, chat_answer: Any, monkeypatch: pytest.MonkeyPatch, program: Callable[..., list[str]]
) -> str:
    """A line for a shell that asks a server, which answers with signs of many kinds."""

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        if body.get("stream"):
            return 200, "text/event-stream", chat_answer(SAID)
        message = {"role": "assistant", "content": SAID}
        return (
            200,
            "application/json",
            json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]}).encode(),
        )

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    monkeypatch.setenv("PROGRAM", program()[2])
    return f'"{sys.executable}" -c "$PROGRAM" run -p llama-cpp -m only'


def shell(line: str, **environ: str) -> tuple[int, bytes, str]:
    """Exit code, stdout and stderr of a shell's line."""
    done = subprocess.run(
        ["bash", "-c", line],
        capture_output=True,
        check=False,
        timeout=600,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **environ},
    )
    return done.returncode, done.stdout, done.stderr.decode()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="closes streams and fills disks as a Linux shell does")
@pytest.mark.parametrize(
    ("streams", "code", "error"),
    [
        (">&-", 1, "airouter: standard output is closed"),
        (">/dev/full", 1, "airouter: cannot write to standard output: No space left on device"),
        ("--json >/dev/full", 1, "airouter: cannot write to standard output: No space left on device"),
        ("<&-", 0, "[llama-cpp"),
    ],
)
def test_output_that_goes_nowhere(command: str, streams: str, code: int, error: str) -> None:
    """One line and an exit code; an answer that nobody could see is not asked for."""
    found, _, said = shell(f"{command} hi {streams}")
    assert (found, said.count("\n")) == (code, 1)
    assert said.startswith(error)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="closes streams and fills disks as a Linux shell does")
@pytest.mark.parametrize("streams", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_an_answer_does_not_depend_on_what_is_said_beside_it(command: str, streams: str) -> None:
    """Without stderr the answer is there, whole, and the exit code is that of the answer."""
    code, answer, _ = shell(f"{command} hi {streams}")
    assert (code, answer.decode().split()) == (0, SAID.split())


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1:strict", "utf-8"])
def test_an_answer_fits_every_encoding(command: str, encoding: str) -> None:
    """It was paid for: signs that the stream cannot hold are escaped, in JSON as JSON has it."""
    name = encoding.partition(":")[0]
    code, answer, said = shell(f"{command} hi", PYTHONIOENCODING=encoding)
    assert (code, "Traceback" in said) == (0, False)
    assert answer.split() == [part.encode(name, "backslashreplace") for part in SAID.split()]
    code, answer, said = shell(f"{command} --json hi", PYTHONIOENCODING=encoding)
    assert (code, json.loads(answer.decode(name))["text"]) == (0, SAID)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (r"printf 'caf\351' | {}", "standard input is no UTF-8 text (byte 0xe9)"),
        (r"printf '\377\376h\000' | {}", "standard input is no UTF-8 text (byte 0xff)"),
        (r"{} $'caf\351'", "is no valid UTF-8 at character 4"),
        (r"{} -s $'caf\351' hi", "is no valid UTF-8 at character 4"),
    ],
)
def test_input_that_is_no_text(command: str, line: str, said: str) -> None:
    """One line, before anything is sent."""
    code, answer, error = shell(line.format(command), PYTHONUTF8="1")
    assert (code, answer, error.count("\n")) == (2, b"", 1)
    assert said in error


class Screen(io.StringIO):
    """What is written to a terminal."""

    encoding = "utf-8"  # type: ignore[assignment]  # as a terminal's stream has it

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("\x1b[31mred\x1b[0m", "^[[31mred^[[0m"),
        ("a\r\nb\rc", "a\nb^Mc"),
        ("\x07\x08\x7f\x00", "^G^H^?^@"),
        ("\x9b31m \u202egnp.exe", "\\u009b31m \\u202egnp.exe"),
        ("\u00e9 \u4f60 \U0001f600", "\u00e9 \u4f60 \U0001f600"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, whole and in any pieces; in a pipe they stay what they are."""
    assert harmless(text, Screen()) == shown
    assert harmless(text, io.StringIO()) == text
    for stream, expected in ((Screen(), shown), (io.StringIO(), text)):
        monkeypatch.setattr(sys, "stdout", stream)
        writer = Writer()
        for character in text:
            writer.write(character)
        writer.end()
        assert stream.getvalue() == expected + "\n"


def test_a_terminal_that_rich_draws_on_is_one() -> None:
    """While answers are drawn side by side, what stands in the stream's place must not hide that a terminal obeys."""
    screen = Screen()
    drawn: Any = FileProxy(Console(file=screen), screen)
    assert harmless(SAID, drawn) == harmless(SAID, screen) != SAID


def test_an_answer_in_a_terminal(command: str, terminal: Any) -> None:
    """The title of the window stays; so does that of what an error of the server says."""
    screen = terminal(["bash", "-c", f"{command} hi"])
    shown = screen.wait_for("ended 0")
    assert "^[]0;title^G" in shown


ROWS = [
    ("llama-cpp", "unreachable", "-", "-", "is the server running, and base_url right?"),
    ("echo", "ready", "1 s", "1", "-"),
]


@pytest.mark.parametrize("width", [40, 200])
def test_rows_stay_whole_in_a_narrow_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns where there is room for their words; else a row is a few lines, and what is empty is not said."""
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("NO_COLOR", "1")
    write_table(("provider", "state", "answers in", "models", "what to do"), ROWS)
    lines = screen.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    if width == 40:
        assert lines[:2] == ["llama-cpp", "  state: unreachable"]
        assert lines[-4:] == ["echo", "  state: ready", "  answers in: 1 s", "  models: 1"]
    else:
        assert lines[1].split("  ")[0] == "llama-cpp"


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"TERM": "dumb"}, False), ({"TERM": ""}, False), ({"NO_COLOR": "1"}, False)],
)
def test_colours_are_for_terminals_that_have_them(
    variables: dict[str, str], coloured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not understand them shows their bytes; and nobody gets them who does not want them."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b" in styled("careful", Screen(), bold=True)) is coloured


def test_what_turns_while_something_is_waited_for_is_written_as_the_terminal_can(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A terminal of another encoding gets letters, not escapes of signs that it lacks."""
    screen = Screen()
    screen.encoding = "ascii"  # type: ignore[assignment]  # as a terminal's stream has it
    monkeypatch.setattr(sys, "stderr", screen)
    with waiting("slow …"):
        pass
    assert screen.getvalue().isascii()
    assert "slow ..." in screen.getvalue()


# Ctrl-C.


def test_what_is_said_of_an_interrupt_has_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal has shown ^C where it stood, in a question or an answer."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    screen = Screen()
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(app, "main", interrupt)
    assert run_app(["setup"]) == 130
    assert screen.getvalue() == "\nairouter: interrupted\n"


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackServer]:
    """A server that says a word of each answer and never the rest."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        event = {"choices": [{"index": 0, "delta": {"content": "Half"}, "finish_reason": None}]}
        if request.json.get("stream"):
            head = Answer(200, {"content-type": "text/event-stream"}, framing="close").head
            connection.send(head + b"data: " + json.dumps(event).encode() + b"\n\n")
        connection.wait(600)

    with LoopbackServer(behave) as server:
        monkeypatch.setenv("LLAMA_CPP_BASE_URL", f"http://127.0.0.1:{server.port}")
        yield server


HEARS = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
"""A program that hears Ctrl-C even if our parent ignores it, as shells have it for what runs in the background."""


def interrupted(command: list[str], server: LoopbackServer, requests: int) -> tuple[int, str, str]:
    """Exit code and output of a program that gets Ctrl-C once the server has so many requests."""
    process = subprocess.Popen(
        [sys.executable, "-c", HEARS, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 600
        while len(server.requests) < requests and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(0.2)  # a word of each answer has arrived by then, or has not: both are right
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=600)
        return process.returncode, out, error
    finally:
        process.kill()


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_a_program_reads_that_it_was_interrupted(slow: LoopbackServer, program: Callable[..., list[str]]) -> None:
    """--json is an object in any case."""
    code, out, error = interrupted(program("run", "-p", "llama-cpp", "-m", "m", "--json", "hi"), slow, 1)
    assert code == 130
    assert json.loads(out)["error"]["type"] == "Interrupted"
    assert error.strip() == "airouter: interrupted"


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
@pytest.mark.parametrize("arguments", [["--json"], []])
def test_a_comparison_is_stopped_at_once(
    slow: LoopbackServer, program: Callable[..., list[str]], arguments: list[str]
) -> None:
    """Nobody is waited for, and what had arrived is shown."""
    targets = ["-t", "llama-cpp/left", "-t", "llama-cpp/right"]
    code, out, _ = interrupted(program("compare", *targets, *arguments, "hi"), slow, 2)
    assert code == 130
    if arguments:
        assert [(item["target"], item["error"]) for item in json.loads(out)] == [
            ("llama-cpp/left", "interrupted"),
            ("llama-cpp/right", "interrupted"),
        ]
    else:
        assert out.count("stopped after") == 2


# Words.


@pytest.mark.parametrize(
    ("arguments", "said", "unsaid"),
    [
        (["run", "-p", "llama-cpp", "-m", "m", "-o", "tempra=1", "hi"], "--provider-option", "provider_options"),
        (["run", "-p", "llama-cpp", "-m", "m", "--provider-option", "x", "hi"], "takes NAME=VALUE", ""),
        (["run", "-p", "openai", "-m", "m", "hi"], "`airouter keys set openai` stores one", "api_key"),
    ],
)
def test_advice_is_for_where_it_is_read(
    arguments: list[str], said: str, unsaid: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No Python in a shell."""
    if "openai" in arguments and not any(info.name == "openai" for info in installed().providers()):
        pytest.skip("is about another provider: pip install airouter-openai")
    assert run_app(arguments) == 2
    error = capsys.readouterr().err
    assert said in error
    assert not unsaid or unsaid not in error


def test_what_only_one_provider_understands(
    serve_answers: Any, chat_answer: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """--provider-option sends it: JSON where the value is some, else text."""
    bodies: list[dict[str, Any]] = []

    def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
        bodies.append(body)
        return 200, "text/event-stream", chat_answer("hello")

    monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
    given = ["--provider-option", 'one={"a": [1]}', "--provider-option", "two=b c"]
    assert run_app(["run", "-p", "llama-cpp", "-m", "m", *given, "hi"]) == 0, capsys.readouterr().err
    assert (bodies[0]["one"], bodies[0]["two"]) == ({"a": [1]}, "b c")


def test_a_history_that_cannot_be_kept_ends_no_conversation(
    own_surroundings: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A folder that cannot be written to is a warning."""
    pytest.importorskip("prompt_toolkit", reason="editing is part of the extra: pip install 'airouter-core[cli]'")
    from airouter_core.cli.chat import _history

    (own_surroundings / "settings").write_text("no folder")
    assert type(_history()).__name__ == "InMemoryHistory"
    assert "not kept for the next time" in capsys.readouterr().err
