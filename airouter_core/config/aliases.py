"""Short names for addresses: ``aliases.toml``, a line for each."""

from __future__ import annotations

from collections.abc import Mapping

from .names import Names

ALIASES = Names("aliases.toml", "the aliases", "an alias", "an address")

aliases_file, read_aliases, set_alias, remove_alias = ALIASES.path, ALIASES.read, ALIASES.set, ALIASES.remove


def expanded(address: str, environ: Mapping[str, str] | None = None) -> str:
    """What an alias stands for; whatever is none, as it is.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    return ALIASES.read(environ).get(address, address)
