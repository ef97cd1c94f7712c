"""The transports, blocking and awaited, against servers on the loopback that behave and misbehave."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import http.client
import json
import os
import socket
import ssl
import struct
import threading
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
import trustme
from urllib3.exceptions import HTTPError

from airouter_core.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ExecutionError,
    InsecureConnectionWarning,
    ProtocolError,
    ProviderError,
    TransportError,
    TransportTimeoutError,
)
from airouter_core.flow.steps import Flow, Open, ReadAll
from airouter_core.testing.halves import AWAITED, BLOCKING, ON_UVLOOP, Half
from airouter_core.transports.blocking_answer import RequestsResponse
from airouter_core.transports.connections import JOINED
from airouter_core.values.events import TextDelta
from airouter_core.wire.http import HttpRequest

Serve = Callable[..., Any]
Make = Callable[..., Any]

BODY = json.dumps(
    {"id": "i", "model": "m", "choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}
).encode()
HALF = b'data: {"choices":[{"index":0,"delta":{"content":"hel"}}]}\n\n'
REST = (
    b'data: {"choices":[{"index":0,"delta":{"content":"lo"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)
STREAM = {"Content_Type": "text/event-stream"}
JSON = {"Content_Type": "application/json"}


def answers(peer: Any, received: Any) -> None:
    """Answer whatever is asked, whole or streamed."""
    if b'"stream":true' in received.body:
        peer.head(200, **STREAM, Transfer_Encoding="chunked")
        for piece in (HALF, REST, b""):
            peer.chunk(piece)
    else:
        peer.answer(200, BODY, **JSON)


def reset(peer: Any) -> bool:
    """Break the connection as a crash does."""
    peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port where nobody listens, and that nobody else can take meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture(params=(BLOCKING, AWAITED, ON_UVLOOP), ids=lambda half: half.name)
def half(request: pytest.FixtureRequest) -> Half:
    chosen: Half = request.param
    return chosen


@pytest.fixture
def make_provider(make_provider: Make, half: Half) -> Iterator[Make]:
    """Make providers that are used by each half in turn."""
    with contextlib.ExitStack() as stack:
        yield lambda *given, **settings: stack.enter_context(half.of(make_provider(*given, **settings)))


blocking_only = pytest.mark.parametrize("half", [BLOCKING], indirect=True, ids=["blocking"])


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


# Connections.


def test_a_connection_is_used_again(serve: Serve, make_provider: Make) -> None:
    """After a body, and after a stream read to its end, the next call goes through the same connection."""
    server = serve(answers)
    provider = make_provider(server.url)
    assert provider.execute("m", "hi") == "hello"
    assert "".join(provider.stream_execute("m", "hi")) == "hello"
    assert provider.execute("m", "hi") == "hello"
    assert [received.connection for received in server.requests] == [1, 1, 1]


@blocking_only  # aiohttp's own affair
@pytest.mark.parametrize("proxied", [False, True])
def test_head_and_body_go_out_together(
    serve: Serve, make_provider: Make, monkeypatch: pytest.MonkeyPatch, proxied: bool
) -> None:
    """A request is written at once; one whose body is long is not copied for that."""
    server, written = serve(answers), []
    monkeypatch.setattr(
        http.client.HTTPConnection,
        "send",
        lambda to, data, send=http.client.HTTPConnection.send: (
            written.append(len(data)),
            send(to, data),
        ),
    )
    if proxied:
        provider = make_provider("http://nowhere.invalid/v1", proxies={"http": server.url})
    else:
        provider = make_provider(server.url)
    assert provider.execute("m", "hi") == "hello"
    assert len(written) == 1
    assert provider.execute("m", "h" * JOINED) == "hello"
    assert len(written) == 3


def test_leaving_a_stream_early_closes_its_connection(serve: Serve, make_provider: Make) -> None:
    """The server sees the end as soon as the reader leaves, and the next call has a connection of its own."""
    closed = threading.Event()

    def script(peer: Any, received: Any) -> Any:
        if peer.number > 1:
            return answers(peer, received)
        peer.head(200, **STREAM, Transfer_Encoding="chunked")
        peer.chunk(HALF)
        if peer.wait_for_end():
            closed.set()
        return False

    server = serve(script)
    provider = make_provider(server.url)
    with provider.stream_chat("m", "hi") as stream:
        for event in stream:
            if isinstance(event, TextDelta):
                break
    assert closed.wait(120)
    assert stream.partial.text == "hel"
    assert provider.execute("m", "hi") == "hello"
    assert server.connections == 2


def test_a_closed_provider_closes_its_connections(serve: Serve, make_provider: Make) -> None:
    """Closing frees the pooled connections; a closed provider says so."""
    closed = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        answers(peer, received)
        if peer.wait_for_end():
            closed.set()
        return False

    provider = make_provider(serve(script).url)
    provider.execute("m", "hi")
    provider.close()
    provider.close()
    assert closed.wait(120)
    with pytest.raises(ConfigurationError, match="was closed"):
        provider.execute("m", "hi")


def test_a_connection_that_the_server_closed_is_replaced(serve: Serve, make_provider: Make) -> None:
    """A pooled connection that has gone in the meantime costs no call."""

    def script(peer: Any, received: Any) -> bool:
        answers(peer, received)
        return False

    server = serve(script)
    provider = make_provider(server.url)
    assert [provider.execute("m", "hi") for _ in range(3)] == ["hello"] * 3
    assert server.connections >= 3


def test_a_server_that_leaves_after_a_stream_without_a_word(serve: Serve, make_provider: Make) -> None:
    """llama.cpp closes after a stream though it says that it will not: nobody asks again on that connection."""
    handed_on = threading.Event()

    def script(peer: Any, received: Any) -> None:
        if b'"stream":true' not in received.body:
            peer.answer(200, BODY, **JSON, Server="llama.cpp")
            return
        peer.head(200, **STREAM, Transfer_Encoding="chunked", Server="llama.cpp", Keep_Alive="timeout=5, max=100")
        peer.chunk(HALF)
        handed_on.wait(120)
        for piece in (REST, b""):
            peer.chunk(piece)

    server = serve(script)
    provider = make_provider(server.url)
    assert provider.execute("m", "hi") == "hello"
    pieces = []
    for piece in provider.stream_execute("m", "hi"):
        pieces.append(piece)
        handed_on.set()
    assert "".join(pieces) == "hello"
    assert provider.execute("m", "hi") == "hello"
    assert [received.connection for received in server.requests] == [1, 1, 2]


def test_many_threads_at_once(serve: Serve, make_provider: Make) -> None:
    """Thirty-two threads share one provider, and each gets its own answer."""

    def script(peer: Any, received: Any) -> None:
        said = json.loads(received.body)["messages"][0]["content"]
        peer.answer(200, BODY.replace(b"hello", said.encode()), **JSON)

    provider = make_provider(serve(script).url)
    together = threading.Barrier(32)

    def ask(number: int) -> list[str]:
        together.wait(120)
        return [provider.execute("m", f"thread {number} call {call}") for call in range(5)]

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        for number, said in enumerate(pool.map(ask, range(32))):
            assert said == [f"thread {number} call {call}" for call in range(5)]


@blocking_only  # an event loop does not survive a fork
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_makes_connections_of_its_own(serve: Serve, make_provider: Make) -> None:
    """A child asks over its own connection, and the parent's goes on working."""
    server = serve(answers)
    provider = make_provider(server.url)
    assert provider.execute("m", "hi") == "hello"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside threads is what is tested
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if provider.execute("m", "hi") == "hello" else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert provider.execute("m", "hi") == "hello"
    assert [received.connection for received in server.requests] == [1, 2, 1]


