"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import Command, SettingsTable

TABLE = "gateway"


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (
        Command(
            name="serve",
            target="airouter_gateway.commands:serve",
            help="Serve models to the clients of OpenAI, Anthropic and Ollama.",
        ),
        Command(
            name="gateway",
            target="airouter_gateway.key_commands:gateway",
            help="Keys of the server's clients, and teams of them.",
        ),
    )


@hookimpl
def airouter_tables() -> Iterable[SettingsTable]:
    return (SettingsTable(name=TABLE, description="airouter serve: names of models, keys, bounds"),)
