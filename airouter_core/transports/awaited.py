"""The awaited transport, on aiohttp (extra ``[async]``).

Cancelling a task closes its connection at once: closing one awaits nothing.
"""

from __future__ import annotations

import asyncio
import os
import re
import ssl
import weakref
from collections.abc import Mapping
from typing import Any

from ..config.http import HttpConfig
from ..errors import AirouterError, ConfigurationError
from ..flow.threads import loop_of_asyncio
from ..wire.bounds import Collected
from ..wire.http import HttpRequest
from .proxies import Proxy, proxy_for
from .security import authorities, context_for, own_certificate, warn_insecure
from .troubles import (
    announced,
    beyond_proxy,
    broken,
    insecure,
    leaves_unsaid,
    not_connected_in_time,
    of_proxy,
    of_tunnel,
    refusal_of_proxy,
    refused,
    silent,
    stalled,
    too_long,
    unsendable,
)

try:
    import aiohttp
    from yarl import URL
except ModuleNotFoundError as error:
    raise ConfigurationError("awaiting needs an extra: pip install 'airouter-core[async]'") from error

from .sessions import Sessions, Upload, abandon

UNSENDABLE = re.compile("[^\t -\xff]")
"""Characters that no header can hold: http.client refuses them, aiohttp not all of them."""


class AiohttpTransport:
    """Sends requests through pooled connections: sessions of its own for each event loop that uses it."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Sessions] = weakref.WeakKeyDictionary()
        if config.verify_ssl is False:
            warn_insecure()
        self._ssl: ssl.SSLContext | bool | None = None
        self._proxies: dict[str, Proxy | None] = {}
        # Whoever forgets aclose() loses nothing, and should not read of it on stderr.
        weakref.finalize(self, abandon, self._loops)

    async def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> AiohttpResponse:
        """Send, and wait for status and headers.

        Raises:
            TransportError: the network failed.
            ConfigurationError: a header is none, the proxy is at fault, or this is no event loop of asyncio.
        """
        if any(map(UNSENDABLE.search, request.headers.values())):
            raise unsendable()
        proxy = self._proxy_for(request.url)
        loop = loop_of_asyncio()
        failure: AirouterError
        security = self._security_for(request.url, proxy)
        told = _told_in_the_open(request, proxy)
        upload = Upload(request, read_timeout)
        try:
            async with asyncio.timeout_at(None if within is None else loop.time() + within), upload:
                sessions = await self._sessions(loop)
                response = await sessions.to(proxy).request(
                    request.method,
                    URL(request.url, encoded=True),  # as the wire built it: a signature holds for each character
                    data=upload.body,
                    headers={"Accept-Encoding": "identity", **upload.headers, **told, **request.headers},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout),
                    ssl=security,
                    **_through(request, proxy),
                )
        except ConfigurationError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = (
                stalled(request.url, read_timeout)
                if upload.is_stalled
                else _translated(error, request.url, read_timeout, proxy)
            )
        except Exception as error:  # what the library for SOCKS proxies raises is no OSError
            if proxy is None or not proxy.is_socks:
                raise
            failure = _trouble_with(proxy, error)
        else:
            if response.status != 407 or proxy is None:
                end = None if within is None else loop.time() + within
                return AiohttpResponse(response, request.url, read_timeout, end)
            response.close()
            failure = of_proxy(proxy, refusal_of_proxy(407))
        if (given_up := self._loops.get(loop)) is not None:
            given_up.drop_unsent()
        # Raised here, where no exception of a library's is under way that would be kept with all it refers to.
        raise failure

    async def close(self) -> None:
        """Close the connections of this event loop, and forget those of loops that have ended."""
        here = asyncio.get_running_loop()
        for loop in [loop for loop in list(self._loops) if loop is here or loop.is_closed()]:
            sessions = self._loops.pop(loop, None)
            if sessions is not None:
                await sessions.close()

    async def _sessions(self, loop: asyncio.AbstractEventLoop) -> Sessions:
        sessions = self._loops.get(loop)
        if sessions is None or sessions.is_closed:
            # Sessions hold their loop, so those whose loop has ended would be kept, with their sockets, for ever.
            abandon({other: self._loops.pop(other, None) for other in list(self._loops) if other.is_closed()})
            sessions = self._loops[loop] = Sessions()
            await sessions.begin()
        if sessions.process != os.getpid():
            # Its connections are the parent's, who still speaks on them, and so is what the loop waits on.
            raise ConfigurationError(
                "this event loop came through a fork: make a new one in each process, as asyncio.run does"
            )
        return sessions

    def _security_for(self, url: str, proxy: Proxy | None) -> ssl.SSLContext | bool:
        # Reading the authorities takes longer than many calls to a server on this machine, which needs none of them.
        if not url.startswith("https:") and (proxy is None or not proxy.address.startswith("https:")):
            return True
        if self._ssl is None:
            own = own_certificate(self._config)
            self._ssl = context_for(authorities(self._config.verify_ssl), own)
        return self._ssl

    def _proxy_for(self, url: str) -> Proxy | None:
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        # Found out once for each origin, as in the blocking half: reading the environment costs as much as a call.
        if origin not in self._proxies:
            self._proxies[origin] = proxy_for(origin, self._config.proxies)
        return self._proxies[origin]


def _told_in_the_open(request: HttpRequest, proxy: Proxy | None) -> Mapping[str, str]:
    """What a proxy for plain HTTP is told among the headers."""
    return proxy.headers if proxy is not None and not proxy.is_socks and request.url.startswith("http:") else {}


def _through(request: HttpRequest, proxy: Proxy | None) -> dict[str, Any]:
    if proxy is None or proxy.is_socks:
        return {}
    tunnel = {"proxy_headers": proxy.headers} if request.url.startswith("https:") else {}
    return {"proxy": proxy.address, **tunnel}


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
            failure = _translated(error, self._url, timeout)
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
        try:
            return await self._response.content.read()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _translated(error, self._url, timeout)
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


def _translated(error: Exception, url: str, timeout: float, proxy: Proxy | None = None) -> AirouterError:
    if proxy is not None and isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
        return _trouble_with(proxy, error)
    if isinstance(error, aiohttp.ClientResponseError | aiohttp.InvalidURL):
        # Its own words show the request's headers, and addresses whole.
        return broken(url, f"{type(error).__name__} {getattr(error, 'status', '')}".strip())
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return not_connected_in_time(url, error)
    if isinstance(error, TimeoutError):
        return silent(url, timeout, error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return insecure(url, error)
    if isinstance(error, aiohttp.ClientConnectorError):
        return refused(url, error.os_error)
    return broken(url, error)


def _trouble_with(proxy: Proxy, error: Exception) -> AirouterError:
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return of_tunnel(proxy, f"Tunnel connection failed: {error.status:03}")
    # Of python-socks: a code is what the proxy says of the server behind it.
    return beyond_proxy(proxy, error) if getattr(error, "error_code", None) else of_proxy(proxy, error)
