"""The transport on requests, or rather on the pooled connections below it.

requests finds proxies and certificates; a request then goes straight to its pool, which costs about a third of
``Session.request``. Where there is nothing to find, requests is not even imported: that is a fifth of what a short
program costs (both measured in ``benchmarks/``).
"""

from __future__ import annotations

import functools
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Timeout

from ..config.http import HttpConfig
from ..errors import ConfigurationError, ProtocolError, TransportError
from ..values.value import Value
from ..wire.http import HttpRequest
from .deadlines import Patience
from .pools import make_punctual, pool_manager, session
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

POOL = 256
"""Connections kept for one host; they are made when needed."""
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
BLOCK = 65536
"""Bytes asked for at a time."""


class _Route(Value, frozen=True, eq=False):
    """How one origin is reached: its pool of connections, and what a proxy on the way wants."""

    pool: Any
    absolute: bool
    headers: Mapping[str, str]


class RequestsTransport:
    """Sends requests through pooled connections. For many threads; after a fork, the child makes its own."""

    def __init__(self, config: HttpConfig) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._process = 0
        if config.verify_ssl is False:
            warn_insecure()
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        self._reset()

    def open(
        self, request: HttpRequest, *, connect_timeout: float, read_timeout: float, within: float | None = None
    ) -> RequestsResponse:
        """Send, and wait for status and headers.

        Raises:
            TransportError: the network failed.
        """
        if self._process != os.getpid():
            self._reset()
        try:
            scheme, _, rest = request.url.partition("://")
            origin = f"{scheme}://{rest.partition('/')[0]}"
            route = self._routes.get(origin) or self._find_route(origin)
            if within is None:
                timeout = _timeout(connect_timeout, read_timeout)
            else:
                timeout = Timeout(connect=connect_timeout, read=Patience(read_timeout, time.monotonic() + within))
            raw = route.pool.urlopen(
                request.method,
                request.url if route.absolute else request.url[len(origin) :] or "/",
                body=request.body,
                headers={**route.headers, **request.headers},
                redirect=False,
                retries=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                timeout=timeout,
            )
        except (HTTPError, OSError) as error:  # what requests raises is an OSError
            raise _translated(error, request.url, read_timeout) from error
        except ConfigurationError:
            raise
        except ValueError:
            raise unsendable() from None
        return RequestsResponse(raw, request.url, read_timeout, by_chunk=self._config.deadline is None)

    def close(self) -> None:
        """Close all pooled connections."""
        self._pools.clear()
        if self._session is not None:
            self._session.close()
        self._routes.clear()

    def _reset(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            # Connections inherited through a fork are left alone: the parent still speaks on them.
            self._pools = pool_manager(POOL)
            self._session: Any = None
            self._routes: dict[str, _Route] = {}
            self._process = os.getpid()

    def _find_route(self, origin: str) -> _Route:
        route = (
            _Route(self._plain_pool(origin), False, {}) if self._is_plain(origin) else self._route_by_requests(origin)
        )
        if self._config.deadline is not None:
            make_punctual(route.pool)
        with self._lock:
            return self._routes.setdefault(origin, route)

    def _is_plain(self, origin: str) -> bool:
        """Whether nothing is to be found out: no proxy anywhere, and the usual certificates or none."""
        if sys.platform in ("darwin", "win32"):  # the system may name a proxy
            return False
        if self._config.proxies or self._config.verify_ssl is not True:
            return False
        if origin.startswith("https://") and any(map(os.environ.get, CA_VARIABLES)):
            return False
        return not any(value and name.lower().endswith("_proxy") for name, value in os.environ.items())

    def _plain_pool(self, origin: str) -> Any:
        if not origin.startswith("https://"):
            return self._pools.connection_from_url(origin)
        import certifi

        return self._pools.connection_from_url(origin, {"ca_certs": certifi.where()})

    def _route_by_requests(self, origin: str) -> _Route:
        import requests

        with self._lock:
            if self._session is None:
                self._session = session(POOL)
        adapter = self._session.get_adapter(origin)
        prepared = requests.Request("GET", origin).prepare()
        settings = self._session.merge_environment_settings(
            prepared.url, dict(self._config.proxies), True, self._verify(), None
        )
        proxies, verify, certificate = settings["proxies"], settings["verify"], settings["cert"]
        pool = adapter.get_connection_with_tls_context(prepared, verify, proxies, certificate)
        proxy = requests.utils.select_proxy(str(prepared.url), proxies) or ""
        absolute = bool(proxy) and origin.startswith("http://") and not proxy.startswith("socks")
        headers = adapter.proxy_headers(proxy) if absolute else {}
        return _Route(pool, absolute, headers)

    def _verify(self) -> bool | str | None:
        if self._config.verify_ssl is True:
            return None  # lets REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE speak, as in requests
        if isinstance(self._config.verify_ssl, str):
            require_authorities(self._config.verify_ssl)
        return self._config.verify_ssl


class RequestsResponse:
    """An answer whose head has arrived."""

    def __init__(self, raw: Any, url: str, patience: float, *, by_chunk: bool = True) -> None:
        self._raw = raw
        self._by_chunk = by_chunk or not hasattr(raw, "read1")
        self._url = url
        self._patience = patience
        self.status: int = raw.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in raw.headers.items()}
        self._chunks: Iterator[bytes] | None = None
        self._ended = False

    def read_some(self, timeout: float) -> bytes:
        """What has arrived, at least one byte; empty at the end.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
        """
        if self._ended:
            return b""
        self._wait_at_most(timeout)
        try:
            data = self._next()
        except (HTTPError, OSError, ValueError) as error:
            raise _translated(error, self._url, timeout) from error
        self._ended = not data
        return data

    def read_all(self, timeout: float, limit: int) -> bytes:
        """The whole body.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
            ProtocolError: it is longer than ``limit`` bytes.
        """
        if self._announced(limit):
            return self._rest(timeout)
        pieces: list[bytes] = []
        size = 0
        while data := self.read_some(timeout):
            size += len(data)
            if size > limit:
                raise ProtocolError(too_long(self._url, limit))
            pieces.append(data)
        return b"".join(pieces)

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        if not self._ended:
            self._raw.close()
        self._raw.release_conn()

    def _announced(self, limit: int) -> bool:
        """Whether the answer says how long it is, so that one read gets it. Compressed, it may become any length."""
        length = self.headers.get("content-length", "")
        return (
            length.isdecimal()
            and int(length) <= limit
            and not getattr(self._raw, "chunked", True)
            and "content-encoding" not in self.headers
        )

    def _rest(self, timeout: float) -> bytes:
        self._wait_at_most(timeout)
        try:
            data: bytes = self._raw.read()
        except (HTTPError, OSError, ValueError) as error:
            raise _translated(error, self._url, timeout) from error
        self._ended = True
        return data

    def _next(self) -> bytes:
        # Chunks are cheapest as they come. With a deadline, or without chunks, only read1 will do, which gives what is
        # there: a chunk that drips in must not be waited for. What vcrpy plays back has stream() alone.
        if self._by_chunk and getattr(self._raw, "chunked", True):
            if self._chunks is None:
                self._chunks = self._raw.stream(BLOCK, decode_content=True)
            for chunk in self._chunks:
                if chunk:
                    return chunk
            return b""
        while True:
            data: bytes = self._raw.read1(BLOCK, decode_content=True)
            # Compressed bytes may have arrived that do not yet make one plain byte.
            if data or self._raw.closed or not self._raw.headers.get("content-encoding") or self._at_end():
                return data

    def _at_end(self) -> bool:
        fp = getattr(self._raw, "_fp", None)
        return fp is None or fp.isclosed()

    def _wait_at_most(self, seconds: float) -> None:
        if seconds == self._patience:
            return
        self._patience = seconds
        socket = getattr(getattr(self._raw, "connection", None), "sock", None) or self._socket_of_its_own()
        if socket is not None:
            socket.settimeout(seconds)

    def _socket_of_its_own(self) -> Any:
        # After "Connection: close" the connection has let go of its socket, and the answer alone reads from it.
        found = self._raw
        for name in ("_fp", "fp", "raw", "_sock"):
            found = getattr(found, name, None)
        return found


@functools.lru_cache(maxsize=16)  # urllib3 works on a copy; checking the same seconds each time costs more
def _timeout(connect: float, read: float) -> Timeout:
    return Timeout(connect=connect, read=read)


def _translated(error: Exception, url: str, timeout: float) -> TransportError:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, urllib3.exceptions.ProtocolError) and isinstance(reason.args[-1], Exception):
        reason = reason.args[-1]  # it says what happened; the other that it did
    if isinstance(error, ReadTimeoutError | TimeoutError) or isinstance(reason, ReadTimeoutError):
        return silent(url, timeout)
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return refused(url, reason)
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return not_connected_in_time(url)
    if isinstance(reason, urllib3.exceptions.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return insecure(url, reason)
    return broken(url, reason)
