"""Whatever a server does to its connections, each caller gets the answer to its own question."""

from __future__ import annotations

import concurrent.futures
import contextlib
import os
import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airouter_core.errors import ExecutionError, ProtocolError
from airouter_core.testing.halves import AWAITED, BLOCKING, ON_UVLOOP, Half
from airouter_core.wire.http import HttpRequest, Operation

CALLS = int(os.environ.get("AIROUTER_TEST_CALLS", "600"))
"""For each half; the more, the rarer are the orders of events that are met."""
LONG = b"x" * 200_000
JSON = b"Content-Type: application/json\r\n"


def ask(config: Any, question: str, body: bytes = b"{}") -> HttpRequest:
    return HttpRequest("POST", config.url(question), {"Content-Type": "application/json"}, body)


QUESTION: Operation[str] = Operation(build=ask, parse=lambda body: body.decode())


def answer_to(question: str) -> bytes:
    return b"HTTP/1.1 200 OK\r\n%bContent-Length: %d\r\n\r\n%b" % (JSON, len(question), question.encode())


def in_chunks(question: str) -> bytes:
    pieces = b"".join(b"1\r\n%c\r\n" % letter for letter in question.encode())
    return b"HTTP/1.1 200 OK\r\n%bTransfer-Encoding: chunked\r\n\r\n%b0\r\n\r\n" % (JSON, pieces)


class Connection(socketserver.StreamRequestHandler):
    """Answers with the name of the question, in all the ways that ``server.ways`` draws."""

    server: Server

    def handle(self) -> None:
        with contextlib.suppress(OSError):
            while (head := self._head()) is not None:
                question, length = head
                if self.server.draw()(self, question, length) is False:
                    return

    def _head(self) -> tuple[str, int] | None:
        line = self.rfile.readline()
        if not line:
            return None
        length = 0
        while (field := self.rfile.readline().strip()) != b"":
            name, _, value = field.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        return line.split(b" ")[1].decode().lstrip("/"), length

    def plainly(self, question: str, length: int) -> None:
        self.rfile.read(length)
        self.wfile.write(answer_to(question))

    def by_chunks(self, question: str, length: int) -> None:
        self.rfile.read(length)
        self.wfile.write(in_chunks(question))

    def with_hints(self, question: str, length: int) -> None:
        """Interim answers come first (RFC 9110, section 15.2), each by itself."""
        self.rfile.read(length)
        for status in (b"100 Continue", b"102 Processing", b"103 Early Hints\r\nLink: </x>; rel=preload"):
            self.wfile.write(b"HTTP/1.1 %b\r\n\r\n" % status)
        time.sleep(0.002)
        self.wfile.write(b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer_to(question))

    def early(self, question: str, length: int) -> None:
        """The answer comes before the question was heard out, which is then read to its end."""
        self.wfile.write(answer_to(question))
        self.rfile.read(length)

    def early_and_gone(self, question: str, length: int) -> bool:
        """The same, and the rest of the question is never read."""
        self.wfile.write(answer_to(question))
        time.sleep(0.002)
        return False

    def with_more(self, question: str, length: int) -> None:
        """The answer is followed by what nobody asked for."""
        self.rfile.read(length)
        self.wfile.write(answer_to(question) + answer_to("nobody"))

    def with_a_wrong_length(self, question: str, length: int) -> None:
        """As servers do that count characters instead of bytes."""
        self.rfile.read(length)
        self.wfile.write(answer_to(question) + b"}]}\r\n")

    def and_hangs_up(self, question: str, length: int) -> bool:
        self.plainly(question, length)
        return False

    def reset(self, question: str, length: int) -> bool:
        """The connection is reset in the middle of the answer."""
        self.rfile.read(length)
        self.wfile.write(answer_to(question)[:-2])
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


Way = Callable[[Connection, str, int], Any]

WAYS: tuple[Way, ...] = (
    Connection.plainly,
    Connection.by_chunks,
    Connection.with_hints,
    Connection.early,
    Connection.early_and_gone,
    Connection.with_more,
    Connection.with_a_wrong_length,
    Connection.and_hangs_up,
    Connection.reset,
)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, ways: tuple[Way, ...], seed: int) -> None:
        super().__init__(("127.0.0.1", 0), Connection)
        self._ways = ways
        self._random = random.Random(seed)
        self._lock = threading.Lock()

    def draw(self) -> Way:
        with self._lock:
            return self._random.choice(self._ways)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(autouse=True)