# Streams.


@pytest.mark.parametrize("framing", ["chunked", "length", "close"])
@pytest.mark.parametrize("compressed", [False, True])
def test_nothing_is_held_back(serve: Serve, make_provider: Make, framing: str, compressed: bool) -> None:
    """Each piece reaches the reader before the server sends the next, however the answer is framed."""
    seen = threading.Event()
    pack = zlib.compressobj(wbits=31)

    def packed(data: bytes, *, last: bool = False) -> bytes:
        if not compressed:
            return data
        return pack.compress(data) + pack.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)

    def script(peer: Any, received: Any) -> bool:
        pieces = [packed(HALF)]
        head = dict(STREAM)
        if compressed:
            head["Content_Encoding"] = "gzip"
        if framing == "length":
            whole = zlib.compressobj(wbits=31)
            size = len(HALF + REST)
            if compressed:
                size = len(whole.compress(HALF) + whole.flush(zlib.Z_SYNC_FLUSH) + whole.compress(REST) + whole.flush())
            head["Content_Length"] = str(size)
        elif framing == "chunked":
            head["Transfer_Encoding"] = "chunked"
        else:
            head["Connection"] = "close"
        peer.head(200, **head)
        send = peer.chunk if framing == "chunked" else peer.send
        send(pieces[0])
        assert seen.wait(120), "the first piece was held back"
        send(packed(REST, last=True))
        if framing == "chunked":
            send(b"")
        return framing != "close"

    texts = []
    for text in make_provider(serve(script).url).stream_execute("m", "hi"):
        texts.append(text)
        seen.set()
    assert texts == ["hel", "lo"]


