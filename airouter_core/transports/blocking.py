"""The blocking transport, on the pooled connections that requests is built on.

A request goes straight to its pool, which costs about a third of ``Session.request``. requests is asked for proxies
alone, and imported only where there may be one: that is a fifth of what a short program costs (both measured in
``benchmarks/``).
"""

from __future__ import annotations

import functools
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry, Timeout

from ..config.http import HttpConfig
from ..errors import AirouterError
from ..values.value import Value
from ..wire.bounds import Collected
from ..wire.http import HttpRequest
from .connections import Patience, StalledError
from .pools import direct, through
from .proxies import Proxy, proxy_for
from .security import authorities, own_certificate, warn_insecure
from .troubles import (
    announced,
    beyond_proxy,
    broken,
    insecure,
    not_connected_in_time,
    of_proxy,
    of_tunnel,
    refusal_of_proxy,
    refused,
    silent,
    stalled,
    too_long,
    unsendable,
    without_socks,
)

POOL = 256
"""Connections kept for one host; they are made when needed."""
NO_RETRY = Retry(False, redirect=False)
"""Retries are the exchange's."""
BLOCK = 65536
"""Bytes asked for at a time."""


class _Route(Value, frozen=True, eq=False):
    """How one origin is reached: its pool of connections, and the proxy on the way.

    Attributes:
        absolute: whether the whole address is sent, as a proxy for plain HTTP wants it.
    """

    pool: Any
    proxy: Proxy | None
    absolute: bool


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
            ConfigurationError: a header is none, or the proxy is at fault.
        """
        if self._process != os.getpid():
            self._reset()
        scheme, _, rest = request.url.partition("://")
        origin = f"{scheme}://{rest.partition('/')[0]}"
        route = self._routes.get(origin) or self._find_route(origin)
        failure: AirouterError
        try:
            raw = route.pool.urlopen(
                request.method,
                request.url if route.absolute else request.url[len(origin) :] or "/",
                body=request.body,
                headers=request.headers,
                redirect=False,
                retries=NO_RETRY,
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
                timeout=_timeout(connect_timeout, read_timeout, within),
            )
        except (HTTPError, OSError) as error:
            failure = _translated(error, request.url, read_timeout, route.proxy)
        except ValueError:
            failure = unsendable()
        else:
            if raw.status != 407 or route.proxy is None:
                return RequestsResponse(raw, request.url, read_timeout, by_chunk=self._config.deadline is None)
            raw.close()
            failure = of_proxy(route.proxy, refusal_of_proxy(407))
        # Raised here, where no exception of a library's is under way that would be kept with all it refers to.
        raise failure

    def close(self) -> None:
        """Close all pooled connections."""
        with self._lock:
            managers = [self._pools, *self._behind.values()]
            self._behind.clear()
            self._routes.clear()
        for manager in managers:
            manager.clear()

    def _reset(self) -> None:
        with self._lock:
            if self._process == os.getpid():
                return
            # Connections inherited through a fork are left alone: the parent still speaks on them.
            self._pools = direct(POOL)
            self._behind: dict[Proxy, Any] = {}
            self._routes: dict[str, _Route] = {}
            self._process = os.getpid()

    def _find_route(self, origin: str) -> _Route:
        proxy = proxy_for(origin, self._config.proxies)
        absolute = proxy is not None and not proxy.is_socks and origin.startswith("http:")
        trust = self._trust(origin, proxy)
        failure: AirouterError
        try:
            with self._lock:
                pool = self._manager(proxy).connection_from_url(origin, trust)
                return self._routes.setdefault(origin, _Route(pool, proxy, absolute))
        except ImportError:
            assert proxy is not None
            failure = without_socks(proxy)
        except (HTTPError, ValueError) as error:
            failure = unsendable() if proxy is None else of_proxy(proxy, type(error).__name__)
        raise failure

    def _manager(self, proxy: Proxy | None) -> Any:
        if proxy is None:
            return self._pools
        if proxy not in self._behind:
            self._behind[proxy] = through(proxy, POOL)
        return self._behind[proxy]

    def _trust(self, origin: str, proxy: Proxy | None) -> dict[str, Any]:
        if not origin.startswith("https:") and (proxy is None or not proxy.address.startswith("https:")):
            return {}
        own = own_certificate(self._config)
        shown = {} if own is None else {"cert_file": own.file, "key_file": own.key, "key_password": own.password}
        path = authorities(self._config.verify_ssl)
        if path is None:
            return {"cert_reqs": "CERT_NONE", **shown}
        return {"cert_reqs": "CERT_REQUIRED", "ca_cert_dir" if os.path.isdir(path) else "ca_certs": path, **shown}


class RequestsResponse:
    """An answer whose head has arrived."""

    def __init__(self, raw: Any, url: str, patience: float, *, by_chunk: bool = True) -> None:
        self._raw = raw
        self._by_chunk = by_chunk or not hasattr(raw, "read1")
        self._url = url
        self._patience = patience
        self.status: int = raw.status
        fields: Mapping[str, str] | None = getattr(raw, "fields", None)  # what recorders put in its place has none
        self.headers = {name.lower(): value for name, value in raw.headers.items()} if fields is None else fields
        self._chunks: Iterator[bytes] | None = None
        self._ended = False

    def read_some(self, timeout: float) -> bytes:
        """What has arrived, at least one byte; empty at the end.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
        """
        if self._ended:
            return b""
        if timeout != self._patience:
            self._wait_at_most(timeout)
        try:
            data = self._next()
        except (HTTPError, OSError, ValueError) as error:
            failure = _translated(error, self._url, timeout)
        else:
            self._ended = not data
            return data
        raise failure

    def read_all(self, timeout: float, limit: int) -> bytes:
        """The whole body.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
            ProtocolError: it is longer than ``limit`` bytes.
        """
        if self._announced(limit):
            return self._rest(timeout)
        pieces = Collected(limit, too_long(self._url, limit))
        while data := self.read_some(timeout):
            pieces.add(data)
        return pieces.whole()

    def close(self) -> None:
        """Close the connection, unless the answer was read to its end."""
        if not self._ended:
            self._raw.close()
        self._raw.release_conn()

    def _announced(self, limit: int) -> bool:
        """Whether the answer says how long it is, so that one read gets it. Compressed, it may become any length."""
        return (
            announced(self.headers, limit)
            and not getattr(self._raw, "chunked", True)
            and "content-encoding" not in self.headers
        )

    def _rest(self, timeout: float) -> bytes:
        if timeout != self._patience:
            self._wait_at_most(timeout)
        try:
            data: bytes = self._raw.read()
        except (HTTPError, OSError, ValueError) as error:
            failure = _translated(error, self._url, timeout)
        else:
            self._ended = True
            return data
        raise failure

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
        self._patience = seconds
        socket = getattr(getattr(self._raw, "connection", None), "sock", None) or self._socket_of_its_own()
        if socket is not None:
            socket.settimeout(seconds)

    def _socket_of_its_own(self) -> Any:
        # After "Connection: close" the connection has let go of its socket, and the answer alone reads from it.
        found = self._raw
        for name in ("_fp", "fp", "raw", "socket"):
            found = getattr(found, name, None)
        return found


class _Allowed(Timeout):
    """Seconds that were checked once. urllib3 works on copies, and checks each of them anew."""

    def clone(self) -> Timeout:
        copy = object.__new__(_Allowed)
        vars(copy).update(vars(self))
        return copy


@functools.lru_cache(maxsize=16)
def _usual_timeout(connect: float, read: float) -> Timeout:
    return _Allowed(connect=Patience(connect, read), read=read)


def _timeout(connect: float, read: float, within: float | None) -> Timeout:
    if within is None:
        return _usual_timeout(connect, read)
    end = time.monotonic() + within
    return _Allowed(connect=Patience(connect, read, end), read=Patience(read, read, end))


def _translated(error: Exception, url: str, timeout: float, proxy: Proxy | None = None) -> AirouterError:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, urllib3.exceptions.ProtocolError) and isinstance(reason.args[-1], Exception):
        reason = reason.args[-1]  # it says what happened; the other that it did
    if isinstance(reason, StalledError):
        return stalled(url, timeout)
    if isinstance(error, ReadTimeoutError | TimeoutError) or isinstance(reason, ReadTimeoutError):
        return silent(url, timeout, reason)
    if proxy is not None and (trouble := _trouble_with(proxy, reason)) is not None:
        return trouble
    if isinstance(reason, urllib3.exceptions.NewConnectionError):
        return refused(url, reason)
    if isinstance(reason, urllib3.exceptions.ConnectTimeoutError):
        return not_connected_in_time(url, reason)
    if isinstance(reason, urllib3.exceptions.SSLError) or "CERTIFICATE_VERIFY_FAILED" in str(reason):
        return insecure(url, reason)
    return broken(url, reason)


def _trouble_with(proxy: Proxy, reason: object) -> AirouterError | None:
    if isinstance(reason, urllib3.exceptions.ProxyError):
        return of_tunnel(proxy, reason.original_error)
    if proxy.is_socks and isinstance(reason, urllib3.exceptions.NewConnectionError):
        said = reason.__cause__ or reason.__context__
        said = getattr(said, "socket_err", None) or said
        reached = type(said).__name__ in ("SOCKS4Error", "SOCKS5Error")  # PySocks: what it says of the server behind it
        return beyond_proxy(proxy, said) if reached else of_proxy(proxy, said or reason)
    return None
