"""One request and its answer, over ASGI."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

from ..dialects.dialect import JSON, headers_of
from ..dialects.refusals import Refusal
from .connections import CLIENT, Client

Result = TypeVar("Result")
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

OK = 200
REQUEST = "req_"
"""How ids of requests begin."""
LONGEST_HEADER = 1000
"""Bytes of a header that holds words of ours."""


class RefusedError(Exception):
    """The request is refused before anybody is asked."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class LeftError(Exception):
    """The client has gone."""


class Exchange:
    """A request, and what has become of it.

    Attributes:
        id: ours; what a client calls it is only logged.
        status: what was answered; 499 where the client left before.
        key_name, target, retries: for the log and the numbers.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.method: str = scope["method"]
        self.path: str = scope["path"].rstrip("/") or "/"
        self.headers: Mapping[str, str] = headers_of(scope["headers"])
        self.id = REQUEST + secrets.token_hex(12)
        self.began = time.monotonic()
        self.status = 0
        self.key_name: str | None = None
        self.key_prefix: str | None = None
        self.target: str | None = None
        self.failure: str | None = None
        self.client: Client = scope[CLIENT]
        self.more_headers: list[tuple[bytes, bytes]] = []
        self._receive = receive
        self._send = send

    @property
    def seconds(self) -> float:
        """Since it came."""
        return time.monotonic() - self.began

    async def body(self, largest: int, timeout: float) -> bytes:
        """The body, whole.

        Raises:
            RefusedError: it is too large, comes too slowly, or is packed.
            LeftError: the client has gone.
        """
        if self.headers.get("content-encoding", "identity") != "identity":
            raise RefusedError(Refusal(kind="invalid", message="send the body as it is, without content-encoding"))
        said = self.headers.get("content-length", "0")
        if said.isdecimal() and int(said[:19]) > largest:
            raise _too_large(largest)
        if self.client.asked:
            return await self._read(largest)  # it is here, and to wait for it would cost more than to read it
        try:
            async with asyncio.timeout(timeout):
                return await self._read(largest)
        except TimeoutError:
            raise RefusedError(Refusal(kind="too_slow", message="the request did not arrive in time")) from None

    async def _read(self, largest: int) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise LeftError
            piece = message.get("body", b"")
            size += len(piece)
            if size > largest:
                raise _too_large(largest)
            pieces.append(piece)
            if not message.get("more_body"):
                return b"".join(pieces)

    async def until_left(self, work: Coroutine[Any, Any, Result]) -> Result:
        """The result of some work, which ends at once when the client goes.

        Raises:
            LeftError: it has gone.
        """
        task, client = asyncio.current_task(), self.client
        assert task is not None
        client.on_leaving = task.cancel
        try:
            if client.gone:
                work.close()
                raise LeftError
            return await work
        except asyncio.CancelledError:
            if client.gone and not task.uncancel():
                raise LeftError from None
            raise
        finally:
            client.on_leaving = None

    async def begin(self, content_type: bytes) -> None:
        """Send the head of a stream: whatever comes later, it began well."""
        self.status = OK
        own = [(b"content-type", content_type), (b"x-accel-buffering", b"no"), (b"cache-control", b"no-cache")]
        await self._send({"type": "http.response.start", "status": OK, "headers": [*own, *self.more_headers]})

    async def more(self, data: bytes) -> None:
        """Send some of a stream."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._send({"type": "http.response.body", "body": b""})

    async def whole(self, body: bytes, content_type: bytes = JSON, headers: Headers = (), *, status: int = OK) -> None:
        """Send a whole answer; of one to HEAD only the head."""
        self.status = status
        length = (b"content-length", str(len(body)).encode())
        all_of_them = [(b"content-type", content_type), length, *self.more_headers, *headers]
        await self._send({"type": "http.response.start", "status": status, "headers": all_of_them})
        await self._send({"type": "http.response.body", "body": b"" if self.method == "HEAD" else body})

    def say(self, name: str, value: str) -> None:
        """Add a header of ours to the answer, in the characters that one may have; the last word on it counts."""
        kept = value
        if not (value.isascii() and value.isprintable()):
            kept = "".join(character if " " <= character <= "~" else "?" for character in value)
        header = name.encode("ascii")
        self.more_headers[:] = [other for other in self.more_headers if other[0] != header]
        self.more_headers.append((header, kept[:LONGEST_HEADER].encode("ascii")))


def _too_large(largest: int) -> RefusedError:
    return RefusedError(Refusal(kind="too_large", message=f"a request may have {largest} bytes"))