def _no_long_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airouter_core.flow.exchange.FIRST_DELAY", 0.005)


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as stack:

        def started(*ways: Way, seed: int = 7) -> Server:
            server = stack.enter_context(Server(ways, seed))
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            stack.callback(server.shutdown)
            return server

        yield started


@pytest.fixture(params=(BLOCKING, AWAITED, ON_UVLOOP), ids=lambda half: half.name)
def asked(request: pytest.FixtureRequest, make_provider: Any) -> Iterator[Callable[..., Callable[..., str]]]:
    """Make functions that ask one question of a server, by each half in turn."""
    half: Half = request.param
    with contextlib.ExitStack() as stack:

        def to(server: Server, **settings: Any) -> Callable[..., str]:
            provider = make_provider(server.url, **settings)
            used = stack.enter_context(half.of(provider))
            return lambda question, body=b"{}": used.run(provider.operate(QUESTION, question, body))

        yield to


@pytest.mark.parametrize("deadline", [None, 600.0], ids=["", "with a deadline"])
def test_each_caller_gets_its_own_answer(start: Any, asked: Any, deadline: float | None) -> None:
    """Interim and early answers, resets, and more than was asked for: no answer is ever another caller's."""
    put = asked(start(*WAYS), max_retries=12, timeout=120, deadline=deadline)
    draw = random.Random(11)
    questions = [(f"question-{number}", LONG if draw.random() < 0.2 else b"{}") for number in range(CALLS)]

    def answered(asked_for: tuple[str, bytes]) -> str:
        try:
            return put(*asked_for)
        except ExecutionError:
            return "a failure"  # so many resets in a row; nobody was told anything wrong

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(answered, questions))
    assert {(question, answer) for (question, _), answer in zip(questions, answers, strict=True)} <= {
        pair for question, _ in questions for pair in ((question, question), (question, "a failure"))
    }
    assert answers.count("a failure") <= CALLS // 50


def test_what_comes_while_a_connection_rests_is_nobodys(start: Any, asked: Any) -> None:
    """A server that speaks unasked (a 408, a second answer) is not taken to answer the next question."""
    spoken = threading.Event()

    def unasked(connection: Connection, question: str, length: int) -> None:
        connection.plainly(question, length)
        time.sleep(0.05)
        connection.wfile.write(answer_to("nobody"))
        spoken.set()

    put = asked(start(unasked))
    for question in ("one", "two", "three"):
        assert put(question) == question
        assert spoken.wait(120)
        spoken.clear()
        time.sleep(0.05)


@pytest.mark.parametrize("status", ["101 Switching Protocols", "199 X"])
def test_what_is_no_answer_is_none(start: Any, asked: Any, status: str) -> None:
    """Only what begins with 2 is success; a protocol that nobody asked for is a fault."""

    def other(connection: Connection, question: str, length: int) -> bool:
        connection.rfile.read(length)
        connection.wfile.write(b"HTTP/1.1 %b\r\nUpgrade: x\r\n\r\n" % status.encode())
        time.sleep(0.1)
        return False

    with pytest.raises(ExecutionError) as caught:
        asked(start(other), max_retries=0)("one")
    assert isinstance(caught.value, ProtocolError) == status.startswith("101")


def test_a_connection_that_idled_is_not_used_again(start: Any, asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A load balancer may have forgotten it, and whoever speaks on it then waits for nothing."""
    monkeypatch.setattr("airouter_core.transports.connections.IDLE", 0.05)
    monkeypatch.setattr("airouter_core.transports.sessions.IDLE", 0.05)
    connections = set()

    def remembered(connection: Connection, question: str, length: int) -> None:
        connections.add(connection.client_address)
        connection.plainly(question, length)

    put = asked(start(remembered))
    for question in ("one", "two"):
        assert put(question) == question
        time.sleep(0.2)
    assert len(connections) == 2
