"""Newline-delimited JSON: one value a line (https://github.com/ndjson/ndjson-spec)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .lines import MAX_LINE, LineDecoder, text_of

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class NdjsonDecoder:
    """Bytes, cut anywhere, to the text of each line; blank lines give nothing."""

    def __init__(self, *, limit: int = MAX_LINE) -> None:
        self._lines = LineDecoder(limit=limit)
        self._first = True

    def feed(self, data: bytes) -> Iterator[str]:
        """The lines that ``data`` completes.

        Raises:
            ProtocolError: invalid UTF-8, or a line beyond the limit.
        """
        return self._texts(self._lines.feed(data))

    def close(self) -> Iterator[str]:
        """The last line, if it has no end."""
        return self._texts(self._lines.close())

    def _texts(self, lines: Iterable[bytes]) -> Iterator[str]:
        for line in lines:
            if line and not line.isspace():
                yield text_of(line.removeprefix(BYTE_ORDER_MARK) if self._first else line)
                self._first = False
