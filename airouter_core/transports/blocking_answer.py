"""The answer of a blocking request, read as it comes; and what urllib3 raises, in our words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import Any

import urllib3
from urllib3.exceptions import DecodeError, HTTPError, ReadTimeoutError

from ..errors import AirouterError
from ..wire.bounds import Collected
from .connections import StalledError
from .proxies import Proxy
from .troubles import (
    announced,
    beyond_proxy,
    broken,
    insecure,
    not_connected_in_time,
    of_proxy,
    of_tunnel,
    refused,
    silent,
    stalled,
    too_long,
    undecodable,
)

PACKED = frozenset({"br", "zstd", "compress"})
"""Codings that are passed on as they came where the library that unpacks them is not installed."""
BLOCK = 65536
"""Bytes asked for at a time."""


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
        self._coding = self.headers.get("content-encoding", "")
        self._chunks: Iterator[bytes] | None = None
        self._ended = False

    def read_some(self, timeout: float) -> bytes:
        """What has arrived, at least one byte; empty at the end.

        Raises:
            TransportError: the network failed, or nothing came for ``timeout`` seconds.
        """
        if self._ended:
            return b""
        if self._coding in PACKED and self._coding not in urllib3.HTTPResponse.CONTENT_DECODERS:
            raise undecodable(self._url, self._coding)
        if timeout != self._patience:
            self._wait_at_most(timeout)
        try:
            data = self._next()
        except DecodeError:
            failure: AirouterError = undecodable(self._url, self._coding)
        except (HTTPError, OSError, ValueError) as error:
            failure = translated(error, self._url, timeout)
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
            data: bytes = getattr(self._raw, "whole", self._raw.read)()
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            failure = translated(error, self._url, timeout)
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


def translated(error: Exception, url: str, timeout: float, proxy: Proxy | None = None) -> AirouterError:
    """What is to be raised in the place of what urllib3 has raised."""
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
