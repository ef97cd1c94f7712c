"""A server that runs, in front of a provider whose every byte the test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import requests

from airouter_core.manager import ProviderManager
from airouter_core.testing.server import Answer, Behaviour, Connection, LoopbackServer, ReceivedRequest
from airouter_gateway.access.access import Access
from airouter_gateway.access.books import Books
from airouter_gateway.keys import KeyFile
from airouter_gateway.running import bound_socket, run
from airouter_gateway.server.app import Gateway
from airouter_gateway.serving import Serving, serving_from
from airouter_gateway.settings import GatewaySettings
from airouter_ledger.ledger import Ledger
from airouter_ledger.testing import address, server

__all__ = ["address", "questions", "serve", "serve_file", "server"]

NOTHING: dict[str, Any] = {}
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
COMPLETION = {
    "id": "x",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
}


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    """One chunk of an upstream's stream."""
    said = {"id": "x", "object": "chat.completion.chunk", "model": "m"}
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return b"data: " + json.dumps({**said, "choices": [choice]}).encode() + b"\n\n"


HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
END = chunk({}, "stop") + b"data: [DONE]\n\n"


def hello(request: ReceivedRequest, connection: Connection) -> None:
    """Answers, as a stream where one is asked for."""
    if request.method == "GET":
        connection.answer(Answer.of_json({"object": "list", "data": [{"id": "m", "object": "model"}]}))
    elif request.json.get("stream"):
        connection.send(HEAD + chunk({"content": "hel"}) + chunk({"content": "lo"}) + END)
        connection.close()
    else:
        connection.answer(Answer.of_json(COMPLETION))


@pytest.fixture
def questions() -> dict[str, dict[str, Any]]:
    """A question of each dialect, by its path."""
    return {
        "/v1/chat/completions": ASKED,
        "/v1/responses": {"model": "up/m", "input": "hi"},
        "/v1/messages": {**ASKED, "max_tokens": 20},
        "/api/chat": {**ASKED, "stream": False},
        "/api/generate": {"model": "up/m", "prompt": "hi", "stream": False},
    }


@attrs.frozen
class Running:
    """A server that runs.

    Attributes:
        upstream: what it asks, as the provider ``up``; keeps what it was asked.
    """

    url: str
    gateway: Gateway
    keys: KeyFile
    upstream: LoopbackServer

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        """Ask."""
        given = {"data": body} if isinstance(body, bytes) else {"json": body}
        return requests.post(self.url + path, timeout=120, **given, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        """Ask for a page."""
        return requests.get(self.url + path, timeout=120, **options)


Serve = Callable[..., Running]


class Program:
    """``airouter serve``, as a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("AIROUTER", "OPENAI"))}
        environ |= {"XDG_CONFIG_HOME": str(folder / "config"), "NO_COLOR": "1"}
        command = [sys.executable, "-c", "from airouter_core.cli import main; main()", "serve", *options]
        self.log = folder / "serve.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)

    def url(self) -> str:
        """Where it listens, once it does."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := re.search(r"at (http://\S+)", self.text):
                with contextlib.suppress(requests.RequestException):
                    requests.get(f"{found[1]}/health/live", timeout=120)
                    return found[1]
            time.sleep(0.05)
        raise AssertionError(self.text)

    @property
    def text(self) -> str:
        """What it has said."""
        return self.log.read_text(encoding="utf-8")

    def end(self, sign: int = signal.SIGTERM) -> int:
        """Ask it to end; its exit code."""
        self.process.send_signal(sign)
        return self.process.wait(120)


@contextlib.contextmanager
def served(gateway: Gateway) -> Iterator[str]:
    """A server that runs in a thread; its address."""
    listening = bound_socket("127.0.0.1", 0)
    loop = asyncio.new_event_loop()
    task: list[asyncio.Task[None]] = []

    def work() -> None:
        asyncio.set_event_loop(loop)
        task.append(loop.create_task(run(gateway, listening)))
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task[0])
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()

    thread = threading.Thread(target=work)
    not_begun = gateway.stop
    listening.listen()
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        while gateway.stop is not_begun and thread.is_alive():  # what has not begun yet hears of no end
            time.sleep(0.01)
        loop.call_soon_threadsafe(gateway.stop)
        thread.join(120)


@contextlib.contextmanager
def opened_books(address: str, **tables: Any) -> Iterator[Books]:
    """Books in a ledger that is closed again."""
    with contextlib.ExitStack() as stack:
        found: dict[str, Ledger] = {}

        def opened(where: str, durable: bool) -> Ledger:
            if where not in found:
                found[where] = stack.enter_context(Ledger.open(where, durable=durable))
            return found[where]

        ledger = {"path": address, "on": False, **tables.pop("ledger", {})}
        books = Books({"ledger": ledger, **tables}, open_ledger=opened)
        stack.callback(books.close)
        yield books


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Runs servers until the test ends: ``serve(behaviour of the upstream, settings)``."""
    pytest.importorskip("airouter_openai", reason="the upstream is asked by airouter-openai")
    with contextlib.ExitStack() as stack:

        def begin(
            behaviour: Behaviour = hello,
            *,
            ledger: str | None = None,
            tables: Any = NOTHING,
            loopback: bool = True,
            **settings: Any,
        ) -> Running:
            upstream = stack.enter_context(LoopbackServer(behaviour))
            books = stack.enter_context(opened_books(ledger or str(tmp_path / "ledger.db"), **tables))
            manager = ProviderManager(layers=[("ledger", books.layer)])
            config = {"base_url": f"{upstream.url}/v1", "api_key": "sk-planted-upstream", "max_retries": 0}
            manager.add_provider("openai", {**config, "timeout": 100}, as_name="up")
            keys = KeyFile(str(tmp_path / "keys.json"))
            given = GatewaySettings(**{"drain": 1, **settings})
            gateway = Gateway(Serving(manager, given, books), Access(keys, books, fresh=0), loopback=loopback)
            return Running(stack.enter_context(served(gateway)), gateway, keys, upstream)

        yield begin


@pytest.fixture
def serve_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Runs servers of settings until the test ends: ``serve_file(settings)`` gives an address."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with contextlib.ExitStack() as stack:

        def begin(settings: str) -> str:
            path = tmp_path / "airouter.toml"
            path.touch(mode=0o600)
            path.write_text(settings, encoding="utf-8")
            serving = serving_from(str(path))
            return stack.enter_context(served(Gateway(serving, Access(KeyFile(), serving.books))))

        yield begin


@pytest.fixture(scope="session")
def started() -> type[Program]:
    """``started(folder, *options)`` is ``airouter serve`` as a process; whoever begins one ends it."""
    return Program


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[..., Program]]:
    """``program(*options)``: the same, ended with the test."""
    begun: list[Program] = []

    def begin(*options: str) -> Program:
        begun.append(Program(tmp_path, *options))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.end()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something stands in a body."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        yield from places(item, (*path, name))


def changed(body: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    """The body with one value that is another."""
    made = json.loads(json.dumps(body))
    target = made
    for step in path[:-1]:
        target = target[step]
    target[path[-1]] = wrong
    return made
