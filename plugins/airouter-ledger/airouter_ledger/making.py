"""Making the layers of the settings; one ledger for all of a process."""

from __future__ import annotations

import atexit
import functools
import logging
import os
import threading
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.flow.layers import Answer, Layer
from airouter_core.flow.steps import Flow, delegated
from airouter_core.plugins.tables import own_settings
from airouter_core.values.ask import Ask
from airouter_core.values.notes import SharedNotes

from .bookkeeping import Bookkeeper
from .caching import Cache
from .cassettes import MODE_VARIABLE, MODES, Cassette
from .errors import LedgerError
from .ledger import Ledger
from .plugin import CASSETTE
from .settings import TABLES, LedgerSettings, read

LOGGER = logging.getLogger("airouter.ledger")
BETWEEN = 6 * 3600.0
"""Seconds between two clean-ups of a process that lives long."""


def bookkeeper(settings: Mapping[str, Any]) -> Layer:
    """The layer that remembers, of the ``[ledger]`` table and those beside it.

    Raises:
        ConfigurationError: a table says what it cannot.
        LedgerError: the ledger cannot be opened.
    """
    found = all_settings(settings)
    if not found.on:
        return _passing
    ledger = opened(found.address, found.durable)
    if found.keep is not None or found.size is not None:
        threading.Thread(target=_clean_up, args=(ledger, found), name="airouter-ledger", daemon=True).start()
    return Bookkeeper(ledger, found.rules)


def cache(_settings: Mapping[str, Any]) -> Layer:
    """The layer that gives answers again.

    Raises:
        ConfigurationError: a table says what it cannot.
        LedgerError: the ledger cannot be opened.
    """
    found = all_settings(own_settings("ledger"))
    if found.cache is None:
        return _passing
    return Cache(opened(found.address, found.durable).answers, found.cache, found.rules.prices)


def cassette(_settings: Mapping[str, Any]) -> Layer:
    """The layer that records or replays, as the environment says.

    Raises:
        ConfigurationError: the environment says what it cannot.
    """
    wanted = os.environ.get(MODE_VARIABLE, "strict")
    mode = next((mode for mode in MODES if mode == wanted), None)
    if mode is None:
        raise ConfigurationError(f"{MODE_VARIABLE} is one of {', '.join(MODES)}, not {wanted!r}")
    return Cassette(os.environ[CASSETTE], mode)


def notes(settings: Mapping[str, Any]) -> SharedNotes | None:
    """The notes of the ledger of the settings; ``None`` where it is off.

    Raises:
        ConfigurationError: a table says what it cannot.
        LedgerError: the ledger cannot be opened.
    """
    found = all_settings(settings)
    return opened(found.address, found.durable).notes if found.on else None


def all_settings(own: Mapping[str, Any]) -> LedgerSettings:
    """What all tables of the ledger come to, given the one that is called like it."""
    return read(
        {"ledger": own, **{name: own_settings(name) for name in TABLES if name != "ledger" and _is_there(name)}}
    )


@functools.cache
def opened(address: str, durable: bool) -> Ledger:
    """The ledger at an address, opened once."""
    ledger = Ledger.open(address, durable=durable)
    atexit.register(ledger.close)
    return ledger


def _is_there(name: str) -> bool:
    from airouter_core.config.folders import settings_in_force

    file = settings_in_force()
    return file is not None and name in file.tables


def _clean_up(ledger: Ledger, settings: LedgerSettings) -> None:
    pause = threading.Event()
    while True:
        try:
            forgotten = ledger.prune(older_than=settings.keep, larger_than=settings.size)
        except LedgerError as error:
            LOGGER.warning("old calls could not be forgotten: %s", error)
        else:
            LOGGER.debug("forgot %d old calls", forgotten)
        pause.wait(BETWEEN)


def _passing(ask: Ask, answer: Answer) -> Flow[Any]:
    return (yield from delegated(answer(ask)))
