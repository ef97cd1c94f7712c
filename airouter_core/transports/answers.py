"""Answers as they are read off a connection that carries many of them, one after the other.

http.client frames their bodies. What it lacks is here: interim answers (RFC 9110, section 15.2) are read over; at its
end an answer looks whether more came than it; and times are kept below everything that frames a message: a body that
keeps moving may take as long as it takes, and an answer with a deadline is given up then, however it drips in.

Heads are read here too. http.client has its heads parsed as mail, and urllib3 goes over them again: a fifth of the
Python calls of a whole warm call (measured with ``benchmarks/``), for fields that are a name, a colon and a value.
"""

from __future__ import annotations

import io
import re
import time
from http.client import HTTPException, HTTPResponse, LineTooLong, UnknownProtocol
from typing import Any, BinaryIO

from urllib3 import HTTPResponse as PooledResponse

from .troubles import leaves_unsaid

LONGEST_LINE = 65536
"""Bytes of a line of a head."""
MOST_LINES = 256
NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a field (RFC 9110, section 5.6.2)."""
WITHOUT_BODY = frozenset({101, 204, 304})


class Reader(io.RawIOBase):
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


class Buffer(io.BufferedReader):
    """What an answer is read from; closed at its end, it looks whether that was all."""

    def __init__(self, reader: Reader, connection: Any) -> None:
        super().__init__(reader)
        self.connection = connection
        self._reader = reader

    def close(self) -> None:
        if not self.closed:
            self._reader.is_at_rest = True
            if self.peek(1) or _undelivered(self._reader.socket):
                self.connection.is_fit = False
            self.connection.rest()
        super().close()


def _undelivered(sock: Any) -> int:
    """How many bytes TLS has deciphered that nobody has read."""
    pending = getattr(sock, "pending", None)
    try:
        return pending() if pending is not None else 0
    except (OSError, ValueError, AttributeError):  # it was closed meanwhile
        return 0


class Answer(HTTPResponse):
    """An answer, with those before it that are none."""

    headers: Any
    """By names in lower case."""
    fp: Buffer

    def begin(self) -> None:
        """Read the head, as http.client does; those of interim answers are read over."""
        status = 100
        while status != 101 and 100 <= status < 200:
            version, status, reason = self._read_status()  # type: ignore[attr-defined]  # http.client's, as below
            headers = fields_of(self.fp)
        if not version.startswith(("HTTP/1.", "HTTP/0.9")):
            raise UnknownProtocol(version)
        self.version = 10 if version in ("HTTP/1.0", "HTTP/0.9") else 11
        self.code = self.status = status
        self.reason = reason.strip()
        self.headers = headers
        self.chunked = headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = headers.get("content-length", "").partition(",")[0]
        self.length = int(length) if length.isdecimal() and not self.chunked else None
        if status in WITHOUT_BODY or self._method == "HEAD":  # type: ignore[attr-defined]
            self.length = 0
        self.will_close = self._check_close() or not (self.chunked or self.length is not None)  # type: ignore[attr-defined]
        if leaves_unsaid(headers):
            self.fp.connection.is_fit = False

    def pooled(self, method: str, url: str) -> PooledResponse:
        """As urllib3 hands it on: it undoes compression, and gives the connection back.

        With two attributes of ours: ``fields``, and ``whole()`` for a body whose length is known and that is plain.
        """
        response = PooledResponse(
            body=self,
            headers=self.headers,
            status=self.status,
            version=self.version,
            version_string=f"HTTP/{self.version / 10}",
            reason=self.reason,
            preload_content=False,
            decode_content=False,
            original_response=self,
            request_method=method,
            request_url=url,
        )
        response.fields = self.headers  # type: ignore[attr-defined]  # for RequestsResponse, as the next
        response.whole = self.read  # type: ignore[attr-defined]
        return response


def fields_of(file: BinaryIO) -> dict[str, str]:
    """The fields of a head by name, in lower case; several of one name are joined, as RFC 9110 has it.

    What is no field is passed over, as ever, and said nowhere: it may echo a key.
    """
    fields: dict[str, str] = {}
    name, count = "", 0
    while (line := file.readline(LONGEST_LINE + 1)) not in (b"\r\n", b"\n", b""):
        count += 1
        if len(line) > LONGEST_LINE:
            raise LineTooLong("header line")
        if count > MOST_LINES:
            raise HTTPException(f"got more than {MOST_LINES} headers")
        text = line.decode("iso-8859-1")
        said, colon, value = text.partition(":")
        if text[0] in " \t" and name:  # an old way to go on with a value
            fields[name] += f" {text.strip()}"
        elif colon and NAME.fullmatch(said):
            name, value = said.lower(), value.strip()
            fields[name] = f"{fields[name]}, {value}" if name in fields else value
    return fields
