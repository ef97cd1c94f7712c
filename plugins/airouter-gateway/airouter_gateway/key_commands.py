"""``airouter gateway``: keys of the server's clients, and teams of them. Imported when they are run."""

from __future__ import annotations

import datetime
import os
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click

from airouter_core.cli.output import note, write_json
from airouter_core.cli.tables import write_table
from airouter_core.config.files import VARIABLE
from airouter_core.errors import ParameterError
from airouter_core.values.record import plain
from airouter_ledger.ledger import Ledger

from .access.accounts import Accounts
from .access.books import Books
from .access.views import ShownKey, ShownTeam, shown_key, shown_team
from .keys import KeyFile
from .serving import own_tables

Command = TypeVar("Command", bound=Callable[..., Any])
BY = "command line"
KEEP = "keep it now: it is not shown again, and only its hash is kept"
NONE = "none"
"""The word that takes a bound away."""

FILE = click.option("--file", "path", type=click.Path(dir_okay=False), help="A file of keys, in place of the ledger.")
AS_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
NAME = click.argument("name")


class _Amount(click.ParamType[Any]):
    name = "dollars"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, Decimal):
            return value
        try:
            return Decimal(value)
        except InvalidOperation:
            return self.fail(f"{value!r} is no amount", param, ctx)


class _Count(click.ParamType[Any]):
    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == NONE or isinstance(value, int):
            return value
        return int(value) if value.isdecimal() and int(value) > 0 else self.fail(f"{value!r} is no count", param, ctx)


BOUNDS = (
    click.option(
        "-m", "--model", "models", multiple=True, help="Address, route or pattern to allow; all unless given."
    ),
    click.option("--rpm", type=_Count(), help="Requests a minute."),
    click.option("--tpm", type=_Count(), help="Tokens a minute."),
    click.option("--in-flight", type=_Count(), help="Requests at a time."),
    click.option("--budget", type=_Amount(), help="US dollars for each period."),
    click.option(
        "--unpriced",
        type=click.Choice(("refuse", "allow")),
        help="Calls that a budget covers, and whose price nobody knows.  [default: refuse]",
    ),
    click.option("--period", help="Of the budget: day, week, month, forever, '24 hours', …  [default: month]"),
)
OF_KEYS = (
    click.option("--team", help="Team whose bounds hold too."),
    click.option("--days", type=click.FloatRange(0, 36500, min_open=True), help="Days until it expires."),
)
SWITCH = click.option("--disable/--enable", "disabled", default=None, help="Switch it off, or on again.")


def bounded(command: Command) -> Command:
    """Options for bounds."""
    for option in reversed(BOUNDS):
        command = option(command)
    return command


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(exists=True, dir_okay=False), help="Settings file, if not the one in force.")
def gateway(config: str | None) -> None:
    """Keys of the clients of `airouter serve`, and teams of keys.

    They are kept beside the ledger, as hashes. A change holds at once, also for servers that run. In `edit` the word
    "none" takes a bound away.
    """
    if config is not None:
        os.environ[VARIABLE] = os.path.abspath(config)


@gateway.command()
@FILE
@NAME
@bounded
@OF_KEYS[0]
@OF_KEYS[1]
@AS_JSON
def create(path: str | None, name: str, days: float | None, as_json: bool, **given: Any) -> None:
    """Make a key, and show it: this once."""
    said = _said(given, days)
    if path is not None:
        if more := sorted(set(said) - {"models", "rpm", "expires"}):
            raise ParameterError(f"a key in a file has no {', '.join(more)}: leave out --file")
        key, in_file = KeyFile(path).create(name, **said)
        shown = shown_key(in_file, None)
    else:
        key, made = _accounts().create(name, by=BY, **said)
        shown = shown_key(made, None)
    _show_once(key, shown, as_json)


@gateway.command("list")
@FILE
@AS_JSON
def list_keys(path: str | None, as_json: bool) -> None:
    """List the keys."""
    keys = _all_keys(path)
    if as_json:
        write_json(plain(keys))
        return
    write_table(
        ("name", "begins", "team", "models", "rpm", "tpm", "budget", "spent", "expires", "state"), map(_row, keys)
    )
    if not keys:
        note("no key: whoever reaches this machine's loopback may ask")


@gateway.command()
@FILE
@NAME
@AS_JSON
def show(path: str | None, name: str, as_json: bool) -> None:
    """Show what is known of a key, and what was spent with it."""
    found = next((key for key in _all_keys(path) if name in (key.name, key.prefix, key.id)), None)
    if found is None:
        raise ParameterError(f"there is no key {name!r}")
    _write(found, as_json)


@gateway.command()
@NAME
@bounded
@OF_KEYS[0]
@OF_KEYS[1]
@SWITCH
@AS_JSON
def edit(name: str, days: float | None, as_json: bool, **given: Any) -> None:
    """Change what a key may do; the key itself stays."""
    changed = _accounts().edit(name, by=BY, **_changes(given, days))
    _write(shown_key(changed, _ledger()), as_json)


