"""Which provider and model a command means, and with which settings."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import attrs

from ..errors import ConfigurationError, ParameterError
from ..factory import config_class, create_provider
from ..parameters.resolve import ParameterTable
from ..plugins import Plugins, installed
from ..provider import Provider
from ..values.kinds import parsed

SHOWN = 12
"""Names that an error lists."""


def chosen_provider(name: str | None, model: str | None, settings: Sequence[str]) -> Provider[Any]:
    """The provider that a command means: as named, by the model's name, or the only one there is.

    Raises:
        ConfigurationError: it cannot be told, or not be made.
    """
    plugins = installed()
    return create_provider(_provider_name(name, model, plugins), _settings(name, model, settings, plugins))


def chosen_model(provider: Provider[Any], model: str | None) -> str:
    """The model that a command means: as named, or the only one there is.

    Raises:
        ConfigurationError: it cannot be told.
    """
    model = model or os.environ.get("AIROUTER_MODEL")
    if model:
        return model
    usable = [found.id for found in provider.list_models() if found.problem is None]
    if len(usable) == 1:
        return usable[0]
    if not usable:
        raise ConfigurationError(f"{provider.info.name} has no model; `airouter models {provider.info.name}` says more")
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
        if not equals:
            raise ParameterError(f"-o takes name=value, not {option!r}")
        try:
            value = parsed(text, table.find(name.strip()).kind)
        except ParameterError:
            raise
        except ValueError as error:
            raise ParameterError(f"parameter {name} {error}") from error
        earlier = parameters.get(name.strip())
        both = isinstance(earlier, tuple) and isinstance(value, tuple)
        parameters[name.strip()] = (*earlier, *value) if both and earlier else value
    return parameters


def _provider_name(name: str | None, model: str | None, plugins: Plugins) -> str:
    name = name or os.environ.get("AIROUTER_PROVIDER")
    if name:
        return name
    infos = plugins.providers()
    if len(infos) == 1:
        return infos[0].name
    if model:
        matching = [info for info in infos if any(fnmatchcase(model, pattern) for pattern in info.model_patterns)]
        if len(matching) == 1:
            return matching[0].name
    if not infos:
        raise ConfigurationError("no provider is installed: pip install 'airouter-llamacpp[embedded]', for example")
    raise ConfigurationError(f"choose a provider with -p: {', '.join(info.name for info in infos)}")


def _settings(name: str | None, model: str | None, settings: Sequence[str], plugins: Plugins) -> dict[str, Any]:
    if not settings:
        return {}
    info = plugins.provider(_provider_name(name, model, plugins))
    fields = {field.name: field for field in attrs.fields(config_class(info))}
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise ConfigurationError(f"-c takes setting=value, not {setting!r}")
        field = fields.get(key)
        if field is not None and field.metadata.get("secret"):
            variable = info.api_key_env or "the environment"
            raise ConfigurationError(f"{key} is secret and would be seen by others on the command line; use {variable}")
        try:
            values[key] = parsed(text, field.metadata["kind"]) if field is not None else text
        except ValueError as error:
            raise ConfigurationError(f"setting {key} {error}") from error
    return values
