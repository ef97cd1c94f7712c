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
WAITED = 2.0
"""Seconds for which requests wait for a database that does not answer, before what was read counts."""


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
        self._reading: asyncio.Task[None] | None = None
        self._reading_since = 0.0

    def find(self, digest: str) -> ClientKey | None:
        """The key of this hash."""
        return self._keys.get(digest) or self.file.find(digest)

    @property
    def knows_none(self) -> bool:
        """Whether there was no key at all when keys were read."""
        return not self._keys and self.file.is_empty()

    def is_empty(self) -> bool:
        """Whether there is no key at all. Reads them.

        Raises:
            LedgerError: the database could not be reached for too long.
        """
        self._refresh()
        return self.knows_none

    async def refresh(self) -> None:
        """Read what has changed. All who come meanwhile wait for one reading, and not long where it counts already.

        Raises:
            LedgerError: the database could not be reached for too long.
        """
        if self._is_fresh():
            return
        if self._reading is None or self._reading.done():
            self._reading_since = time.monotonic()
            self._reading = asyncio.create_task(asyncio.to_thread(self._refresh))
            self._reading.add_done_callback(_looked_at)
        reading = self._reading
        patience = max(0.0, self._reading_since + WAITED - time.monotonic()) if self._counts(time.monotonic()) else None
        await asyncio.wait((reading,), timeout=patience)
        if reading.done():
            reading.result()

    async def limits(self) -> Limits:
        """What counts for limits. Raises as :meth:`~airouter_gateway.access.books.Books.limits`."""
        return await self.books.alimits()

    def close(self) -> None:
        """End what runs beside requests."""
        self.books.close()

    def _is_fresh(self) -> bool:
        return self._read_at is not None and time.monotonic() - self._read_at < self._fresh

    def _counts(self, now: float) -> bool:
        """Whether what was read is good enough while there is nothing better."""
        return self._read_at is not None and now - self._read_at <= STALE

    def _refresh(self) -> None:
        with self._lock:
            if self._is_fresh():
                return
            now = time.monotonic()
            try:
                self._read()
            except LedgerError as error:
                if not self._counts(now):
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


def _looked_at(reading: asyncio.Task[None]) -> None:
    """A failure is told by whoever waits; where nobody does any more the next request reads again."""
    if not reading.cancelled():
        reading.exception()


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
