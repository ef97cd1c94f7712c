"""Connections as this library speaks on them: urllib3's, and what they lack.

A connection carries many calls, one after the other, and each must get its own answer. So interim answers (RFC 9110,
section 15.2) are read over, and a connection whose request did not go out whole, or on which more came than the answer,
is closed instead of being used again. What has idled for long is closed too: a load balancer may have forgotten it
without a word. Times are kept below everything that frames a message: a body that keeps moving may take as long as it
takes, and an answer with a deadline is given up then, however it drips in. Head and body of a request go out together:
urllib3 writes them one after the other, and since its sockets send at once, each request would be two packets (a tenth
of what sending costs, measured in ``benchmarks/``).
"""

from __future__ import annotations

import contextlib
import functools
import io
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any, Self

from urllib3.util.wait import wait_for_read

from .troubles import leaves_unsaid

IDLE = 15.0
"""Seconds after which a connection that rests is not used again."""
JOINED = 65536
"""Bytes of a body that is copied to stand behind its head; a longer one goes by itself."""
PIECE = 16384
"""Bytes of which at least one must go out within the patience: at any speed that is of use."""
KEEP_ALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""Seconds and tries after which the system notices that a peer is gone."""


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


class _Reader(io.RawIOBase):
    """Reads from a socket until the end has come; once at rest, no more."""

    is_at_rest = False

    def __init__(self, sock: Any, end: float | None) -> None:
        self.socket = sock
        self._end = end
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if self.is_at_rest:
            return None
        if self._end is not None:
            self._shorten(self._end)
        count: int | None = self._file.readinto(buffer)
        return count

    def _shorten(self, end: float) -> None:
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        silence = self.socket.gettimeout()
        if silence is None or left < silence:
            self.socket.settimeout(left)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Buffer(io.BufferedReader):
    """What an answer is read from; closed at its end, it looks whether that was all."""

    def __init__(self, reader: _Reader, connection: Any) -> None:
        super().__init__(reader)
        self._reader = reader
        self.connection = connection

    def close(self) -> None:
        if not self.closed:
            self._reader.is_at_rest = True
            if self.peek(1) or _undelivered(self._reader.socket):
                self.connection.is_fit = False
            self.connection.rest()
        super().close()


def _undelivered(sock: Any) -> int:
    """How many bytes TLS has deciphered that nobody has read."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        count: int = sock.pending()
        return count
    return 0


class _Readable:
    """All that an answer needs of a socket."""

    def __init__(self, sock: Any, connection: Any) -> None:
        self._socket = sock
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        end = getattr(self._connection.timeout, "end", None)
        return _Buffer(_Reader(self._socket, end), self._connection)


class _Answer(HTTPResponse):
    """An answer, with those before it that are none."""

    def __init__(self, connection: Any, sock: Any, *arguments: Any, **named: Any) -> None:
        super().__init__(_Readable(sock, connection), *arguments, **named)  # type: ignore[arg-type]  # it is read from only

    def begin(self) -> None:
        super().begin()
        while self.status != 101 and 100 <= self.status < 200:  # interim; 101 is not
            self.headers = self.msg = None  # type: ignore[assignment]  # so that it begins again
            super().begin()
        # What is no header is passed over, as ever; urllib3 would log it, and a server may have echoed a key there.
        self.headers.defects.clear()
        self.headers.set_payload("")
        if isinstance(self.fp, _Buffer) and leaves_unsaid(self.headers):
            self.fp.connection.is_fit = False


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

    @property
    def is_connected(self) -> bool:
        connected: bool = super().is_connected  # type: ignore[misc]  # of the class that this one stands in front of
        return connected and time.monotonic() - self._rested < IDLE

    def rest(self) -> None:
        """Take the end of an answer; stay open if that is safe."""
        self._rested = time.monotonic()
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
            if wait_for_read(self.sock, 0.0):
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
        self.sock.settimeout(silence)

    def getresponse(self) -> Any:
        self.response_class = functools.partial(_Answer, self)
        try:
            return super().getresponse()  # type: ignore[misc]  # as above
        finally:
            self.response_class = HTTPResponse  # nothing that refers to itself is left behind


def _pieces(data: Any) -> Iterator[Any]:
    if len(data) <= 2 * JOINED:
        yield data
        return
    view = memoryview(data)
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]


@functools.cache
def ours(connection_class: Any) -> Any:
    """The same kind of connection, with all this."""
    if issubclass(connection_class, _Connection):
        return connection_class
    return type(f"Our{connection_class.__name__}", (_Connection, connection_class), {})
