"""Connections themselves: heads that never end, bodies that nobody reads, offers of other protocols, methods."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import socket
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import requests
import uvicorn
from uvicorn.server import ServerState

from airouter_gateway.server.connections import LARGEST_HEAD, Connection, without_offers
from airouter_gateway.server.paths.table import BELOW, PATHS

if TYPE_CHECKING:
    from conftest import Running, Serve

BODY = b'{"model":"up/m","messages":[{"role":"user","content":"hi"}]}'
ASK = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\n"
METHODS = ("HEAD", "OPTIONS", "GET", "POST", "PUT", "PATCH", "DELETE", "TRACE")
SIZE = b"content-length: %d\r\n" % len(BODY)


def connected(running: Running) -> socket.socket:
    """A bare connection."""
    return socket.create_connection(("127.0.0.1", int(running.url.rpartition(":")[2])), timeout=20)


def until_closed(sock: socket.socket) -> bytes:
    """What comes until the server hangs up."""
    got = b""
    try:
        while piece := sock.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


def answer_on(sock: socket.socket) -> bytes:
    """One whole answer, with the JSON object in its body."""
    got = b""
    while not got.endswith(b"}"):
        got += sock.recv(65536) or b"}"
    return got


def statuses(got: bytes) -> list[int]:
    """The statuses of all answers in some bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", got)]


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx: "])
def test_a_head_that_does_not_come_is_not_waited_for(serve: Serve, begun: bytes) -> None:
    """Nor is a connection held for who says nothing: whoever opens many has them for no longer than that."""
    running = serve(read_timeout=0.3)
    with connected(running) as sock:
        sock.sendall(begun)
        assert until_closed(sock) == b""
    assert running.get("/health/live").status_code == 200


def test_a_client_of_http_1_0_is_sent_no_chunks(serve: Serve) -> None:
    """A stream is what it is to others, without their framing, and ends when the server hangs up; what has a length
    keeps it. Nor is it told to go on: it knows no interim answers.
    """
    running = serve()
    body = BODY.replace(b"{", b'{"stream":true,', 1)
    size = b"content-length: %d\r\n" % len(body)
    got = {}
    for version in (b"1.0", b"1.1"):
        with connected(running) as sock:
            head = ASK.replace(b"1.1", version) + size + b"connection: close\r\nexpect: 100-continue\r\n\r\n"
            sock.sendall(head + body)
            got[version] = until_closed(sock)
    head, _, stream = got[b"1.0"].partition(b"\r\n\r\n")
    assert statuses(got[b"1.0"]) == [200]
    assert b"transfer-encoding" not in head.lower()
    assert b"connection: close" in head.lower()
    assert stream.startswith(b"data: {")
    assert stream.endswith(b"data: [DONE]\n\n")
    assert b"transfer-encoding: chunked" in got[b"1.1"].lower()
    with connected(running) as sock:
        sock.sendall(ASK.replace(b"1.1", b"1.0") + SIZE + b"\r\n" + BODY)
        head, _, whole = until_closed(sock).partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(whole) in head.lower()


class Loop(asyncio.SelectorEventLoop):
    """A loop whose clock is set."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def on(self, seconds: float) -> None:
        """Some time passes."""
        self.now += seconds
        for _ in range(5):
            self.run_until_complete(asyncio.sleep(0))


class Wire(asyncio.Transport):
    """Where a connection writes."""

    closed = False
    written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Not done here."""

    def resume_reading(self) -> None:
        """Not done here."""