@gateway.command()
@NAME
@AS_JSON
def rotate(name: str, as_json: bool) -> None:
    """Make a new key in place of one, and show it: this once. The old one is of no use at once."""
    key, changed = _accounts().rotate(name, by=BY)
    _show_once(key, shown_key(changed, None), as_json)


@gateway.command()
@FILE
@NAME
def revoke(path: str | None, name: str) -> None:
    """Make a key useless, at once, also for a server that runs."""
    accounts = _books().accounts() if path is None else None
    known = [] if accounts is None else accounts.all_keys()
    found = next((key for key in known if name in (key.name, key.prefix, key.id)), None)
    if accounts is not None and found is not None:
        accounts.revoke(found.name, by=BY)
    else:
        KeyFile(path).revoke(name)
    note(f"revoked {name}")


@gateway.group()
def teams() -> None:
    """Teams: keys that share bounds and a budget."""


@teams.command("create")
@NAME
@bounded
@AS_JSON
def create_team(name: str, as_json: bool, **given: Any) -> None:
    """Make a team."""
    made = _accounts().create_team(name, by=BY, **_said(given, None))
    _write(shown_team(made, [], None), as_json)


@teams.command("list")
@AS_JSON
def list_teams(as_json: bool) -> None:
    """List the teams."""
    found = _all_teams()
    if as_json:
        write_json(plain(found))
        return
    rows = [
        (team.name, str(len(team.keys)), *_cells(team), "-" if team.spent is None else f"{team.spent:.4f}", team.state)
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
    _write(found, as_json)


@teams.command("edit")
@NAME
@bounded
@SWITCH
@AS_JSON
def edit_team(name: str, as_json: bool, **given: Any) -> None:
    """Change the bounds of a team."""
    changed = _accounts().edit_team(name, by=BY, **_changes(given, None))
    _write(shown_team(changed, _accounts().all_keys(), _ledger()), as_json)


@teams.command("remove")
@NAME
def remove_team(name: str) -> None:
    """Forget a team that has no keys any more."""
    _accounts().remove_team(name, by=BY)
    note(f"removed {name}")


def _books() -> Books:
    return Books(own_tables())


def _accounts() -> Accounts:
    return _books().made_accounts()


def _ledger() -> Ledger | None:
    return _books().ledger()


def _all_keys(path: str | None) -> list[ShownKey]:
    in_file = [shown_key(key, None) for key in KeyFile(path).all_keys()]
    accounts = _books().accounts() if path is None else None
    return in_file if accounts is None else [shown_key(key, _ledger()) for key in accounts.all_keys()] + in_file


def _all_teams() -> list[ShownTeam]:
    accounts = _books().accounts()
    if accounts is None:
        return []
    keys = accounts.all_keys()
    return [shown_team(team, keys, _ledger()) for team in accounts.all_teams()]


def _said(given: dict[str, Any], days: float | None) -> dict[str, Any]:
    """What was given, as fields."""
    found = {name: value for name, value in given.items() if value not in (None, (), NONE)}
    return found if days is None else {**found, "expires": time.time() + days * 86400}


def _changes(given: dict[str, Any], days: float | None) -> dict[str, Any]:
    """What is to be changed: the word "none" takes a bound away."""
    found = {name: None if value == NONE else value for name, value in given.items() if value not in (None, ())}
    if found.get("models") == (NONE,):
        found["models"] = ()
    return found if days is None else {**found, "expires": time.time() + days * 86400}


def _show_once(key: str, shown: ShownKey, as_json: bool) -> None:
    if as_json:
        write_json({"key": key, **plain(shown)})
        return
    click.echo(key)
    note(KEEP)


def _write(shown: ShownKey | ShownTeam, as_json: bool) -> None:
    said = plain(shown)
    if as_json:
        write_json(said)
        return
    for name in ("expires", "created", "ends"):
        if name in said:
            said[name] = _day(said[name])
    write_table(("what", "value"), [(name, _word(value)) for name, value in said.items()])


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)


def _row(key: ShownKey) -> tuple[str, ...]:
    spent = "-" if key.spent is None else f"{key.spent:.4f}"
    return (key.name, f"{key.prefix}…", key.team or "-", *_cells(key), spent, _day(key.expires), key.state)


def _cells(bounds: ShownKey | ShownTeam) -> tuple[str, str, str, str]:
    budget = "-" if bounds.budget is None else f"{bounds.budget} a {bounds.period}"
    return ", ".join(bounds.models) or "all", str(bounds.rpm or "-"), str(bounds.tpm or "-"), budget


def _day(moment: float | None) -> str:
    return "-" if not moment else datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
