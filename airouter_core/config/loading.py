"""Configurations from plain mappings and the environment, with errors that help."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from ..errors import ConfigurationError, MissingApiKeyError
from ..values.kinds import parsed
from .provider import ProviderConfig

ConfigType = TypeVar("ConfigType", bound=ProviderConfig)


def load_config(
    config_class: type[ConfigType],
    values: Mapping[str, Any] | None,
    *,
    provider: str,
    environ: Mapping[str, str] | None = None,
    api_key_env: str | None = None,
    fallback: Mapping[str, Any] | None = None,
) -> ConfigType:
    """Make a configuration from a mapping, and from the environment for what the mapping leaves out.

    Args:
        environ: ``os.environ`` unless given.
        api_key_env: the variable that holds the key by custom.
        fallback: settings that count where neither the mapping nor the environment gives one, such as a file's.

    Raises:
        ConfigurationError: a key is unknown (the message suggests one), or a value is wrong.
    """
    if not isinstance(values, Mapping | None):
        raise ConfigurationError(f"{provider}: config must be a mapping, not {type(values).__name__}")
    environ = os.environ if environ is None else environ
    fields = {field.name: field for field in attrs.fields(config_class)}
    given = {name: value for name, value in (values or {}).items() if value is not None}
    later = {name: value for name, value in (fallback or {}).items() if value is not None}
    for name in (*given, *later):
        if name not in fields:
            raise ConfigurationError(f"{provider}: {_unknown(name, fields)}")
    for name, field in fields.items():
        if name in given or any(other in given for other in field.metadata.get("unless", ())):
            continue
        names = (*field.metadata.get("env", ()), *((api_key_env,) if name == "api_key" and api_key_env else ()))
        if variable := next((variable for variable in names if environ.get(variable)), None):
            given[name] = _from_environment(environ[variable], variable, field, provider)
    given = {**later, **given}
    return _built(config_class, given, provider)


def require_api_key(api_key: str | None, *, provider: str, variable: str | None) -> str:
    """The key.

    Raises:
        MissingApiKeyError: there is none; the message says where to put it.
    """
    if api_key and api_key.strip():
        return api_key
    where = f"set the environment variable {variable}, or pass" if variable else "pass"
    raise MissingApiKeyError(
        f"{provider} needs an API key: {where} {{'api_key': ...}} in its configuration", provider=provider
    )


def _built(config_class: type[ConfigType], given: Mapping[str, Any], provider: str) -> ConfigType:
    # Each value is tried alone first, so that the message can name the setting at fault. What was raised below is not
    # kept as a cause: its frames hold the values.
    for name, value in given.items():
        fault = _fault(getattr(attrs.fields(config_class), name), value)
        if fault is not None:
            raise ConfigurationError(f"{provider}: setting {name} {fault}")
    try:
        return config_class(**given)
    except ConfigurationError:
        raise
    except (ValueError, TypeError) as error:
        said = str(error)
    raise ConfigurationError(f"{provider}: {said}")


def _fault(field: Any, value: Any) -> str | None:
    try:
        converted = field.converter(value) if field.converter else value
        if field.validator:
            field.validator(None, field, converted)
    except (ValueError, TypeError, OverflowError) as error:
        return _shown(error, field)
    return None


def _shown(error: Exception, field: Any) -> str:
    return "has an invalid value" if field.metadata.get("secret") else str(error)


def _from_environment(text: str, variable: str, field: attrs.Attribute[Any], provider: str) -> Any:
    try:
        return parsed(text, field.metadata.get("kind", "string"))
    except (ValueError, OverflowError) as error:
        said = _shown(error, field)
    raise ConfigurationError(f"{provider}: environment variable {variable} {said}")


def _unknown(name: str, fields: Mapping[str, Any]) -> str:
    import difflib

    near = difflib.get_close_matches(str(name), fields, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(fields))}"
    return f"unknown setting {name!r}; {hint}"
