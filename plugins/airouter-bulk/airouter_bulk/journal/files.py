"""The file of a journal: opened by one process at a time, written by one thread of it."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterator

import filelock

from ..errors import InUseError, JournalError
from .schema import SCHEMA, UPGRADES, VERSION

NAME = "journal.db"


@contextlib.contextmanager
def told(path: str, done: str, kinds: tuple[type[Exception], ...] = (sqlite3.Error, OSError)) -> Iterator[None]:
    """Say what went wrong with the file as an error of ours.

    Args:
        kinds: of errors that the file is to blame for.

    Raises:
        JournalError: one of them came.
    """
    try:
        yield
    except kinds as error:
        broken = getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        advice = ": bring back a copy of it, or begin in another folder" if broken else ""
        raise JournalError(f"the journal {path} cannot be {done} ({error}){advice}") from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Several statements as one: all of them, or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextlib.contextmanager
def held(folder: str) -> Iterator[None]:
    """Hold a folder for this process.

    Raises:
        JournalError: another process holds it, or it cannot be written.
    """
    path = os.path.join(folder, NAME)
    with told(path, "opened"):
        os.makedirs(folder, exist_ok=True)
        lock = filelock.FileLock(f"{path}.lock", timeout=0)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise InUseError(f"{folder} is in use by {_holder(folder)}; one run writes it at a time") from error
    try:
        with told(path, "opened"), open(f"{path}.pid", "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
        yield
    finally:
        with contextlib.suppress(OSError):
            os.unlink(f"{path}.pid")
        lock.release()


@contextlib.contextmanager
def opened(folder: str, *, new: bool = True) -> Iterator[sqlite3.Connection]:
    """The journal of a folder, closed at the end.

    Raises:
        JournalError: as :func:`connected`; or SQLite has something against it while it is open.
    """
    path = os.path.join(folder, NAME)
    with told(path, "used", (sqlite3.Error,)), contextlib.closing(connected(folder, new=new)) as connection:
        yield connection


def connected(folder: str, *, durable: bool = False, new: bool = True) -> sqlite3.Connection:
    """Open the journal of a folder, and make it where there is none.

    What was committed survives the end of the process at any moment.

    Args:
        durable: it survives a loss of power too, at the price of waiting for the disk with each commit.
        new: make one.

    Raises:
        JournalError: there is none, or it cannot be opened, or it is of a later version.
    """
    path = os.path.join(folder, NAME)
    if not new and not os.path.isfile(path):
        raise JournalError(f"{folder} holds no journal of a run ({NAME})")
    with told(path, "opened"):
        if not os.path.exists(path):
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))  # it holds prompts and answers
        connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    try:
        with told(path, "opened"):
            version = _set_up(connection, durable=durable)
        if version > VERSION:
            raise JournalError(f"{path} was written by a later airouter-bulk (version {version}): upgrade this one")
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection, *, durable: bool) -> int:
    """Bring a journal to this version, unless it is of a later one; the result is the version that it was of."""
    for setting in (
        "journal_mode = WAL",
        f"synchronous = {'FULL' if durable else 'NORMAL'}",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {setting}")
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        connection.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
    for earlier in range(version or VERSION, VERSION):
        then = f"PRAGMA user_version = {earlier + 1}"
        connection.executescript(f"BEGIN IMMEDIATE; {UPGRADES[earlier]} {then}; COMMIT;")
    return version


def _holder(folder: str) -> str:
    with contextlib.suppress(OSError), open(os.path.join(folder, f"{NAME}.pid"), encoding="ascii") as file:
        return f"process {file.read().strip()}"
    return "another process"
