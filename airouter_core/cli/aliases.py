"""``airouter aliases``: short names for addresses."""

from __future__ import annotations

import click

from ..errors import ConfigurationError
from ..plugins.registry import installed
from .choices import json_option
from .output import note, write_json
from .own_files.aliases import aliases_file, read_aliases, remove_alias, set_alias
from .tables import write_table
from .targets import full_address


@click.group()
def aliases() -> None:
    """Short names for models: `airouter run -m NAME` instead of an address.

    They are lines of aliases.toml in your settings folder, and count wherever the command line takes an address.
    """


@aliases.command(name="set")
@click.argument("name")
@click.argument("address", metavar="PROVIDER/MODEL")
def set_(name: str, address: str) -> None:
    """Let NAME stand for PROVIDER/MODEL, in place of what it stood for."""
    meant = full_address(address)
    if installed().find(name) is not None:
        raise ConfigurationError(f"{name!r} is the name of a provider, so it cannot be an alias too")
    set_alias(name, str(meant))
    note(f"{name}: {meant} ({aliases_file()})")


@aliases.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List aliases and what they stand for."""
    found = read_aliases()
    if as_json:
        write_json(found)
        return
    write_table(("alias", "stands for"), sorted(found.items()))
    note(f"{len(found)} in {aliases_file()}" if found else "none; `airouter aliases set NAME PROVIDER/MODEL` makes one")


@aliases.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget an alias."""
    if not remove_alias(name):
        raise ConfigurationError(f"there is no alias {name!r}; `airouter aliases list` shows which there are")
    note(f"forgotten: {name}")
