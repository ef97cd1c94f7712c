"""The answer of an awaited request, read as it comes; and what aiohttp raises, in our words."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp

from ..errors import AirouterError
from ..wire.bounds import Collected
from .proxies import Proxy
from .troubles import (
    announced,
    beyond_proxy,
    broken,
    insecure,
    leaves_unsaid,
    not_connected_in_time,
    of_proxy,
    of_tunnel,
    refused,
    silent,
    too_long,
    undecodable,
)

CODING = "Can not decode content-encoding"
NO_HTTP = "the answer is not in the form that HTTP prescribes"


class AiohttpResponse:
    """An answer whose head has arrived."""

    def __init__(self, response: aiohttp.ClientResponse, url: str, patience: float, end: float | None = None) -> None:
        self._response = response
        self._end = end
        self._url = url
        self._patience = patience
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        if len(self.headers) < len(response.headers):  # one that stands twice is read as one, as the blocking half does
            self.headers = {name.lower(): ", ".join(response.headers.getall(name)) for name in response.headers}
        self._compressed = "content-encoding" in self.headers
        if response.connection is not None and response.connection.protocol is not None and leaves_unsaid(self.headers):
            response.connection.protocol.force_close()
        self._closed = _end_of_connection(response) if "transfer-encoding" in self.headers else None
        if self._closed is not None:
            self._closed.add_done_callback(self._lose)

    async def read_some(self, timeout: float) -> bytes:
        """What has arrived, at least one byte; empty at the end.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
        """
        try:
            if timeout < self._patience:
                async with asyncio.timeout(timeout):
                    return await self._response.content.readany()
            if self._end is None:
                return await self._response.content.readany()
            # What frames a body can drip as well, and each of its bytes begins the patience anew.
            async with asyncio.timeout_at(self._end):
                return await self._response.content.readany()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = translated(error, self._url, timeout)
        raise failure

    async def read_all(self, timeout: float, limit: int) -> bytes:
        """The whole body.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
            ProtocolError: it is longer than ``limit`` bytes.
        """
        if announced(self.headers, limit) and timeout >= self._patience and not self._compressed:
            return await self._rest(timeout)
        pieces = Collected(limit, too_long(self._url, limit))
        while data := await self.read_some(timeout):
            pieces.add(data)
        return pieces.whole()

    async def _rest(self, timeout: float) -> bytes:
        """What is left of an answer that has said how long it is; compressed, it might become any length."""
        content = self._response.content
        try:
            # A short answer has come with its head, nearly always: then there is nothing to wait for.
            return content.read_nowait() if content.is_eof() else await content.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = translated(error, self._url, timeout)
        raise failure

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lose)
        self._response.close()

    def _lose(self, _: object) -> None:
        # aiohttp 3.14 tells nobody of a chunk that it cannot read: whoever waits for the body would wait for ever.
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError(NO_HTTP))


def _end_of_connection(response: aiohttp.ClientResponse) -> asyncio.Future[None] | None:
    """Done when the connection is lost; ``None`` when the answer has been read to its end already."""
    connection = response.connection
    protocol = None if connection is None else connection.protocol
    closed = None if protocol is None else protocol.closed
    if closed is not None:
        # Once for each connection, however many answers it brings.
        closed.remove_done_callback(_notice)
        closed.add_done_callback(_notice)
    return closed


def _notice(closed: asyncio.Future[None]) -> None:
    """Look at how a connection was lost, or asyncio reports that nobody did."""
    if not closed.cancelled():
        closed.exception()


def translated(error: Exception, url: str, timeout: float, proxy: Proxy | None = None) -> AirouterError:
    """What is to be raised in the place of what aiohttp has raised."""
    if proxy is not None and isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return trouble_with(proxy, error)
    if CODING in str(error):  # no class of its own says it
        return undecodable(url, str(error).partition(CODING)[2].partition(".")[0].strip(": "))
    # The own words of these show the request's headers, and addresses whole.
    if isinstance(error, aiohttp.ClientResponseError):
        return broken(url, NO_HTTP)
    if isinstance(error, aiohttp.InvalidURL):
        return broken(url, type(error).__name__)
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return not_connected_in_time(url, error)
    if isinstance(error, TimeoutError):
        return silent(url, timeout, error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return insecure(url, error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return refused(url, error.os_error)
    return broken(url, error)


def trouble_with(proxy: Proxy, error: Exception) -> AirouterError:
    """The same of what happened on the way to a proxy, or behind it."""
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return of_tunnel(proxy, f"Tunnel connection failed: {error.status:03}")
    # Of python-socks: a code is what the proxy says of the server behind it.
    return beyond_proxy(proxy, error) if getattr(error, "error_code", None) else of_proxy(proxy, error)
