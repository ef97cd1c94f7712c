"""Connections: uvicorn's, with bounds for what it waits for and keeps without any.

It reads a head of any length for any time, adds what follows a body to the head, and forgets the body of a request
that offers another protocol. Here a head has its time and its size, what follows a body is left, and an offer is not
heard: there is nothing but HTTP/1.1 here, and Java's client sends the offer of HTTP/2 with its very question.

A client of HTTP/1.0 knows no chunks and no interim answers: what has no length ends for it with the connection.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

LARGEST_HEAD = 64 * 1024
"""Bytes of a head that has come in pieces."""
END_OF_HEAD = b"\r\n\r\n"
OFFER = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)
HINT = b"pgrade:"
OLD = "1.0"
CLIENT = "airouter.client"
"""Where a request's scope has its :class:`Client`."""


class Client:
    """Whoever waits for one answer.

    Attributes:
        asked: whether the question is here, whole.
        gone: whether nobody waits any more.
        on_leaving: is called when the client goes. A task that listens for that costs more than many an answer.
    """

    asked = False
    gone = False
    on_leaving: Callable[[], object] | None = None

    def leave(self) -> None:
        """Go."""
        self.gone = True
        if self.on_leaving is not None:
            self.on_leaving()


class Connection(HttpToolsProtocol):
    """One connection of a client.

    Attributes:
        patience: seconds within which a head must be whole, and the rest of a body that nobody reads any more.
    """

    patience: float = 30.0
    _ending: asyncio.TimerHandle | None = None
    _in_head = True
    _in_body = False
    _read = 0

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._asking = Client()
        self._clients: deque[Client] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a question."""
        super().connection_made(transport)  # type: ignore[arg-type]  # every transport of a connection is one
        self._hurry()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._wait_on()
        super().connection_lost(exc)
        for client in self._clients:
            client.leave()

    def data_received(self, data: bytes) -> None:
        """Some bytes have come."""
        if not self._in_body and HINT in data:
            data = without_offers(data)
        super().data_received(data)
        if self._in_head:
            self._read += len(data)
            if self._read > LARGEST_HEAD:
                self.transport.close()
            elif self._ending is None:
                self._hurry()

    def on_message_begin(self) -> None:
        """A head begins."""
        self._in_head, self._read = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._in_head, self._in_body = False, True
        self._wait_on()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # which takes keys of servers too
        scope[CLIENT] = self._asking = Client()
        self._clients.append(self._asking)
        super().on_headers_complete()
        self.headers = Left()
        if scope["http_version"] == OLD:
            cycle = self.cycle
            cycle.waiting_for_100_continue = False
            cycle.send = UntilClosed(cycle).send  # type: ignore[method-assign]  # it is asked for when the answer begins

    def on_message_complete(self) -> None:
        """The question is whole."""
        self._in_body = False
        self._asking.asked = True
        self._wait_on()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is: also where not all of the question was read."""
        self._clients.popleft()
        super().on_response_complete()
        if self._in_body:
            self._hurry()

    def _hurry(self) -> None:
        self._ending = self.loop.call_later(self.patience, self.transport.close)

    def _wait_on(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None


class UntilClosed:
    """An answer to a client of HTTP/1.0: one without a length is not chunked, and ends when the connection does."""

    def __init__(self, cycle: RequestResponseCycle) -> None:
        self._cycle = cycle
        self._send = cycle.send
        self._is_measured = True

    async def send(self, message: Any) -> None:
        """As ASGI has it."""
        if message["type"] == "http.response.start":
            self._is_measured = any(name.lower() == b"content-length" for name, _ in message["headers"])
            if not self._is_measured:
                self._cycle.chunked_encoding = False
        elif not self._is_measured:
            self._cycle.expected_content_length = len(message.get("body", b""))
        await self._send(message)


class Left(list[Any]):
    """Where nothing is kept: what comes after a body is no part of the head."""

    def append(self, _: Any) -> None:
        """Leave it."""


def without_offers(data: bytes) -> bytes:
    """The beginning of a request, without an offer of another protocol in its head."""
    head, end, rest = data.partition(END_OF_HEAD)
    return OFFER.sub(b"", head) + end + rest