def test_a_server_that_never_hangs_up_is_not_waited_for(serve: Serve, make_provider: Make) -> None:
    """After the end of the answer the connection is given up soon, also where its end would be the answer's."""
    done = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, **STREAM, Connection="close")
        peer.send(HALF + REST)
        assert done.wait(120)
        return False

    provider = make_provider(serve(script).url, timeout=15)
    reading = threading.Thread(target=lambda: (list(provider.stream_execute("m", "hi")), done.set()), daemon=True)
    reading.start()
    reading.join(120)
    finished = not reading.is_alive()
    done.set()
    assert finished, "the reader waited for the connection's end"


def test_a_body_that_is_asked_for_as_a_stream(serve: Serve, make_provider: Make) -> None:
    """A server that does not stream is understood all the same."""

    def script(peer: Any, received: Any) -> None:
        peer.answer(200, BODY, Content_Type="application/json; charset=utf-8")

    assert list(make_provider(serve(script).url).stream_execute("m", "hi")) == ["hello"]


# What goes wrong.


WORDS_OF_A_REFUSAL = (
    r"^cannot connect to http://127\.0\.0\.1:\d+: is the server running, and base_url right\? \([\w ]+\)$"
)


def test_nobody_there(make_provider: Make, unused_port: int) -> None:
    """A refused connection says where, what to check, and why, in the system's words alone."""
    provider = make_provider(f"http://127.0.0.1:{unused_port}", max_retries=0)
    with pytest.raises(ConnectionFailedError, match=WORDS_OF_A_REFUSAL) as caught:
        provider.execute("m", "hi")
    assert caught.value.__cause__ is not None


def test_nobody_there_who_is_waited_for(make_provider: Make, unused_port: int) -> None:
    """Awaited, the same words."""
    pytest.importorskip("aiohttp", reason="awaiting is an extra: pip install 'airouter-core[async]'")
    provider = make_provider(f"http://127.0.0.1:{unused_port}", max_retries=0)

    async def ask() -> None:
        with pytest.raises(ConnectionFailedError, match=WORDS_OF_A_REFUSAL):
            await provider.aexecute("m", "hi")
        await provider.aclose()

    asyncio.run(ask())


def test_no_such_host(make_provider: Make) -> None:
    """A name that does not resolve is a failed connection."""
    with pytest.raises(ConnectionFailedError, match=r"no-such-host\.invalid"):
        make_provider("http://no-such-host.invalid", max_retries=0).execute("m", "hi")


