"""Which way a request goes: one decision for both halves, and nothing sent to a proxy that was not meant for it."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

from airouter_core.errors import ConfigurationError, ConnectionFailedError
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.transports.proxies import Proxy, proxy_for

NAMES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
BODY = b'{"choices": [{"index": 0, "message": {"content": "hello"}, "finish_reason": "stop"}]}'


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=(BLOCKING, AWAITED), ids=lambda half: half.name)
def make(request: pytest.FixtureRequest, make_provider: Any) -> Iterator[Callable[..., Any]]:
    """Make providers that are used by each half in turn."""
    half: Half = request.param
    with contextlib.ExitStack() as stack:
        yield lambda *given, **settings: stack.enter_context(half.of(make_provider(*given, **settings)))


def answers(peer: Any, received: Any) -> None:
    peer.answer(200, BODY, Content_Type="application/json")


# The decision.


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("api.example.com", "https://api.example.com", True),
        ("example.com", "https://api.example.com", True),
        (".example.com", "https://api.example.com", True),
        ("*.example.com", "https://api.example.com", True),
        ("example.com", "https://notexample.com", False),
        ("other.org, example.com ", "https://api.example.com", True),
        ("*", "https://api.example.com", True),
        ("api.example.com:8443", "https://api.example.com:8443", True),
        ("api.example.com:8443", "https://api.example.com", False),
        ("api.example.com:443", "https://api.example.com", True),
        ("10.1.2.3", "http://10.1.2.3:8080", True),
        ("10.1.2.3:8080", "http://10.1.2.3:8080", True),
        ("10.1.2.3:8081", "http://10.1.2.3:8080", False),
        ("10.0.0.0/8", "http://10.1.2.3:8080", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("fd00::/8", "http://[fd00::7]:8080", True),
        ("fd00::7", "http://[fd00::7]:8080", True),
        ("[fd00::7]:8080", "http://[fd00:0::7]:8080", True),
        ("[fd00::7]:8081", "http://[fd00::7]:8080", False),
        ("", "http://10.1.2.3", False),
        ("", "http://127.0.0.1:8080", True),
        ("", "http://127.8.9.1", True),
        ("", "http://[::1]:8080", True),
        ("", "http://localhost:11434", True),
        ("", "http://app.localhost", True),
        ("", "http://localhost.example.com", False),
    ],
)
def test_no_proxy(monkeypatch: pytest.MonkeyPatch, no_proxy: str, url: str, direct: bool) -> None:
    """``NO_PROXY`` names hosts, domains, addresses and networks, some with ports; this machine needs no naming."""
    monkeypatch.setenv("ALL_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", no_proxy)
    assert (proxy_for(url, {}) is None) == direct


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("proxy.test:3128", "http://proxy.test:3128"),
        ("http://proxy.test", "http://proxy.test:80"),
        ("https://proxy.test", "https://proxy.test:443"),
        ("socks5h://proxy.test", "socks5h://proxy.test:1080"),
        ("socks://127.0.0.1:9050/", "socks5h://127.0.0.1:9050"),
        ("http://[::1]:3128", "http://[::1]:3128"),
    ],
)
def test_how_proxies_are_written(given: str, address: str) -> None:
    """With or without scheme and port, and as desktops write it."""
    found = proxy_for("https://api.example.com", {"https": given})
    assert found is not None
    assert found.address == address


def test_what_a_proxy_wants_to_know() -> None:
    """Its user and password are decoded, and never shown."""
    found = proxy_for("https://api.example.com", {"all": "user%40x:pa%3Ass@proxy.test:3128"})
    assert found is not None
    assert base64.b64decode(found.headers["Proxy-Authorization"].removeprefix("Basic ")) == b"user@x:pa:ss"
    assert repr(found) == "Proxy(address='http://proxy.test:3128')"


def test_the_configuration_comes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the configuration leaves open, the environment says, as with requests."""
    monkeypatch.setenv("HTTPS_PROXY", "http://environment.test:1")
    monkeypatch.setenv("HTTP_PROXY", "http://environment.test:1")
    configured = {"https": "http://configured.test:2"}
    assert proxy_for("https://a.test", configured) == Proxy("http://configured.test:2")
    assert proxy_for("http://a.test", configured) == Proxy("http://environment.test:1")
    assert proxy_for("http://a.test", {**configured, "no_proxy": "a.test"}) is None
    assert proxy_for("https://127.0.0.1", configured) == Proxy("http://configured.test:2")


