"""Short notes that processes leave for each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .record import Record


class Note(Record, frozen=True):
    """What one process tells the others.

    Attributes:
        text: no secret and no prompt.
        until: when it holds no longer, in seconds since 1970.
    """

    text: str
    until: float


class SharedNotes(Protocol):
    """A place where notes are left, by topic and name. Safe for many threads and processes; every method may block."""

    @property
    def where(self) -> str:
        """The place, for people; without a password."""
        ...

    def put(self, topic: str, name: str, note: Note) -> None:
        """Leave a note, in place of one that ends sooner; one that holds for longer stays."""
        ...

    def remove(self, topic: str, name: str) -> None:
        """Take a note away, whoever has left it."""
        ...

    def read(self, topic: str) -> Mapping[str, Note]:
        """All notes of a topic that still hold, by name."""
        ...