@pytest.mark.parametrize("stage", ["before the head", "in the head", "before the body", "in the body"])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("gently", [False, True])
def test_a_connection_that_breaks(serve: Serve, make_provider: Make, stage: str, stream: bool, gently: bool) -> None:
    """Broken off at any stage, by a reset or by an early end, a call fails, and says what had come."""

    def script(peer: Any, received: Any) -> bool:
        if stage == "in the head":
            peer.send(b"HTTP/1.1 200 OK\r\nContent-Ty")
        elif stage != "before the head":
            if stream:
                peer.head(200, **STREAM, Transfer_Encoding="chunked")
            else:
                peer.head(200, **JSON, Content_Length=str(len(BODY)))
            if stage == "in the body":
                peer.chunk(HALF) if stream else peer.send(BODY[:20])
        return False if gently else reset(peer)

    server = serve(script)
    provider = make_provider(server.url, max_retries=0)
    with pytest.raises((ConnectionFailedError, ProtocolError)) as caught:
        list(provider.stream_execute("m", "hi")) if stream else provider.execute("m", "hi")
    assert caught.value.partial is not None
    if not (stream and stage == "in the body" and not gently):
        assert caught.value.partial.text == ("hel" if stream and stage == "in the body" else "")


def test_a_kept_connection_that_is_closed_as_the_next_request_arrives(serve: Serve, make_provider: Make) -> None:
    """It counts as a retry, since a server that closes may have begun to answer: without any it is an error."""
    answered = set()

    def script(peer: Any, received: Any) -> bool:
        if peer.number in answered:
            return False
        answered.add(peer.number)
        peer.answer(200, BODY, **JSON, Connection="keep-alive")
        return True

    server = serve(script)
    strict = make_provider(server.url, max_retries=0)
    assert strict.execute("m", "hi") == "hello"
    with pytest.raises(
        ConnectionFailedError, match=r"127\.0\.0\.1:\d+ broke: (Remote end closed|Server disconnected)"
    ) as caught:
        strict.execute("m", "hi")
    assert caught.value.retryable
    assert [request.connection for request in server.requests] == [1, 1]
    usual = make_provider(server.url)
    assert [usual.execute("m", "hi") for _ in range(2)] == ["hello"] * 2
    assert [request.connection for request in server.requests] == [1, 1, 2, 2, 3]


def test_a_body_that_broke_off_is_asked_for_again(serve: Serve, make_provider: Make) -> None:
    """Nothing was handed on, so the call is made again, at once in this test."""

    def script(peer: Any, received: Any) -> Any:
        if len(server.requests) > 1:
            return answers(peer, received)
        peer.head(200, **JSON, Content_Length=str(len(BODY)))
        peer.send(BODY[:20])
        return False

    server = serve(script)
    assert make_provider(server.url).execute("m", "hi") == "hello"
    assert len(server.requests) == 2


def test_silence(serve: Serve, make_provider: Make) -> None:
    """A server that says nothing for ``timeout`` seconds is given up, before the head and in the middle."""
    over = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        if b'"stream":true' in received.body:
            peer.head(200, **STREAM, Transfer_Encoding="chunked")
            peer.chunk(HALF)
        over.wait(120)
        return False

    server = serve(script)
    try:
        with pytest.raises(TransportTimeoutError, match=r"sent nothing for 0\.2 s; raise `timeout`"):
            make_provider(server.url, timeout=0.2).execute("m", "hi")
        for seconds in (0.2, 1, 5, 25):  # what comes first is late on a busy machine
            with pytest.raises(TransportTimeoutError) as caught:
                list(make_provider(server.url, timeout=seconds).stream_execute("m", "hi"))
            if caught.value.partial is not None:
                break
    finally:
        over.set()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hel"


