"""Which provider and model a command means: as it says, as the environment or the settings file says, or who is left.

An address is understood as everywhere (:mod:`airouter_core.manager.addresses`); the candidates are the tables of the
settings file and all providers that are installed.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import attrs

from ..config.files import Settings
from ..config.folders import settings_in_force
from ..errors import ConfigurationError
from ..keys import stored_key, stored_names
from ..manager.addresses import ROUTE, Address, Candidate, model_names, named, resolve
from ..plugins.factory import config_class, create_provider, validate_provider_config
from ..plugins.registry import installed
from ..plugins.tables import routing_settings, set_up_by_tables
from ..profile.declarations import ProviderInfo
from .available import not_installed
from .choices import given_settings
from .output import waiting
from .own_files.aliases import expanded

if TYPE_CHECKING:
    from ..plugins.layering import GivenLayer
    from ..provider.facade import Provider
    from ..values.catalog import ModelInfo

NO_MODELS = "has no model yet: pull one, or put one where it looks"
NO_PROVIDER = "no provider is installed: pip install 'airouter-llamacpp[embedded]', for example"
SHOWN = 12
"""Names that an error lists."""


@functools.cache
def current_settings() -> Settings | None:
    """The settings file in force, read once."""
    return settings_in_force()


def chosen_target(
    name: str | None, model: str | None, settings: Sequence[str] = (), layers: Sequence[GivenLayer] = ()
) -> tuple[Provider[Any], str | None]:
    """The provider that a command means, and the model if that can be told without asking.

    Args:
        layers: what is to stand around its answers.

    Raises:
        ConfigurationError: the provider cannot be told, or not be made.
    """
    provider, model = named_target(name, model)
    return called(provider, settings, layers), model


def chosen_provider(name: str | None, model: str | None, settings: Sequence[str] = ()) -> Provider[Any]:
    """The provider that a command means, as :func:`chosen_target` finds it."""
    return chosen_target(name, model, settings)[0]


def named_target(name: str | None, model: str | None) -> tuple[str, str | None]:
    """The name of the provider that a command means, and the model, as :func:`chosen_target`; nothing is made."""
    file = current_settings()
    usual = os.environ.get("AIROUTER_PROVIDER") or (file.provider if file else None)
    usual_model = os.environ.get("AIROUTER_MODEL") or (file.model if file else None)
    if name is None and model:
        model = expanded(model)
    if name:
        return name, model or (usual_model if _goes_with(name, usual, usual_model) else None)
    plugins = installed()
    if model and (said := named(model, _candidates(model), plugins)):
        return said
    if usual:  # what the user has set up says more than a guess by the model's name
        _refuse_what_is_missing(usual, model)
        return usual, model or usual_model
    if model or usual_model:
        return _resolved(model or usual_model or "")
    infos = listed_providers()
    if len(infos) == 1:
        return infos[0].name, None
    if not infos:
        raise ConfigurationError(NO_PROVIDER)
    there = ", ".join(info.name for info in infos)
    raise ConfigurationError(
        f"no default model is set: `airouter setup` sets one; or name one with -m PROVIDER/MODEL (there are: {there})"
    )


def _refuse_what_is_missing(usual: str, model: str | None) -> None:
    """Where models of this machine are asked, and none has this name, a provider that is not installed was meant."""
    head, slash, _ = (model or "").partition("/")
    info = installed().find(usual)
    if not slash or info is None or info.kind != "local":
        return
    brings = not_installed(head)
    if brings is not None:
        raise ConfigurationError(f"{head} comes with {brings}, which is not installed: `airouter install {head}`")


def full_address(address: str) -> Address:
    """Whom an address or an alias means, with the provider's name in front; a bare model is looked for as for ``-m``.

    Raises:
        ConfigurationError: nobody is meant, or several could be.
    """
    meant = expanded(address)
    return named(meant, _candidates(meant), installed()) or _resolved(meant)


def called(name: str, settings: Sequence[str] = (), layers: Sequence[GivenLayer] = ()) -> Provider[Any]:
    """The provider of this name, made with its settings.

    Raises:
        ConfigurationError: it cannot be made.
    """
    info, table = provider_table(name)
    return create_provider(info.name, given_settings(info, settings), fallback=table, layers=layers)


def compared_target(target: str) -> tuple[str | None, str | None]:
    """The provider and the model that one of several targets names: an address, or the bare name of a provider.

    ``PROVIDER:MODEL``, as it was once written, is understood where nothing else could be meant by it.
    """
    if target in _tables() or _found(target):
        return target, None
    target = expanded(target)
    name, colon, model = target.partition(":")
    if not colon or "/" in name or target.startswith(ROUTE) or not (name in _tables() or _found(name)):
        return None, target
    listing = [item.name for item in _candidates() if item.info.kind == "local" and target in (model_names(item) or ())]
    return (listing[0], target) if listing else (name, model or None)


def chosen_model(provider: Provider[Any], model: str | None) -> str:
    """The model that a command means, or the only one there is.

    Raises:
        ConfigurationError: it cannot be told.
    """
    if model:
        return model
    with waiting(f"{provider.info.name} …"):
        usable = [found.id for found in provider.list_models() if found.problem is None]
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise ConfigurationError(f"{provider.info.name} {NO_MODELS}")
    more = f" and {len(usable) - SHOWN} more" if len(usable) > SHOWN else ""
    raise ConfigurationError(f"choose a model with -m: {', '.join(usable[:SHOWN])}{more}")


def provider_table(name: str, file: Settings | None = None) -> tuple[ProviderInfo, dict[str, Any]]:
    """The provider that a name of the user's means, and its settings of the file, with a key that is stored.

    Args:
        file: the one in force, unless given.

    Raises:
        ConfigurationError: there is no such provider, or its table cannot be used.
    """
    file = file or current_settings()
    if file is None or name not in file.tables:
        info = installed().provider(name)
        if file is None:
            return info, with_stored_key(info, {})
        table = file.table(info.name, kind=config_class(info))
        return info, with_stored_key(info, {**_routing(info, file), **table})
    info = installed().provider(file.tables[name].get("provider", name))
    if not file.trusted and _found(name) not in (None, info):  # one provider's name for another
        file.require_trust(name, ["provider"])
    table = file.table(name, kind=config_class(info))
    table.pop("provider", None)
    return info, with_stored_key(info, {**_routing(info, file), **table})


def _routing(info: ProviderInfo, file: Settings) -> dict[str, Any]:
    def table_of(name: str) -> dict[str, Any]:
        asked, table = provider_table(name, file)
        return {**table, "provider": asked.name}

    return routing_settings(info, file, installed(), table_of)


def with_stored_key(info: ProviderInfo, table: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with the key that ``airouter keys set`` has stored under any of the provider's names."""
    if "api_key" in table or "api_key" not in attrs.fields_dict(config_class(info)):
        return dict(table)
    stored = stored_key((info.name, *info.aliases))
    return dict(table) if stored is None else {**table, "api_key": stored}


