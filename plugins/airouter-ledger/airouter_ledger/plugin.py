"""What this distribution declares. Where the ledger is off nothing more of it is imported."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import Command, LayerInfo, SettingsTable

if TYPE_CHECKING:
    from airouter_core.values.conversation import Conversation
    from airouter_core.values.notes import SharedNotes

CASSETTE = "AIROUTER_CASSETTE"
"""The variable that names a cassette to record or replay."""


@hookimpl
def airouter_tables() -> Iterable[SettingsTable]:
    """The tables that say what to remember, what may be spent, and what to give again."""
    return (
        SettingsTable(name="ledger", description="which calls are remembered, where, and for how long"),
        SettingsTable(name="budgets", description="amounts for a period, and what they cover", harmless=True),
        SettingsTable(name="cache", description="answers that are given again"),
        SettingsTable(name="prices", description="your own prices, in dollars per million tokens", harmless=True),
    )


@hookimpl
def airouter_layers(settings: Mapping[str, Any]) -> Iterable[LayerInfo]:
    """The ledger, the cache and the cassette, each where it is asked for."""
    if _is_wanted(settings):
        yield LayerInfo("ledger", "airouter_ledger.making:bookkeeper", "ledger")
    if "cache" in _tables():
        yield LayerInfo("cache", "airouter_ledger.making:cache", "cache")
    if os.environ.get(CASSETTE):
        yield LayerInfo("cassette", "airouter_ledger.making:cassette", "cache")


@hookimpl
def airouter_shared_notes(settings: Mapping[str, Any]) -> SharedNotes | None:
    """The ledger that is configured, where one is."""
    if not _is_wanted(settings):
        return None
    from .making import notes

    return notes(settings)


@hookimpl
def airouter_conversation(session: str | None) -> Conversation | None:
    """What the user's ledger has kept, where content is kept."""
    from .conversations import remembered

    return remembered(session)


@hookimpl
def airouter_commands() -> Iterable[Command]:
    """What the command line gains."""
    return (
        Command(name="logs", target="airouter_ledger.commands.logs:logs", help="List the calls that are remembered."),
        Command(name="costs", target="airouter_ledger.commands.costs:costs", help="Say what was spent."),
        Command(
            name="record", target="airouter_ledger.commands.record:record", help="Record what a program is answered."
        ),
    )


def _is_wanted(settings: Mapping[str, Any]) -> bool:
    from .switch import switch

    tables = _tables()
    return bool(settings) or "budgets" in tables or "cache" in tables or switch() is not None


def _tables() -> Container[str]:
    from airouter_core.config.folders import settings_in_force

    file = settings_in_force()
    return () if file is None else file.tables