@pytest.mark.parametrize("before", [60.0, 0.2])
def test_silence_on_a_connection_that_was_used(serve: Serve, make_provider: Make, before: float) -> None:
    """Each request has its own patience, longer or shorter than that of the one before it."""
    over = threading.Event()

    def script(peer: Any, received: Any) -> bool | None:
        if received.body == b"slow":
            time.sleep(0.5)
        if received.body == b"never":
            over.wait(120)
            return False
        answers(peer, received)
        return None

    server = serve(script)

    def asked(body: bytes, patience: float) -> Flow[int]:
        response = yield Open(HttpRequest("POST", server.url, {}, body), 5, patience)
        yield ReadAll(response, patience, 999)
        return int(response.status)

    def flow() -> Flow[int]:
        with contextlib.suppress(TransportTimeoutError):  # where a busy machine is late
            yield from asked(b"now", before)
        assert (yield from asked(b"slow", 60.0)) == 200
        return (yield from asked(b"never", 0.2))

    try:
        with pytest.raises(TransportTimeoutError, match=r"sent nothing for 0\.2 s"):
            make_provider(server.url).run(flow())
    finally:
        over.set()


def test_the_deadline_ends_what_only_drips(serve: Serve, make_provider: Make) -> None:
    """Bytes that keep coming do not save a call from its deadline, streamed or not, whatever the framing."""
    over = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, **STREAM, Connection="close")
        while not over.wait(0.02):
            peer.send(b": still thinking\n\n")
        return False

    provider = make_provider(serve(script).url, deadline=0.4)
    try:
        for ask in (lambda: provider.execute("m", "hi"), lambda: list(provider.stream_execute("m", "hi"))):
            with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.4 s"):
                ask()
    finally:
        over.set()


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n\r\n"
FRAMES = {
    "a head": b"HTTP/1.1 200 OK\r\nX-Long: ",
    "the size of a chunk": CHUNKED + b"5;comment=",
    "a trailer": CHUNKED + b"3\r\n: \n\r\n0\r\nX-Long: ",
}


class Dripping:
    """A script that never sends a whole piece; with an end, so that a call which nobody cuts off fails its test.

    Attributes:
        is_through: whether somebody has listened to that end.
    """

    def __init__(self, beginning: bytes) -> None:
        self.is_through = False
        self._beginning = beginning

    def __call__(self, peer: Any, received: Any) -> bool:
        peer.send(self._beginning)
        for _ in range(3000):
            peer.send(b"x")
            time.sleep(0.02)
        self.is_through = True
        return False


@pytest.fixture(params=FRAMES)
def dripping(request: pytest.FixtureRequest) -> Dripping:
    """One for each place where an answer may drip besides its content."""
    return Dripping(FRAMES[request.param])


def test_the_deadline_ends_what_never_is_a_piece(serve: Serve, make_provider: Make, dripping: Any) -> None:
    """Bytes that frame an answer may drip too, and each begins the socket's timeout anew."""
    server = serve(dripping)
    provider = make_provider(server.url, deadline=0.4)
    for ask in (lambda: provider.execute("m", "hi"), lambda: list(provider.stream_execute("m", "hi"))):
        with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.4 s"):
            ask()
    assert len(server.requests) <= 2
    assert not dripping.is_through


def test_silence_within_a_deadline_is_told_as_the_deadline(serve: Serve, make_provider: Make) -> None:
    """When the deadline cuts the wait, it is the deadline that is named."""
    over = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        over.wait(120)
        return False

    provider = make_provider(serve(script).url, deadline=0.3, timeout=30)
    try:
        with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.3 s"):
            provider.execute("m", "hi")
    finally:
        over.set()


def test_an_answer_without_end(serve: Serve, make_provider: Make) -> None:
    """A body beyond its limit is given up."""

    def script(peer: Any, received: Any) -> None:
        peer.answer(200, b"x" * 1000)

    server = serve(script)

    def flow() -> Flow[bytes]:
        response = yield Open(HttpRequest("GET", server.url), 5, 5)
        body: bytes = yield ReadAll(response, 5, 999)
        return body

    with pytest.raises(ProtocolError, match="more than 999 bytes"):
        make_provider(server.url).run(flow())


def test_what_is_no_http(serve: Serve, make_provider: Make) -> None:
    """A server that speaks something else is a failed connection."""

    def script(peer: Any, received: Any) -> bool:
        peer.send(b"SSH-2.0-OpenSSH_9.9\r\n")
        return False

    with pytest.raises(ConnectionFailedError):
        make_provider(serve(script).url, max_retries=0).execute("m", "hi")


