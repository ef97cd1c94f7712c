"""``airouter gateway``: keys of the server's clients, and teams of them. Imported when they are run."""

from __future__ import annotations

import os
from typing import Any

import click

from airouter_core.cli.output import note, write_json
from airouter_core.cli.tables import write_table
from airouter_core.config.folders import VARIABLE
from airouter_core.errors import ParameterError
from airouter_core.values.record import plain

from .access.views import ShownKey, shown_key
from .command_options import (
    AS_JSON,
    BY,
    FILE,
    NAME,
    OF_KEYS,
    SWITCH,
    accounts,
    books,
    bounded,
    cells,
    changes_of,
    day,
    fields_of,
    ledger,
    write,
)
from .keys import KeyFile
from .team_commands import teams

KEEP = "keep it now: it is not shown again, and only its hash is kept"


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
    said = fields_of(given, days)
    if path is not None:
        if more := sorted(set(said) - {"models", "rpm", "expires"}):
            raise ParameterError(f"a key in a file has no {', '.join(more)}: leave out --file")
        key, in_file = KeyFile(path).create(name, **said)
        shown = shown_key(in_file, None)
    else:
        key, made = accounts().create(name, by=BY, **said)
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
    write(found, as_json)


@gateway.command()
@NAME
@bounded
@OF_KEYS[0]
@OF_KEYS[1]
@SWITCH
@AS_JSON
def edit(name: str, days: float | None, as_json: bool, **given: Any) -> None:
    """Change what a key may do; the key itself stays."""
    changed = accounts().edit(name, by=BY, **changes_of(given, days))
    write(shown_key(changed, ledger()), as_json)


@gateway.command()
@NAME
@AS_JSON
def rotate(name: str, as_json: bool) -> None:
    """Make a new key in place of one, and show it: this once. The old one is of no use at once."""
    key, changed = accounts().rotate(name, by=BY)
    _show_once(key, shown_key(changed, None), as_json)


@gateway.command()
@FILE
@NAME
def revoke(path: str | None, name: str) -> None:
    """Make a key useless, at once, also for a server that runs."""
    kept = books().accounts() if path is None else None
    known = [] if kept is None else kept.all_keys()
    found = next((key for key in known if name in (key.name, key.prefix, key.id)), None)
    if kept is not None and found is not None:
        kept.revoke(found.name, by=BY)
    else:
        KeyFile(path).revoke(name)
    note(f"revoked {name}")


gateway.add_command(teams)


def _all_keys(path: str | None) -> list[ShownKey]:
    in_file = [shown_key(key, None) for key in KeyFile(path).all_keys()]
    found = books().accounts() if path is None else None
    return in_file if found is None else [shown_key(key, ledger()) for key in found.all_keys()] + in_file


def _show_once(key: str, shown: ShownKey, as_json: bool) -> None:
    if as_json:
        write_json({"key": key, **plain(shown)})
        return
    click.echo(key)
    note(KEEP)


def _row(key: ShownKey) -> tuple[str, ...]:
    spent = "-" if key.spent is None else f"{key.spent:.4f}"
    return (key.name, f"{key.prefix}…", key.team or "-", *cells(key), spent, day(key.expires), key.state)
