"""Settings files: a table for each provider, in TOML or JSON, with secrets kept elsewhere.

The order in which a setting is looked for, the first one found counts: what the code (or the command line) gives, the
environment, the settings file, the default. A file that the code names itself counts as given by the code.

A string may hold ``${VARIABLE}`` for a variable of the environment, and may be ``keyring:NAME`` for a key that
``airouter keys set NAME`` has stored. Both are looked up when the provider is made.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from ..errors import ConfigurationError, ExposedSecretWarning
from ..keys import KeyStore
from .folders import config_folder, is_exposed

FILE_NAMES = ("airouter.toml", "providers.json")
VARIABLE = "AIROUTER_CONFIG"
GENERAL = "airouter"
"""The table that is about no provider: the defaults of the command line."""
KEYRING = "keyring:"

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_LITERAL_SECRETS = ("api_key", "auth_token")


@attrs.frozen
class Settings:
    """What one file says.

    Attributes:
        path: of the file.
        tables: the settings of each provider, references unresolved.
        provider, model: what the command line uses when nothing is named.
    """

    path: str
    tables: Mapping[str, Mapping[str, Any]] = attrs.field(repr=False)
    provider: str | None = None
    model: str | None = None

    def table(self, name: str, environ: Mapping[str, str] | None = None) -> dict[str, Any]:
        """A provider's settings, with its references resolved; empty when the file does not name it.

        Raises:
            ConfigurationError: a reference leads nowhere.
        """
        environ = os.environ if environ is None else environ
        table = self.tables.get(name, {})
        return {key: _resolved(value, f"{self.path}: {name}.{key}", environ) for key, value in table.items()}


def find_settings(environ: Mapping[str, str] | None = None, folder: str = ".") -> str | None:
    """The settings file in force: as ``AIROUTER_CONFIG`` names it, in the working folder, or in the user's own.

    Raises:
        ConfigurationError: ``AIROUTER_CONFIG`` names a file that is not there.
    """
    environ = os.environ if environ is None else environ
    named = environ.get(VARIABLE)
    if named:
        if not os.path.isfile(named):
            raise ConfigurationError(f"{VARIABLE} names {named!r}, which is no file")
        return named
    candidates = (os.path.join(place, name) for place in (folder, config_folder(environ)) for name in FILE_NAMES)
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read a ``.toml`` or ``.json`` file.

    Raises:
        ConfigurationError: it cannot be read, or is not made of tables.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigurationError(f"the path of a settings file is a string or a Path, not {type(path).__name__}")
    name = os.fspath(path)
    load: Callable[[Any], Any] = tomllib.load if name.endswith(".toml") else json.load
    try:
        with open(path, "rb") as file:
            content = load(file)
    except OSError as error:
        raise ConfigurationError(f"cannot read {name!r}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if name.endswith(".toml") else "JSON"
        raise ConfigurationError(f"{name!r} is not valid {kind}: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(table, dict) for table in content.values()):
        raise ConfigurationError(f"{name!r} must hold a table of settings for each provider")
    general = content.pop(GENERAL, {})
    unknown = set(general) - {"provider", "model"}
    if unknown:
        raise ConfigurationError(f"{name!r}: [{GENERAL}] takes provider and model, not {', '.join(sorted(unknown))}")
    _warn_of_exposure(name, content)
    return Settings(name, content, general.get("provider"), general.get("model"))


def _warn_of_exposure(path: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    literal = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, value in table.items()
        if key in _LITERAL_SECRETS and isinstance(value, str) and not _is_reference(value)
    ]
    if literal and is_exposed(path):
        warnings.warn(
            f"{path} holds keys ({', '.join(literal)}) and others may read it: chmod 600 {path}, or keep the keys with "
            "`airouter keys set`",
            ExposedSecretWarning,
            stacklevel=3,
        )


def _is_reference(value: str) -> bool:
    return value.startswith(KEYRING) or bool(_REFERENCE.search(value))


def _resolved(value: Any, where: str, environ: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _resolved(item, f"{where}.{key}", environ) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolved(item, where, environ) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith(KEYRING):
        return _stored(value.removeprefix(KEYRING), where, environ)

    def variable(match: re.Match[str]) -> str:
        found = environ.get(match[1])
        if found is None:
            raise ConfigurationError(f"{where} refers to the environment variable {match[1]}, which is not set")
        return found

    return _REFERENCE.sub(variable, value)


def _stored(name: str, where: str, environ: Mapping[str, str]) -> str:
    key = KeyStore.default(environ).get(name)
    if key is None:
        raise ConfigurationError(
            f"{where} refers to the stored key {name!r}, which is not there: airouter keys set {name}"
        )
    return key