@blocking_only
def test_a_body_that_is_taken_away_while_it_is_read(
    serve: Serve, make_provider: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that somebody closed in the middle of a whole read is a failed connection, not a ValueError."""

    def taken_away(self: object, *_: object, **__: object) -> bytes:
        raise ValueError("I/O operation on closed file.")

    monkeypatch.setattr(http.client.HTTPResponse, "read", taken_away)
    with pytest.raises(TransportError, match="broke"):
        make_provider(serve(answers).url, max_retries=0).execute("m", "hi")


@pytest.mark.parametrize("error", [ValueError("closed file"), OSError("gone"), HTTPError("odd")])
def test_a_piece_that_cannot_be_read_is_a_failed_connection(error: Exception) -> None:
    """Whatever the layers below raise."""

    class Broken:
        status, headers, chunked = 200, MappingProxyType({}), True

        def stream(self, *_: object, **__: object) -> Iterator[bytes]:
            raise error

    with pytest.raises(TransportError, match="broke"):
        RequestsResponse(Broken(), "http://h", 1.0).read_some(1.0)


@pytest.mark.parametrize("content_type", ["text/html", "text/event-stream", "application/json"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_web_page_is_no_answer(serve: Serve, make_provider: Make, content_type: str, stream: bool) -> None:
    """HTML with status 200 is an error that shows it and says what to check."""

    def script(peer: Any, received: Any) -> None:
        peer.answer(200, b"<!doctype html><title>Sign in</title>", Content_Type=content_type)

    provider = make_provider(serve(script).url)
    with pytest.raises(ProtocolError, match=r"web page.*Sign in.*check base_url"):
        list(provider.stream_execute("m", "hi")) if stream else provider.execute("m", "hi")


@pytest.mark.parametrize("value", ["sk-secret\nx", "sk-secret\u201d"])
def test_a_header_that_cannot_be_sent_is_the_callers_fault(serve: Serve, make_provider: Make, value: str) -> None:
    """A value that no header can hold is a ConfigurationError that does not show it, and nothing is sent."""
    server = serve(answers)

    def flow() -> Flow[None]:
        yield Open(HttpRequest("GET", server.url, {"Authorization": value}), 5, 5)

    with pytest.raises(ConfigurationError, match="header") as caught:
        make_provider(server.url).run(flow())
    assert "sk-secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.requests == []


# Redirects and secrets, through the wire.


def test_redirects(serve: Serve, make_provider: Make) -> None:
    """On the same server a redirect is followed with key and body; to another nothing is sent."""
    other = serve(answers)

    def script(peer: Any, received: Any) -> Any:
        if received.target == "/a/chat/completions":
            return peer.answer(308, b"", Location="/b/chat/completions")
        if received.target == "/elsewhere/chat/completions":
            return peer.answer(307, b"", Location=f"{other.url}/chat/completions")
        return answers(peer, received)

    server = serve(script)
    assert make_provider(f"{server.url}/a", api_key="sk-planted-key").execute("m", "hi") == "hello"
    first, second = server.requests
    assert second.headers["authorization"] == first.headers["authorization"] == "Bearer sk-planted-key"
    assert second.body == first.body
    with pytest.raises(ProviderError, match="another address") as caught:
        make_provider(f"{server.url}/elsewhere", api_key="sk-planted-key").execute("m", "hi")
    assert caught.value.provider == "example"
    assert other.requests == []


def stamped(request: HttpRequest, config: Any, now: float) -> HttpRequest:
    """Sign as a test can check: the address, the body's length, the headers there were, and the time."""
    said = f"{request.url} {len(request.body or b'')} {now:.6f} {sorted(request.headers)}"  # type: ignore[arg-type]  # bytes
    return msgspec.structs.replace(request, headers={**request.headers, "X-Signature": said})


def test_each_sending_is_signed_anew(serve: Serve, make_provider: Make) -> None:
    """A wire that signs does so for each attempt, each redirect and each further endpoint, over what is sent."""

    def script(peer: Any, received: Any) -> Any:
        if len(server.requests) == 1:
            return peer.answer(503, b"", Retry_After_Ms="1")
        if received.target == "/a%3Ab/chat/completions":
            return peer.answer(307, b"", Location="/moved%2Fa b/chat")
        return answers(peer, received)

    server = serve(script)
    provider = make_provider(f"{server.url}/a%3Ab", custom_headers={"X-Extra": "1"})
    base = provider._provider if hasattr(provider, "_provider") else provider
    base.wire = msgspec.structs.replace(base.wire, sign=stamped)
    assert provider.execute("m", "hi") == "hello"
    targets = ["/a%3Ab/chat/completions", "/a%3Ab/chat/completions", "/moved%2Fa%20b/chat"]
    assert [received.target for received in server.requests] == targets
    signatures = [received.headers["x-signature"].split(" ", 3) for received in server.requests]
    for received, (address, length, _, headers) in zip(server.requests, signatures, strict=True):
        assert address == server.url + received.target
        assert int(length) == len(received.body)
        assert "X-Extra" in headers
        assert "X-Signature" not in headers
    times = [float(time) for _, _, time, _ in signatures]
    assert times == sorted(set(times))
    with contextlib.suppress(ExecutionError):
        provider.list_models()
    assert server.requests[-1].headers["x-signature"].startswith(f"{server.url}/a%3Ab/models 0 ")


def test_secrets_that_come_back_are_hidden(serve: Serve, make_provider: Make) -> None:
    """What a server repeats of the key, in an error or in a broken answer, is hidden in ours."""

    def script(peer: Any, received: Any) -> None:
        key = received.headers["authorization"]
        status = 200 if received.target.startswith("/broken") else 401
        peer.answer(status, json.dumps({"error": {"message": f"bad {key}"}})[: -1 if status == 200 else None].encode())

    server = serve(script)
    for path in ("/broken", ""):
        provider = make_provider(server.url + path, api_key="sk-planted-key")
        for ask in (lambda: provider.execute("m", "hi"), provider.list_models):  # noqa: B023  # called at once
            with pytest.raises(ExecutionError) as caught:
                ask()
            assert "***" in str(caught.value)
            assert "sk-planted-key" not in f"{caught.value} {caught.value.args} {vars(caught.value)}"


def test_headers_of_the_configuration_win(serve: Serve, make_provider: Make) -> None:
    """Custom headers are added to each request, and replace ours whatever their case."""
    server = serve(answers)
    headers = {"authorization": "Other scheme", "X-Extra": "1", "user-agent": "mine"}
    make_provider(server.url, api_key="sk-planted-key", custom_headers=headers).execute("m", "hi")
    (received,) = server.requests
    assert received.headers["authorization"] == "Other scheme"
    assert received.headers["x-extra"] == "1"
    assert received.headers["user-agent"] == "mine"


def test_the_request_id_is_kept(serve: Serve, make_provider: Make) -> None:
    """What the provider's support asks for is in responses and in errors."""

    def script(peer: Any, received: Any) -> None:
        if received.target.startswith("/bad"):
            peer.answer(200, b'{"error": {"message": "no"}}', X_Request_Id="r-2")
        else:
            peer.answer(200, BODY, X_Request_Id="r-1")

    server = serve(script)
    assert make_provider(server.url).chat("m", "hi").request_id == "r-1"
    with pytest.raises(ProviderError) as caught:
        make_provider(f"{server.url}/bad").chat("m", "hi")
    assert caught.value.request_id == "r-2"


# Proxies.


@pytest.mark.parametrize("given_by", ["configuration", "environment"])
def test_a_proxy_for_plain_http(
    serve: Serve, make_provider: Make, monkeypatch: pytest.MonkeyPatch, given_by: str
) -> None:
    """Requests go to the proxy with the whole address; its password goes to it and nowhere else."""
    proxy = serve(answers)
    address = proxy.url.replace("http://", "http://user:proxy-password@")
    settings = {"proxies": {"http": address}} if given_by == "configuration" else {}
    if given_by == "environment":
        monkeypatch.setenv("http_proxy", address)
    assert make_provider("http://nowhere.invalid/v1", **settings).execute("m", "hi") == "hello"
    (received,) = proxy.requests
    assert received.target == "http://nowhere.invalid/v1/chat/completions"
    assert received.headers["proxy-authorization"].startswith("Basic ")


def test_no_proxy_for_those_named(
    serve: Serve, make_provider: Make, monkeypatch: pytest.MonkeyPatch, unused_port: int
) -> None:
    """``no_proxy`` is respected, as everywhere."""
    server = serve(answers)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port}")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert make_provider(server.url).execute("m", "hi") == "hello"


