"""``airouter gateway teams``: keys that share bounds and a budget. Imported with the commands of keys."""

from __future__ import annotations

from typing import Any

import click

from airouter_core.cli.output import note, write_json
from airouter_core.cli.tables import write_table
from airouter_core.errors import ParameterError
from airouter_core.values.record import plain

from .access.views import ShownTeam, shown_team
from .command_options import (
    AS_JSON,
    BY,
    NAME,
    SWITCH,
    accounts,
    books,
    bounded,
    cells,
    changes_of,
    fields_of,
    ledger,
    write,
)


@click.group()
def teams() -> None:
    """Teams: keys that share bounds and a budget."""


@teams.command("create")
@NAME
@bounded
@AS_JSON
def create_team(name: str, as_json: bool, **given: Any) -> None:
    """Make a team."""
    made = accounts().create_team(name, by=BY, **fields_of(given, None))
    write(shown_team(made, [], None), as_json)


@teams.command("list")
@AS_JSON
def list_teams(as_json: bool) -> None:
    """List the teams."""
    found = _all_teams()
    if as_json:
        write_json(plain(found))
        return
    rows = [
        (team.name, str(len(team.keys)), *cells(team), "-" if team.spent is None else f"{team.spent:.4f}", team.state)
        for team in found
    ]
    write_table(("name", "keys", "models", "rpm", "tpm", "budget", "spent", "state"), rows)


@teams.command("show")
@NAME
@AS_JSON
def show_team(name: str, as_json: bool) -> None:
    """Show what is known of a team, and what it has spent."""
    found = next((team for team in _all_teams() if team.name == name), None)
    if found is None:
        raise ParameterError(f"there is no team {name!r}")
    write(found, as_json)


@teams.command("edit")
@NAME
@bounded
@SWITCH
@AS_JSON
def edit_team(name: str, as_json: bool, **given: Any) -> None:
    """Change the bounds of a team."""
    changed = accounts().edit_team(name, by=BY, **changes_of(given, None))
    write(shown_team(changed, accounts().all_keys(), ledger()), as_json)


@teams.command("remove")
@NAME
def remove_team(name: str) -> None:
    """Forget a team that has no keys any more."""
    accounts().remove_team(name, by=BY)
    note(f"removed {name}")


def _all_teams() -> list[ShownTeam]:
    found = books().accounts()
    if found is None:
        return []
    keys = found.all_keys()
    return [shown_team(team, keys, ledger()) for team in found.all_teams()]
