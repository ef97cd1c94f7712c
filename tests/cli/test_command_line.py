"""The command line, asked as a person and as a program would; the model is the real toy."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

pytest.importorskip("click", reason="the command line is an extra: pip install 'airouter-core[cli]'")
pytest.importorskip("rich", reason="the command line is an extra: pip install 'airouter-core[cli]'")

from airouter_core.cli import answering
from airouter_core.cli.answering import show_stream
from airouter_core.cli.app import run_app
from airouter_core.cli.available import Available
from airouter_core.cli.output import error_record
from airouter_core.errors import TruncatedStreamError
from airouter_core.plugins.registry import installed
from airouter_core.values.events import ReasoningDelta, StreamStart, TextDelta
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

if TYPE_CHECKING:
    from airouter_core.provider.streams import ResponseStream

MODELS = Path(__file__).parents[2] / "models"

needs_engine = pytest.mark.skipif(
    not any(info.name == "llama-cpp" for info in installed().providers()),
    reason="asks the llama-cpp provider: pip install 'airouter-llamacpp[embedded]'",
)


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AIROUTER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AIROUTER_MODELS_DIR", str(MODELS))
    monkeypatch.setattr(sys, "stdin", None)


def ask(*arguments: str) -> int:
    return run_app(["run", "-p", "llama-cpp", "-m", "airouter-toy", "-o", "temperature=0", *arguments])


def program(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from airouter_core.cli import main; main()", *arguments]


@needs_engine
@pytest.mark.engine
def test_an_answer_is_streamed_to_stdout_and_its_figures_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """`airouter run` prints the answer alone; tokens and time stand beside it."""
    pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
    assert ask("What is the capital of France?") == 0
    printed = capsys.readouterr()
    assert "Paris" in printed.out
    assert "tokens in" in printed.err
    assert "tokens in" not in printed.out


@needs_engine
@pytest.mark.engine
def test_the_answer_is_the_same_without_streaming(capsys: pytest.CaptureFixture[str]) -> None:
    """--no-stream changes when the answer is shown, not what it is."""
    pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
    ask("What is airouter?")
    streamed = capsys.readouterr().out
    ask("--no-stream", "What is airouter?")
    assert capsys.readouterr().out == streamed


@needs_engine
@pytest.mark.engine
def test_json_holds_everything_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    """--json is one JSON object on stdout, with usage, receipts and timing."""
    pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
    assert ask("--json", "-o", "max_length=30", "hello") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["provider"] == "llama-cpp"
    assert answer["usage"]["output_tokens"] > 0
    assert {receipt["given_as"] for receipt in answer["parameters"]} == {"temperature", "max_length"}
    assert answer["seconds"] > 0


@needs_engine
@pytest.mark.engine
def test_a_question_may_come_through_a_pipe(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is piped in is the question, when no other is given."""
    pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
    monkeypatch.setattr(sys, "stdin", io.StringIO("What is the capital of France?\n"))
    assert ask() == 0
    assert "Paris" in capsys.readouterr().out


