"""A provider by reference: its name and its settings, with the places of its secrets and never the secrets.

Each worker looks these up on its own node, in its environment or its keyring, as a command there would. So no key is in
what Ray carries, keeps or shows.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import attrs

from airouter_core.cli.targets import provider_table
from airouter_core.config.files import Settings
from airouter_core.config.references import holds_reference
from airouter_core.config.secrets import secret_settings, secrets_of_address, secrets_of_header
from airouter_core.errors import ConfigurationError
from airouter_core.keys import KeyStore
from airouter_core.plugins.factory import config_class, create_provider
from airouter_core.plugins.registry import installed
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import TABLE
from airouter_core.provider.facade import Provider

from ..targets import without_retries
from ..workers.copied import own_settings

TELLING = ("key", "token", "secret", "password")
"""How settings of plugins' own tables are called that are secrets."""


class Reference(NamedTuple):
    """What a node needs to make the provider.

    Attributes:
        name: of the provider, or of its table.
        settings: the tables that it needs, their references not looked up.
    """

    name: str
    settings: Settings

    def provider(self) -> Provider[Any]:
        """The provider, made here; it leaves retries to the run.

        Raises:
            ConfigurationError: a reference leads nowhere on this machine, or a plugin is not installed here.
        """
        info, table = provider_table(self.name, self.settings)
        plugins = installed()
        own = {name: self.settings.own_table(name) for name in plugins.tables() if name in self.settings.tables}
        plugins = plugins.with_settings(own) if own else plugins
        return create_provider(info.name, without_retries(info), fallback=table, plugins=plugins)


def by_settings(name: str, settings: Settings | None) -> Reference:
    """The provider that a name of the user's means.

    Raises:
        ConfigurationError: a secret stands in the file itself.
    """
    if settings is None:
        return Reference(name, Settings(path="no settings file", tables={}))
    info = installed().provider(str(settings.tables.get(name, {}).get("provider", name)))
    own = installed().tables()
    needed = {
        key: table
        for key, table in settings.tables.items()
        if key in own or key in (name, info.name) or ("routing" in info.capabilities and key != TABLE)
    }
    for key, table in needed.items():
        found = _literal(table) if key in own else _literal_of_provider(key, table)
        _refuse(f"{settings.path}: [{key}] holds {{}} itself", found)
    return Reference(name, attrs.evolve(settings, tables=needed))


def by_provider(provider: Provider[Any]) -> Reference:
    """The provider of a program, by the settings that are not the usual ones.

    Raises:
        ConfigurationError: a secret was given that the other nodes cannot find by themselves, or what they do not have.
    """
    info = provider.info
    if "routing" in info.capabilities:
        raise ConfigurationError("routes go to a cluster by a settings file: give its path as settings=")
    kind: Any = type(provider.config)
    fields = attrs.fields_dict(kind)
    table = own_settings(provider)
    for name in secret_settings(kind):
        if isinstance(table.get(name), str):
            table[name] = _place(info, fields[name], table[name])
    _refuse(f"{info.name} was given {{}}", _literal_of_provider(info.name, {**table, "provider": info.name}))
    return Reference(info.name, Settings(path="the program", tables={info.name: table}))


def _place(info: ProviderInfo, field: attrs.Attribute[Any], secret: str) -> str:
    """Where other nodes find a secret too, or else the secret."""
    variables = (*field.metadata.get("env", ()), *((info.api_key_env,) if field.name == "api_key" else ()))
    for variable in filter(None, variables):
        if os.environ.get(variable) == secret:
            return f"${{{variable}}}"
    store = KeyStore.default()
    found = next((name for name in (info.name, *info.aliases) if store.get(name) == secret), None)
    return secret if found is None else f"keyring:{found}"


def _refuse(where: str, names: Iterator[str]) -> None:
    if found := ", ".join(names):
        raise ConfigurationError(
            f"{where.format(found)}, and secrets do not travel to a cluster: write ${{VARIABLE}} or keyring:NAME in "
            "its place, and set that on each node"
        )


def _literal_of_provider(name: str, table: Mapping[str, Any]) -> Iterator[str]:
    """The settings of a provider that hold a secret themselves."""
    kind: Any = config_class(installed().provider(str(table.get("provider", name))))
    headers = table.get("custom_headers")
    yield from (name for name in secret_settings(kind) if table.get(name) and not holds_reference(table[name]))
    if isinstance(headers, Mapping):
        for header, value in headers.items():
            if not holds_reference(value) and secrets_of_header(str(header), str(value)):
                yield f"custom_headers.{header}"
    yield from _addresses(table)


def _literal(table: Mapping[str, Any]) -> Iterator[str]:
    """The same for the table of a plugin, by how its settings are called."""
    for name, value in table.items():
        if isinstance(value, str) and name.rpartition("_")[2] in TELLING and not holds_reference(value):
            yield name
    yield from _addresses(table)


def _addresses(value: Any, name: str = "") -> Iterator[str]:
    """Addresses with a password in them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _addresses(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _addresses(item, name)
    elif isinstance(value, str) and "://" in value and not holds_reference(value) and secrets_of_address(value):
        yield name
