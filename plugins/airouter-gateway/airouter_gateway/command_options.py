"""What commands of keys and teams take in common, and how they show what they have."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

import click

from airouter_core.cli.output import write_json
from airouter_core.cli.tables import write_table
from airouter_core.values.record import plain
from airouter_ledger.ledger import Ledger

from .access.accounts import Accounts
from .access.books import Books
from .access.views import ShownKey, ShownTeam
from .serving import own_tables

Command = TypeVar("Command", bound=Callable[..., Any])
BY = "command line"
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


def books() -> Books:
    """The ledger of the settings in force."""
    return Books(own_tables())


def accounts() -> Accounts:
    """Its keys and teams; made where there are none."""
    return books().made_accounts()


def ledger() -> Ledger | None:
    """The ledger itself, where there is one."""
    return books().ledger()


def fields_of(given: dict[str, Any], days: float | None) -> dict[str, Any]:
    """What was given, as fields."""
    found = {name: value for name, value in given.items() if value not in (None, (), NONE)}
    return found if days is None else {**found, "expires": time.time() + days * 86400}


def changes_of(given: dict[str, Any], days: float | None) -> dict[str, Any]:
    """What is to be changed: the word "none" takes a bound away."""
    found = {name: None if value == NONE else value for name, value in given.items() if value not in (None, ())}
    if found.get("models") == (NONE,):
        found["models"] = ()
    return found if days is None else {**found, "expires": time.time() + days * 86400}


def write(shown: ShownKey | ShownTeam, as_json: bool) -> None:
    """Print what is known of a key or a team."""
    said = plain(shown)
    if as_json:
        write_json(said)
        return
    for name in ("expires", "created", "ends"):
        if name in said:
            said[name] = day(said[name])
    write_table(("what", "value"), [(name, _word(value)) for name, value in said.items()])


def _word(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "-"
    return "-" if value in (None, "") else str(value)


def cells(bounds: ShownKey | ShownTeam) -> tuple[str, str, str, str]:
    """Bounds, as cells of a row."""
    budget = "-" if bounds.budget is None else f"{bounds.budget} a {bounds.period}"
    return ", ".join(bounds.models) or "all", str(bounds.rpm or "-"), str(bounds.tpm or "-"), budget


def day(moment: float | None) -> str:
    """A moment, in the time of this machine."""
    return "-" if not moment else datetime.datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