async def unread(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, whatever is still to come."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def loop() -> Iterator[Loop]:
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def line(loop: Loop) -> tuple[Connection, Wire]:
    """A connection to a server that answers at once and reads no bodies."""
    config = uvicorn.Config(unread, lifespan="off", log_config=None, ws="none", timeout_keep_alive=75)
    connection, wire = Connection(config, ServerState(), {}, loop), Wire()
    connection.connection_made(wire)
    return connection, wire


def test_a_head_has_its_time(loop: Loop, line: tuple[Connection, Wire]) -> None:
    """A byte now and then buys none; the first one of a kept connection begins it anew."""
    connection, wire = line
    loop.on(Connection.patience - 1)
    connection.data_received(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    loop.on(70)
    assert (statuses(wire.written), wire.closed) == ([200], False)
    connection.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(int(Connection.patience) - 1):
        loop.on(1)
        connection.data_received(b"x")
        assert not wire.closed
    loop.on(1.1)
    assert wire.closed


def test_an_idle_connection_stays_for_a_while(loop: Loop, line: tuple[Connection, Wire]) -> None:
    """The time of a head is over with it."""
    connection, wire = line
    connection.data_received(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
    loop.on(0)
    loop.on(74)
    assert not wire.closed
    loop.on(2)
    assert wire.closed


def test_the_rest_of_a_body_that_nobody_reads_has_its_time_too(loop: Loop, line: tuple[Connection, Wire]) -> None:
    """Answered, and still sending: for no longer than a request may take."""
    connection, wire = line
    connection.data_received(ASK + b"transfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
    loop.on(0)
    for _ in range(int(Connection.patience)):
        loop.on(0.99)
        connection.data_received(b"1\r\nx\r\n")
    assert (statuses(wire.written), wire.closed) == ([200], False)
    loop.on(1)
    assert wire.closed


def test_a_head_has_a_size(loop: Loop, line: tuple[Connection, Wire]) -> None:
    """Nothing is kept of one that goes on for ever."""
    connection, wire = line
    connection.data_received(b"GET / HTTP/1.1\r\n")
    for _ in range(8):
        assert not wire.closed
        connection.data_received(b"x: " + b"y" * (LARGEST_HEAD // 8) + b"\r\n")
    assert wire.closed


def test_what_follows_a_body_is_no_part_of_the_head(serve: Serve) -> None:
    """No key and no name of a host comes in by trailers."""
    running = serve()
    key, _ = running.keys.create("ci")
    chunks = b"%x\r\n%s\r\n0\r\n" % (len(BODY), BODY)
    with connected(running) as sock:
        trailer = b"authorization: Bearer " + key.encode() + b"\r\n\r\n"
        sock.sendall(ASK + b"connection: close\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + trailer)
        assert statuses(until_closed(sock)) == [401]


@pytest.mark.parametrize(
    "offer",
    [
        b"connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nhttp2-settings: AAEAAEAAAAIAAAABAAMAAABk\r\n",
        b"upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: eA==\r\n",
    ],
)
def test_an_offer_of_another_protocol_is_not_heard(serve: Serve, offer: bytes) -> None:
    """The question that comes with it is answered: Java's client offers HTTP/2 with each."""
    running = serve()
    for body_apart in (False, True):
        with connected(running) as sock:
            sock.sendall(ASK + offer + SIZE + b"\r\n")
            if body_apart:
                time.sleep(0.1)
            sock.sendall(BODY)
            assert statuses(answer_on(sock)) == [200]


def test_only_the_head_is_looked_at_for_offers() -> None:
    """A body that tells of one stays as it is."""
    head = b"POST / HTTP/1.1\r\nUPGRADE: h2c\r\nUpgrade: h2c\r\nx: upgrade: no\r\n\r\n"
    assert without_offers(head + b"\r\nupgrade: h2c") == (b"POST / HTTP/1.1\r\nx: upgrade: no\r\n\r\n\r\nupgrade: h2c")


@pytest.mark.parametrize("name", [b"host: evil.example", b"authorization: Bearer x", b"x-api-key: y"])
def test_who_is_meant_and_who_asks_is_said_once(serve: Serve, name: bytes) -> None:
    """Two that differ may be read differently by whoever stands in between."""
    running = serve()
    for lines in (name + b"\r\n", name + b"\r\n" + name + b"\r\n"):
        with connected(running) as sock:
            sock.sendall(ASK + lines + b"connection: close\r\n" + SIZE + b"\r\n" + BODY)
            said_once = lines.count(b"\r\n") == 1 and not name.startswith(b"host")
            assert statuses(until_closed(sock)) == [200 if said_once else 400]


def test_every_method_of_every_path_has_an_answer(serve: Serve) -> None:
    """Never a fault of the server's own; in JSON where it is an error; one to HEAD has no body."""
    running = serve()
    paths = (*PATHS, *(f"{begin}x" for begin in BELOW), "/nothing", "/api/nothing")
    with requests.Session() as session:
        for path, method in itertools.product(paths, METHODS):
            body = BODY if method in ("POST", "PUT", "PATCH") else None
            answer = session.request(method, running.url + path, data=body, timeout=20)
            assert answer.status_code != 500, (method, path, answer.text)
            if method == "HEAD":
                assert answer.content == b"", path
            elif answer.status_code >= 400:
                assert "error" in json.loads(answer.text), (method, path)
            if method in ("TRACE", "PATCH", "PUT"):
                assert answer.status_code in (403, 404, 405), (method, path)
