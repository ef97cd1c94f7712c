"""What several of the core's tests need: a server on the loopback, and a provider that speaks to it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import load_config
from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.endpoints import base_model, embeddings_operation, models_operation
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.errors import AirouterError
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.http import HttpProvider
from airouter_core.wire.failures import ErrorTable


@attrs.define
class Received:
    """One request as the server got it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Peer:
    """The server's end of one connection."""

    def __init__(self, connection: socket.socket, number: int) -> None:
        self.socket = connection
        self.number = number
        self.reader = connection.makefile("rb")

    def receive(self) -> Received | None:
        """The next request; ``None`` when the client has closed."""
        line = self.reader.readline()
        if not line:
            return None
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := self.reader.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        body = self.reader.read(int(headers.get("content-length", 0)))
        return Received(method, target, headers, body, self.number)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """A whole answer, with its length."""
        head = {"Content-Length": str(len(body)), **{name.replace("_", "-"): text for name, text in headers.items()}}
        self.head(status, **head)
        self.send(body)

    def head(self, status: int, **headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Status"]
        lines += [f"{name.replace('_', '-')}: {text}" for name, text in headers.items()]
        self.send("\r\n".join((*lines, "", "")).encode())

    def chunk(self, data: bytes) -> None:
        """One chunk of a chunked answer; an empty one ends it."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def wait_for_end(self) -> bool:
        """Whether the client closed the connection, waited for as long as a test may."""
        self.socket.settimeout(60)
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True
        except TimeoutError:
            return False


Script = Callable[[Peer, Received], Any]


class Loopback:
    """A server whose script answers each request; it may do to the connection what it likes.

    A script that returns ``False`` ends the connection. ``wrap`` puts TLS around it.
    """

    def __init__(self, script: Script, wrap: Callable[[socket.socket], socket.socket] | None = None) -> None:
        self.requests: list[Received] = []
        self.connections = 0
        self._script = script
        self._wrap = wrap
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http{'s' if self._wrap else ''}://127.0.0.1:{self.port}"

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, ValueError), contextlib.ExitStack() as stack:
            stack.enter_context(contextlib.closing(connection))
            if self._wrap is not None:
                connection = stack.enter_context(contextlib.closing(self._wrap(connection)))
            self._open.add(connection)
            stack.callback(self._open.discard, connection)
            peer = Peer(connection, number)
            stack.callback(peer.reader.close)
            while (received := peer.receive()) is not None:
                self.requests.append(received)
                if self._script(peer, received) is False:
                    return


@pytest.fixture
def serve() -> Iterator[Callable[..., Loopback]]:
    """Start servers on the loopback, each with its script; they end with the test."""
    with contextlib.ExitStack() as stack:

        def start(script: Script, wrap: Callable[[socket.socket], socket.socket] | None = None) -> Loopback:
            server = Loopback(script, wrap)
            stack.callback(server.close)
            return server

        yield start


SCALES = (1.0, 5.0, 25.0)


@pytest.fixture
def at_any_pace() -> Callable[[Callable[[float], None]], None]:
    """Check what is about real times: with short ones, and on a machine too busy to keep them with longer ones.

    The check gets a factor for all its times; what is broken fails with each.
    """

    def checked(check: Callable[[float], None]) -> None:
        for scale in SCALES[:-1]:
            with contextlib.suppress(AirouterError, AssertionError):
                check(scale)
                return
        check(SCALES[-1])

    return checked


PARAMETERS = (
    ParameterSupport("temperature", "temperature", maximum=2),
    ParameterSupport("max_tokens", "max_tokens", minimum=1),
    ParameterSupport("stop", "stop"),
    ParameterSupport("top_k", reason="this server has no top_k"),
)

INFO = ProviderInfo(
    name="example",
    aliases=("sample",),
    description="a provider for tests",
    target="airouter_core.provider.http:HttpProvider",
    capabilities=("chat", "stream", "system_prompt", "tools", "tool_choice", "json", "vision", "embeddings"),
    parameters=PARAMETERS,
    model_patterns=("example-*",),
    api_key_env="EXAMPLE_API_KEY",
)

DIALECT = ChatDialect(provider="example", errors=ErrorTable("example", COMMON_CODES))


class ExampleProvider(HttpProvider[HttpConfig]):
    """A provider of chat completions."""

    wire = DIALECT.wire()
    models = models_operation(lambda entry: base_model("example", entry))

    def embeddings_flow(self, texts: Any, model: str | None) -> Any:
        return self.operate(embeddings_operation(), texts, model)


MakeProvider = Callable[..., ExampleProvider]


@pytest.fixture
def make_provider() -> Iterator[MakeProvider]:
    """Make providers of chat completions; they are closed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def make(base_url: str, plugins: Plugins | None = None, **settings: Any) -> ExampleProvider:
            config = load_config(HttpConfig, {"base_url": base_url, **settings}, provider="example", environ={})
            return stack.enter_context(ExampleProvider(config, INFO, plugins))

        yield make
