"""Giving back what the ledger remembers of a conversation, so that somebody can go on with it."""

from __future__ import annotations

import os

from airouter_core.values.conversation import Conversation

from .commands.opening import settings_of_user
from .ledger import Ledger


def remembered(session: str | None) -> Conversation | None:
    """A conversation of the user's ledger, or with ``None`` the last one; ``None`` where it keeps no content of it.

    Raises:
        ConfigurationError: the settings say what they cannot.
        LedgerError: the ledger cannot be read.
    """
    address = settings_of_user().address
    if "://" not in address and not os.path.exists(address):
        return None
    with Ledger.open(address) as ledger:
        name = session if session is not None else ledger.last_session()
        found = None if name is None else ledger.conversation(name)
    if name is None or found is None:
        return None
    messages, record = found
    return Conversation(name, messages, record.provider, record.model or "")
