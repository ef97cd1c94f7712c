"""What the tests of this plugin share: recordings, schemas, a stub server for faults, and a real Ollama server."""

from __future__ import annotations

import contextlib
import hashlib
import http.server
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from airouter_core.config.loading import load_config
from airouter_core.plugins.registry import Plugins
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_ollama import plugin
from airouter_ollama.config import OllamaConfig
from airouter_ollama.provider import OllamaProvider

REPOSITORY = Path(__file__).resolve().parents[3]
SHARED = REPOSITORY.parent / "shared"
TOY = REPOSITORY / "models" / "airouter-toy" / "airouter-toy.gguf"

ENGINE_VARIABLE = "AIROUTER_TEST_OLLAMA"
ENGINE_CACHE = REPOSITORY / ".cache" / "engines" / "ollama"
HOW = f"run tools/engines/ollama.sh .cache/engines/ollama, or set {ENGINE_VARIABLE} to a folder that it has made"


def make_provider(address: str, **settings: Any) -> OllamaProvider:
    """A provider that asks this server, whatever the environment says."""
    config = load_config(OllamaConfig, {"base_url": address, **settings}, provider="ollama", environ={})
    return OllamaProvider(config, plugin.OLLAMA, Plugins.of(plugin))


@pytest.fixture
def provider_at() -> Iterator[Callable[..., OllamaProvider]]:
    """Makes providers, and closes them."""
    with contextlib.ExitStack() as stack:
        yield lambda address, **settings: stack.enter_context(make_provider(address, **settings))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with recordings and schemas."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder `shared` beside the repository, with recordings and schemas")
    return SHARED


Reply = Answer | Callable[[ReceivedRequest], Answer]


@contextlib.contextmanager
def stub_server(**replies: Reply) -> Iterator[LoopbackServer]:
    """A server that answers ``/api/<name>`` with the reply of that name, and everything else as Ollama would: not."""

    def behave(request: ReceivedRequest, connection: Connection) -> None:
        reply = replies.get(request.path.rpartition("/api/")[2].partition("/")[0])
        if reply is None:
            connection.answer(Answer(404, {"content-type": "text/plain"}, (b"404 page not found",), "length"))
        else:
            connection.answer(reply if isinstance(reply, Answer) else reply(request))

    with LoopbackServer(behave) as server:
        yield server


@pytest.fixture
def stub() -> Callable[..., contextlib.AbstractContextManager[LoopbackServer]]:
    """Makes servers for faults that a real one cannot be made to have."""
    return stub_server


# A real server.


