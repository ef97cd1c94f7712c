"""The awaited transport, on aiohttp (extra ``[async]``).

Cancelling a task closes its connection at once: closing one awaits nothing.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import weakref
from collections.abc import Awaitable, Mapping
from typing import Any, NamedTuple

from ..config.http import HttpConfig
from ..errors import AirouterError, ConfigurationError
from ..flow.threads import loop_of_asyncio
from ..wire.http import HttpRequest
from .proxies import Proxy, proxy_for
from .security import authorities, context_for, own_certificate, warn_insecure
from .troubles import (
    of_proxy,
    refusal_of_proxy,
    stalled,
    unsendable,
)
from .uploads import Upload

try:
    import aiohttp
    from yarl import URL
except ModuleNotFoundError as error:
    raise ConfigurationError("awaiting needs an extra: pip install 'airouter-core[async]'") from error

from .awaited_answer import AiohttpResponse, translated, trouble_with
from .sessions import Sessions, abandon

UNSENDABLE = re.compile("[^\t -\xff]")
"""Characters that no header can hold: http.client refuses them, aiohttp not all of them."""
PLAIN = {"Accept-Encoding": "identity"}


class AiohttpTransport:
    """Sends requests through pooled connections: sessions of its own for each event loop that uses it."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Sessions] = weakref.WeakKeyDictionary()
        if config.verify_ssl is False:
            warn_insecure()
        self._ssl: ssl.SSLContext | bool | None = None
        self._ways: dict[str, _Way] = {}
        self._timeout = aiohttp.ClientTimeout()
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
        if UNSENDABLE.search("".join(request.headers.values())):
            raise unsendable()
        way = self._way_to(request.url)
        proxy = way.proxy
        loop = loop_of_asyncio()
        sessions = self._loops.get(loop)
        if sessions is None or sessions.is_closed:
            sessions = await self._begin(loop)
        failure: AirouterError
        upload = Upload(request, read_timeout)
        try:
            sending = self._sending(sessions, way, request, upload, self._patience(connect_timeout, read_timeout))
            if within is None and not upload.is_long:  # nearly always: nothing of it needs a clock of its own
                response = await sending
            else:
                async with asyncio.timeout_at(None if within is None else loop.time() + within), upload:
                    response = await sending
        except ConfigurationError:
            raise
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = (
                stalled(request.url, read_timeout)
                if upload.is_stalled
                else translated(error, request.url, read_timeout, proxy)
            )
        except Exception as error:  # what the library for SOCKS proxies raises is no OSError
            if proxy is None or not proxy.is_socks:
                raise
            failure = trouble_with(proxy, error)
        else:
            if response.status != 407 or proxy is None:
                end = None if within is None else loop.time() + within
                return AiohttpResponse(response, request.url, read_timeout, end)
            response.close()
            failure = of_proxy(proxy, refusal_of_proxy(407))
        sessions.drop_unsent()
        # Raised here, where no exception of a library's is under way that would be kept with all it refers to.
        raise failure

    def _sending(
        self, sessions: Sessions, way: _Way, request: HttpRequest, upload: Upload, patience: aiohttp.ClientTimeout
    ) -> Awaitable[aiohttp.ClientResponse]:
        return sessions.to(way.proxy).request(
            request.method,
            URL(request.url, encoded=True),  # as the wire built it: a signature holds for each character
            data=upload.body,
            headers={**way.headers, **upload.headers, **request.headers},
            allow_redirects=False,
            timeout=patience,
            ssl=way.security,
            **way.through,
        )

    def _patience(self, connect_timeout: float, read_timeout: float) -> aiohttp.ClientTimeout:
        timeout = self._timeout
        if (timeout.sock_connect, timeout.sock_read) != (connect_timeout, read_timeout):
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=read_timeout)
            self._timeout = timeout  # the next call has the same, nearly always
        return timeout

    async def close(self) -> None:
        """Close the connections of this event loop, and forget those of loops that have ended."""
        here = asyncio.get_running_loop()
        for loop in [loop for loop in list(self._loops) if loop is here or loop.is_closed()]:
            sessions = self._loops.pop(loop, None)
            if sessions is not None:
                await sessions.close()

    async def _begin(self, loop: asyncio.AbstractEventLoop) -> Sessions:
        # Sessions hold their loop, so those whose loop has ended would be kept, with their sockets, for ever.
        abandon({other: self._loops.pop(other, None) for other in list(self._loops) if other.is_closed()})
        sessions = self._loops[loop] = Sessions()
        await sessions.begin()
        return sessions

    def _way_to(self, url: str) -> _Way:
        scheme, _, rest = url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        way = self._ways.get(origin)
        if way is None:
            # Found out once for each origin, as in the blocking half: reading the environment costs as much as a call.
            proxy = proxy_for(origin, self._config.proxies)
            way = self._ways[origin] = _Way(
                proxy,
                self._security_for(url, proxy),
                {**PLAIN, **_told_in_the_open(scheme, proxy)},
                _through(scheme, proxy),
            )
        return way

    def _security_for(self, url: str, proxy: Proxy | None) -> ssl.SSLContext | bool:
        # Reading the authorities takes longer than many calls to a server on this machine, which needs none of them.
        if not url.startswith("https:") and (proxy is None or not proxy.address.startswith("https:")):
            return True
        if self._ssl is None:
            own = own_certificate(self._config)
            self._ssl = context_for(authorities(self._config.verify_ssl), own)
        return self._ssl


class _Way(NamedTuple):
    """How an origin is reached.

    Attributes:
        headers: that each request has, beside its own.
        through: what aiohttp is told of the proxy.
    """

    proxy: Proxy | None
    security: ssl.SSLContext | bool
    headers: Mapping[str, str]
    through: Mapping[str, Any]


def _told_in_the_open(scheme: str, proxy: Proxy | None) -> Mapping[str, str]:
    """What a proxy for plain HTTP is told among the headers."""
    return proxy.headers if proxy is not None and not proxy.is_socks and scheme == "http" else {}


def _through(scheme: str, proxy: Proxy | None) -> Mapping[str, Any]:
    if proxy is None or proxy.is_socks:
        return {}
    tunnel = {"proxy_headers": proxy.headers} if scheme == "https" else {}
    return {"proxy": proxy.address, **tunnel}
