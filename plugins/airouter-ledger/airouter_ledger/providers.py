"""What the money asks of a provider: its names, whether it sends bills, and whether it only passes asks on."""

from __future__ import annotations

import functools

import attrs

from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import installed

ROUTING = "routing"
"""The capability of a provider that answers by asking others."""


@attrs.frozen
class Billed:
    """A provider, as the money sees it.

    Attributes:
        kind: ``"local"`` sends no bills.
        routes: whether those whom it asks are the ones who are paid.
    """

    name: str
    aliases: tuple[str, ...] = ()
    kind: str = "cloud"
    routes: bool = False


@functools.cache
def billed(name: str) -> Billed:
    """The provider of this name; one that is not installed, such as a program's own, sends bills as any cloud."""
    try:
        info = installed().provider(name)
    except ConfigurationError:
        return Billed(name)
    return Billed(info.name, info.aliases, info.kind, ROUTING in info.capabilities)
