"""What comes out: shards of answered rows, and beside them the rows that failed. Made of the journal alone.

A shard holds a fixed range of rows in their order and says nothing of clocks or attempts that nobody knows the end of,
so the same run exports the same bytes, however often it was killed. Each file is written beside its name, brought to
the disk, and renamed; nobody ever sees half of one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Self

import msgspec

from airouter_core.tools.validation import read
from airouter_core.values.response import Response

from . import parquet
from .journal.admission import Run
from .journal.files import told, transaction
from .journal.records import unpacked
from .money import dollars

ROWS = """
SELECT r.position, r.data, r.problem, i.state, i.failure, i.problem, i.position, i.ended, i.cost, a.answer
FROM rows r LEFT JOIN items i ON i.id = r.item LEFT JOIN attempts a ON a.item = i.id AND a.n = i.answered
WHERE r.run = ? AND r.position >= ? AND r.position < ? ORDER BY r.position
"""
ERRORS = "errors.jsonl"
SHARD = re.compile(r"answers-\d{5,}\.(jsonl|parquet)")
FAILED = ("failed", "invalid", "uncertain")
HELD = {
    "class": "uncertain",
    "message": "its call was under way when the process ended, so it may have been answered and paid for; it is held: "
    'with uncertain = "resend" the run asks it again',
}


def files_in(folder: str) -> list[str]:
    """The files in a folder that are named as ours."""
    return sorted(name for name in os.listdir(folder) if name == ERRORS or SHARD.fullmatch(name))


class Exporter:
    """Writes the files of one run into its folder."""

    def __init__(self, connection: sqlite3.Connection, run: Run, folder: str) -> None:
        self._connection = connection
        self._run = run
        self._folder = folder

    def write(self) -> list[str]:
        """Write all files; the result is their names. Shards that an earlier, longer run has left are taken away.

        Raises:
            JournalError: the folder cannot be written.
            ConfigurationError: pyarrow is wanted and not installed.
        """
        names = {}
        with told(self._folder, "exported"):
            schema = self._schema() if self._run.spec.format == "parquet" else None
            with _Whole(self._folder, ERRORS) as errors:
                for number, first in enumerate(self._shards):
                    name = f"answers-{number:05}.{self._run.spec.format}"
                    with _Whole(self._folder, name) as answers:
                        lines = self._lines(first, errors)
                        if schema is None:
                            answers.add(lines)
                        else:
                            answers.make(functools.partial(parquet.write, lines, schema))
                    names[name] = answers.sha256
            names[ERRORS] = errors.sha256
            self._mark(names)
        return [*names]

    @property
    def _shards(self) -> range:
        return range(0, self._run.admitted, self._run.spec.shard)

    def _schema(self) -> Any:
        return parquet.schema_of(map(self._lines, self._shards))

    def _lines(self, first: int, errors: _Whole | None = None) -> Iterator[bytes]:
        """The lines of a shard; those of rows that failed go elsewhere."""
        spec = self._run.spec
        rows = self._connection.execute(ROWS, (self._run.id, first, first + spec.shard))
        for found in rows:
            position, data, malformed, state, failure, problem, original, ended, cost, answer = found
            told: dict[str, Any] = {"attempts": ended, "cost": float(dollars(cost or 0))}
            if original is not None and original != position:
                told |= {"cost": 0.0, "same_as": original}
            if state == "valid":
                response = unpacked(answer)
                yield _line(data, {spec.answer: self._answer(response), spec.details: {**_known(response), **told}})
            elif errors is not None and malformed is not None:
                error = {"class": "malformed", "message": malformed}
                told = {"row": position, "attempts": 0, "cost": 0.0, "error": error}
                write = _line if _may_have(data, spec.details) else _raw
                errors.add((write(data, {spec.details: told}),))
            elif errors is not None and state in FAILED:
                error = HELD if state == "uncertain" else {"class": failure, "message": problem}
                kept = {spec.answer: unpacked(answer).text} if answer is not None else {}
                errors.add((_line(data, {**kept, spec.details: {"row": position, **told, "error": error}}),))

    def _answer(self, response: Response) -> Any:
        if self._run.spec.schema is not None and response.text:
            return read(response.text).value
        return response.text if response.parsed is None else response.parsed

    def _mark(self, names: dict[str, str]) -> None:
        earlier = {name for (name,) in self._connection.execute("SELECT name FROM exports")}
        for name in earlier - names.keys():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(self._folder, name))
        marks = [(self._run.id, name, digest) for name, digest in names.items()]
        with transaction(self._connection):
            self._connection.execute("DELETE FROM exports")
            self._connection.executemany("INSERT INTO exports VALUES (?, ?, ?)", marks)


class _Whole:
    """A file that appears whole under its name, or not at all.

    Attributes:
        sha256: of its bytes, once it is there.
    """

    def __init__(self, folder: str, name: str) -> None:
        self._path = os.path.join(folder, name)
        self._folder = folder
        self._file: IO[bytes]
        self.sha256 = ""

    def __enter__(self) -> Self:
        self._file = open(f"{self._path}.tmp", "wb")  # closed by __exit__
        return self

    def add(self, lines: Iterable[bytes]) -> None:
        """Write some lines."""
        self._file.writelines(lines)

    def make(self, write: Callable[[str], None]) -> None:
        """Have the file written by what takes a path."""
        write(f"{self._path}.tmp")

    def __exit__(self, kind: object, *_: object) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            with open(f"{self._path}.tmp", "rb") as file:
                self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            os.replace(f"{self._path}.tmp", self._path)
            _sync(self._folder)
        else:
            os.unlink(f"{self._path}.tmp")


def _sync(folder: str) -> None:
    if os.name == "posix":  # elsewhere a folder cannot be opened
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _line(data: bytes, fields: dict[str, Any]) -> bytes:
    """The row exactly as it was given, with further fields at its end."""
    told = msgspec.json.encode(fields)
    body = data.rstrip()[:-1].rstrip()
    return body + (b"" if body.endswith(b"{") and len(body) == 1 else b",") + told[1:] + b"\n"


def _raw(data: bytes, fields: dict[str, Any]) -> bytes:
    """What was no row, as a text."""
    return msgspec.json.encode({"raw": data.decode("utf-8", "replace"), **fields}) + b"\n"


def _may_have(data: bytes, name: str) -> bool:
    """Whether it is an object to which such a field can be added."""
    try:
        value = msgspec.json.decode(data)
        return isinstance(value, dict) and name not in value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _known(response: Response) -> dict[str, Any]:
    usage = response.usage
    # What was read from a cache depends on what was asked before, so it is in the journal alone.
    known: dict[str, Any] = {
        "finish_reason": response.finish_reason,
        "usage": {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens},
    }
    if response.refusal is not None:
        known["refusal"] = response.refusal
    if response.warnings:
        known["warnings"] = list(response.warnings)
    if response.tool_calls:
        calls = response.tool_calls
        known["tool_calls"] = [{"name": call.name, "arguments_json": call.arguments_json} for call in calls]
    return known
