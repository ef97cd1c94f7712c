"""The file of the journal: torn, of a later version, recovered."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airouter_bulk.errors import JournalError
from airouter_bulk.journal import admission, attempts
from airouter_bulk.journal.files import connected, transaction
from airouter_bulk.journal.records import Asked, Booking, Ended, Job, Settled, packed, unpacked
from airouter_bulk.rows import Row
from airouter_bulk.spec import Spec
from airouter_core.values.messages import Message
from airouter_core.values.response import Response

SPEC = Spec(target="a/b", prompt="{{ q }}")


def _filled(folder: Path, count: int) -> tuple[sqlite3.Connection, list[Job]]:
    connection = connected(str(folder))
    rows = [Asked(Row(b'{"q":"%d"}' % number, {"q": str(number)}), b"%032d" % number) for number in range(count)]
    with transaction(connection):
        admission.begin_run(connection, SPEC)
        jobs = admission.admit(connection, 1, rows, b"digest", complete=True)
    return connection, jobs


def test_a_log_that_is_torn_anywhere_leaves_a_whole_journal(tmp_path: Path) -> None:
    """Cut at any place of its last pages, it opens, is sound, and has all that was committed before."""
    (tmp_path / "whole").mkdir()
    connection, jobs = _filled(tmp_path / "whole", 3)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with closing(connection):
        for job in jobs:
            with transaction(connection):
                attempts.book(connection, [Booking(job.item, 5)], run=1, cap=None)
        log = tmp_path / "whole" / "journal.db-wal"
        size = log.stat().st_size
        for cut in range(1, 3 * 4120, 257):
            torn = tmp_path / f"torn-{cut}"
            shutil.copytree(tmp_path / "whole", torn)
            with (torn / "journal.db-wal").open("r+b") as file:
                file.truncate(size - cut)
            (torn / "journal.db-shm").unlink()
            with closing(connected(str(torn))) as again:
                assert again.execute("PRAGMA integrity_check").fetchone() == ("ok",)
                told = attempts.tally(again, 1)
                assert (told.rows, told.reserved) == (3, 5 * told.attempts)
                assert told.attempts < 3


@pytest.mark.parametrize("resend", [True, False])
def test_calls_of_a_process_that_ended_stay_booked(tmp_path: Path, resend: bool) -> None:
    """They are asked again or held; the sums are those of the attempts, whatever was carried on."""
    connection, (first, second, third) = _filled(tmp_path, 3)
    with closing(connection):
        assert attempts.book(connection, [Booking(first.item, 50)], run=1, cap=100) == [1]
        ended = Ended("answered", "valid", cost=20, answer=b"x")
        attempts.settle(connection, [Settled(first, 1, 50, ended)], run=1)
        booked = attempts.book(connection, [Booking(second.item, 80), Booking(third.item, 1)], run=1, cap=100)
        assert booked == [1, None]
        connection.execute("UPDATE runs SET spent = 1, reserved = 2")
        assert attempts.recover(connection, 1, resend=resend) == 1
        told = attempts.tally(connection, 1)
        assert (told.spent, told.reserved) == (20, 80)
        assert (told.pending, told.uncertain) == ((2, 0) if resend else (1, 1))
        assert attempts.recover(connection, 1, resend=True) == 0
        assert attempts.tally(connection, 1).pending == 2


def test_calls_that_are_settled_together_keep_each_its_own_answer(tmp_path: Path) -> None:
    """Of any size and with any character; a failure between them has none."""
    texts = ["", "a" * 5000, "née \N{SNOWMAN}", "'\"\\ $[0]", "x" * 1024]
    connection, jobs = _filled(tmp_path, len(texts) + 1)
    with closing(connection):
        bookings = [Booking(job.item, 2) for job in jobs]
        assert attempts.book(connection, bookings, run=1, cap=None) == [1] * len(jobs)
        ends = [
            Ended("answered", "valid", cost=1, answer=packed(Response(message=Message("assistant", text))))
            for text in texts
        ]
        ends.insert(2, Ended("failed", "pending", 3, failure="transient", error=texts[3]))
        attempts.settle(connection, [Settled(job, 1, 2, end) for job, end in zip(jobs, ends, strict=True)], run=1)
        found = connection.execute("SELECT answer, error FROM attempts ORDER BY item").fetchall()
        assert found.pop(2) == (None, texts[3])
        assert [unpacked(answer).text for answer, _ in found] == texts
        told = attempts.tally(connection, 1)
        assert (told.valid, told.pending, told.spent, told.reserved) == (len(texts), 1, len(texts), 2)


def test_a_journal_of_a_later_version_is_left_alone(tmp_path: Path) -> None:
    """And the error says what to do."""
    with closing(connected(str(tmp_path))) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(JournalError, match="upgrade"):
        connected(str(tmp_path))


def test_only_this_user_reads_a_journal(tmp_path: Path) -> None:
    """It holds prompts and answers."""
    connected(str(tmp_path)).close()
    assert (tmp_path / "journal.db").stat().st_mode & 0o077 == 0
