"""Pools of connections that send the head and the body of a request together.

urllib3 writes them one after the other, and since its sockets send at once, each request is two packets. Together they
are one, and one system call fewer: a tenth of what sending costs (measured in ``benchmarks/``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from .deadlines import punctual

if TYPE_CHECKING:
    import requests

JOINED = 65536
"""Bytes of a body that is copied to stand behind its head; a longer one goes by itself."""


class _Joining:
    """Holds back what a request consists of until it is complete. In front of a class of urllib3's."""

    _held: list[bytes] | None = None

    def send(self, data: Any) -> None:
        if self._held is None:
            super().send(data)  # type: ignore[misc]  # of the class that this one stands in front of
        else:
            self._held.append(data)

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        ask = super().request  # type: ignore[misc]  # as above
        if not isinstance(body, bytes) or len(body) > JOINED:
            ask(method, url, body, headers, **options)
            return
        held: list[bytes] = []
        self._held = held
        try:
            ask(method, url, body, headers, **options)
        finally:
            self._held = None
        if held:  # a stand-in that records requests may send nothing
            self.send(b"".join(held))


class _HttpConnection(_Joining, HTTPConnection):
    pass


class _HttpsConnection(_Joining, HTTPSConnection):
    pass


class _HttpPool(urllib3.HTTPConnectionPool):
    is_punctual = False

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # urllib3's name, which only it writes
        # Whoever puts a class of their own in the place of urllib3's (vcrpy does, to record) means it for us too.
        usual = urllib3.HTTPConnectionPool.ConnectionCls
        return _ours(_HttpConnection, self.is_punctual) if usual is HTTPConnection else usual


class _HttpsPool(urllib3.HTTPSConnectionPool):
    is_punctual = False

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # as above
        usual = urllib3.HTTPSConnectionPool.ConnectionCls
        return _ours(_HttpsConnection, self.is_punctual) if usual is HTTPSConnection else usual


def _ours(connection_class: Any, is_punctual: bool) -> Any:
    return punctual(connection_class) if is_punctual else connection_class


def make_punctual(pool: Any) -> None:
    """Let the connections of a pool know when an answer must be there."""
    if isinstance(pool, _HttpPool | _HttpsPool):
        pool.is_punctual = True
    else:  # that of a SOCKS proxy
        pool.ConnectionCls = punctual(pool.ConnectionCls)


def pool_manager(most: int) -> Any:
    """Pools for many hosts, each of up to ``most`` connections, that trust no host without a certificate."""
    return _with_our_pools(urllib3.PoolManager(most, maxsize=most, cert_reqs="CERT_REQUIRED"))


def session(most: int) -> requests.Session:
    """A session of requests with such pools, for what it finds out: proxies, and other certificates than the usual."""
    import requests

    class Adapter(requests.adapters.HTTPAdapter):
        def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
            super().init_poolmanager(*arguments, **named)
            _with_our_pools(self.poolmanager)

        def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
            return _with_our_pools(super().proxy_manager_for(*arguments, **named))

    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, Adapter(pool_connections=most, pool_maxsize=most, max_retries=0))
    return made


def _with_our_pools(manager: Any) -> Any:
    if manager.pool_classes_by_scheme["http"] is urllib3.HTTPConnectionPool:  # those of a SOCKS proxy are others
        manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
