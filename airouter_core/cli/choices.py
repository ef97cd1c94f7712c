"""Which provider and model a command means, and with which settings."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import click

from ..config.files import Settings, find_settings, read_settings
from ..errors import ConfigurationError, ParameterError
from ..keys import KeyStore
from ..plugins.factory import config_class, create_provider
from ..plugins.registry import installed
from ..profile.declarations import ProviderInfo
from ..values.kinds import parsed
from .output import waiting

if TYPE_CHECKING:
    from ..profile.resolving import ParameterTable
    from ..provider.facade import Provider

NO_MODELS = "has no model yet: pull one, or put one where it looks"
SHOWN = 12
"""Names that an error lists."""

Function = TypeVar("Function", bound=Callable[..., Any])

provider_option = click.option(
    "-p", "--provider", "provider_name", metavar="NAME", help="Provider; `airouter providers` lists them."
)
model_option = click.option("-m", "--model", metavar="MODEL", help="Model; `airouter models` lists them.")
settings_option = click.option(
    "-c", "--config", "settings", multiple=True, metavar="NAME=VALUE", help="Setting, such as timeout=60."
)
parameters_option = click.option(
    "-o", "--option", "options", multiple=True, metavar="NAME=VALUE", help="Parameter, such as temperature=0.2."
)
system_option = click.option("-s", "--system", metavar="TEXT", help="System prompt.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def target_options(function: Function) -> Function:
    """The options of a command that asks one model."""
    return provider_option(model_option(settings_option(function)))


@functools.cache
def current_settings() -> Settings | None:
    """The settings file in force, read once."""
    path = find_settings()
    return None if path is None else read_settings(path)


def chosen_provider(name: str | None, model: str | None, settings: Sequence[str] = ()) -> Provider[Any]:
    """The provider that a command means: as named, by the settings file, by the model's name, or the only one there is.

    Raises:
        ConfigurationError: it cannot be told, or not be made.
    """
    key = _provider_name(name, model)
    table = _table(key)
    info = installed().provider(table.pop("provider", key))
    given = _given_settings(info, settings)
    return create_provider(info.name, given, fallback=with_stored_key(info, table))


def with_stored_key(info: ProviderInfo, table: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, with the key that ``airouter keys set`` has stored under any of the provider's names."""
    if "api_key" in table or "api_key" not in {field.name for field in attrs.fields(config_class(info))}:
        return dict(table)
    store = KeyStore.default()
    stored = next((key for name in (info.name, *info.aliases) if (key := store.get(name))), None)
    return dict(table) if stored is None else {**table, "api_key": stored}


def chosen_model(provider: Provider[Any], model: str | None) -> str:
    """The model that a command means: as named, by the settings file, or the only one there is.

    Raises:
        ConfigurationError: it cannot be told.
    """
    file = current_settings()
    model = model or os.environ.get("AIROUTER_MODEL") or (file.model if file else None)
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


def given_parameters(options: Sequence[str], table: ParameterTable) -> dict[str, Any]:
    """Parameters from ``name=value`` texts, each read as its kind.

    Raises:
        ParameterError: one is unknown or cannot be read.
    """
    parameters: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        name = name.strip()
        if not equals:
            raise ParameterError(f"-o takes name=value, not {option!r}")
        kind = table.find(name).kind
        try:
            value = parsed(text, kind)
        except ValueError as error:
            raise ParameterError(f"parameter {name} {error}") from error
        # A list is given by naming it several times.
        parameters[name] = (*parameters.get(name, ()), *value) if kind == "strings" else value
    return parameters


def _provider_name(name: str | None, model: str | None) -> str:
    file = current_settings()
    name = name or os.environ.get("AIROUTER_PROVIDER") or (file.provider if file else None)
    if name:
        return name
    infos = installed().providers()
    if len(infos) == 1:
        return infos[0].name
    if not infos:
        raise ConfigurationError("no provider is installed: pip install 'airouter-llamacpp[embedded]', for example")
    matching = _claiming(model, infos)
    if len(matching) == 1:
        return matching[0].name
    raise ConfigurationError(f"choose a provider with -p: {', '.join(info.name for info in infos)}")


def _claiming(model: str | None, infos: Sequence[ProviderInfo]) -> list[ProviderInfo]:
    if not model:
        return []
    return [info for info in infos if any(fnmatchcase(model, pattern) for pattern in info.model_patterns)]


def _table(name: str) -> dict[str, Any]:
    file = current_settings()
    if file is None:
        return {}
    if name in file.tables:
        return file.table(name)
    try:
        canonical = installed().provider(name).name
    except ConfigurationError:
        return {}
    return file.table(canonical)


def _given_settings(info: ProviderInfo, settings: Sequence[str]) -> dict[str, Any]:
    fields: Mapping[str, Any] = {field.name: field for field in attrs.fields(config_class(info))}
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigurationError(f"-c takes setting=value, not {setting!r}")
        field = fields.get(key)
        if field is not None and field.metadata.get("secret"):
            raise ConfigurationError(
                f"{key} is secret, and others could see it on the command line; use `airouter keys set {info.name}`"
                + (f" or the environment variable {info.api_key_env}" if info.api_key_env else "")
            )
        try:
            values[key] = parsed(text, field.metadata["kind"]) if field is not None else text
        except ValueError as error:
            raise ConfigurationError(f"setting {key} {error}") from error
    return values
