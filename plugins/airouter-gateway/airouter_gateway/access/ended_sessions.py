"""Sessions of the console that somebody has ended before their time: for all workers and replicas, in the ledger's
database. A cookie proves itself; that it counts no more is what has to be remembered, and only until it would have
ended anyway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from .books import Books


class EndedSessions:
    """What is remembered. Its methods block; for many threads and processes.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, books: Books, *, clock: Callable[[], float] = time.time) -> None:
        self._books = books
        self._clock = clock

    def end(self, identity: str, until: float) -> None:
        """Have a session count no more, whoever has a copy of its cookie.

        Args:
            until: when it would have ended, in seconds since 1970.

        Raises:
            LedgerError: the database cannot be written.
        """

        def work(execute: Callable[..., Any]) -> None:
            execute("DELETE FROM gateway_ended_sessions WHERE until < ?", self._clock())
            execute(
                "INSERT INTO gateway_ended_sessions (id, until) VALUES (?, ?) ON CONFLICT (id) DO NOTHING",
                identity, until,
            )  # fmt: skip

        self._books.made_accounts().tables.write(work)

    def has(self, identity: str) -> bool:
        """Whether a session was ended.

        Raises:
            LedgerError: the database cannot be read.
        """
        accounts = self._books.accounts()
        return accounts is not None and bool(
            accounts.tables.read("SELECT 1 FROM gateway_ended_sessions WHERE id = ?", identity)
        )
