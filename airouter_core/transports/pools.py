"""Pools of connections that send the head and the body of a request together.

urllib3 writes them one after the other, and since its sockets send at once, each request is two packets. Together they
are one, and one system call fewer: a tenth of what sending costs (measured in ``benchmarks/``).
"""

from __future__ import annotations

from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

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
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # urllib3's name, which only it writes
        # Whoever puts a class of their own in the place of urllib3's (vcrpy does, to record) means it for us too.
        usual = urllib3.HTTPConnectionPool.ConnectionCls
        return _HttpConnection if usual is HTTPConnection else usual


class _HttpsPool(urllib3.HTTPSConnectionPool):
    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # as above
        usual = urllib3.HTTPSConnectionPool.ConnectionCls
        return _HttpsConnection if usual is HTTPSConnection else usual


def pool_manager(most: int) -> urllib3.PoolManager:
    """Pools for many hosts, each of up to ``most`` connections, that trust no host without a certificate."""
    manager = urllib3.PoolManager(most, maxsize=most, cert_reqs="CERT_REQUIRED")
    manager.pool_classes_by_scheme = {"http": _HttpPool, "https": _HttpsPool}
    return manager
