"""What this distribution brings: values only."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.profile.declarations import SettingsTable

TABLE = "gateway"


@hookimpl
def airouter_tables() -> Iterable[SettingsTable]:
    return (SettingsTable(name=TABLE, description="airouter serve: names of models, keys, bounds"),)
