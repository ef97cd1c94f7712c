"""Connections as this library speaks on them: urllib3's, and what they lack.

A connection carries many calls, one after the other, and each must get its own answer. So one whose request did not go
out whole, or on which more came than the answer (:mod:`airouter_core.transports.answers`), is closed instead of being
used again. What has idled for long is closed too: a load balancer may have forgotten it without a word. Head and body
of a request go out together: urllib3 writes them one after the other, and since its sockets send at once, each request
would be two packets (a tenth of what sending costs, measured in ``benchmarks/``).
"""

from __future__ import annotations

import contextlib
import functools
import socket
import time
from collections.abc import Mapping, Sequence
from http.client import HTTPResponse
from typing import Any, Self

from urllib3 import connection, util  # the package first, as in `sessions`

from ..flow.stopping import STOP, Stop
from .answers import NAME, Answer, Buffer, Reader

IDLE = 15.0
"""Seconds after which a connection that rests is not used again."""
JOINED = 65536
"""Bytes of a body that is copied to stand behind its head; a longer one goes by itself."""
PIECE = 16384
"""Bytes of which at least one must go out within the patience: at any speed that is of use."""
FRAMING = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding"})
"""Fields that whoever asks may set in place of the usual ones, in lower case."""
KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Seconds and tries after which the system notices that a peer is gone."""


def genuine(connection_class: Any, module: str = "urllib3.connection") -> Any:
    """The class that a module made, where a recorder has put one of its own in its place.

    This library is imported by the first call, and that may be made while a recorder is at work.
    """
    return next((kind for kind in connection_class.__mro__ if kind.__module__ == module), connection_class)


HTTPConnection = genuine(connection.HTTPConnection, "http.client")


def socket_options() -> list[tuple[int, int, int]]:
    """What is set on each socket: send at once, and notice a peer that is gone."""
    options = [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    known = ((getattr(socket, name, None), value) for name, value in KEEP_ALIVE)  # not every system has each
    return options + [(socket.IPPROTO_TCP, option, value) for option, value in known if option is not None]


class Patience(float):
    """Seconds, as urllib3 hands them on to a connection; with them goes what it has no place for.

    Attributes:
        silence: seconds that may pass while nothing of a request can be sent.
        end: the time (of ``time.monotonic``) at which all must be there, if any.
    """

    silence: float
    end: float | None

    def __new__(cls, seconds: float, silence: float, end: float | None = None) -> Self:
        made = super().__new__(cls, seconds)
        made.silence = silence
        made.end = end
        return made


class StalledError(TimeoutError):
    """The peer took nothing of the request for as long as was allowed."""


class _Connection:
    """In front of a class of connection of urllib3's."""

    timeout: Any
    sock: Any
    response_class: Any

    is_fit = True
    """Whether nothing but the answer to the next request can come."""
    _rested = 0.0
    _is_connecting = False
    _held: list[bytes] | None = None
    _stop: Stop | None = None
    _asked = ("", "")

    @property
    def is_connected(self) -> bool:
        connected: bool = super().is_connected  # type: ignore[misc]  # of the class that this one stands in front of
        return connected and time.monotonic() - self._rested < IDLE

    def rest(self) -> None:
        """Take the end of an answer; stay open if that is safe."""
        self._rested = time.monotonic()
        if self._stop is not None:
            self._stop.goes_on()
            self._stop = None
        if not self.is_fit:
            self.close()  # type: ignore[attr-defined]  # as above

    def connect(self) -> None:
        self._is_connecting = True
        try:
            super().connect()  # type: ignore[misc]  # as above
        finally:
            self._is_connecting = False
        self.is_fit = True

    def request(self, method: str, url: str, body: Any = None, headers: Any = None, **options: Any) -> None:
        self._asked = method, url
        if not isinstance(body, bytes) or len(body) > JOINED or not FRAMING.isdisjoint(map(str.lower, headers)):
            super().request(method, url, body, headers, **options)  # type: ignore[misc]  # as above
            return
        held = self._held = []
        try:
            self.putrequest(method, url, skip_accept_encoding=True)  # type: ignore[attr-defined]  # as above
            self._output(_lines({"Accept-Encoding": "identity", "Content-Length": len(body), **headers}))  # type: ignore[attr-defined]
            self.endheaders()  # type: ignore[attr-defined]  # as above
        finally:
            self._held = None
        self.send(b"".join((*held, body)))

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(data)
            return
        if self._is_connecting:  # what a proxy is told, in the time for connecting
            super().send(data)  # type: ignore[misc]  # as above
            return
        if self.sock is None:
            self.connect()
        try:
            for piece in _pieces(data):
                self._allow()
                super().send(piece)  # type: ignore[misc]  # as above
        except TimeoutError:
            self.is_fit = False
            if util.wait_for_read(self.sock, 0.0):
                raise BrokenPipeError("the answer is there before the request") from None  # urllib3 reads it then
            raise StalledError("nothing of the request was taken") from None
        except OSError:
            self.is_fit = False
            raise

    def _allow(self) -> None:
        """Give the next piece its time: urllib3 would leave the socket at the time for connecting."""
        patience = self.timeout
        if not isinstance(patience, Patience):
            return
        silence = patience.silence
        if patience.end is not None:
            silence = min(silence, patience.end - time.monotonic())
            if silence <= 0:
                raise TimeoutError("the time for the whole call is over")
        self._wait_at_most(silence)

    def _wait_at_most(self, seconds: float) -> None:
        if self.sock.gettimeout() != seconds:  # to set it asks the system, also where nothing changes
            self.sock.settimeout(seconds)

    def getresponse(self) -> Any:
        self._wait_at_most(self.timeout)
        if (stop := STOP.get()) is not None:
            self._stop = stop
            stop.waits(functools.partial(_end, self.sock))
        self.response_class = self._answered
        try:
            answer: Any = HTTPConnection.getresponse(self)
        finally:
            self.response_class = HTTPResponse  # nothing that refers to itself is left behind
        return answer.pooled(*self._asked)

    def _answered(self, sock: Any, **named: Any) -> Answer:
        return Answer(self, **named)  # type: ignore[arg-type]  # a socket, as far as an answer needs one

    def makefile(self, _mode: str) -> Buffer:
        """What an answer is read from."""
        return Buffer(Reader(self.sock, getattr(self.timeout, "end", None)), self)


def _end(sock: Any) -> None:
    """End a connection that another thread reads from: it finds that nothing more comes."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # without what TLS would say, since that thread is using it


def _lines(headers: Mapping[str, Any]) -> bytes:
    """Headers as they are sent, all at once: http.client looks at each by itself, in twice the time."""
    said = "\r\n".join([f"{name}: {value}" for name, value in headers.items()])
    if said.count("\r") + said.count("\n") != 2 * len(headers) - 2 or not all(map(NAME.fullmatch, headers)):
        raise ValueError("a header holds a line break, or has a name that is none")
    return said.encode("latin-1")


def _pieces(data: Any) -> Sequence[Any]:
    if len(data) <= 2 * JOINED:
        return (data,)
    view = memoryview(data)
    return [view[start : start + PIECE] for start in range(0, len(view), PIECE)]


@functools.cache
def ours(connection_class: Any) -> Any:
    """The same kind of connection, with all this."""
    if issubclass(connection_class, _Connection):
        return connection_class
    return type(f"Our{connection_class.__name__}", (_Connection, connection_class), {})
