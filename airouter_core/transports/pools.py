"""Pools of connections of our own kind, direct and through proxies."""

from __future__ import annotations

import collections
import importlib
import queue
from typing import Any

import urllib3
from urllib3 import connection

from .connections import genuine, ours, socket_options
from .proxies import Proxy

HTTP = genuine(connection.HTTPConnection)
HTTPS = genuine(connection.HTTPSConnection)


class _AtRest:
    """Connections at rest, the last one first.

    Nobody waits for one: where none is left, another is made. So this is no queue of the standard library, whose locks
    and conditions are a dozen Python calls for each request, and where threads meet.
    """

    def __init__(self, most: int = 0) -> None:
        self._most = most
        self.queue: collections.deque[Any] = collections.deque()

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        try:
            return self.queue.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, connection: Any, block: bool = False, timeout: float | None = None) -> None:
        if connection is None:  # urllib3's word for one that is still to be made
            return
        if len(self.queue) >= self._most:
            raise queue.Full
        self.queue.append(connection)

    def qsize(self) -> int:
        return len(self.queue)


class _HttpPool(urllib3.HTTPConnectionPool):
    QueueCls: Any = _AtRest

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # urllib3's name, which only it writes
        # Whoever puts a class of their own in the place of urllib3's (vcrpy does, to record) means it for us too.
        usual: Any = urllib3.HTTPConnectionPool.ConnectionCls
        return ours(usual) if usual is HTTP else usual


class _HttpsPool(urllib3.HTTPSConnectionPool):
    QueueCls: Any = _AtRest

    @property
    def ConnectionCls(self) -> Any:  # type: ignore[override]  # noqa: N802  # as above
        usual: Any = urllib3.HTTPSConnectionPool.ConnectionCls
        return ours(usual) if usual is HTTPS else usual


POOLS = {"http": _HttpPool, "https": _HttpsPool}


def direct(most: int) -> Any:
    """Pools for many hosts, each of up to ``most`` connections."""
    manager = urllib3.PoolManager(most, maxsize=most, socket_options=socket_options())
    manager.pool_classes_by_scheme = POOLS
    return manager


def through(proxy: Proxy, most: int) -> Any:
    """The same through a proxy.

    Raises:
        ImportError: it is a SOCKS proxy, and what speaks to one is not installed.
    """
    manager: Any
    if not proxy.is_socks:
        manager = urllib3.ProxyManager(
            proxy.address, num_pools=most, maxsize=most, proxy_headers=proxy.headers, socket_options=socket_options()
        )
        manager.pool_classes_by_scheme = POOLS
        return manager
    importlib.import_module("socks")  # urllib3 would print a warning beside its error
    from urllib3.contrib.socks import SOCKSProxyManager

    manager = SOCKSProxyManager(
        proxy.address,
        username=proxy.user or None,
        password=proxy.password or None,
        num_pools=most,
        maxsize=most,
        socket_options=socket_options(),
    )
    theirs: dict[str, Any] = SOCKSProxyManager.pool_classes_by_scheme
    manager.pool_classes_by_scheme = {
        scheme: type(pool.__name__, (pool,), {"ConnectionCls": ours(pool.ConnectionCls), "QueueCls": _AtRest})
        for scheme, pool in theirs.items()
    }
    return manager
