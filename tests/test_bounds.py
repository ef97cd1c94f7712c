"""Bounds that bind: what one answer, one file and one setting may cost, and how long an upload may take."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from airouter_core.config.http import HttpConfig
from airouter_core.config.loading import load_config
from airouter_core.errors import (
    AirouterError,
    ConfigurationError,
    ParameterError,
    ProtocolError,
    ProviderError,
    RateLimitedError,
    TransportTimeoutError,
)
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.values import media
from airouter_core.values.events import (
    Alternative,
    MetadataReported,
    PartAdded,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    UsageReported,
)
from airouter_core.values.messages import FilePart
from airouter_core.values.usage import Usage
from airouter_core.wire import bounds
from airouter_core.wire.bounds import Collected, Measure

STREAM = {"Content_Type": "text/event-stream"}
EVENT = b'data: {"choices":[{"index":0,"delta":{"content":"%b"}}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
ANSWER = b'{"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}'


@pytest.fixture(params=(BLOCKING, AWAITED), ids=lambda half: half.name)
def make(request: pytest.FixtureRequest, make_provider: Any) -> Iterator[Callable[..., Any]]:
    """Make providers that are used by each half in turn."""
    half: Half = request.param
    with contextlib.ExitStack() as stack:
        yield lambda *given, **settings: stack.enter_context(half.of(make_provider(*given, **settings)))


# Answers.


@pytest.mark.parametrize("text", [b"x" * 1000, b"x"], ids=["long", "short"])
def test_what_is_collected_of_a_stream_is_bounded(
    serve: Any, make: Any, monkeypatch: pytest.MonkeyPatch, text: bytes
) -> None:
    """However many events it takes, each of them within every limit."""
    monkeypatch.setattr(bounds, "MOST", 100_000)
    sent = []

    def script(peer: Any, _: Any) -> bool:
        peer.head(200, **STREAM)
        while len(sent) < 100_000:
            peer.send((EVENT % text) * 10)
            sent.append(10 * len(text))
        return False

    with pytest.raises(ProtocolError, match="streamed more than 100000 bytes") as caught:
        list(make(serve(script).url).stream_execute("m", "hi"))
    assert len(caught.value.partial.text) < 100_000  # type: ignore[union-attr]  # it has one


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (TextDelta("four"), 4),
        (ToolCallDelta(0, "{}"), 2),
        (Alternative(1, TextDelta("four")), 4),
        (PartAdded(FilePart("image/png", data=b"12345678")), 8),
        (MetadataReported({"example": {"a": 1}}), len("{'example': {'a': 1}}")),
        (MetadataReported({}), 0),
        (UsageReported(Usage()), 0),
    ],
)
def test_what_counts(monkeypatch: pytest.MonkeyPatch, event: StreamEvent, size: int) -> None:
    """Text of every kind, parts and metadata; and every event a little."""
    cost = size + bounds.EACH
    monkeypatch.setattr(bounds, "MOST", 10 * cost)
    measure = Measure()
    for _ in range(10):
        measure.add(event)
    with pytest.raises(ProtocolError):
        measure.add(event)


def test_a_body_in_tiny_pieces_takes_no_more_room() -> None:
    """A million pieces of a byte are a million bytes, not a million objects."""
    tracemalloc.start()
    try:
        body = Collected(10_000_000)
        for number in range(30_000):
            body.add(b"%05d" % number)
        assert len(body.whole()) == 150_000
        assert tracemalloc.get_traced_memory()[1] < 600_000
    finally:
        tracemalloc.stop()
    with pytest.raises(ProtocolError, match="longer than 3 bytes"):
        Collected(3).add(b"four")


@pytest.mark.parametrize("length", ["9" * 5000, "-1", "1e3", "٣", "9" * 400 + ", 5"])
def test_a_length_that_is_none(serve: Any, make: Any, length: str) -> None:
    """An answer whose length is absurd gives an answer or an error of ours."""

    def script(peer: Any, _: Any) -> bool:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %b\r\n\r\n" % length.encode())
        peer.send(ANSWER)
        return False

    with contextlib.suppress(AirouterError):
        assert make(serve(script).url, max_retries=0, timeout=60).execute("m", "hi") == "hello"


@pytest.mark.parametrize(
    ("ask", "body"),
    [
        (lambda provider: provider.list_models(), b'{"error": {"message": "not so fast", "type": "rate_limit_error"}}'),
        (lambda provider: provider.list_models(), b'[{"error": {"message": "not so fast", "code": "slow_down"}}]'),
        (lambda provider: provider.create_embedding("x", model="m"), b'{"error": "not so fast", "data": []}'),
        (lambda provider: provider.execute("m", "hi"), b'{"error": {"message": "not so fast"}}'),
    ],
    ids=["models", "models, in a list", "embeddings", "chat"],
)
def test_an_error_in_a_success_is_one(serve: Any, make: Any, ask: Any, body: bytes) -> None:
    """Whatever was asked: what the provider says is told, in its class."""
    server = serve(lambda peer, _: peer.answer(200, body, Content_Type="application/json"))
    with pytest.raises(ProviderError, match="not so fast") as caught:
        ask(make(server.url, max_retries=0))
    assert isinstance(caught.value, RateLimitedError) == (b"rate_limit" in body)
    assert caught.value.status == 200


def test_an_error_in_a_success_is_tried_again(serve: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An overload is one, wherever it is told."""
    monkeypatch.setattr("airouter_core.flow.exchange.FIRST_DELAY", 0.001)
    bodies = [b'{"error": {"message": "busy", "type": "overloaded_error"}}', b'{"data": [{"id": "m-1"}]}']
    server = serve(lambda peer, _: peer.answer(200, bodies.pop(0), Content_Type="application/json"))
    assert [model.id for model in make(server.url).list_models()] == ["m-1"]


