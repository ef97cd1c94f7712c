"""A server that wants to know who asks: the client's certificate, in both halves."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from airouter_core import create_provider, list_providers
from airouter_core.errors import AirouterError, ConfigurationError

pytestmark = pytest.mark.skipif(
    not any(info.name == "openai" for info in list_providers()),
    reason="asks through airouter-openai",
)


PASSWORD = "of-the-client-s-key"


def placed(own: dict[str, str], folder: Path) -> dict[str, str]:
    """Settings whose files lie in this folder."""
    return {name: str(folder / value) if value.endswith(".pem") else value for name, value in own.items()}


class Handler(BaseHTTPRequestHandler):
    """Answers any chat."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": "I know you"}
        data = json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None: ...


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """A server that asks for a certificate of its authority, and settings with one."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign, assignment]  # those that are turned away
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    own = authority.issue_cert("client@example.com")
    own.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    own.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    own.cert_chain_pems[0].write_to_path(str(tmp_path / "certificate.pem"))
    locked = serialization.load_pem_private_key(own.private_key_pem.bytes(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(PASSWORD.encode()),
    )
    (tmp_path / "locked.pem").write_bytes(locked)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    yield {
        "base_url": f"https://localhost:{server.server_port}",
        "api": "chat",
        "max_retries": 0,
        "verify_ssl": str(tmp_path / "ca.pem"),
    }
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize(
    "own",
    [
        {"client_certificate": "both.pem"},
        {"client_certificate": "certificate.pem", "client_key": "key.pem"},
        {"client_certificate": "certificate.pem", "client_key": "locked.pem", "client_key_password": PASSWORD},
    ],
)
def test_a_client_shows_its_certificate(
    own: dict[str, str], awaited: bool, settings: dict[str, Any], tmp_path: Path
) -> None:
    """In one file with its key, or in two, the key behind a password or not."""
    files = placed(own, tmp_path)

    async def asked() -> str:
        async with create_provider("openai", {**settings, **files}) as provider:
            return await provider.aexecute("m", "x")

    if awaited:
        pytest.importorskip("aiohttp", reason="awaits: pip install 'airouter-core[async]'")
        assert asyncio.run(asked()) == "I know you"
        return
    with create_provider("openai", {**settings, **files}) as provider:
        assert provider.execute("m", "x") == "I know you"


def test_without_one_it_is_turned_away(settings: dict[str, Any]) -> None:
    """By the server; the check can fail."""
    with create_provider("openai", settings) as provider, pytest.raises(AirouterError):
        provider.execute("m", "x")


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"client_key": "key.pem"}, "belongs to a client_certificate"),
        ({"client_certificate": "ca.pem"}, "no PEM file of a certificate and its key"),
        ({"client_certificate": "nothing.pem"}, "no PEM file of a certificate and its key"),
        ({"client_certificate": "certificate.pem", "client_key": "locked.pem"}, "it has a password"),
        (
            {"client_certificate": "certificate.pem", "client_key": "locked.pem", "client_key_password": PASSWORD[1:]},
            "client_key_password",
        ),
        ({"client_key_password": PASSWORD}, "belongs to a client_certificate"),
    ],
)
def test_files_that_are_none_are_told(own: dict[str, str], said: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """Before anything is sent, and without the password."""
    files = placed(own, tmp_path)
    with (
        pytest.raises(ConfigurationError, match=said) as caught,
        create_provider("openai", {**settings, **files}) as provider,
    ):
        provider.execute("m", "x")
    assert PASSWORD not in str(caught.value)
