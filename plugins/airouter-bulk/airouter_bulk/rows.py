"""Rows as they come: from a file of JSON lines or CSV, or from an iterator. What is no row is a failed row, not an end.

Rows are read one after another and never held together, so a table may be larger than the memory.
"""

from __future__ import annotations

import csv
import datetime
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec

from airouter_core.errors import ConfigurationError

from . import parquet

PARQUET = ".parquet"
CSV = ".csv"
MISSING = ("NaTType", "NAType")
"""What pandas has in place of a value."""
LARGEST_CELL = 64 << 20
"""Characters; Python's own limit of 131,072 is less than many a text has."""
BOM = b"\xef\xbb\xbf"


class Row(NamedTuple):
    """One row.

    Attributes:
        data: a JSON object as it was written; where there is a problem, what came instead.
        value: the object; ``None`` where there is a problem.
        problem: why it is no row.
    """

    data: bytes
    value: Mapping[str, Any] | None
    problem: str | None = None


Rows = str | os.PathLike[str] | Iterable[Mapping[str, Any]] | Iterable[Row]


def rows_of(source: Rows) -> Iterator[Row]:
    """The rows of a file, by its ending (``.csv``, ``.parquet``, else a JSON object in each line), or of an iterable.

    Raises:
        ConfigurationError: the file cannot be read, a CSV has no head, or all rows are one JSON array.
    """
    if not isinstance(source, str | os.PathLike):
        return map(_given, source)
    path = os.fspath(source)
    check(path)
    if path.lower().endswith(PARQUET):
        return map(_given, parquet.rows_in(path))
    return _of_csv(path) if path.lower().endswith(CSV) else _of_lines(path)


def check(path: str) -> None:
    """See that there is a file of rows.

    Raises:
        ConfigurationError: there is none, or it can be read only once.
    """
    if path == "-" or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        raise ConfigurationError(
            f"{path} can be read only once, and a run that goes on reads its rows again: write them into a file first"
        )
    if not os.path.isfile(path):
        raise ConfigurationError(f"{path} is no file of rows")


def count_of(source: Rows) -> int | None:
    """About how many rows there are, for showing progress; ``None`` where that cannot be told ahead."""
    if isinstance(source, str | os.PathLike):
        if os.fspath(source).lower().endswith(PARQUET):
            return parquet.count_in(os.fspath(source))
        with open(source, "rb") as file:
            return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))
    return len(source) if isinstance(source, list | tuple) else None


def row_of(data: bytes) -> Mapping[str, Any]:
    """The object that a row's data hold."""
    value: Mapping[str, Any] = msgspec.json.decode(data)
    return value


def _of_lines(path: str) -> Iterator[Row]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, start=1):
            data = (line.removeprefix(BOM) if number == 1 else line).strip()
            if number == 1 and data.startswith(b"["):
                raise ConfigurationError(
                    f"{path} is one JSON array: write each object in a line of its own, without brackets around them"
                )
            if data:
                yield _parsed(data, f"line {number}")


def _parsed(data: bytes, where: str) -> Row:
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Row(data, None, f"{where} is no JSON object: {error}")
    if not isinstance(value, dict):
        return Row(data, None, f"{where} is no JSON object")
    return Row(data, value)


def _of_csv(path: str) -> Iterator[Row]:
    csv.field_size_limit(max(csv.field_size_limit(), LARGEST_CELL))
    with (
        open(path, "rb") as binary,
        io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline="") as file,
    ):
        lines = _Lines(file)
        # Strict: what a quote too many or too few does to the cells after it would be taken for what they say.
        reader = csv.reader(lines, strict=True)
        head = _head(path, reader)
        lines.taken()
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as error:
                first, raw = lines.taken()
                yield Row(raw, None, f"line {first} is no CSV: {error}")
                continue
            first, raw = lines.taken()
            if cells is None:
                return
            if cells:
                yield _of_cells(head, cells, raw, f"line {first}")


class _Lines:
    """The lines of a file, and which of them the record had that was read last."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self._read: list[str] = []
        self._number = 1

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        self._read.append(line)
        return line

    def taken(self) -> tuple[int, bytes]:
        """The number of the first one, and all of them as they are in the file."""
        first, read = self._number, self._read
        self._number, self._read = first + len(read), []
        return first, "".join(read).rstrip("\r\n").encode("utf-8", "surrogateescape")


def _head(path: str, reader: Iterator[list[str]]) -> list[str]:
    try:
        head = next(reader, None)
        "".join(head or ()).encode()
    except UnicodeEncodeError as error:
        raise ConfigurationError(f"{path} is no UTF-8: save it as that") from error
    except csv.Error as error:
        raise ConfigurationError(f"{path}: its first line is no CSV: {error}") from error
    if not head or len(set(head)) != len(head):
        raise ConfigurationError(f"{path}: the first line of a CSV names its columns, each once")
    return head


def _of_cells(head: list[str], cells: list[str], raw: bytes, where: str) -> Row:
    if len(cells) != len(head):
        return Row(raw, None, f"{where} has {len(cells)} cells for {len(head)} columns")
    try:
        raw.decode()
    except UnicodeDecodeError as error:
        return Row(raw, None, f"{where} is no UTF-8: {error.reason}")
    value = dict(zip(head, cells, strict=True))
    return Row(msgspec.json.encode(value), value)


def _given(value: Any) -> Row:
    if isinstance(value, Row):  # read elsewhere, by the same rules
        return value
    if not isinstance(value, Mapping):
        return Row(
            repr(value)[:1000].encode("utf-8", "replace"), None, f"a row is a mapping, not {type(value).__name__}"
        )
    try:
        data = msgspec.json.encode(dict(value), enc_hook=_as_usual)
    except (TypeError, ValueError, RecursionError) as error:
        return Row(repr(value)[:1000].encode("utf-8", "replace"), None, f"the row cannot be said in JSON: {error}")
    return _parsed(data, "the row")


def _as_usual(value: Any) -> Any:
    """Values of tables in memory, numpy's and pandas', as Python's own."""
    if type(value).__name__ in MISSING:
        return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return datetime.timedelta(value.days, value.seconds, value.microseconds)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"nobody knows how to write {type(value).__name__}")
