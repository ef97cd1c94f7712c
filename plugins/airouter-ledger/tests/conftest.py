"""Ledgers of both kinds: a file of SQLite, and a real PostgreSQL server that the tests start themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from airouter_ledger.ledger import Ledger
from airouter_ledger.testing import address, server

__all__ = ["address", "ledger", "server"]


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    """A new ledger, of each kind."""
    with Ledger.open(address) as opened:
        yield opened