@attrs.define
class RunningOllama:
    """A real server on a free port, with a folder of its own."""

    process: subprocess.Popen[bytes]
    address: str
    folder: Path

    def stop(self) -> None:
        """Ask it to stop; its runners stop with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(120)


def find_ollama() -> Path:
    """The program, or a skip that says how to get it."""
    folder = Path(os.environ.get(ENGINE_VARIABLE) or ENGINE_CACHE)
    program = folder / "bin" / "ollama"
    if not program.is_file():
        pytest.skip(f"there is no Ollama in {folder}: {HOW}")
    return program


def start_ollama(folder: Path) -> RunningOllama:
    """Start a server that knows nothing of this machine's own."""
    program = find_ollama()
    log = folder / "serve.log"
    environment = {
        "PATH": os.defpath,
        "HOME": str(folder),
        "OLLAMA_MODELS": str(folder / "models"),
        "OLLAMA_HOST": "127.0.0.1:0",
        "OLLAMA_NO_CLOUD": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen([program, "serve"], env=environment, stdout=output, stderr=output, cwd=folder)
    for _ in range(2400):
        if found := re.search(r"Listening on (127\.0\.0\.1:\d+)", log.read_text("utf-8", "replace")):
            return RunningOllama(process, f"http://{found[1]}", folder)
        if process.poll() is not None:
            break
        time.sleep(0.05)
    process.kill()
    process.wait()
    raise AssertionError(f"the Ollama server did not start:\n{log.read_text('utf-8', 'replace')[-2000:]}")


@pytest.fixture(scope="session")
def toy_files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The repository's model in three files: as it is, a second one that chats, and one that makes embeddings.

    Ollama takes a model whose file names a way of pooling for one that makes embeddings, and lets it do nothing else.
    """
    if not TOY.is_file():
        pytest.skip(f"needs {TOY}")
    content = TOY.read_bytes()
    folder = tmp_path_factory.mktemp("toy")
    files = {}
    for name, changed in (
        ("toy", content),
        ("toy-two", _with_number(content, b"airouter.different", 2)),
        ("toy-embedding", _with_number(content, b"llama.pooling_type", 1)),
    ):
        files[name] = folder / f"{name}.gguf"
        files[name].write_bytes(changed)
    return files


def _with_number(content: bytes, key: bytes, number: int) -> bytes:
    """A GGUF file with one more key of 18 letters; a second one fills the header to a multiple of its alignment, 32."""
    added = struct.pack("<Q", len(key)) + key + struct.pack("<II", 4, number)
    filler = struct.pack("<Q", 10) + b"pad.filler" + struct.pack("<IQ", 8, 0)
    assert (len(added) + len(filler)) % 32 == 0
    (keys,) = struct.unpack_from("<Q", content, 16)
    return content[:16] + struct.pack("<Q", keys + 2) + added + filler + content[24:]


def add_toys(provider: OllamaProvider, toy_files: dict[str, Path], *names: str) -> None:
    """Import the files; one thread each, since two on a busy machine wait for each other."""
    for name in names or tuple(toy_files):
        provider.create_model(name, toy_files[name], parameters={"num_thread": 1, "temperature": 0})


@pytest.fixture(scope="session")
def ollama(tmp_path_factory: pytest.TempPathFactory, toy_files: dict[str, Path]) -> Iterator[RunningOllama]:
    """One real server for all tests, with the repository's model as ``toy``, ``toy-two`` and ``toy-embedding``."""
    server = start_ollama(tmp_path_factory.mktemp("ollama"))
    try:
        with make_provider(server.address) as provider:
            add_toys(provider, toy_files)
        yield server
    finally:
        server.stop()


@pytest.fixture
def another_ollama(tmp_path: Path, toy_files: dict[str, Path]) -> Iterator[RunningOllama]:
    """A server that a test may stop."""
    server = start_ollama(tmp_path)
    try:
        with make_provider(server.address) as provider:
            add_toys(provider, toy_files, "toy")
        yield server
    finally:
        server.stop()


# A registry, for the bytes of models.

PIECE = 40_000


@attrs.define
class Registry:
    """An OCI registry (https://github.com/opencontainers/distribution-spec) that holds the models of one store.

    Attributes:
        hold: bytes of a blob after which its sender waits until the reader leaves, or until this is 0.
        ranges: where each reading of a blob began.
    """

    store: Path
    port: int = 0
    hold: int = 0
    ranges: list[int] = attrs.field(factory=list)

    def name(self, model: str) -> str:
        """What to pull."""
        return f"http://127.0.0.1:{self.port}/library/{model}"


class RegistryHandler(http.server.BaseHTTPRequestHandler):
    """Answers for a registry."""

    protocol_version = "HTTP/1.1"
    registry: Registry

    def do_HEAD(self) -> None:
        """Say how long a blob is."""
        self.answer(with_body=False)

    def do_GET(self) -> None:
        """Give a manifest, or a blob in a roundabout way."""
        self.answer(with_body=True)

    def answer(self, *, with_body: bool) -> None:
        """Find what is asked for."""
        manifest = re.fullmatch(r"/v2/(.+?)/manifests/(.+)", self.path)
        blob = re.fullmatch(r"(/data)?/v2/.+?/blobs/sha256:(\w+)", self.path)
        if blob and with_body and not blob[1]:
            # Ollama reads a blob only from another host than the registry's own.
            self.reply(307, b"", Location=f"http://localhost:{self.registry.port}/data{self.path}")
            return
        file = self.registry.store / "none"
        if manifest:
            file = self.registry.store / "manifests" / "registry.ollama.ai" / manifest[1] / manifest[2]
        elif blob:
            file = self.registry.store / "blobs" / f"sha256-{blob[2]}"
        if not file.is_file():
            self.reply(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        elif blob:
            self.send_blob(file.read_bytes(), with_body=with_body)
        else:
            self.reply(200, file.read_bytes())

    def send_blob(self, content: bytes, *, with_body: bool) -> None:
        """Send a blob, or the part of it that is asked for, as fast as is allowed."""
        total = len(content)
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        start = int(found[1]) if found else 0
        content = content[start : int(found[2]) + 1 if found and found[2] else None]
        self.send_response(206 if found else 200)
        self.send_header("Content-Length", str(len(content)))
        if found:
            self.send_header("Content-Range", f"bytes {start}-{start + len(content) - 1}/{total}")
        self.end_headers()
        if not with_body:
            return
        self.registry.ranges.append(start)
        held = self.registry.hold
        with contextlib.suppress(OSError):
            for offset in range(0, len(content), PIECE):
                while held and offset >= held and self.registry.hold:
                    if self._reader_left():
                        return
                    time.sleep(0.02)
                self.wfile.write(content[offset : offset + PIECE])

    def _reader_left(self) -> bool:
        try:
            return self.connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
        except BlockingIOError:
            return False

    def reply(self, status: int, body: bytes, **headers: str) -> None:
        """Send something short."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def registry(ollama: RunningOllama) -> Iterator[Registry]:
    """A registry that holds what the real server holds."""
    held = Registry(ollama.folder / "models")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (RegistryHandler,), {"registry": held}))
    server.daemon_threads = True
    held.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield held
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def digest_of(path: Path) -> str:
    """The digest of a file, as Ollama names it."""
    return "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
