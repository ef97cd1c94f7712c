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
from typing import Any

import urllib3
from urllib3.exceptions import HTTPError
from urllib3.util import Retry, Timeout

from ..config.http import HttpConfig
from ..errors import AirouterError
from ..values.value import Value
from ..wire.http import HttpRequest
from .blocking_answer import RequestsResponse, translated
from .connections import Patience
from .pools import direct, through
from .proxies import Proxy, proxy_for
from .security import authorities, own_certificate, warn_insecure
from .troubles import (
    of_proxy,
    refusal_of_proxy,
    unsendable,
    without_socks,
)

POOL = 256
"""Connections kept for one host; they are made when needed."""
NO_RETRY = Retry(False, redirect=False)
"""Retries are the exchange's."""


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
            failure = translated(error, request.url, read_timeout, route.proxy)
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
