"""Tables of a settings file: a provider's, a plugin's own, or nobody's."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import attrs

from ..config.folders import settings_in_force
from ..errors import ConfigurationError
from .factory import config_class
from .registry import Plugins, installed

if TYPE_CHECKING:
    from ..config.files import Settings
    from ..profile.declarations import ProviderInfo


def own_settings(
    name: str,
    *,
    settings: Settings | None = None,
    plugins: Plugins | None = None,
    environ: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a settings file says in a plugin's own table: plain values, references looked up; empty if it says nothing.

    Args:
        name: as the plugin declares it with ``airouter_tables``.
        settings: the file; the one in force, unless given.

    Raises:
        ConfigurationError: no plugin declares this table, the file must be trusted first, or cannot be read.
    """
    table = (plugins or installed()).tables().get(name)
    if table is None:
        raise ConfigurationError(f"no plugin declares the table [{name}] with airouter_tables")
    file = settings or settings_in_force(environ)
    return {} if file is None else file.own_table(name, environ, harmless=table.harmless)


def require_known(settings: Settings, name: str, plugins: Plugins) -> None:
    """Refuse a table that is nobody's.

    Raises:
        ConfigurationError: no provider and no plugin has it; the message says which table may be meant.
    """
    own = plugins.tables()
    if name in own or "provider" in settings.tables[name] or plugins.find(name) is not None:
        return
    known = sorted({*own, *(info.name for info in plugins.providers())})
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}? Else " if near else ""
    raise ConfigurationError(
        f"{settings.path}: [{name}] is the table of no provider and of no plugin here; {hint}"
        f"pip install airouter-{name} might bring it, and a provider under a name of your own says which it is: "
        'provider = "..."'
    )


def set_up_by_tables(settings: Settings, plugins: Plugins) -> set[str]:
    """The providers that are there because a plugin's own table is in the file."""
    own = plugins.tables()
    return {provider for name in settings.tables if name in own and (provider := own[name].provider) is not None}


def routing_settings(
    info: ProviderInfo, settings: Settings, plugins: Plugins, table_of: Callable[[str], Mapping[str, Any]]
) -> dict[str, Any]:
    """What a settings file says to a provider that asks others: the plugins' own tables that are called like one of its
    settings, and the tables of all other providers. Empty for providers that answer themselves.

    Args:
        table_of: gives the table of a provider.

    Raises:
        ConfigurationError: a table must be trusted first, or refers to nothing.
    """
    if "routing" not in info.capabilities:
        return {}
    own = plugins.tables()
    said: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    for name in settings.tables:
        if name in own:
            if name in attrs.fields_dict(config_class(info)):
                said[name] = settings.own_table(name, harmless=own[name].harmless)
        elif plugins.provider(str(settings.tables[name].get("provider", name))).name != info.name:
            providers[name] = dict(table_of(name))
    return {**said, "providers": providers}