# Files.


def test_only_regular_files_are_read(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe would be waited for, and a device may never end."""
    os.mkfifo(tmp_path / "pipe.png")
    for path in (tmp_path / "pipe.png", "/dev/zero", tmp_path, "nul\0.png", tmp_path / "missing.png"):
        with pytest.raises(ParameterError, match="cannot read"):
            FilePart.from_path(path)
    (tmp_path / "long.png").write_bytes(b"x" * 11)
    monkeypatch.setattr(media, "MOST_OF_A_FILE", 10)
    with pytest.raises(ParameterError, match="longer than 10 bytes"):
        FilePart.from_path(tmp_path / "long.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "long.png")
    monkeypatch.setattr(media, "MOST_OF_A_FILE", 11)
    assert FilePart.from_path(tmp_path / "link.png").data == b"x" * 11


# Settings.


@pytest.mark.parametrize("name", ["timeout", "connect_timeout", "deadline"])
@pytest.mark.parametrize("value", [1e10, float("inf"), float("nan"), 10**400, 0, -1])
def test_a_time_that_no_clock_can_count(name: str, value: float) -> None:
    """It is refused before anything waits."""
    with pytest.raises(ConfigurationError, match=f"setting {name} must be"):
        load_config(HttpConfig, {name: value}, provider="example", environ={})


# Uploads.


class Taking:
    """A server that takes what it is sent slowly, or not at all."""

    def __init__(self, *, at_a_time: int, until: int, pause: float = 0.1) -> None:
        self.uploads = 0
        self._at_a_time = at_a_time
        self._until = until
        self._pause = pause
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 500_000)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._over = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._over.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.uploads += 1
                threading.Thread(target=self._take, args=(connection,), daemon=True).start()

    def _take(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self._taken(connection)

    def _taken(self, connection: socket.socket) -> None:
        taken = 0
        while taken < self._until:
            data = connection.recv(self._at_a_time)
            taken += len(data)
            time.sleep(self._pause)
            if not data:
                return
        if self._until:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER))
        self._over.wait(120)


@pytest.fixture
def taking() -> Iterator[Callable[..., Taking]]:
    with contextlib.ExitStack() as stack:

        def start(**how: Any) -> Taking:
            server = Taking(**how)
            stack.callback(server.close)
            return server

        yield start


LONG = "x" * 12_000_000


@pytest.mark.parametrize("deadline", [None, 30.0], ids=["", "with a deadline"])
def test_an_upload_takes_as_long_as_it_moves(
    make: Any, taking: Any, at_any_pace: Callable[[Callable[[float], None]], None], deadline: float | None
) -> None:
    """Neither the time for connecting nor that of silence counts for the whole of it; and it is sent once."""

    def upload(scale: float) -> None:
        server = taking(at_a_time=300_000, until=11_000_000, pause=0.1 * scale)
        times = {"connect_timeout": 0.5 * scale, "timeout": 2.5 * scale, "deadline": deadline and deadline * scale}
        assert make(server.url, **times).execute("m", LONG) == "hello"
        assert server.uploads == 1

    at_any_pace(upload)


def test_an_upload_that_nobody_takes(make: Any, taking: Any) -> None:
    """It is given up after ``timeout``, and not tried again."""
    server = taking(at_a_time=1, until=0)
    with pytest.raises(TransportTimeoutError, match="took nothing of the request"):
        make(server.url, timeout=0.5, max_retries=3).execute("m", LONG)
    assert server.uploads == 1


def test_an_upload_that_was_given_up_leaves_no_connection(taking: Any, make_provider: Any) -> None:
    """What waited to be sent is dropped, or the connection would wait for the server for as long as that likes."""
    server = taking(at_a_time=1, until=0)

    async def give_up() -> None:
        provider = make_provider(server.url, timeout=0.5)
        with pytest.raises(TransportTimeoutError):
            await provider.achat("m", LONG)
        await asyncio.sleep(0)
        (sessions,) = provider.async_transport._loops.values()  # type: ignore[attr-defined]  # of aiohttp
        (session,) = sessions._by_proxy.values()
        assert [one for one in session.connector._opened if one.is_closing() and one.get_write_buffer_size()] == []
        await provider.aclose()

    asyncio.run(give_up())


def test_the_deadline_ends_an_upload(make: Any, taking: Any) -> None:
    """However well it moves."""
    server = taking(at_a_time=20_000, until=11_000_000)
    with pytest.raises(TransportTimeoutError, match="deadline"):
        make(server.url, timeout=60, deadline=0.6).execute("m", LONG)
    assert server.uploads <= 1  # there may have been no time to connect