def _goes_with(name: str, usual: str | None, usual_model: str | None) -> bool:
    """Whether the usual model is one of this provider's: it was set together with it, or with none."""
    if usual is not None:
        return _found(usual) == _found(name)
    return usual_model is not None and named(usual_model, _candidates(usual_model), installed()) is None


def _resolved(address: str) -> Address:
    with waiting(f"{address} …"):
        candidates = _candidates(address)
        if not candidates:
            raise ConfigurationError(NO_PROVIDER)
        return resolve(address, candidates, installed())


def listed_providers(*, unconfigured: bool = False) -> list[ProviderInfo]:
    """The installed providers that are shown: all, but of those that a plugin brings by the dozen the ones in use.

    Args:
        unconfigured: all the same.
    """
    infos = installed().providers()
    if unconfigured or all(info.listed == "always" for info in infos):
        return infos
    known: set[str] = set()
    with contextlib.suppress(ConfigurationError):  # said by whoever needs the file or a key
        known |= {str(table.get("provider", name)) for name, table in _tables().items()}
        known |= stored_names()
        if (file := current_settings()) is not None:
            known |= set_up_by_tables(file, installed())
    return [info for info in infos if info.listed == "always" or _is_set_up(info, known)]


def _is_set_up(info: ProviderInfo, known: set[str]) -> bool:
    variables = filter(None, (info.api_key_env, *info.environment))
    return not known.isdisjoint((info.name, *info.aliases)) or any(map(os.environ.get, variables))


def _candidates(address: str = "") -> list[Candidate]:
    """The tables of the settings file that are about a provider, the other providers in use, and whom it names."""
    tables = {name: _found(str(table.get("provider", name))) for name, table in _tables().items()}
    named_here = {name: info for name, info in tables.items() if info is not None}
    taken = {info.name for name, info in named_here.items() if _found(name) == info}
    named_by_it = _found(address.partition("/")[0]) if "/" in address else None
    others = [*listed_providers(), *([named_by_it] if named_by_it else [])]
    infos = named_here | {info.name: info for info in others if info.name not in taken}
    return [
        Candidate(name, info, _lister(name), wanted=name in named_here, is_configured=functools.partial(_ready, name))
        for name, info in infos.items()
    ]


def _tables() -> Mapping[str, Mapping[str, Any]]:
    file = current_settings()
    return {} if file is None else file.tables


def _lister(name: str) -> Callable[[], list[ModelInfo]]:
    def listed() -> list[ModelInfo]:
        info, table = provider_table(name)
        # Whoever is asked in passing, and is not there, is not waited for.
        given = {"max_retries": 0} if "max_retries" in attrs.fields_dict(config_class(info)) else {}
        with create_provider(info.name, given, fallback=table) as provider:
            return provider.list_models()

    return listed


def _ready(name: str) -> bool:
    try:
        info, table = provider_table(name)
    except ConfigurationError:
        return False
    return validate_provider_config(info.name, fallback=table)[0]


def _found(name: str) -> ProviderInfo | None:
    try:
        return installed().find(name)
    except ConfigurationError:
        return None
