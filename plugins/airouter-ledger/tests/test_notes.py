"""Notes that processes leave for each other, in either database."""

from __future__ import annotations

from airouter_core.values.notes import Note
from airouter_ledger.ledger import Ledger

LATER = 4_000_000_000.0


def test_who_comes_later_reads_what_was_left(ledger: Ledger, address: str) -> None:
    """A note is there for whoever opens the same ledger, until somebody takes it away or its time is over."""
    ledger.notes.put("health", "a/x", Note("down", LATER))
    ledger.notes.put("health", "b/y\0", Note("slow\0", LATER + 1))
    ledger.notes.put("other", "a/x", Note("elsewhere", LATER))
    ledger.notes.put("health", "c/z", Note("long ago", 1.0))
    with Ledger.open(address) as other:
        found = other.notes.read("health")
        assert found == {"a/x": Note("down", LATER), "b/y\ufffd": Note("slow\ufffd", LATER + 1)}
        other.notes.remove("health", "a/x")
    assert set(ledger.notes.read("health")) == {"b/y\ufffd"}
    assert set(ledger.notes.read("other")) == {"a/x"}


def test_the_longer_note_stays(ledger: Ledger) -> None:
    """Of two notes of one name the one that holds for longer counts, whichever comes first."""
    ledger.notes.put("health", "a/x", Note("for long", LATER))
    ledger.notes.put("health", "a/x", Note("for a while", LATER - 1))
    assert ledger.notes.read("health")["a/x"].text == "for long"
    ledger.notes.put("health", "a/x", Note("for longer", LATER + 1))
    assert ledger.notes.read("health")["a/x"].text == "for longer"


def test_a_ledger_without_notes_gets_them(ledger: Ledger, address: str) -> None:
    """A ledger that was made before there were notes is brought up to date when it is opened; what it holds stays."""

    def as_it_was(execute: object) -> None:
        assert callable(execute)
        execute("DROP TABLE notes")
        execute("UPDATE about SET value = '1' WHERE name = 'schema'")

    ledger.database.write(as_it_was)
    with Ledger.open(address) as newer:
        newer.notes.put("health", "a/x", Note("down", LATER))
        assert set(newer.notes.read("health")) == {"a/x"}