def test_a_proxy_that_is_not_there(make_provider: Make, unused_port: int) -> None:
    """A proxy that does not answer is a mistake in the configuration, and named; its password is not."""
    proxies = {"http": f"http://user:proxy-password@127.0.0.1:{unused_port}"}
    with pytest.raises(ConfigurationError, match=f"the proxy http://127.0.0.1:{unused_port} cannot be used") as caught:
        make_provider("http://nowhere.invalid", proxies=proxies).execute("m", "hi")
    assert "proxy-password" not in str(caught.value)


# TLS.


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(serve: Serve, authority: trustme.CA) -> Any:
    """A server whose certificate nobody knows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return serve(answers, lambda connection: context.wrap_socket(connection, server_side=True))


def test_an_unknown_certificate_is_refused(tls: Any, make_provider: Make) -> None:
    """Certificates are checked; the error says how to name a private authority."""
    with pytest.raises(ConnectionFailedError, match=r"no secure connection.*verify_ssl to its CA file"):
        make_provider(tls.url, max_retries=0).execute("m", "hi")
    assert tls.requests == []


def test_a_private_authority(tls: Any, make_provider: Make, authority: trustme.CA, tmp_path: Any) -> None:
    """``verify_ssl`` names the file of an authority to trust."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    assert make_provider(tls.url, verify_ssl=str(path)).execute("m", "hi") == "hello"


