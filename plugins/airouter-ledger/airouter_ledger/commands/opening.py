"""The ledger that a command is about."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from airouter_core.config.folders import settings_in_force
from airouter_core.errors import ConfigurationError

from ..ledger import Ledger
from ..settings import TABLES, LedgerSettings, read


def settings_of_user() -> LedgerSettings:
    """What the settings file in force, and the user's switch, say.

    Raises:
        ConfigurationError: the file says what it cannot, or must be trusted first.
    """
    found = settings_in_force()
    tables = {} if found is None else {name: found.own_table(name) for name in TABLES if name in found.tables}
    return read(tables)


@contextlib.contextmanager
def the_ledger(*, must_exist: bool = True) -> Iterator[Ledger]:
    """The user's ledger, open.

    Raises:
        ConfigurationError: there is none yet.
    """
    settings = settings_of_user()
    if must_exist and "://" not in settings.address and not os.path.exists(settings.address):
        raise ConfigurationError("nothing is remembered yet: `airouter logs on` begins")
    with Ledger.open(settings.address) as ledger:
        yield ledger
