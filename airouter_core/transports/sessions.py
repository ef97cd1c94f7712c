"""Sessions of aiohttp: those of one event loop."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import select
import socket
import weakref
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from urllib3 import util  # not `from urllib3.util`: while another thread imports the package, that finds half of it

from ..errors import ConfigurationError
from .connections import IDLE, socket_options
from .proxies import Proxy
from .troubles import without_socks

READ_LIMIT = 1 << 20
"""Bytes that may wait unread before the sender is slowed down."""


class Sessions:
    """The sessions of the event loop that runs: one for everybody, and one for each SOCKS proxy.

    They close with their loop: whoever ends it (asyncio.run does) first closes the asynchronous generators that were
    begun in it, and one of those is here for just that.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self.process = os.getpid()
        self._by_proxy: dict[Proxy | None, aiohttp.ClientSession] = {}
        self._end = self._close_with_the_loop()
        self._begun = False

    async def begin(self) -> None:
        """Let the loop know."""
        if not self._begun:
            self._begun = True
            await anext(self._end)

    def to(self, proxy: Proxy | None) -> aiohttp.ClientSession:
        """The session for requests through this proxy.

        Raises:
            ConfigurationError: it is a SOCKS proxy, and what speaks to one is not installed; or the loop came through
                a fork.
        """
        if self.process != os.getpid():
            # Its connections are the parent's, who still speaks on them, and so is what the loop waits on.
            raise ConfigurationError(
                "this event loop came through a fork: make a new one in each process, as asyncio.run does"
            )
        own = proxy if proxy is not None and proxy.is_socks else None
        session = self._by_proxy.get(own)
        if session is None:
            session = self._by_proxy[own] = aiohttp.ClientSession(
                connector=_connector(own), cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=READ_LIMIT
            )
        return session

    async def close(self) -> None:
        """Close all connections."""
        self.is_closed = True
        sessions = list(self._by_proxy.values())
        self._by_proxy.clear()
        for session in sessions:
            connector = session.connector
            await session.close()
            _drop_unsent(connector)

    def drop_unsent(self) -> None:
        """Let go of connections that were given up while something was still to be sent on them."""
        for session in self._by_proxy.values():
            _drop_unsent(session.connector)

    def abandon(self) -> None:
        """Close what can be closed without waiting: the loop may have ended, and nobody is left to wait."""
        self.is_closed = True
        if self.process != os.getpid():
            return  # to take them from what the loop waits on would take them from the parent's loop
        for session in self._by_proxy.values():
            connector = session.connector
            session.detach()
            if connector is not None:
                closing = connector.close().__await__()
                next(closing, None)
                closing.close()
        self._by_proxy.clear()

    async def _close_with_the_loop(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.close()
            await asyncio.sleep(0)  # closed connections are let go of by the next turn of the loop


def abandon(sessions: Mapping[Any, Sessions | None]) -> None:
    """Let go of the sessions of loops."""
    for one in list(sessions.values()):
        if one is not None:
            one.abandon()


class _Protocol(ResponseHandler):
    """What aiohttp speaks on a connection by: connected for as long as nothing but the next answer can come on it.

    aiohttp looks at that when a connection is given back; what comes while it rests would be taken for the answer to
    the request after it.
    """

    def __init__(self, opened: weakref.WeakSet[Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._opened = opened
        self._has_news: Callable[[], bool] = bool
        self._silent_at: float | None = None
        self._watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._has_news = _news_of(transport)
        with contextlib.suppress(TypeError):  # not every loop's transports can be remembered so
            self._opened.add(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        super().connection_lost(exc)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    # aiohttp sets a timer for the silence after a request, and another one for each piece that comes, and cancels them
    # all. Here each connection has one, which looks when it goes off how long it has been silent by then.

    def _reschedule_timeout(self) -> None:
        patience = self.read_timeout
        if not patience:
            self._silent_at = None
            return
        self._silent_at = self._loop.time() + patience
        if self._watch is None:
            self._watch = self._loop.call_at(self._silent_at, self._look)
        elif self._watch.when() > self._silent_at:  # the call before was more patient
            self._watch.cancel()
            self._watch = self._loop.call_at(self._silent_at, self._look)

    def _drop_timeout(self) -> None:
        self._silent_at = None

    def _look(self) -> None:
        self._watch = None
        if self._silent_at is None:
            return
        if self._loop.time() < self._silent_at:
            self._watch = self._loop.call_at(self._silent_at, self._look)
        else:
            self._silent_at = None
            self._on_read_timeout()

    def is_connected(self) -> bool:
        """Asked by the connector before it hands out a connection again."""
        return super().is_connected() and not self.should_close and not self._has_news()


class _Remembering:
    """In front of a connector: remembers each connection for as long as it lives."""

    _factory: Any

    def __init__(self, **named: Any) -> None:
        super().__init__(**named)
        self._opened: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._factory = functools.partial(_Protocol, self._opened, asyncio.get_running_loop())

    def drop_unsent(self) -> None:
        """Drop what waits to be sent on connections that are closing: to a server that reads no more, it would wait
        for ever, and so would the connection.
        """
        for transport in list(self._opened):
            if transport.is_closing():
                transport.abort()


class _Connector(_Remembering, aiohttp.TCPConnector):
    pass


def _drop_unsent(connector: object) -> None:
    if isinstance(connector, _Remembering):
        connector.drop_unsent()


def _news_of(transport: asyncio.BaseTransport) -> Callable[[], bool]:
    """What looks whether anything has come on a connection that was not read yet."""
    sock = transport.get_extra_info("socket")
    if sock is None or (number := sock.fileno()) < 0:
        return functools.partial(bool, True)
    if not hasattr(select, "poll"):
        return functools.partial(util.wait_for_read, sock, 0.0)
    # As there, without what it goes through: each call on a warm connection comes by here.
    look = select.poll()
    look.register(number, select.POLLIN)
    return lambda: bool(look.poll(0))


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    for option in socket_options():
        made.setsockopt(*option)
    return made


def _connector(proxy: Proxy | None) -> aiohttp.BaseConnector:
    if proxy is None:
        return _Connector(limit=0, keepalive_timeout=IDLE, socket_factory=_socket)
    try:
        from aiohttp_socks import ProxyConnector, ProxyType
    except ImportError:
        raise without_socks(proxy) from None

    class Connector(_Remembering, ProxyConnector):
        pass

    scheme, _, place = proxy.address.partition("://")
    host, _, port = place.rpartition(":")
    return Connector(
        host=host.strip("[]"),
        port=int(port),
        proxy_type=ProxyType.SOCKS4 if scheme.startswith("socks4") else ProxyType.SOCKS5,
        username=proxy.user or None,
        password=proxy.password or None,
        rdns=scheme in ("socks4a", "socks5h"),
        limit=0,
        keepalive_timeout=IDLE,
    )
