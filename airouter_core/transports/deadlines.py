"""Answers that are there by a given time, or are given up, for the blocking half.

A socket's timeout begins anew with each byte, so an answer whose head drips in byte by byte outlasts any. Where a call
has a deadline, each read from the socket is therefore given what is left of it, below everything that frames an answer.
"""

from __future__ import annotations

import functools
import io
import time
from http.client import HTTPResponse
from typing import Any, Self


class Patience(float):
    """Seconds of silence, and the time (of ``time.monotonic``) at which all must be there.

    urllib3 hands on to the connection what it is given as timeout; this is how the end of a call gets there.
    """

    end: float

    def __new__(cls, silence: float, end: float) -> Self:
        made = super().__new__(cls, silence)
        made.end = end
        return made


class _Reader(io.RawIOBase):
    """Reads from a socket until the end has come."""

    def __init__(self, sock: Any, end: float) -> None:
        self._sock = sock
        self._end = end
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for the whole answer is over")
        silence = self._sock.gettimeout()
        if silence is None or left < silence:
            self._sock.settimeout(left)
        count: int | None = self._file.readinto(buffer)
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class _Readable:
    """All that an answer needs of a socket."""

    def __init__(self, sock: Any, end: float) -> None:
        self._sock = sock
        self._end = end

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reader(self._sock, self._end))


class _Punctual:
    """Reads answers so, where the timeout is a :class:`Patience`. In front of a class of urllib3's."""

    timeout: Any
    response_class: Any

    def getresponse(self) -> Any:
        end = getattr(self.timeout, "end", None)
        self.response_class = HTTPResponse if end is None else functools.partial(_answer, end)
        return super().getresponse()  # type: ignore[misc]  # of the class that this one stands in front of


def _answer(end: float, sock: Any, *arguments: Any, **named: Any) -> HTTPResponse:
    return HTTPResponse(_Readable(sock, end), *arguments, **named)  # type: ignore[arg-type]  # it is read from only


@functools.cache
def punctual(connection_class: Any) -> Any:
    """The same kind of connection, which knows when an answer must be there."""
    if issubclass(connection_class, _Punctual):
        return connection_class
    return type(f"Punctual{connection_class.__name__}", (_Punctual, connection_class), {})