@pytest.mark.parametrize(
    "given",
    ["http://", "http://:3128", "http://a.test:99999", "http://user:secret-word@a.test:x", "ftp://a.test:21", "//"],
)
def test_what_is_no_address_of_a_proxy(make: Any, given: str) -> None:
    """An address that is none is told as a mistake in the configuration, without what it may hold."""
    with pytest.raises(ConfigurationError, match="is no address of a proxy") as caught:
        make("http://a.test", proxies={"http": given}).execute("m", "hi")
    assert "secret-word" not in str(caught.value)


# Both halves, with real proxies.


def test_a_server_here_is_asked_directly(serve: Any, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy of the environment gets a prompt that is meant for this machine."""
    proxy, server = serve(answers), serve(answers)
    monkeypatch.setenv("ALL_PROXY", proxy.url)
    assert make(server.url, api_key="sk-for-this-machine").execute("m", "hi") == "hello"
    assert proxy.requests == []


class Tunnel:
    """A proxy that makes ways through: HTTP's CONNECT, or SOCKS 5 (RFC 1928, with RFC 1929)."""

    def __init__(self, *, password: bytes | None = None, reply: int = 0) -> None:
        self.heard = b""
        self.named: list[tuple[str, int]] = []
        self._password = password
        self._reply = reply

    def socks(self, connection: socket.socket) -> None:
        read = connection.makefile("rb").read
        self.heard += read(2)
        read(self.heard[-1])
        connection.sendall(b"\x05\x02" if self._password else b"\x05\x00")
        if self._password:
            read(1)
            read(read(1)[0])
            right = read(read(1)[0]) == self._password
            connection.sendall(b"\x01\x00" if right else b"\x01\x01")
            if not right:
                return
        _, _, _, kind = read(4)
        host = socket.inet_ntoa(read(4)) if kind == 1 else read(read(1)[0]).decode()
        port = int.from_bytes(read(2), "big")
        self.named.append((host, port))
        connection.sendall(b"\x05%c\x00\x01\x00\x00\x00\x00\x00\x00" % self._reply)
        if not self._reply:
            self._carry(connection, port)

    def connect(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += connection.recv(65536)
        self.heard += head
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        self.named.append((host, int(port)))
        if self._reply:
            connection.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self._reply)
            return
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        self._carry(connection, int(port))

    def _carry(self, near: socket.socket, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as far:
            while True:
                for ready in select.select([near, far], [], [], 10)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    self.heard += data if ready is near else b""
                    (far if ready is near else near).sendall(data)


@pytest.fixture
def listen() -> Iterator[Callable[[Any], int]]:
    """Serve connections; gives the port."""
    with contextlib.ExitStack() as stack:

        def start(serve_one: Any) -> int:
            listener = socket.create_server(("127.0.0.1", 0))
            stack.callback(listener.close)

            def one(connection: socket.socket) -> None:
                with connection, contextlib.suppress(OSError, ValueError):
                    serve_one(connection)

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            return int(listener.getsockname()[1])

        yield start


def test_a_socks_proxy_is_spoken_to_as_one(serve: Any, make: Any, listen: Any) -> None:
    """It gets a SOCKS greeting and the server's name, with its password; never the request in the clear."""
    server = serve(answers)
    tunnel = Tunnel(password=b"pa:ss-word")
    address = f"socks5h://user:pa%3Ass-word@127.0.0.1:{listen(tunnel.socks)}"
    assert make(f"http://model.test:{server.port}", proxies={"all": address}).execute("m", "hi") == "hello"
    assert tunnel.named == [("model.test", server.port)]
    assert tunnel.heard.startswith(b"\x05")


def test_a_socks_proxy_of_the_environment(serve: Any, make: Any, listen: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """``ALL_PROXY`` is understood by both halves alike, and so is who is named by ``NO_PROXY``."""
    server = serve(answers)
    tunnel = Tunnel()
    monkeypatch.setenv("ALL_PROXY", f"socks5h://127.0.0.1:{listen(tunnel.socks)}")
    assert make(f"http://model.test:{server.port}").execute("m", "hi") == "hello"
    assert tunnel.named == [("model.test", server.port)]
    monkeypatch.setenv("NO_PROXY", "model.test")
    with pytest.raises(ConnectionFailedError):
        make(f"http://model.test:{server.port}", max_retries=0).execute("m", "hi")
    assert len(tunnel.named) == 1


@pytest.mark.parametrize(
    ("reply", "password", "kind"),
    [(0, b"another", ConfigurationError), (5, None, ConnectionFailedError)],
    ids=["wrong password", "the server refuses"],
)
def test_whose_fault_behind_socks(make: Any, listen: Any, reply: int, password: Any, kind: type) -> None:
    """A proxy that lets nobody in is the configuration's fault; a server that it cannot reach is not."""
    address = f"socks5h://user:secret-word@127.0.0.1:{listen(Tunnel(password=password, reply=reply).socks)}"
    with pytest.raises(kind, match=r"the proxy socks5h://127\.0\.0\.1:\d+ can") as caught:
        make("http://model.test", proxies={"all": address}, max_retries=0).execute("m", "hi")
    assert "secret-word" not in str(caught.value)


@pytest.mark.parametrize("missing", ["socks", "aiohttp_socks"])
def test_without_what_speaks_socks(make_provider: Any, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    """The error names the extra to install."""
    half = BLOCKING if missing == "socks" else AWAITED
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "urllib3.contrib.socks", raising=False)
    with (
        half.of(make_provider("http://model.test", proxies={"all": "socks5://127.0.0.1:9"})) as provider,
        pytest.raises(ConfigurationError, match=r"socks5://127\.0\.0\.1:9 needs an extra: .*airouter-core\[socks\]"),
    ):
        provider.execute("m", "hi")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def test_tls_through_a_proxy(
    serve: Any, make: Any, listen: Any, authority: trustme.CA, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The proxy sees whom to reach, and its own password; nothing of what is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("model.test").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    server = serve(answers, lambda connection: context.wrap_socket(connection, server_side=True))
    tunnel = Tunnel()
    monkeypatch.setenv("https_proxy", f"us%20er:p%40ss@127.0.0.1:{listen(tunnel.connect)}")
    provider = make(f"https://model.test:{server.port}", verify_ssl=str(tmp_path / "ca.pem"), api_key="sk-secret-key")
    assert provider.execute("m", "hi") == "hello"
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"us er:p@ss") in tunnel.heard
    assert b"sk-secret-key" not in tunnel.heard
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("status", "kind"), [(407, ConfigurationError), (403, ConfigurationError), (502, ConnectionFailedError)]
)
def test_a_proxy_that_makes_no_way(make: Any, listen: Any, status: int, kind: type) -> None:
    """It wants a password, or forbids it: the configuration's fault. It cannot reach the server: that may pass."""
    proxies = {"https": f"http://user:secret-word@127.0.0.1:{listen(Tunnel(reply=status).connect)}"}
    with pytest.raises(kind, match=rf"the proxy http://127\.0\.0\.1:\d+ .*{status}") as caught:
        make("https://model.test", proxies=proxies, max_retries=0).execute("m", "hi")
    assert "secret-word" not in str(caught.value)


def test_a_proxy_for_plain_http_that_wants_a_password(serve: Any, make: Any) -> None:
    """Its 407 is no answer of the provider's."""
    proxy = serve(lambda peer, received: peer.answer(407))
    with pytest.raises(ConfigurationError, match=f"{proxy.url} cannot be used: it answered 407; it wants a user name"):
        make("http://model.test", proxies={"http": proxy.url}).execute("m", "hi")
    assert len(proxy.requests) == 1


@pytest.mark.parametrize(
    ("user", "password", "told"),
    [("", "", None), ("me", "", b"me:"), ("me", "word", b"me:word"), ("", "word", b":word")],
)
def test_a_proxy_is_told_who_asks_where_somebody_is_named(user: str, password: str, told: bytes | None) -> None:
    """By a name alone as well; and nothing where there is neither."""
    sent = Proxy("http://p.test:1", user, password).headers.get("Proxy-Authorization")
    assert (sent and base64.b64decode(sent.removeprefix("Basic "))) == told