@needs_engine
def test_models_are_listed_without_an_engine(capsys: pytest.CaptureFixture[str]) -> None:
    """`airouter models` reads headers only."""
    assert run_app(["models", "llama-cpp", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [model["id"] for model in listed] == ["airouter-toy/airouter-toy"]


@needs_engine
def test_providers_and_plugins_are_tables_for_people_and_json_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    """Both commands name the provider and the package that brings it."""
    for command in ("providers", "plugins"):
        assert run_app([command]) == 0
        assert "airouter-llamacpp" in capsys.readouterr().out
        assert run_app([command, "--json"]) == 0
        json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "-p", "nobody", "hi"], 2, "pip install airouter-nobody"),
        (["run", "-p", "llama-cpp", "-m", "nope", "hi"], 1, "airouter-toy"),
        (["run", "-p", "llama-cpp", "-m", "airouter-toy", "-o", "temprature=1", "hi"], 2, "did you mean 'temperature'"),
        (["run", "-p", "llama-cpp", "-m", "airouter-toy", "-o", "temperature=warm", "hi"], 2, "must be a number"),
        (["run", "-p", "llama-cpp", "-m", "airouter-toy", "-o", "temperature", "hi"], 2, "NAME=VALUE"),
        (["run", "-p", "llama-cpp", "--set", "modles_dir=x", "hi"], 2, "did you mean 'models_dir'"),
        (["run", "-p", "llama-cpp", "--set", "api_key=x", "hi"], 2, "secret"),
        (["run", "-p", "llama-cpp", "-a", "nothing-there.png", "hi"], 2, "cannot read"),
        (["run", "-p", "llama-cpp"], 2, "PROMPT"),
        (["models", "nobody"], 2, "pip install airouter-nobody"),
        (["models", "llama-cpp", "--set", "models_dir=/no/such/folder"], 2, "/no/such/folder"),
        (["rum", "hi"], 2, "No such command 'rum'; did you mean 'run'?"),
        (["frobnicate"], 2, "No such command 'frobnicate' (`airouter --help`)"),
        (["run", "--frobnicate", "hi"], 2, "(`airouter run --help`)"),
        (["completion", "smash"], 2, "'bash', 'zsh', 'fish'"),
        (["compare", "hi"], 2, "--target"),
        (["keys", "sell"], 2, "No such command 'sell' (`airouter keys --help`)"),
    ],
)
@needs_engine
def test_what_is_wrong_is_one_line_with_the_next_step(
    arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake is told on stderr without a traceback, and has an exit code."""
    assert run_app(arguments) == code
    printed = capsys.readouterr()
    assert said in printed.err
    assert printed.err.count("\n") == 1
    assert not printed.out


def test_a_command_of_a_package_that_is_not_installed_names_the_package(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pages tell of commands that plugins bring; who has not got the plugin is told which it is."""
    absent = Available("airouter-elsewhere", "Models elsewhere", ("frobnicate",))
    monkeypatch.setattr("airouter_core.cli.available.available", lambda: (absent,))
    assert run_app(["frobnicate"]) == 2
    said = capsys.readouterr().err
    assert "comes with airouter-elsewhere, which is not installed: `airouter install frobnicate`" in said


@needs_engine
def test_a_program_reads_an_error_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    """With --json it is on stdout too, with what a program decides by; people still have their line."""
    assert run_app(["run", "-p", "llama-cpp", "-m", "nope", "--json", "hi"]) == 1
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert (error["type"], error["provider"], error["retryable"]) == ("ModelNotFoundError", "llama-cpp", False)
    assert f"airouter: {error['message']}\n" == printed.err
    assert run_app(["run", "-p", "nobody", "--", "--json"]) == 2
    assert not capsys.readouterr().out


def test_an_error_with_half_an_answer_has_that_half() -> None:
    """Nothing that arrived is lost to a program."""
    half = Response(message=Message.assistant("Half an"), finish_reason="error")
    error = TruncatedStreamError("it broke off")
    error.partial = half
    record = error_record(error)
    assert record["partial"] == "Half an"


def test_waiting_goes_on_while_a_model_thinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thought shows nothing, so the spinner stays until the first word."""
    shown: list[str] = []

    @contextlib.contextmanager
    def waiting(message: str) -> Iterator[None]:
        shown.append("waits")
        yield
        shown.append("no longer")

    class Answer:
        response = Response(message=Message.assistant("So."), finish_reason="stop")

        def __iter__(self) -> Iterator[object]:
            for event in (StreamStart(), ReasoningDelta("Hm."), ReasoningDelta("Hm!"), TextDelta("So.")):
                shown.append(type(event).__name__)
                yield event

    monkeypatch.setattr(answering, "waiting", waiting)
    show_stream(cast("ResponseStream", Answer()), "thinker")
    assert shown == ["waits", "StreamStart", "ReasoningDelta", "ReasoningDelta", "TextDelta", "no longer"]


@pytest.mark.parametrize(
    ("events", "left"), [((StreamStart(), TextDelta("Half"), TextDelta(" an")), "Half an\n"), ((StreamStart(),), "")]
)
def test_half_an_answer_ends_its_line(events: tuple[Any, ...], left: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is told of the break begins a line of its own; where nothing was written no empty line is."""

    class Breaking:
        def __iter__(self) -> Iterator[object]:
            yield from events
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        show_stream(cast("ResponseStream", Breaking()), "any")
    assert capsys.readouterr().out == left


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`airouter --help` lists the commands, without importing them."""
    assert run_app(["--help"]) == 0
    printed = capsys.readouterr().out
    for command in ("run", "models", "providers", "plugins"):
        assert command in printed


class _Slow(BaseHTTPRequestHandler):
    """Answers with one piece of text, and then waits to be told to go on."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        chunk = {"choices": [{"index": 0, "delta": {"content": "Once"}, "finish_reason": None}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.flush()
        self.server.told.wait(600)  # type: ignore[attr-defined]  # set by the fixture
        self.close_connection = True

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def slow_server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    server.told = threading.Event()  # type: ignore[attr-defined]  # read by the handler
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.told.set()  # type: ignore[attr-defined]  # as above
    server.shutdown()
    server.server_close()
    thread.join()


@needs_engine
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_ctrl_c_stops_a_stream_with_exit_code_130(slow_server: str) -> None:
    """What has arrived stays, the next line says that it was interrupted, and there is no traceback."""
    interpreter, _, main, *arguments = program(
        "run", "-p", "llama-cpp", "-m", "any", "--set", f"base_url={slow_server}", "hi"
    )
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whatever our parent ignores
    process = subprocess.Popen(
        [interpreter, "-c", hearing + main, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.read(4) == "Once"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=6000)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said


@needs_engine
@pytest.mark.skipif(os.name != "posix", reason="closes a pipe as a shell does")
def test_a_reader_that_goes_away_is_no_error() -> None:
    """`airouter providers | head -0` says nothing on stderr."""
    process = subprocess.Popen(program("providers"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0
    assert said == b""
