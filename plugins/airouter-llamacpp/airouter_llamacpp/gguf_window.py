"""A small window on a GGUF file: what is read through it, and what is stepped over."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import attrs

# Bounds for hostile files, far above any real one (the longest vocabularies make a header of about 20 MB).
READ_LIMIT = 64 << 20  # bytes read for one header; what is stepped over by seeking does not count
STRING_LIMIT = 1 << 20  # bytes of one string that is kept: a chat template has up to 100 kB
FIRST_READ = 1 << 16
NEXT_READ = 1 << 20

LENGTH = struct.Struct("<Q")


class GgufError(ValueError):
    """The file cannot be used as a model; the message says what is wrong with it."""


@attrs.frozen
class Skipped:
    """A metadata value that was stepped over: ``length`` items of an array, or bytes of a string."""

    length: int


class Window:
    """The bytes around the place that has been reached, filled from the file as that moves on."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file
        self.size = size
        self.start = 0  # of the bytes held, in the file
        self.bytes = b""
        self.at = 0
        self.budget = READ_LIMIT

    @property
    def position(self) -> int:
        return self.start + self.at

    def need(self, count: int) -> None:
        """Hold at least ``count`` bytes from here on."""
        if self.at + count <= len(self.bytes):
            return
        self.within(count)
        rest = self.bytes[self.at :]
        self.start, self.at = self.position, 0
        more = max(count - len(rest), FIRST_READ if self.start == 0 else NEXT_READ)
        self.budget -= more
        if self.budget < 0:
            raise damaged(f"its header is longer than {READ_LIMIT:,} bytes")
        self.bytes = rest + self.file.read(more)
        if len(self.bytes) < count:  # it shrank meanwhile
            raise damaged("it ends inside its header")

    def within(self, count: int) -> None:
        if self.position + count > self.size:
            raise damaged(
                f"it ends inside its header: at byte {self.position:,} there should follow at least {count:,} bytes, "
                f"and {self.size - self.position:,} do"
            )

    def take(self, count: int) -> bytes:
        self.need(count)
        self.at += count
        return self.bytes[self.at - count : self.at]

    def row(self, layout: struct.Struct) -> tuple[Any, ...]:
        self.need(layout.size)
        self.at += layout.size
        return layout.unpack_from(self.bytes, self.at - layout.size)

    def scalar(self, layout: struct.Struct) -> Any:
        return self.row(layout)[0]

    def number(self) -> int:
        return int(self.row(LENGTH)[0])

    def string(self, limit: int) -> str:
        length = self.number()
        if length > limit:
            raise damaged(f"at byte {self.position:,} there is a string of {length:,} bytes")
        return self.take(length).decode("utf-8", "replace")

    def string_or_skip(self) -> str | Skipped:
        length = self.number()
        if length > STRING_LIMIT:
            self.skip(length)
            return Skipped(length)
        return self.take(length).decode("utf-8", "replace")

    def skip(self, count: int) -> None:
        self.within(count)
        if self.at + count <= len(self.bytes):
            self.at += count
            return
        self.start, self.at, self.bytes = self.position + count, 0, b""
        self.file.seek(self.start)

    def skip_strings(self, count: int) -> None:
        """Step over ``count`` strings, in a loop that makes nothing but their lengths."""
        self.within(count * LENGTH.size)
        length_at = LENGTH.unpack_from
        while count:
            self.need(LENGTH.size)
            data, at, last = self.bytes, self.at, len(self.bytes) - LENGTH.size
            while count and at <= last:
                at += LENGTH.size + length_at(data, at)[0]
                count -= 1
            self.skip(at - self.at)


def padded(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def damaged(what: str) -> GgufError:
    return GgufError(f"it is damaged or not complete: {what}; download or convert it again")
