"""The tables of a journal.

An item is a question, asked once for all rows that ask it. Its way::

    pending → sent → answered → valid
                 │         └──→ invalid, or pending again with a correction
                 ├──→ pending again (a failure that may pass), or failed
                 └──→ uncertain: found as `sent` when a run begins, so nobody knows whether it was answered

An attempt that is part of a batch stays `sent` until the batch is collected; the process that handed it in may end.

An attempt is booked before its call is made and settled after. One without a ``cost`` counts as what was reserved for
it: that holds for calls under way, for those of a run that was killed, and for those whose price nobody knows.
"""

from __future__ import annotations

VERSION = 2
BATCHES = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    token TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    vendor TEXT,
    size INTEGER NOT NULL,
    began REAL NOT NULL,
    reason TEXT
);
CREATE INDEX attempts_of_batches ON attempts (batch) WHERE batch IS NOT NULL;
"""
UPGRADES = {1: f"ALTER TABLE attempts ADD COLUMN batch INTEGER; {BATCHES}"}
"""From a version to the next one."""
SCHEMA = (
    """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    spec BLOB NOT NULL,
    admitted INTEGER NOT NULL DEFAULT 0,
    digest BLOB NOT NULL DEFAULT x'',
    complete INTEGER NOT NULL DEFAULT 0,
    spent INTEGER NOT NULL DEFAULT 0,
    reserved INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'running',
    reason TEXT
);
CREATE TABLE items (
    id INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE,
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0,
    tries INTEGER NOT NULL DEFAULT 0,
    reasks INTEGER NOT NULL DEFAULT 0,
    cost INTEGER NOT NULL DEFAULT 0,
    answered INTEGER,
    failure TEXT,
    problem TEXT
);
CREATE INDEX items_by_state ON items (run, state, id);
CREATE TABLE rows (
    run INTEGER NOT NULL,
    position INTEGER NOT NULL,
    item INTEGER,
    data BLOB NOT NULL,
    problem TEXT,
    PRIMARY KEY (run, position)
) WITHOUT ROWID;
CREATE TABLE attempts (
    item INTEGER NOT NULL,
    n INTEGER NOT NULL,
    run INTEGER NOT NULL,
    state TEXT NOT NULL,
    sent_at REAL NOT NULL,
    reserved INTEGER NOT NULL,
    cost INTEGER,
    priced_by TEXT,
    failure TEXT,
    error TEXT,
    request_id TEXT,
    answer BLOB,
    batch INTEGER,
    PRIMARY KEY (item, n)
) WITHOUT ROWID;
CREATE INDEX attempts_under_way ON attempts (state) WHERE state = 'sent';
CREATE TABLE exports (
    run INTEGER NOT NULL,
    name TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    PRIMARY KEY (run, name)
) WITHOUT ROWID;
"""
    + BATCHES
)
