"""Ledgers of both kinds: a file of SQLite, and a real PostgreSQL server that the tests start themselves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from airouter_ledger.ledger import Ledger
from airouter_ledger.testing import address, server

__all__ = ["address", "ledger", "server"]


@pytest.fixture
def ledger(address: str) -> Iterator[Ledger]:
    """A new ledger, of each kind."""
    with Ledger.open(address) as opened:
        yield opened


def wait_until(true: Callable[[], bool], seconds: float = 120) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.02)