@blocking_only
def test_the_deadline_ends_what_drips_over_tls(
    serve: Serve, make_provider: Make, authority: trustme.CA, tmp_path: Any, dripping: Any
) -> None:
    """Whatever the connection is, and however it was found; the other half looks at no socket."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = serve(dripping, lambda connection: context.wrap_socket(connection, server_side=True))
    provider = make_provider(server.url, deadline=0.4, verify_ssl=str(tmp_path / "ca.pem"))
    with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.4 s"):
        provider.execute("m", "hi")
    assert not dripping.is_through


def test_a_private_authority_from_the_environment(
    tls: Any, make_provider: Make, authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``REQUESTS_CA_BUNDLE`` is respected, as everywhere."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    assert make_provider(tls.url).execute("m", "hi") == "hello"


def test_an_authority_that_is_not_there(tls: Any, make_provider: Make, tmp_path: Any) -> None:
    """A CA file that does not exist is a mistake in the configuration."""
    with pytest.raises(ConfigurationError, match="there is no CA file"):
        make_provider(tls.url, verify_ssl=str(tmp_path / "missing.pem")).execute("m", "hi")


def test_unverified_warns_once(tls: Any, make_provider: Make) -> None:
    """Without verification calls work, with one warning for all of them, and none of urllib3's."""
    provider = make_provider(tls.url, verify_ssl=False)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert [provider.execute("m", "hi") for _ in range(3)] == ["hello"] * 3
    assert [warning.category for warning in caught] == [InsecureConnectionWarning]


def test_plain_http_where_tls_is_expected(serve: Serve, make_provider: Make) -> None:
    """https to a server of plain http is a failed connection."""

    def plain(connection: socket.socket) -> socket.socket:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        return connection

    with pytest.raises(ConnectionFailedError, match="no secure connection"):
        make_provider(serve(answers, plain).url, max_retries=0).execute("m", "hi")
