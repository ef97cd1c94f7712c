"""``airouter fragments``: short names for texts that are put into questions."""

from __future__ import annotations

import os

import click

from ..errors import ConfigurationError
from .choices import json_option
from .output import note, waiting, write, write_json
from .own_files.fragments import FRAGMENTS
from .tables import write_table


@click.group()
def fragments() -> None:
    """Short names for texts: `airouter run -f NAME` instead of a path or a web address.

    They are lines of fragments.toml in your settings folder. The text is read when it is used.
    """


@fragments.command(name="set")
@click.argument("name")
@click.argument("source", metavar="PATH_OR_ADDRESS")
def set_(name: str, source: str) -> None:
    """Let NAME stand for the text at a path or a public web address, in place of what it stood for."""
    from .questions.sources import WEB

    meant = source
    if not source.startswith(WEB):
        meant = os.path.abspath(os.path.expanduser(source))
        if not os.path.isfile(meant):
            raise ConfigurationError(f"there is no file {source!r}, and it is no http(s) address")
    FRAGMENTS.set(name, meant)
    note(f"{name}: {meant} ({FRAGMENTS.path()})")


@fragments.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """List fragments and where their texts are."""
    found = FRAGMENTS.read()
    if as_json:
        write_json(found)
        return
    write_table(("fragment", "text"), sorted(found.items()))
    note(f"{len(found)} in {FRAGMENTS.path()}" if found else "none; `airouter fragments set NAME PATH` makes one")


@fragments.command()
@click.argument("source", metavar="NAME")
def show(source: str) -> None:
    """Print a fragment as it would be sent; also one at a path or a web address."""
    from .questions.sources import fragment

    with waiting(f"{source} …"):
        text = fragment(source).text
    write(text.rstrip("\n"))


@fragments.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget a name; the text stays where it is."""
    if not FRAGMENTS.remove(name):
        raise ConfigurationError(f"there is no fragment {name!r}; `airouter fragments list` shows which there are")
    note(f"forgotten: {name}")
