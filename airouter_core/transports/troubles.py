"""What is said of a network failure: once, for every transport.

What a library below raised is not kept as it is: its exceptions refer to connections, requests and frames, and all of
these hold keys. What is kept as the cause is the system's own error at the bottom, or else the library's words.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from http.client import HTTPMessage
from typing import TypeVar
from urllib.parse import urlsplit

from ..errors import (
    AirouterError,
    ConfigurationError,
    ConnectionFailedError,
    ProtocolError,
    TransportTimeoutError,
)
from .proxies import Proxy, is_loopback

Trouble = TypeVar("Trouble", bound=AirouterError)

PLAIN = frozenset({"builtins", "socket", "ssl"})
"""Modules of errors that hold nothing but words and numbers."""
CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*@")
TUNNEL = re.compile(r"Tunnel connection failed: (\d{3})")
EVENT_STREAM = "text/event-stream"
LEAVING = ("llama.cpp",)
"""Products, as ``Server`` names them, that close the connection after a stream though they say ``Keep-Alive``."""
ENOUGH_DIGITS = 18
"""Of a length; an answer of more bytes has no end."""


class UnderlyingError(Exception):
    """What a library below said: its words, without what it held on to."""


def kept(reason: object) -> BaseException | None:
    """What of an exception is kept as a cause: nothing of it refers to anything."""
    if not isinstance(reason, BaseException):
        return None
    lowest, below = reason, _below(reason)
    while below is not None:
        lowest, below = below, _below(below)
    if isinstance(lowest, OSError) and type(lowest).__module__ in PLAIN:
        lowest.__traceback__ = lowest.__context__ = None
        return lowest
    return UnderlyingError(f"{type(reason).__name__}: {words(reason)}")


def words(reason: object) -> str:
    """The system's own words, where a library has wrapped them in its own and in the address once more."""
    said, error = str(reason), reason
    while isinstance(error, BaseException):
        if isinstance(error, OSError) and error.errno is not None and error.strerror:
            # asyncio writes the address into the words of a refusal.
            said = os.strerror(error.errno) if isinstance(error, ConnectionError) else error.strerror
        error = _below(error)
    return CREDENTIALS.sub("…@", " ".join(said.split())) or type(reason).__name__


def unsendable() -> ConfigurationError:
    """An address or a header is none. What it holds is not said: it may be a key."""
    return ConfigurationError(
        "the request cannot be sent: its address or a header holds a character that cannot stand there"
    )


def place_of(url: str) -> str:
    """Scheme, host and port: all of an address that may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def silent(url: str, timeout: float, reason: object = None) -> TransportTimeoutError:
    """Nothing came for ``timeout`` seconds."""
    said = f"{place_of(url)} sent nothing for {timeout:g} s; raise `timeout` if it may need longer to think"
    return _from(TransportTimeoutError(said), reason)


def stalled(url: str, timeout: float) -> TransportTimeoutError:
    """Nothing of the request was taken for ``timeout`` seconds."""
    return TransportTimeoutError(
        f"{place_of(url)} took nothing of the request for {timeout:g} s; raise `timeout` if the network is that slow"
    )


def not_connected_in_time(url: str, reason: object = None) -> TransportTimeoutError:
    """No connection came up."""
    said = f"no connection to {place_of(url)} within the time allowed"
    return _from(TransportTimeoutError(said, while_connecting=True), reason)


def insecure(url: str, reason: object) -> ConnectionFailedError:
    """TLS failed."""
    advice = "check the address; for a private certificate set verify_ssl to its CA file, or REQUESTS_CA_BUNDLE"
    return _from(ConnectionFailedError(f"no secure connection to {place_of(url)}: {words(reason)} ({advice})"), reason)


def refused(url: str, reason: object) -> ConnectionFailedError:
    """Nobody answered there."""
    here = is_loopback(urlsplit(url).hostname)
    question = "is the server running" if here else "is this machine online, is the server running"
    said = f"cannot connect to {place_of(url)}: {question}, and base_url right? ({words(reason)})"
    return _from(ConnectionFailedError(said), reason)


def broken(url: str, reason: object) -> ConnectionFailedError:
    """The connection was lost."""
    return _from(ConnectionFailedError(f"the connection to {place_of(url)} broke: {words(reason)}"), reason)


def undecodable(url: str, coding: str) -> ProtocolError:
    """The bytes of an answer are not in the coding that its head names, or in one that was not asked for."""
    return ProtocolError(
        f"{place_of(url)} sent an answer that cannot be unpacked (content-encoding {coding[:40]!r}, and none was "
        "asked for); look at the server, and at any proxy between"
    )


def too_long(url: str, limit: int) -> str:
    """What is said of an answer beyond its limit."""
    return f"{place_of(url)} sent more than {limit} bytes"


def announced(headers: Mapping[str, str], limit: int) -> bool:
    """Whether an answer says how long it is, and that is not too long."""
    length = headers.get("content-length", "")
    return length.isascii() and length.isdecimal() and len(length) <= ENOUGH_DIGITS and int(length) <= limit


def leaves_unsaid(headers: Mapping[str, str] | HTTPMessage) -> bool:
    """Whether the peer will close the connection after this answer without having said so.

    Whoever asks again on it at once may be faster than the news of its end. That request would be lost, and nobody
    could tell it from one that was answered.
    """
    return headers.get("server", "").startswith(LEAVING) and headers.get("content-type", "").startswith(EVENT_STREAM)


def of_proxy(proxy: Proxy, reason: object) -> ConfigurationError:
    """The proxy is at fault, and trying again will not help; nothing was sent."""
    said = f"the proxy {proxy.address} cannot be used: {words(reason)}"
    advice = "look at the setting `proxies` and at HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY"
    return _from(ConfigurationError(f"{said} ({advice})"), reason)


def of_tunnel(proxy: Proxy, reason: object) -> AirouterError:
    """The proxy made no way to the server: its own fault, or it could not reach it."""
    refusal = TUNNEL.search(str(reason))
    status = int(refusal[1]) if refusal else 0
    if status >= 500:
        return beyond_proxy(proxy, f"it answered {status}")
    return of_proxy(proxy, refusal_of_proxy(status) if status else reason)


def refusal_of_proxy(status: int) -> str:
    """What the status of a proxy's answer says."""
    wants = "; it wants a user name and a password" if status == 407 else ""
    return f"it answered {status}{wants}"


def beyond_proxy(proxy: Proxy, reason: object) -> ConnectionFailedError:
    """The proxy is there, and could not reach the server."""
    return _from(ConnectionFailedError(f"the proxy {proxy.address} cannot reach the server: {words(reason)}"), reason)


def without_socks(proxy: Proxy) -> ConfigurationError:
    """What speaks to SOCKS proxies is not installed."""
    return ConfigurationError(
        f"the proxy {proxy.address} needs an extra: pip install 'airouter-core[socks]'; "
        "or name another in the setting `proxies`"
    )


def _from(trouble: Trouble, reason: object) -> Trouble:
    trouble.__cause__ = kept(reason)
    return trouble


def _below(error: BaseException) -> BaseException | None:
    """What an exception was made of, where each library has its own place for it."""
    for name in ("__cause__", "__context__", "reason", "original_error", "os_error"):
        below = getattr(error, name, None)
        if isinstance(below, BaseException) and below is not error:
            return below
    return next((part for part in error.args if isinstance(part, BaseException)), None)
