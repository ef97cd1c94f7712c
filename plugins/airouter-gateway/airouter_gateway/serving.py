"""What is served: the providers of a settings file, or the local ones that are here, and the names of their models."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from airouter_core.cli.targets import listed_providers, provider_table
from airouter_core.config.files import Settings, read_settings
from airouter_core.config.folders import settings_in_force
from airouter_core.config.loading import load_config
from airouter_core.errors import AirouterError, ConfigurationError
from airouter_core.manager import ProviderManager
from airouter_core.plugins.factory import config_class
from airouter_core.plugins.layering import GivenLayer
from airouter_core.plugins.registry import installed
from airouter_core.plugins.tables import require_known, set_up_by_tables
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.value import Value

from .access.books import Books
from .plugin import TABLE
from .settings import GatewaySettings
from .stored_responses import StoredResponses

ROUTER = "router"
LISTED_FOR = 10.0
RESOLVED_FOR = 30.0
"""Seconds for which what was found is not looked for again."""
MOST_RESOLVED = 1000
LATEST = ":latest"


class Target(Value, frozen=True):
    """Who answers.

    Attributes:
        name: under which the manager keeps the provider.
        address: what a client could have named.
        called: what the client has called it, where that name is known to mean it.
    """

    name: str
    model: str
    called: str | None = None

    @property
    def address(self) -> str:
        return f"{self.name}/{self.model}"

    @property
    def names(self) -> tuple[str, ...]:
        """All by which somebody may be allowed to ask it: its address, as a route too, and what it was called."""
        route = (f"route:{self.model}",) if self.name == ROUTER else ()
        return (self.address, *route, *(() if self.called is None else (self.called,)))


class UnknownModelError(ConfigurationError):
    """No provider here is known to have the model."""


class Serving:
    """Providers and names, as one reading of the settings has them."""

    def __init__(self, manager: ProviderManager, settings: GatewaySettings, books: Books) -> None:
        self.manager = manager
        self.settings = settings
        self.books = books
        self.kept = StoredResponses(books.made_ledger, settings.store_days)
        self.in_use = 0
        self._resolved: dict[str, tuple[float, Target]] = {}
        self._listed: tuple[float, list[ModelInfo]] | None = None

    async def resolve(self, name: str) -> Target:
        """Who answers for a name: an address, a route, one of the settings' names, or the bare name of a model.

        Raises:
            UnknownModelError: nobody does; the message says what there is.
        """
        known = self._resolved.get(name)
        now = time.monotonic()
        if known is not None and now < known[0]:
            return known[1]
        found = await asyncio.to_thread(self._look_up, name)
        if len(self._resolved) >= MOST_RESOLVED:
            self._resolved.clear()
        self._resolved[name] = now + RESOLVED_FOR, found
        return found

    def provider(self, target: Target) -> Provider[Any]:
        """The provider of a target."""
        return self.manager.provider(target.name)

    async def models(self) -> list[ModelInfo]:
        """All models, under their addresses, and the settings' names for them."""
        if self._listed is None or time.monotonic() > self._listed[0]:
            self._listed = time.monotonic() + LISTED_FOR, await self._list()
        return self._listed[1]

    async def aclose(self) -> None:
        """Close the providers, once nothing is under way any more."""
        while self.in_use:
            await asyncio.sleep(0.1)
        await self.manager.aclose()

    async def _list(self) -> list[ModelInfo]:
        found = await self.manager.alist_all_models()
        models = [
            msgspec.structs.replace(model, id=f"route:{model.id}" if name == ROUTER else f"{name}/{model.id}")
            for name, listed in found.items()
            for model in listed
            if model.problem is None
        ]
        by_address = {model.id: model for model in models}
        for name, address in self.settings.models.items():
            model = by_address.get(address) or ModelInfo(id=name, name=name, provider=address.partition("/")[0])
            models.append(msgspec.structs.replace(model, id=name))
        return models

    def _look_up(self, name: str) -> Target:
        # Clients of Ollama may write out the tag that a bare name means.
        for spelling in dict.fromkeys((name, name.removesuffix(LATEST))):
            if spelling in self.settings.models:
                return Target(*self.manager.resolve(self.settings.models[spelling]), called=spelling)
            try:
                return Target(*self.manager.resolve(spelling), called=spelling)
            except AirouterError as error:
                problem = str(error)
        if self.settings.default is not None:
            # What nobody knows allows nothing, whatever pattern it fits.
            return Target(*self.manager.resolve(self.settings.default))
        raise UnknownModelError(problem)


def serving_from(path: str | None) -> Serving:
    """What a settings file says is to be served.

    Args:
        path: the one in force unless given.

    Raises:
        ConfigurationError: it cannot be used.
    """
    file = read_settings(path) if path is not None else settings_in_force()
    own = _own_tables(file)
    settings = load_config(GatewaySettings, own.get(TABLE), provider=TABLE)
    books = Books(own)
    known = installed()
    layers: tuple[GivenLayer, ...] = () if books.settings.on else (("ledger", books.layer),)
    manager = ProviderManager(plugins=known.with_settings(own) if own else None, layers=layers)
    try:
        _add(manager, file, own)
    except BaseException:
        manager.close()
        raise
    return Serving(manager, settings, books)


def own_tables() -> Mapping[str, Mapping[str, Any]]:
    """The tables of plugins in the settings file in force.

    Raises:
        ConfigurationError: it cannot be used.
    """
    return _own_tables(settings_in_force())


def _own_tables(file: Settings | None) -> Mapping[str, Mapping[str, Any]]:
    if file is None:
        return {}
    tables = installed().tables()
    return {
        name: file.own_table(name, harmless=table.harmless) for name, table in tables.items() if name in file.tables
    }


def _add(manager: ProviderManager, file: Settings | None, own: Mapping[str, Any]) -> None:
    named = [] if file is None else [name for name in file.tables if name not in own]
    for name in named:
        assert file is not None
        require_known(file, name, installed())
        info, table = provider_table(name, file)
        manager.add_provider(info.name, table, as_name=name)
    if not named:
        # Without settings nothing leaves this machine: keys in the environment may be there for other programs.
        for info in listed_providers():
            if info.kind == "local":
                # One that is not there is not waited for.
                patient = "max_retries" in attrs.fields_dict(config_class(info))
                manager.add_provider(info.name, {"max_retries": 0} if patient else {})
    if file is not None:
        # Routes are there because their table is.
        kinds = {manager.provider(name).info.name for name in manager.names}
        for name in set_up_by_tables(file, installed()) - kinds:
            manager.add_provider(name, provider_table(name, file)[1])
