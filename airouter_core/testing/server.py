"""A loopback HTTP server whose every byte is under control; standard library only.

It speaks to the socket itself, because what a client must survive (a wrong length, a reset, half a chunk) is what an
HTTP library would put right.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from http.client import parse_headers, responses
from typing import Any, Literal, Self

import attrs

Framing = Literal["chunked", "length", "close"]
PORTS = range(20_000, 32_000)
"""Below those that systems give to whoever asks for any port: between a look and its use no other program gets one."""


@attrs.frozen
class ReceivedRequest:
    """What a client sent. Header names are in lower case; ``raw`` is all of it, as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes = attrs.field(default=b"", repr=False, eq=False)

    @property
    def json(self) -> Any:
        """The body as JSON; ``None`` when it is empty."""
        return json.loads(self.body) if self.body else None


@attrs.frozen
class Answer:
    """An HTTP answer, in the pieces in which it is to be sent.

    Attributes:
        framing: how the client learns where the body ends.
        pause: seconds before each piece.
    """

    status: int = 200
    headers: Mapping[str, str] = attrs.field(factory=dict)
    pieces: tuple[bytes, ...] = ()
    framing: Framing = "chunked"
    pause: float = 0.0

    @classmethod
    def of_json(cls, value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """A JSON body in one piece."""
        body = json.dumps(value).encode()
        return cls(status, {"content-type": "application/json", **(headers or {})}, (body,), "length")

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def head(self) -> bytes:
        """Status line and headers, with the blank line after them."""
        lines = [f"HTTP/1.1 {self.status} {responses.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.framing == "chunked":
            lines.append("transfer-encoding: chunked")
        elif self.framing == "length":
            lines.append(f"content-length: {len(self.body)}")
        else:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def frames(self) -> Iterator[bytes]:
        """The body as it stands on the wire, piece by piece; without the end mark of chunks."""
        for piece in self.pieces:
            if self.framing == "chunked":
                # An empty chunk would be the end mark.
                if piece:
                    yield b"%x\r\n%s\r\n" % (len(piece), piece)
            else:
                yield piece


def free_port() -> int:
    """A port of 127.0.0.1 for a program that has to be told one.

    Raises:
        OSError: none is free.
    """
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise OSError("no port is free")


class Connection:
    """One client's connection, as a behaviour sees it."""

    def __init__(self, sock: socket.socket, closing: threading.Event) -> None:
        self.socket = sock
        self._closing = closing
        self.ended = False
        self.abandoned = False

    def send(self, data: bytes) -> bool:
        """Send; false when the client has gone."""
        try:
            self.socket.sendall(data)
        except OSError:
            self._gone()
        return not self.ended

    def answer(self, answer: Answer) -> None:
        """Send a whole answer."""
        if not self.send(answer.head):
            return
        for frame in answer.frames():
            if answer.pause:
                self.wait(answer.pause)
            if not self.send(frame):
                return
        if answer.framing == "chunked":
            self.send(b"0\r\n\r\n")
        if answer.framing == "close":
            self.close()

    def wait(self, seconds: float) -> bool:
        """Do nothing for a while; true when the client left meanwhile (or the server closes)."""
        end = time.monotonic() + seconds
        self.socket.settimeout(0.01)
        try:
            while time.monotonic() < end and not self._closing.is_set():
                try:
                    if not self.socket.recv(1, socket.MSG_PEEK):
                        return self._gone()
                    time.sleep(0.01)
                except TimeoutError:
                    continue
                except OSError:
                    return self._gone()
        finally:
            with contextlib.suppress(OSError):
                self.socket.settimeout(None)
        return self._closing.is_set()

    def reset(self) -> None:
        """End the connection with RST, as a crashed peer does."""
        self.ended = True
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.socket.close()

    def close(self) -> None:
        """End the connection in good order."""
        self.ended = True
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def _gone(self) -> bool:
        self.ended = self.abandoned = True
        return True


Behaviour = Callable[[ReceivedRequest, Connection], None]
Greeting = Callable[[Connection], None]


class LoopbackServer:
    """Answers every request on a free port of 127.0.0.1 as ``behaviour`` says; a thread for each connection.

    Args:
        greeting: what is done with a connection before anything is read from it.

    Attributes:
        requests: what was received, in order.
        connections: how many were ever made.
        left: set when a client went away while it was being answered.
    """

    def __init__(self, behaviour: Behaviour, *, greeting: Greeting | None = None) -> None:
        self.behaviour = behaviour
        self._greeting = greeting
        self.requests: list[ReceivedRequest] = []
        self.connections = 0
        self.left = threading.Event()
        self._failures: list[Exception] = []
        self._closing = threading.Event()
        self._live: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._deaf: socket.socket | None = None
        self._server = _Server(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._server.serve = self._serve
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self._failures and kind is None:
            raise self._failures[0]

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        """``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def refusing_url(self) -> str:
        """Where nobody listens, nor can another program, as it could on a port that was let go."""
        with self._lock:
            if self._deaf is None:
                self._deaf = socket.socket()
                self._deaf.bind(("127.0.0.1", 0))
            return f"http://127.0.0.1:{self._deaf.getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        """How many clients are connected now."""
        with self._lock:
            return len(self._live)

    def close(self) -> None:
        """Stop, and cut all connections."""
        self._closing.set()
        self._server.shutdown()
        with self._lock:
            live = list(self._live)
            if self._deaf is not None:
                self._deaf.close()
        for sock in live:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._server.server_close()
        self._thread.join()

    def _serve(self, sock: socket.socket) -> None:
        with self._lock:
            self._live.add(sock)
            self.connections += 1
        try:
            connection = Connection(sock, self._closing)
            if self._greeting is not None:
                self._greeting(connection)
            with sock.makefile("rb") as reader:
                while not connection.ended and (request := _received(reader)) is not None:
                    with self._lock:
                        self.requests.append(request)
                    self.behaviour(request, connection)
            if connection.abandoned:
                self.left.set()
        except OSError:
            self.left.set()
        except Exception as error:  # a behaviour that fails is told to whoever leaves the server
            self._failures.append(error)
        finally:
            with self._lock:
                self._live.discard(sock)
            with contextlib.suppress(OSError):
                sock.close()


class _Server(socketserver.ThreadingTCPServer):
    """Hands connections on; its threads are waited for, so that a test leaves none behind."""

    daemon_threads = False
    block_on_close = True
    request_queue_size = 256
    serve: Callable[[socket.socket], None]

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.serve(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that leave are what these servers are for."""


def _received(reader: io.BufferedReader) -> ReceivedRequest | None:
    line = reader.readline(65537)
    if not line.strip():
        return None
    method, path, _ = line.decode("latin-1").split(" ", 2)
    head = b""
    while not head.endswith(b"\r\n\r\n") and head != b"\r\n" and (more := reader.readline(65537)):
        head += more
    headers = {name.lower(): value for name, value in parse_headers(io.BytesIO(head)).items()}
    if headers.get("transfer-encoding") == "chunked":
        body = b"".join(_chunks(reader))
    else:
        body = reader.read(int(headers.get("content-length") or 0))
    return ReceivedRequest(method, path, headers, body, line + head + body)


def _chunks(reader: io.BufferedReader) -> Iterable[bytes]:
    while size := int(reader.readline().split(b";")[0], 16):
        yield reader.read(size)
        reader.readline()
    reader.readline()
