"""The tables of keys, teams and limits, version by version.

What is looked up has a column; the rest of a key or a team is one JSON document, so that a further bound needs no
further version.
"""

from __future__ import annotations

NAME = "airouter-gateway"

VERSIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE gateway_keys (
            id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, digest TEXT NOT NULL UNIQUE, said TEXT NOT NULL)""",
        "CREATE TABLE gateway_teams (name TEXT PRIMARY KEY, said TEXT NOT NULL)",
        # Every change is a row here, in the same transaction; the number of the last one tells others to read again.
        """CREATE TABLE gateway_changes (
            number BIGINT PRIMARY KEY, id TEXT NOT NULL UNIQUE, at DOUBLE PRECISION NOT NULL, who TEXT NOT NULL,
            action TEXT NOT NULL, subject TEXT NOT NULL, before TEXT, after TEXT)""",
        """CREATE TABLE gateway_counts (
            subject TEXT NOT NULL, kind TEXT NOT NULL, span BIGINT NOT NULL, amount BIGINT NOT NULL,
            PRIMARY KEY (subject, kind, span))""",
        """CREATE TABLE gateway_flights (
            id TEXT NOT NULL, subject TEXT NOT NULL, server TEXT NOT NULL, PRIMARY KEY (subject, id))""",
        "CREATE INDEX gateway_flights_of_servers ON gateway_flights (server)",
        "CREATE TABLE gateway_servers (id TEXT PRIMARY KEY, seen DOUBLE PRECISION NOT NULL)",
    ),
    ("CREATE TABLE gateway_ended_sessions (id TEXT PRIMARY KEY, until DOUBLE PRECISION NOT NULL)",),
)
