"""Bytes, cut anywhere, to whole lines.

Lines are found in bytes and decoded one by one: U+2028 and U+0085, which ``str.splitlines`` takes for line ends, may
stand inside JSON, and a character may be cut in two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..errors import ProtocolError

MAX_LINE = 64 * 1024 * 1024
"""Bytes; a longer line is a fault of the sender. Pictures arrive as single lines of several mebibytes."""


class LineDecoder:
    r"""Splits at ``\n``, and at ``\r`` and ``\r\n`` too where ``carriage_returns`` is true."""

    def __init__(self, *, carriage_returns: bool = False, limit: int = MAX_LINE) -> None:
        self._carriage_returns = carriage_returns
        self._limit = limit
        self._rest = bytearray()
        self._after_return = False

    @property
    def idle(self) -> bool:
        """Whether nothing of an earlier line is kept, so that the next bytes begin a line."""
        return not self._rest and not self._after_return

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The lines that ``data`` completes, without their ends.

        Raises:
            ProtocolError: a line is longer than the limit; those before it are given first.
        """
        if self._carriage_returns:
            data = self._normalised(data)
        if b"\n" not in data:
            if data:
                self._keep(data)
            return []
        if self._rest:
            data = bytes(self._rest) + data
            self._rest.clear()
        lines = data.split(b"\n")
        if len(data) > self._limit:
            return self._measured(lines)
        if rest := lines.pop():
            self._keep(rest)
        return lines

    def close(self) -> list[bytes]:
        """The last line, if it has no end."""
        rest = bytes(self._rest)
        self._rest.clear()
        return [rest] if rest else []

    def _measured(self, lines: list[bytes]) -> Iterator[bytes]:
        # A line too long is noticed here as it is in pieces, so that the outcome does not depend on the cuts.
        rest = lines.pop()
        for line in lines:
            self._measure(len(line))
            yield line
        if rest:
            self._keep(rest)

    def _keep(self, data: bytes) -> None:
        self._measure(len(self._rest) + len(data))
        self._rest += data

    def _measure(self, size: int) -> None:
        if size > self._limit:
            raise ProtocolError(f"the provider sent a line of more than {self._limit} bytes")

    def _normalised(self, data: bytes) -> bytes:
        if self._after_return and data:
            # The line end was counted at "\r"; a "\n" that follows belongs to it.
            self._after_return = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._after_return = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data


def text_of(line: bytes) -> str:
    """A line as text.

    Raises:
        ProtocolError: it is no UTF-8.
    """
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"the provider sent bytes that are no UTF-8 ({line[:40]!r}…)") from error
