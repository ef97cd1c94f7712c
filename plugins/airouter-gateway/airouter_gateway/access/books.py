"""The ledger that keys and limits are kept in, and that calls of its keys are booked in."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from airouter_core.flow.layers import Answer
from airouter_core.flow.steps import Flow, delegated
from airouter_core.values.ask import Ask
from airouter_ledger.bookkeeping import Bookkeeper
from airouter_ledger.budgets import KEY_TAG
from airouter_ledger.ledger import Ledger
from airouter_ledger.making import opened
from airouter_ledger.settings import TABLES, LedgerSettings, read

from .accounts import Accounts
from .limits import Limits

TEAM_TAG = "team"
"""Beside the ledger's tag for a key: the team that it is of."""


class Books:
    """The ledger of the settings, opened when it is needed; a file is made only when something is to be kept in it.

    Args:
        tables: those of the settings file, of which the ledger's are taken.
        open_ledger: opens the ledger at an address.
    """

    def __init__(
        self, tables: Mapping[str, Mapping[str, Any]], *, open_ledger: Callable[[str, bool], Ledger] = opened
    ) -> None:
        self.settings: LedgerSettings = read({name: tables[name] for name in TABLES if name in tables})
        self._open = open_ledger
        self._lock = threading.Lock()
        self._accounts: Accounts | None = None
        self._limits: Limits | None = None
        self._keeper: Bookkeeper | None = None

    def ledger(self, *, make: bool = False) -> Ledger | None:
        """The ledger; ``None`` where there is none yet.

        Raises:
            ConfigurationError: its address cannot be used, or a newer version has written it.
            LedgerError: it cannot be opened.
        """
        address = self.settings.address
        if not make and "://" not in address and not os.path.exists(address):
            return None
        return self._open(address, self.settings.durable)

    def made_ledger(self) -> Ledger:
        """The ledger, which is made where there is none. Raises as :meth:`ledger`."""
        ledger = self.ledger(make=True)
        assert ledger is not None
        return ledger

    def accounts(self, *, make: bool = False) -> Accounts | None:
        """The keys and teams in it; ``None`` where there is no ledger yet. Raises as :meth:`ledger`."""
        if self._accounts is None and (ledger := self.ledger(make=make)) is not None:
            with self._lock:
                self._accounts = self._accounts or Accounts(ledger)
        return self._accounts

    def made_accounts(self) -> Accounts:
        """The keys and teams in it, which is made where there is none. Raises as :meth:`ledger`."""
        accounts = self.accounts(make=True)
        assert accounts is not None
        return accounts

    def limits(self) -> Limits:
        """What counts for limits; makes the ledger where there is none. Raises as :meth:`ledger`."""
        accounts = self.made_accounts()
        with self._lock:
            self._limits = self._limits or Limits(accounts.tables)
        return self._limits

    async def alimits(self) -> Limits:
        """As :meth:`limits`, for who awaits: the first takes a thread, since it may wait for a database."""
        return self._limits if self._limits is not None else await asyncio.to_thread(self.limits)

    def close(self) -> None:
        """End what runs beside requests; the ledger itself is the process's."""
        if self._limits is not None:
            self._limits.close()

    def layer(self, ask: Ask, answer: Answer) -> Flow[Any]:
        """A layer that books the calls of the ledger's own keys where the settings do not have all calls booked: what
        a key may spend is kept there, so what it has spent must be.
        """
        keeper = self._bookkeeper() if ask.tags.get(KEY_TAG) else None
        flow = answer(ask) if keeper is None else keeper(ask, answer)
        return (yield from delegated(flow))

    def _bookkeeper(self) -> Bookkeeper | None:
        if self._keeper is None and (ledger := self.ledger()) is not None:
            self._keeper = Bookkeeper(ledger, self.settings.rules)
        return self._keeper
