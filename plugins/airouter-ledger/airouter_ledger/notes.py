"""Notes that processes with one ledger leave for each other: who rests, and until when."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from airouter_core.values.notes import Note

from .database.base import Database, Execute
from .database.groups import Groups
from .records import text


class Notes:
    """The notes in one database; a :class:`~airouter_core.values.notes.SharedNotes`.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, database: Database, groups: Groups, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._groups = groups
        self._clock = clock

    @property
    def where(self) -> str:
        """The file or the server, without a password."""
        return self._database.where

    def put(self, topic: str, name: str, note: Note) -> None:
        """Leave a note, unless one of this name holds for longer.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        now = self._clock()

        def work(execute: Execute) -> None:
            execute("DELETE FROM notes WHERE until <= ?", now)
            execute(
                "INSERT INTO notes (topic, name, note, until) VALUES (?, ?, ?, ?) ON CONFLICT (topic, name) "
                "DO UPDATE SET note = excluded.note, until = excluded.until WHERE notes.until <= excluded.until",
                topic, text(name), text(note.text), note.until,
            )  # fmt: skip

        self._groups.write(work)

    def remove(self, topic: str, name: str) -> None:
        """Take a note away.

        Raises:
            LedgerError: the ledger cannot be written.
        """
        self._groups.write(lambda execute: execute("DELETE FROM notes WHERE topic = ? AND name = ?", topic, text(name)))

    def read(self, topic: str) -> Mapping[str, Note]:
        """The notes of a topic that still hold.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        rows = self._database.read(
            "SELECT name, note, until FROM notes WHERE topic = ? AND until > ?", topic, self._clock()
        )
        return {str(name): Note(str(note), float(until)) for name, note, until in rows}
