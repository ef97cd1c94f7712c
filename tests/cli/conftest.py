"""A command line of its own for each test: no settings, no keys, no environment of the machine's."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

MODELS = Path(__file__).parents[2] / "models"

PATIENCE = 600
"""Seconds until a terminal that shows nothing is given up; nothing is measured with it."""

Answer = Callable[[str, dict[str, object]], tuple[int, str, bytes]]


@pytest.fixture(autouse=True)
def own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home, and nothing piped in."""
    pytest.importorskip("click", reason="the command line is an extra: pip install 'airouter-core[cli]'")
    pytest.importorskip("rich", reason="the command line is an extra: pip install 'airouter-core[cli]'")
    from airouter_core.cli.targets import current_settings

    for name in list(os.environ):
        if name.startswith(("AIROUTER_", "LLAMA_")) or name.endswith("_API_KEY"):
            monkeypatch.delenv(name)
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")  # a dumb one, as some runners have it, has no width
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    monkeypatch.setenv("AIROUTER_KEYS_FILE", str(tmp_path / "keys.json"))
    monkeypatch.setenv("AIROUTER_MODELS_DIR", str(MODELS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", None)
    current_settings.cache_clear()
    return tmp_path


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Runs a command that ends with an error of one line, which says this."""

    def run(arguments: list[str], said: str, code: int = 2) -> None:
        from airouter_core.cli.app import run_app

        capsys.readouterr()
        assert run_app(arguments) == code, arguments
        printed = capsys.readouterr()
        assert said in printed.err, printed.err
        assert (printed.out, printed.err.count("\n")) == ("", 1)

    return run


@pytest.fixture
def chat_answer() -> Callable[[str], bytes]:
    """Make a whole answer, streamed in words."""
    return _chat_answer


@pytest.fixture
def serve_models(
    serve_answers: Callable[[Answer], str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., list[dict[str, Any]]]:
    """Start a server behind the provider llama-cpp that has these models and always says yes; what it is asked."""

    def start(*models: dict[str, Any]) -> list[dict[str, Any]]:
        requests: list[dict[str, Any]] = []

        def answer(path: str, body: dict[str, Any]) -> tuple[int, str, bytes]:
            if not path.endswith("/chat/completions"):
                return 200, "application/json", json.dumps({"data": models}).encode()
            requests.append(body)
            return 200, "text/event-stream", _chat_answer("yes")

        monkeypatch.setenv("LLAMA_CPP_BASE_URL", serve_answers(answer))
        return requests

    return start


def _chat_answer(text: str) -> bytes:
    events = [
        {"choices": [{"index": 0, "delta": {"content": word + " "}, "finish_reason": None}]} for word in text.split()
    ]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    events.append({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": len(events) - 1}})
    return b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events) + b"data: [DONE]\n\n"


@pytest.fixture
def serve_answers() -> Iterator[Callable[[Answer], str]]:
    """Start a server on the loopback that answers each request as a function says: status, content type, body."""
    servers = []

    def start(answer: Answer) -> str:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                status, kind, body = answer(self.path, json.loads(self.rfile.read(length) or b"{}"))
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST  # noqa: N815  # as above

            def log_message(self, format: str, *arguments: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def program() -> Callable[..., list[str]]:
    """The command line as a program of its own."""

    def command(*arguments: str) -> list[str]:
        return [sys.executable, "-c", "from airouter_core.cli import main; main()", *arguments]

    return command


class Terminal:
    """A terminal of tmux that runs one program."""

    def __init__(self, command: list[str], width: int, height: int) -> None:
        self._socket = f"airouter-{uuid.uuid4().hex[:8]}"
        self._tmux(
            "new-session",
            "-d",
            "-x",
            str(width),
            "-y",
            str(height),
            f"{shlex.join(command)}; printf 'ended %s' $?; cat",
        )

    def keys(self, *keys: str) -> None:
        self._tmux("send-keys", *keys)

    def wait_for(self, text: str) -> str:
        """What is on the screen, once it shows this."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            screen = self._tmux("capture-pane", "-p")
            if text in screen:
                return screen
            time.sleep(0.05)
        raise AssertionError(f"{text!r} was never shown; the screen is:\n{screen}")

    def close(self) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):
            self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-L", self._socket, "-f", os.devnull, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE).stdout


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Terminal]]:
    """Start programs in terminals, which end with the test."""
    if shutil.which("tmux") is None:
        pytest.skip("drives a real terminal: install tmux")
    monkeypatch.setenv("TERM", "xterm-256color")
    with contextlib.ExitStack() as stack:

        def start(command: list[str], width: int = 100, height: int = 40) -> Terminal:
            made = Terminal(command, width, height)
            stack.callback(made.close)
            return made

        yield start
