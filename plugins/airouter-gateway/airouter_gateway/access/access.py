"""Who may ask: the keys of the file, and those in the ledger's database."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping

from airouter_core.values.ask import Ask
from airouter_ledger.budgets import KEY_TAG, Budget
from airouter_ledger.errors import LedgerError
from airouter_ledger.periods import Period

from ..bounds import Bounds
from ..keys import ClientKey, KeyFile
from .books import Books
from .limits import Limits

LOGGER = logging.getLogger("airouter.gateway")
FRESH = 1.0
"""Seconds for which what was read is not asked for again: so soon a revoked key is of no use anywhere."""
STALE = 60.0
"""Seconds for which what was read counts while the database cannot be reached; then nobody is let in."""


class Access:
    """Keys, and what bounds them. Looking one up waits for nothing; :meth:`refresh` reads what has changed.

    Args:
        fresh: seconds for which what was read is not asked for again.
    """

    def __init__(self, file: KeyFile, books: Books, *, fresh: float = FRESH) -> None:
        self.file = file
        self.books = books
        self._fresh = fresh
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._change = -1
        self._keys: Mapping[str, ClientKey] = {}
        self._budgets: Mapping[str, list[Budget]] = {}
        self._covering = False

    def find(self, digest: str) -> ClientKey | None:
        """The key of this hash."""
        return self._keys.get(digest) or self.file.find(digest)

    def is_empty(self) -> bool:
        """Whether there is no key at all."""
        self._refresh()
        return not self._keys and self.file.is_empty()

    async def refresh(self) -> None:
        """Read what has changed.

        Raises:
            LedgerError: the database could not be reached for too long.
        """
        if not self._is_fresh():
            await asyncio.to_thread(self._refresh)

    async def limits(self) -> Limits:
        """What counts for limits. Raises as :meth:`~airouter_gateway.access.books.Books.limits`."""
        return await asyncio.to_thread(self.books.limits)

    def close(self) -> None:
        """End what runs beside requests."""
        self.books.close()

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < self._fresh

    def _refresh(self) -> None:
        with self._lock:
            if self._is_fresh():
                return
            now = time.monotonic()
            try:
                self._read()
            except LedgerError as error:
                if self._read_at is None or now - self._read_at > STALE:
                    raise
                LOGGER.warning("the keys could not be read again: %s", error)
                return
            self._read_at = now

    def _read(self) -> None:
        accounts = self.books.accounts()
        if accounts is None:
            return
        self._cover()
        number = accounts.last_change()
        if number == self._change:
            return
        keys = accounts.all_keys()
        self._keys = {key.digest: key for key in keys}
        self._budgets = {key.name: budgets_of(key) for key in keys}
        self._change = number

    def _cover(self) -> None:
        if not self._covering and (ledger := self.books.ledger()) is not None:
            ledger.cover("airouter-gateway", self._covering_budgets)
            self._covering = True

    def _covering_budgets(self, ask: Ask) -> list[Budget]:
        return self._budgets.get(ask.tags.get(KEY_TAG, ""), [])


def budgets_of(key: ClientKey) -> list[Budget]:
    """The budgets that calls with a key are paid from: its own, and its team's."""
    found = [] if key.budget is None else [_budget(f"key:{key.name}:{key.id}", key, f"the budget of key {key.name!r}")]
    team = key.of_team
    if team is not None and team.budget is not None:
        found.append(team_budget(team.name, team))
    return found


def team_budget(name: str, team: Bounds) -> Budget:
    """The budget that all keys of a team share."""
    return _budget(f"team:{name}", team, f"the budget of team {name!r}")


def _budget(name: str, bounds: Bounds, title: str) -> Budget:
    assert bounds.budget is not None
    return Budget(name=name, amount=bounds.budget, period=Period(bounds.period), title=title, unpriced=bounds.unpriced)
