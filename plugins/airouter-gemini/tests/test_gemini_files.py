"""Files that are uploaded, and cached contents."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    BadRequestError,
    ConnectionFailedError,
    ParameterError,
    ProtocolError,
    UnsupportedFeatureError,
)
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import Message
from airouter_core.values.tools import Tool
from airouter_gemini import file_calls, files
from airouter_gemini.provider import GeminiProvider

KEY = "test-key-0123456789"


class Uploads:
    """Google's resumable uploads: what has arrived, and the file that it becomes."""

    def __init__(self) -> None:
        self.data = b""
        self.announced: list[ReceivedRequest] = []
        self.breaks: list[int] = []
        self.states = ["PROCESSING", "ACTIVE"]
        self.elsewhere = ""
        self.lost = False

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        command = request.headers.get("x-goog-upload-command", "")
        if command == "start":
            self.announced.append(request)
            address = f"{self.elsewhere or 'http://' + request.headers['host']}/upload/v1beta/files?upload_id=u1"
            connection.answer(Answer.of_json({}, headers={"x-goog-upload-url": address}))
        elif command == "query":
            status = "final" if self.lost else "active"
            size = str(len(self.data))
            connection.answer(
                Answer.of_json({}, headers={"x-goog-upload-status": status, "x-goog-upload-size-received": size})
            )
        elif command:
            self._take(request, connection, final=command.endswith("finalize"))
        else:
            connection.answer(Answer.of_json(self.file(self.states.pop(0))))

    def _take(self, request: ReceivedRequest, connection: Connection, *, final: bool) -> None:
        assert "x-goog-api-key" not in request.headers
        assert int(request.headers["x-goog-upload-offset"]) == len(self.data)
        if self.breaks:
            self.data += request.body[: self.breaks.pop(0)]
            connection.reset()
            return
        self.data += request.body
        connection.answer(Answer.of_json({"file": self.file("PROCESSING")} if final else {}))

    def file(self, state: str) -> dict[str, Any]:
        failed = {"error": {"message": "It is no video."}} if state == "FAILED" else {}
        return {
            "name": "files/f1",
            "uri": "https://generativelanguage.googleapis.com/v1beta/files/f1",
            "mimeType": "application/pdf",
            "sizeBytes": str(len(self.data)),
            "expirationTime": "2026-12-02T10:00:00.123456789Z",
            "state": state,
            **failed,
        }


@contextlib.contextmanager
def at(server: LoopbackServer, **config: Any) -> Iterator[tuple[LoopbackServer, GeminiProvider]]:
    """A server, and a provider that asks it."""
    with server, create_provider("gemini", {"base_url": server.url, **(config or {"api_key": KEY})}) as made:
        assert isinstance(made, GeminiProvider)
        yield server, made


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> Uploads:
    """Pieces of ten bytes, and no waiting in between."""
    monkeypatch.setattr(files, "PIECE", 10)
    monkeypatch.setattr(file_calls, "FIRST_LOOK", 0.0)
    monkeypatch.setattr("airouter_core.flow.exchange.FIRST_DELAY", 0.0)
    return Uploads()


@pytest.fixture
def provider(uploads: Uploads) -> Iterator[GeminiProvider]:
    with at(LoopbackServer(uploads)) as (_, made):
        yield made


def test_a_file_is_uploaded_in_pieces_and_waited_for(
    uploads: Uploads, provider: GeminiProvider, tmp_path: Path
) -> None:
    """With progress; what is made of it can stand in a message."""
    path = tmp_path / "paper.pdf"
    path.write_bytes(b"%PDF-1.4 and twenty more")
    told: list[tuple[int, int]] = []
    made = provider.upload_file(path, on_progress=lambda sent, whole: told.append((sent, whole)))
    assert uploads.data == path.read_bytes()
    assert told == [(10, 24), (20, 24), (24, 24)]
    assert made.state == "ACTIVE"
    assert not uploads.states
    assert made.expires_at is not None
    assert made.expires_at.tzinfo is not None
    assert (made.part.media_type, made.part.url) == ("application/pdf", made.uri)
    (announced,) = uploads.announced
    assert announced.path == "/upload/v1beta/files"
    assert announced.headers["x-goog-api-key"] == KEY
    assert announced.headers["x-goog-upload-header-content-length"] == "24"
    assert announced.headers["x-goog-upload-header-content-type"] == "application/pdf"
    assert announced.json == {"file": {"mimeType": "application/pdf", "displayName": "paper.pdf"}}


def test_an_upload_goes_on_where_it_broke(uploads: Uploads, provider: GeminiProvider) -> None:
    """What has arrived is asked for, and not sent again."""
    uploads.breaks = [4, 0]
    provider.upload_file(b"0123456789abcdef", media_type="text/plain", wait=False)
    assert uploads.data == b"0123456789abcdef"


