"""``airouter keys``: store, list and forget keys."""

from __future__ import annotations

import difflib
import sys

import click

from ..errors import ConfigurationError, UnknownProviderError
from ..keys import KeyStore
from ..plugins.registry import installed
from .choices import json_option
from .input import piped_line
from .output import note, warn, write, write_json


@click.group()
def keys() -> None:
    """Store, list and forget API keys."""


@keys.command(name="set")
@click.argument("name")
def set_key(name: str) -> None:
    """Store the key of the provider NAME. It is asked for without being shown, or read from a pipe."""
    try:
        info = installed().provider(name)
    except UnknownProviderError:  # a name of the user's own, unless it is misspelt
        known = [word for info in installed().providers() for word in (info.name, *info.aliases)]
        near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.7)
        hint = f"; did you mean {near[0]!r}?" if near else "."
        warn(f'no provider here is called {name!r}{hint} The key counts where a settings file says "keyring:{name}".')
    else:
        name = name if name in info.aliases else info.name
    if sys.stdin is not None and sys.stdin.isatty():
        key = click.prompt(f"Key for {name}", hide_input=True, err=True)
    else:
        key = piped_line()
    key = key.strip()
    if not key:
        raise ConfigurationError("no key was given; nothing was stored")
    store = KeyStore.default()
    store.set(name, key)
    note(f"{name}: stored in {store.place}")


@keys.command(name="list")
@json_option
def list_keys(as_json: bool) -> None:
    """List the names of stored keys, never the keys."""
    store = KeyStore.default()
    names = store.names()
    if as_json:
        write_json({"place": store.place, "names": names})
        return
    for name in names:
        write(name)
    note(f"{len(names)} in {store.place}")


@keys.command(name="remove")
@click.argument("name")
def remove_key(name: str) -> None:
    """Forget the key of NAME."""
    if not KeyStore.default().remove(name):
        raise ConfigurationError(f"there is no stored key {name!r}; `airouter keys list` shows which there are")
    note(f"forgotten: {name}")
