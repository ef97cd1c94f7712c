"""Who answers a run: an address through a manager, or through one made for it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import attrs

from airouter_core.config.files import Settings
from airouter_core.manager import ProviderManager
from airouter_core.manager.addresses import ROUTE, ROUTER
from airouter_core.plugins.factory import config_class, create_provider
from airouter_core.plugins.registry import installed
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import TABLE, Prices
from airouter_core.provider.facade import Provider

from .errors import SpecError


@contextlib.asynccontextmanager
async def target_of(address: str, manager: ProviderManager | None) -> AsyncIterator[tuple[Provider[Any], str]]:
    """The provider and the model of an address.

    A provider made here does not retry: the run does, with its journal. One of a manager keeps its own retries, which
    the journal sees as one call.

    Raises:
        ConfigurationError: nobody is meant, or the provider cannot be made.
    """
    if manager is not None:
        yield named_by(manager, address)
        return
    async with ProviderManager() as made:
        head = ROUTER if address.startswith(ROUTE) else address.partition("/")[0]
        made.add_provider(head, without_retries(installed().provider(head)))
        name, model = made.resolve(address)
        yield made.provider(name), model


def named_by(manager: ProviderManager, address: str) -> tuple[Provider[Any], str]:
    """The provider of a manager that an address names, and the model.

    Raises:
        ConfigurationError: nobody is meant.
    """
    name, model = manager.resolve(address)
    check_named(address, name, model)
    return manager.provider(name), model


def check_named(address: str, name: str, model: str) -> None:
    """See that an address names who answers. A run goes on for weeks, over plugins that come and go.

    Raises:
        SpecError: it is taken for the name of a model, which another provider may have tomorrow.
    """
    if "/" in address and model == address:
        raise SpecError(
            f"{address.partition('/')[0]!r} is no provider that is here, and a run asks nobody whom it does not name: "
            f"install or configure it, or write {name}/{address}"
        )


def without_retries(info: ProviderInfo) -> dict[str, Any]:
    """Settings of a provider that leaves retries to a run."""
    return {"max_retries": 0} if "max_retries" in attrs.fields_dict(config_class(info)) else {}


def made_for(info: ProviderInfo, table: dict[str, Any]) -> Provider[Any]:
    """A provider with the settings of a file, that leaves retries to a run."""
    return create_provider(info.name, without_retries(info), fallback=table)


def prices_of(settings: Settings | None) -> Prices:
    """The prices that a settings file states."""
    return Prices() if settings is None else Prices.of_settings(settings.own_table(TABLE))
