"""Short names for addresses: ``aliases.toml``, a line for each."""

from __future__ import annotations

from collections.abc import Mapping

from .names import Names

ALIASES = Names("aliases.toml", "the aliases", "an alias", "an address")

aliases_file, set_alias, remove_alias = ALIASES.path, ALIASES.set, ALIASES.remove


def read_aliases(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The aliases of ``airouter aliases``: what each stands for, by name.

    Args:
        environ: says where the user's files are; that of the process unless given.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    return ALIASES.read(environ)


def expanded(address: str, environ: Mapping[str, str] | None = None) -> str:
    """What an alias stands for; whatever is none, as it is.

    Raises:
        ConfigurationError: the file cannot be read, or holds something else.
    """
    return ALIASES.read(environ).get(address, address)
