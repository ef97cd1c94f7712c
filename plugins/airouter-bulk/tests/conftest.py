"""A server that counts and answers as chat completions do, and runs against it."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_bulk import Summary, arun
from airouter_core import create_provider
from airouter_core.plugins.registry import installed
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

Behave = Callable[["Witness", str, int], Answer | None]


class Witness:
    """What was asked of the server, and how often.

    Attributes:
        calls: the questions, in the order in which they came.
        times: when each of them came, in seconds of a clock that never goes back.
        answered: of each question how many whole answers were sent.
        saw: is given each body.
        behave: answers a question in its n-th call; ``None`` for the usual answer.
        most: calls at a time, at most; one whose caller has gone counts no more.
        may_answer: while it is not set, calls are held.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.times: list[float] = []
        self.answered: Counter[str] = Counter()
        self.behave: Behave = lambda witness, question, number: None
        self.saw: Callable[[dict[str, Any]], Any] = lambda body: None
        self.pause = 0.0
        self.most = 0
        self.may_answer = threading.Event()
        self.may_answer.set()
        self._open: set[Connection] = set()
        self._lock = threading.Lock()
        self.server: LoopbackServer

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        question = request.json["messages"][-1]["content"]
        question = question if isinstance(question, str) else question[-1].get("text", "")
        with self._lock:
            self.saw(request.json)
            self.calls.append(question)
            self.times.append(time.monotonic())
            number = self.calls.count(question)
            self._open.add(connection)
            self.most = max(self.most, sum(not _is_gone(one.socket) for one in self._open))
        try:
            while not self.may_answer.is_set():
                if connection.wait(0.05):
                    return
            if self.pause and connection.wait(self.pause):
                return
            connection.answer(self.behave(self, question, number) or said(f"answer to {question}"))
            if not connection.ended:
                self.answered[question] += 1
        finally:
            with self._lock:
                self._open.discard(connection)


def _is_gone(sock: socket.socket) -> bool:
    try:
        return sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except OSError as error:
        return not isinstance(error, BlockingIOError | TimeoutError)


def said(text: str | None, **message: Any) -> Answer:
    """A whole answer, of 10 tokens for 20."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
    return Answer.of_json({"id": "1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})


def called(name: str, arguments: str) -> Answer:
    """An answer that calls a tool."""
    call = {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return said(None, tool_calls=[call])


def refused(status: int, message: str = "no", **headers: str) -> Answer:
    """An error as OpenAI has it."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    code = "insufficient_quota" if "quota" in message else None
    return Answer.of_json({"error": {"message": message, "code": code}}, status=status, headers=names)


class Bulk:
    """Runs in a folder, against a witness."""

    refused = staticmethod(refused)
    said = staticmethod(said)
    called = staticmethod(called)

    def __init__(self, folder: Path, witness: Witness) -> None:
        self.folder = folder / "out"
        self.witness = witness

    def run(self, rows: Any, prompt: str | None = "{{ q }}", *, wait: float = 0.01, **given: Any) -> Summary:
        """Run to the end; waits between tries are short."""
        names = ("fork", "watch", "sample", "approve", "prices", "late", "answering")
        options = {name: given.pop(name) for name in names if name in given}
        spec = {"target": "openai/m", "prompt": prompt, **given}

        async def work() -> Summary:
            config = {"base_url": self.witness.server.url, "api_key": "k", "max_retries": 0}
            async with create_provider("openai", config) as provider:
                return await arun(
                    spec, rows, self.folder, provider=(provider, "m"), wait_before=lambda *_: wait, **options
                )

        return asyncio.run(work())

    def lines(self, name: str = "answers-*.jsonl") -> list[dict[str, Any]]:
        """What came out."""
        return [json.loads(line) for path in sorted(self.folder.glob(name)) for line in path.read_text().splitlines()]

    def bytes(self) -> dict[str, bytes]:
        """The files that came out."""
        return {path.name: path.read_bytes() for path in self.folder.glob("*.jsonl")}

    def numbered(self, count: int) -> list[dict[str, Any]]:
        """Rows whose questions all differ."""
        return [{"n": number, "q": f"question {number}"} for number in range(count)]


@pytest.fixture
def witness() -> Iterator[Witness]:
    """A counting server."""
    if not any(info.name == "openai" for info in installed().providers()):
        pytest.skip("airouter-openai, by which the server is asked, is not installed")
    found = Witness()
    with LoopbackServer(found) as server:
        found.server = server
        yield found


@pytest.fixture
def bulk(tmp_path: Path, witness: Witness) -> Bulk:
    """A folder to run in."""
    return Bulk(tmp_path, witness)