def test_an_upload_that_breaks_too_often_is_an_error(uploads: Uploads, provider: GeminiProvider) -> None:
    """As often as the configuration says; and one that is closed at the other end cannot go on."""
    uploads.breaks = [1] * 9
    with pytest.raises(ConnectionFailedError):
        provider.upload_file(b"0123456789abcdef")
    uploads.breaks, uploads.lost, uploads.data = [1], True, b""
    with pytest.raises(ProtocolError, match="upload the file again"):
        provider.upload_file(b"0123456789abcdef")


def test_an_upload_is_awaited_too(uploads: Uploads, provider: GeminiProvider) -> None:
    """The same, on an event loop."""

    async def upload() -> Any:
        async with provider:
            return await provider.aupload_file(b"0123456789abcdef", name="a.txt")

    assert asyncio.run(upload()).state == "ACTIVE"
    assert uploads.data == b"0123456789abcdef"


def test_a_file_that_cannot_be_used_is_an_error(uploads: Uploads, provider: GeminiProvider) -> None:
    """With Google's reason."""
    uploads.states = ["FAILED"]
    with pytest.raises(BadRequestError, match="It is no video"):
        provider.wait_for_file("files/f1")


def test_a_file_goes_to_no_other_server(uploads: Uploads, provider: GeminiProvider) -> None:
    """Whatever address is named for its bytes."""
    uploads.elsewhere = "http://elsewhere.invalid"
    with pytest.raises(ProtocolError, match=r"elsewhere\.invalid; nothing was sent there"):
        provider.upload_file(b"secret")
    assert not uploads.data


def test_what_cannot_be_read_is_not_announced(uploads: Uploads, provider: GeminiProvider, tmp_path: Path) -> None:
    """Nor is an empty file, nor one for Vertex AI, which takes files from elsewhere."""
    with pytest.raises(ParameterError, match="cannot read"):
        provider.upload_file(tmp_path / "none.pdf")
    with pytest.raises(ParameterError, match="empty"):
        provider.upload_file(b"")
    with create_provider("gemini", {"api_key": KEY, "vertex": True}) as vertex:
        assert isinstance(vertex, GeminiProvider)
        with pytest.raises(UnsupportedFeatureError, match="gs://"):
            vertex.upload_file(b"x")
    assert not uploads.announced


class Caches:
    """The list of cached contents, in pages, and one of them."""

    entry: ClassVar[dict[str, Any]] = {
        "name": "cachedContents/c1",
        "model": "models/gemini-3.6-flash",
        "displayName": "rules",
        "createTime": "2026-11-30T10:00:00.5Z",
        "expireTime": "2026-11-30T11:00:00.123456789Z",
        "usageMetadata": {"totalTokenCount": 1081},
    }

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        path, _, query = request.path.partition("?")
        if request.method == "GET" and path.endswith("/cachedContents"):
            page = {"cachedContents": [self.entry], "nextPageToken": "n"} if "n" not in query[-1:] else {}
            connection.answer(Answer.of_json(page))
        elif request.method == "DELETE":
            connection.answer(Answer.of_json({}))
        else:
            connection.answer(Answer.of_json(self.entry))


def test_the_beginning_of_prompts_is_kept() -> None:
    """It is made of messages and tools, named by calls, prolonged and forgotten."""
    with at(LoopbackServer(Caches())) as (server, provider):
        cache = provider.create_cache(
            "gemini-3.6-flash", [Message.system("Many rules.")], tools=[Tool("look")], ttl=300, name="rules"
        )
        assert server.requests[-1].json == {
            "model": "models/gemini-3.6-flash",
            "systemInstruction": {"parts": [{"text": "Many rules."}], "role": "user"},
            "tools": [
                {
                    "functionDeclarations": [
                        {"name": "look", "parametersJsonSchema": {"type": "object", "properties": {}}}
                    ]
                }
            ],
            "ttl": "300s",
            "displayName": "rules",
        }
        assert (cache.name, cache.tokens) == ("cachedContents/c1", 1081)
        assert cache.expires_at == datetime.datetime(2026, 11, 30, 11, 0, 0, 123456, datetime.UTC)
        assert provider.list_caches() == [cache]
        assert provider.get_cache(cache.name) == provider.update_cache(cache.name, 60) == cache
        assert server.requests[-1].json == {"ttl": "60s"}
        provider.delete_cache(cache.name)
        assert server.requests[-1].path == "/v1beta/cachedContents/c1"


def test_caches_on_vertex_lie_in_their_project() -> None:
    """As do the models that they are for."""
    config = {"vertex": True, "project": "p", "location": "us-east5", "access_token": "token-0123"}
    with at(LoopbackServer(Caches()), **config) as (server, provider):
        provider.create_cache("gemini-3.6-flash", "Many words.")
        home = "projects/p/locations/us-east5"
        assert server.requests[-1].path == f"/v1beta1/{home}/cachedContents"
        assert server.requests[-1].json["model"] == f"{home}/publishers/google/models/gemini-3.6-flash"
        provider.get_cache(f"{home}/cachedContents/c1")
        assert server.requests[-1].path == f"/v1beta1/{home}/cachedContents/c1"
