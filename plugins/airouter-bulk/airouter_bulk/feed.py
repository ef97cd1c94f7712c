"""What is asked next: first what the journal has pending, then new rows; never many at once in memory."""

from __future__ import annotations

import itertools
import sqlite3
from collections import deque
from collections.abc import Iterator

from airouter_core.errors import ConfigurationError

from .errors import SpecError
from .journal import admission
from .journal.admission import Run
from .journal.files import transaction
from .journal.records import Job
from .questions import Questions
from .rows import Row

CHUNK = 100
"""Rows that are taken in by one commit, and items that are read at a time."""


class Feed:
    """The jobs of one run. Its methods block, and run in the thread of the journal.

    Args:
        rows: from the first one on, also when a run goes on; ``None`` to go on with what the journal has.

    Raises:
        SpecError: the rows are not those that the run began with.
    """

    def __init__(
        self, connection: sqlite3.Connection, run: Run, questions: Questions, rows: Iterator[Row] | None
    ) -> None:
        self._connection = connection
        self._run = run.id
        self._questions = questions
        self._buffer: deque[Job] = deque()
        self._after = 0
        self._known_read = False
        self._digest = b""
        self._position = 0
        self._rows = None if run.complete and rows is None else self._beyond(run, rows)

    @property
    def waiting(self) -> int:
        """Jobs that can be had without asking the journal."""
        return len(self._buffer)

    def take(self) -> Job:
        """The next of those that are waiting."""
        return self._buffer.popleft()

    def fill(self) -> bool:
        """Get the next jobs; ``False`` when there will be no more."""
        while not self._buffer:
            if not self._known_read:
                self._read()
            elif self._rows is not None:
                self._admit()
            else:
                return False
        return True

    def admit_all(self) -> None:
        """Take all rows in before any is asked: for a sample by chance."""
        while self._rows is not None:
            self._admit()
        self.rewind()

    def rewind(self) -> None:
        """Begin anew with what the journal has pending."""
        self._buffer.clear()
        self._known_read, self._after = False, 0

    def _read(self) -> None:
        found = admission.pending(self._connection, self._run, self._after, CHUNK)
        self._buffer.extend(found)
        self._known_read = len(found) < CHUNK
        if found:
            self._after = found[-1].item

    def _admit(self) -> None:
        assert self._rows is not None
        chunk = list(itertools.islice(self._rows, CHUNK))
        asked = []
        for row in chunk:
            asked.append(self._questions.asked(row, self._position))
            self._digest = admission.digest_of(self._digest, row)
            self._position += 1
        complete = len(chunk) < CHUNK
        with transaction(self._connection):
            jobs = admission.admit(self._connection, self._run, asked, self._digest, complete=complete)
        self._buffer.extend(jobs)
        if complete:
            self._rows = None

    def _beyond(self, run: Run, rows: Iterator[Row] | None) -> Iterator[Row]:
        """The rows that the journal does not have yet. Those it has must be the same ones, in the same order."""
        if rows is None:
            raise SpecError(f"the run has read {run.admitted} rows and not all: give its rows again to go on")
        for _ in range(run.admitted):
            row = next(rows, None)
            if row is None:
                raise SpecError(
                    f"the run began with {run.admitted} rows, and here are {self._position}: give those, or fork it "
                    "(--fork)"
                )
            self._digest = admission.digest_of(self._digest, row)
            self._position += 1
        if self._digest != run.digest:
            raise SpecError("these are not the rows that the run began with: give those, or fork it (--fork)")
        return rows


def first_problem(questions: Questions, rows: Iterator[Row]) -> tuple[Row | None, Iterator[Row]]:
    """Look at the first row that is one: what is wrong with it is likely to be wrong with all.

    Raises:
        ConfigurationError: it cannot be asked.
    """
    seen = []
    for row in rows:
        seen.append(row)
        if row.value is not None or len(seen) == CHUNK:
            break
    first = next((row for row in seen if row.value is not None), None)
    if seen and first is None:
        raise ConfigurationError(f"none of the first {len(seen)} rows is one: {seen[0].problem}")
    if first is not None and (problem := questions.asked(first, 0).problem):
        raise ConfigurationError(f"the first row cannot be asked: {problem}")
    return first, itertools.chain(seen, rows)
