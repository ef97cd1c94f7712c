"""The file of the journal: torn, of a later version, recovered."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from airouter_bulk.errors import JournalError
from airouter_bulk.journal import admission, attempts
from airouter_bulk.journal.admission import Asked
from airouter_bulk.journal.files import connected, transaction
from airouter_bulk.journal.records import Ended, Job
from airouter_bulk.rows import Row
from airouter_bulk.spec import Spec

SPEC = Spec(target="a/b", prompt="{{ q }}")


def _filled(folder: Path, count: int) -> tuple[sqlite3.Connection, list[Job]]:
    connection = connected(str(folder))
    rows = [Asked(Row(b'{"q":"%d"}' % number, {"q": str(number)}), b"%d" % number, None) for number in range(count)]
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
                attempts.begin(connection, 1, job, 5, None)
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
    connection, (first, second, _) = _filled(tmp_path, 3)
    with closing(connection):
        number = attempts.begin(connection, 1, first, 50, 100)
        assert number == 1
        attempts.finish(connection, 1, first, number, 50, Ended("answered", "valid", cost=20, answer=b"x"))
        assert attempts.begin(connection, 1, second, 80, 100) == 1
        assert attempts.begin(connection, 1, second, 1, 100) is None
        connection.execute("UPDATE runs SET spent = 1, reserved = 2")
        assert attempts.recover(connection, 1, resend=resend) == 1
        told = attempts.tally(connection, 1)
        assert (told.spent, told.reserved) == (20, 80)
        assert (told.pending, told.uncertain) == ((2, 0) if resend else (1, 1))
        assert attempts.recover(connection, 1, resend=True) == 0
        assert attempts.tally(connection, 1).pending == 2


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
