"""The tables, version by version, and what brings an older ledger up to date.

Money is kept as whole billionths of its currency: sums of them are exact, and eight bytes hold nine billion.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import LedgerError, LedgerVersionError
from .base import Database, Execute

BYTES = {"sqlite": "BLOB", "postgresql": "BYTEA"}
KEYED = {"sqlite": " WITHOUT ROWID", "postgresql": ""}
"""Puts a table in the order of its key: one place of the file less that a new row changes."""

CALLS = (
    """CREATE TABLE calls (
        id TEXT PRIMARY KEY, parent TEXT, at DOUBLE PRECISION NOT NULL, kind TEXT NOT NULL, provider TEXT NOT NULL,
        address TEXT, model TEXT, served TEXT, attempt BIGINT NOT NULL, attempts TEXT, parameters TEXT,
        input_tokens BIGINT, output_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT,
        reasoning_tokens BIGINT, amount BIGINT, currency TEXT, source TEXT, at_least BIGINT NOT NULL,
        saved BIGINT, seconds DOUBLE PRECISION, first_event DOUBLE PRECISION, finish TEXT, error TEXT,
        session TEXT, person TEXT, tags TEXT, stream BIGINT NOT NULL, leaf BIGINT NOT NULL,
        size BIGINT NOT NULL){keyed}""",
    "CREATE INDEX calls_by_time ON calls (at)",
    "CREATE INDEX calls_by_session ON calls (session, at) WHERE session IS NOT NULL",
    "CREATE INDEX calls_that_failed ON calls (at) WHERE error IS NOT NULL",
    # Text for the search beside the whole values, so that a search reads no pictures.
    "CREATE TABLE contents (call TEXT PRIMARY KEY, ask {bytes}, response {bytes}, prompt TEXT, answer TEXT)",
    "CREATE TABLE files (hash TEXT PRIMARY KEY, media_type TEXT NOT NULL, size BIGINT NOT NULL, data {bytes})",
    "CREATE TABLE files_of_calls (call TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (call, hash))",
)
MONEY = (
    """CREATE TABLE spent (
        budget TEXT NOT NULL, span BIGINT NOT NULL, amount BIGINT NOT NULL, PRIMARY KEY (budget, span))""",
    """CREATE TABLE reservations (
        call TEXT NOT NULL, budget TEXT NOT NULL, span BIGINT NOT NULL, amount BIGINT NOT NULL,
        at DOUBLE PRECISION NOT NULL, state TEXT NOT NULL, PRIMARY KEY (call, budget))""",
    "CREATE INDEX reservations_by_time ON reservations (at)",
)
ANSWERS = (
    """CREATE TABLE answers (
        key TEXT PRIMARY KEY, owner TEXT NOT NULL, at DOUBLE PRECISION NOT NULL, until DOUBLE PRECISION NOT NULL,
        used DOUBLE PRECISION NOT NULL, size BIGINT NOT NULL, amount BIGINT, value {bytes} NOT NULL)""",
    "CREATE INDEX answers_by_use ON answers (used)",
)
NOTES = (
    """CREATE TABLE notes (
        topic TEXT NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL, until DOUBLE PRECISION NOT NULL,
        PRIMARY KEY (topic, name))""",
)
SEARCH = {
    "sqlite": (
        """CREATE VIRTUAL TABLE words USING fts5(
            prompt, answer, content='contents', content_rowid='rowid', tokenize='unicode61 remove_diacritics 2')""",
        """CREATE TRIGGER words_added AFTER INSERT ON contents BEGIN
            INSERT INTO words(rowid, prompt, answer) VALUES (new.rowid, new.prompt, new.answer); END""",
        """CREATE TRIGGER words_removed AFTER DELETE ON contents BEGIN
            INSERT INTO words(words, rowid, prompt, answer)
            VALUES ('delete', old.rowid, old.prompt, old.answer); END""",
    ),
    "postgresql": (
        """ALTER TABLE contents ADD COLUMN words tsvector GENERATED ALWAYS AS (
            to_tsvector('simple', left(coalesce(prompt, '') || ' ' || coalesce(answer, ''), 200000))) STORED""",
        "CREATE INDEX contents_words ON contents USING gin (words)",
    ),
}
# Contents are numbered in the order of their calls: by the microsecond at which a call began, or the next that is free.
# So a search begins with the newest and ends when it has enough, however many there are.
NUMBERS = """SELECT {columns}, place + MAX(moment - place) OVER (ORDER BY place) AS number FROM (
    SELECT contents.*, CAST(calls.at * 1000000 AS BIGINT) AS moment,
        ROW_NUMBER() OVER (ORDER BY calls.at, calls.id) AS place
    FROM contents JOIN calls ON calls.id = contents.call) AS placed"""
BY_CALL = NUMBERS.format(columns="call")
NUMBERED = {
    "sqlite": (
        "DROP TABLE words",  # its triggers go with the table that they belong to
        """CREATE TABLE numbered (
            number INTEGER PRIMARY KEY, call TEXT NOT NULL UNIQUE,
            ask BLOB, response BLOB, prompt TEXT, answer TEXT)""",
        "INSERT INTO numbered (call, ask, response, prompt, answer, number) "
        + NUMBERS.format(columns="call, ask, response, prompt, answer"),
        "DROP TABLE contents",
        "ALTER TABLE numbered RENAME TO contents",
        *SEARCH["sqlite"],
        "INSERT INTO words(words) VALUES ('rebuild')",
    ),
    "postgresql": (
        "ALTER TABLE contents ADD COLUMN IF NOT EXISTS number BIGINT",
        f"UPDATE contents SET number = found.number FROM ({BY_CALL}) AS found WHERE found.call = contents.call",  # noqa: S608  # as above
        "CREATE INDEX IF NOT EXISTS contents_by_number ON contents (number)",
    ),
}
VERSIONS: tuple[Mapping[str, tuple[str, ...]], ...] = (
    {dialect: CALLS + search + MONEY + ANSWERS for dialect, search in SEARCH.items()},
    dict.fromkeys(SEARCH, NOTES),
    NUMBERED,
)
"""What each version adds to the one before. A version that was released is never changed again."""


def bring_up_to_date(database: Database) -> None:
    """Make the tables, or what is missing of them.

    Raises:
        LedgerVersionError: a newer version of this package has written the ledger.
        LedgerError: it cannot be written.
    """
    if _version(database.read) == len(VERSIONS):
        return
    database.write(lambda execute: _migrate(execute, database))


def _version(read: Execute) -> int | None:
    try:
        rows = read("SELECT value FROM about WHERE name = 'schema'")
    except LedgerError:  # most often the table is not there yet; what else is wrong will be said by the write
        return None
    return int(rows[0][0]) if rows else None


def _migrate(execute: Execute, database: Database) -> None:
    execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL)")
    rows = execute("SELECT value FROM about WHERE name = 'schema'")
    found = int(rows[0][0]) if rows else 0
    if found > len(VERSIONS):
        raise LedgerVersionError(
            f"{database.where} was written by a newer airouter-ledger (its tables are of version {found}, this one "
            f"knows {len(VERSIONS)}): pip install --upgrade airouter-ledger"
        )
    for version in VERSIONS[found:]:
        for statement in version[database.dialect]:
            execute(statement.replace("{bytes}", BYTES[database.dialect]).replace("{keyed}", KEYED[database.dialect]))
    execute(
        "INSERT INTO about (name, value) VALUES ('schema', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        str(len(VERSIONS)),
    )
