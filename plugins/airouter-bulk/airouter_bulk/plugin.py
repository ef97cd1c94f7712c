"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import Command


@hookimpl
def airouter_commands() -> Iterable[Command]:
    return (Command(name="bulk", target="airouter_bulk.commands:bulk", help="Run a prompt over a table; resumable."),)
