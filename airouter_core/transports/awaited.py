"""The awaited transport, on aiohttp (extra ``[async]``).

Cancelling a task closes its connection at once: closing one awaits nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import threading
import weakref
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

from ..config.http import HttpConfig
from ..errors import ConfigurationError, ProtocolError, TransportError
from ..wire.http import HttpRequest
from .troubles import (
    broken,
    insecure,
    not_connected_in_time,
    refused,
    require_authorities,
    silent,
    too_long,
    unsendable,
    warn_insecure,
)

try:
    import aiohttp
    from yarl import URL
except ModuleNotFoundError as error:
    raise ConfigurationError("awaiting needs an extra: pip install 'airouter-core[async]'") from error

READ_LIMIT = 1 << 20
"""Bytes that may wait unread before the sender is slowed down."""
UNSENDABLE = re.compile("[^\t -\xff]")
"""Characters that no header can hold: http.client refuses them, aiohttp not all of them."""


class AiohttpTransport:
    """Sends requests through pooled connections: one session for each event loop that uses it."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._sessions: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            weakref.WeakKeyDictionary()
        )
        if config.verify_ssl is False:
            warn_insecure()
        self._ssl: ssl.SSLContext | bool | None = None
        self._proxies: dict[str, str | None] = {}
        # Whoever forgets aclose() loses nothing, and should not read of it on stderr.
        weakref.finalize(self, _abandon, self._sessions)

    async def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> AiohttpResponse:
        """Send, and wait for status and headers.

        Raises:
            TransportError: the network failed.
            ConfigurationError: a header is none.
        """
        if any(map(UNSENDABLE.search, request.headers.values())):
            raise unsendable()
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout)
        proxy = self._proxy_for(request.url)
        security = self._security_for(request.url, proxy)
        end = None if within is None else asyncio.get_running_loop().time() + within
        try:
            async with asyncio.timeout_at(end):
                response = await self._session().request(
                    request.method,
                    URL(request.url, encoded=True),  # as the wire built it: a signature holds for each character
                    data=request.body,
                    headers={"Accept-Encoding": "identity", **request.headers},
                    allow_redirects=False,
                    timeout=timeout,
                    proxy=proxy,
                    ssl=security,
                )
        except (aiohttp.ClientResponseError, aiohttp.InvalidURL) as error:
            # Not kept, not even as a cause: it shows the request's headers, and the proxy's address with its password.
            failure = broken(request.url, f"{type(error).__name__} {getattr(error, 'status', '')}".strip())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error, request.url, read_timeout) from error
        else:
            return AiohttpResponse(response, request.url, read_timeout, end)
        raise failure

    async def close(self) -> None:
        """Close the connections of this event loop, and forget those of loops that have ended."""
        here = asyncio.get_running_loop()
        with self._lock:
            ended = [loop for loop in self._sessions if loop.is_closed()]
            sessions = [self._sessions.pop(loop) for loop in (here, *ended) if loop in self._sessions]
        for session in sessions:
            await session.close()

    def _session(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=READ_LIMIT,
            )
            with self._lock:
                # A session holds its loop, so one whose loop has ended would be kept, with its sockets, for ever.
                ended = {other: self._sessions.pop(other) for other in list(self._sessions) if other.is_closed()}
                self._sessions[loop] = session
            _abandon(ended)
        return session

    def _security_for(self, url: str, proxy: str | None) -> ssl.SSLContext | bool:
        # Reading the authorities takes longer than many calls to a server on this machine, which needs none of them.
        if not url.startswith("https:") and not (proxy or "").startswith("https:"):
            return True
        if self._ssl is None:
            self._ssl = _ssl_context(self._config.verify_ssl)
        return self._ssl

    def _proxy_for(self, url: str) -> str | None:
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        # Found out once for each origin, as in the blocking half: reading the environment costs as much as a call.
        if origin not in self._proxies:
            self._proxies[origin] = self._find_proxy(origin)
        return self._proxies[origin]

    def _find_proxy(self, origin: str) -> str | None:
        scheme, _, rest = origin.partition("://")
        configured = self._config.proxies
        if configured:
            return configured.get(scheme) or configured.get("all")
        proxies = getproxies()
        if not proxies or proxy_bypass(rest.partition(":")[0]):
            return None
        return proxies.get(scheme) or proxies.get("all")


class AiohttpResponse:
    """An answer whose head has arrived."""

    def __init__(self, response: aiohttp.ClientResponse, url: str, patience: float, end: float | None = None) -> None:
        self._response = response
        self._end = end
        self._url = url
        self._patience = patience
        self.status: int = response.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self._compressed = "content-encoding" in self.headers
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
            raise _translated(error, self._url, timeout) from error

    async def read_all(self, timeout: float, limit: int) -> bytes:
        """The whole body.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
            ProtocolError: it is longer than ``limit`` bytes.
        """
        length = self._response.content_length
        if length is not None and length <= limit and timeout >= self._patience and not self._compressed:
            return await self._rest(timeout)
        pieces: list[bytes] = []
        size = 0
        while data := await self.read_some(timeout):
            size += len(data)
            if size > limit:
                raise ProtocolError(too_long(self._url, limit))
            pieces.append(data)
        return b"".join(pieces)

    async def _rest(self, timeout: float) -> bytes:
        """What is left of an answer that has said how long it is; compressed, it might become any length."""
        try:
            return await self._response.content.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error, self._url, timeout) from error

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        if self._closed is not None:
            self._closed.remove_done_callback(self._lose)
        self._response.close()

    def _lose(self, _: object) -> None:
        # aiohttp 3.14 tells nobody of a chunk that it cannot read: whoever waits for the body would wait for ever.
        content = self._response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError("the answer is not in the form that HTTP prescribes"))


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


def _abandon(sessions: Mapping[Any, aiohttp.ClientSession]) -> None:
    for session in list(sessions.values()):
        connector = session.connector
        session.detach()
        if connector is not None:
            # Its loop may have ended: what can be closed without waiting is closed, and nobody is left to wait.
            closing = connector.close().__await__()
            next(closing, None)
            closing.close()


def _ssl_context(verify: bool | str) -> ssl.SSLContext | bool:
    if verify is False:
        return False
    if isinstance(verify, str):
        require_authorities(verify)
        bundle = verify
    else:
        # The authorities that the blocking half trusts: those of requests.
        import certifi

        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or certifi.where()
    try:
        folder = os.path.isdir(bundle)
        return ssl.create_default_context(cafile=None if folder else bundle, capath=bundle if folder else None)
    except OSError as error:
        raise ConfigurationError(f"verify_ssl: cannot read the CA file {bundle!r}: {error}") from error


def _translated(error: Exception, url: str, timeout: float) -> TransportError:
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return not_connected_in_time(url)
    if isinstance(error, TimeoutError):
        return silent(url, timeout)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return insecure(url, error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return refused(url, error.os_error)
    return broken(url, str(error) or type(error).__name__)
