"""Settings files: tables of providers, and of plugins that have one, in TOML or JSON, with secrets kept elsewhere.

The order in which a setting is looked for, the first one found counts: what the code (or the command line) gives, the
environment, the settings file, the default. A file that the code names itself counts as given by the code.

A string may hold ``${VARIABLE}`` for a variable of the environment, and may be ``keyring:NAME`` for a key that
``airouter keys set NAME`` has stored. Both are looked up when the provider is made.
"""

from __future__ import annotations

import json
import os
import shlex
import warnings
from collections.abc import Mapping
from typing import Any

import attrs

from ..errors import ConfigurationError, ExposedSecretWarning
from .folders import is_exposed
from .provider import ProviderConfig
from .references import holds_reference, resolved
from .trust import is_trusted, wanting_trust

GENERAL = "airouter"
"""The table that is about no provider: the defaults of the command line."""

_LITERAL_SECRETS = ("api_key", "auth_token")


@attrs.frozen
class Settings:
    """What one file says.

    Attributes:
        path: of the file.
        tables: of each provider and plugin, references unresolved.
        provider, model: what the command line uses when nothing is named.
        trusted: whether everything in it counts; see :mod:`airouter_core.config.trust`.
    """

    path: str
    tables: Mapping[str, Mapping[str, Any]] = attrs.field(repr=False)
    provider: str | None = None
    model: str | None = None
    trusted: bool = True

    def table(
        self, name: str, environ: Mapping[str, str] | None = None, *, kind: type[ProviderConfig] = ProviderConfig
    ) -> dict[str, Any]:
        """A provider's settings, with its references resolved; empty when the file does not name it.

        Args:
            kind: the class of the provider's configuration, which tells what counts in a file that is not trusted.

        Raises:
            ConfigurationError: a reference leads nowhere, or the file must be trusted first.
        """
        table = self.tables.get(name, {})
        if not self.trusted:
            self.require_trust(name, wanting_trust(table, kind))
        return self._resolved(name, table, environ)

    def own_table(
        self, name: str, environ: Mapping[str, str] | None = None, *, harmless: bool = False
    ) -> dict[str, Any]:
        """The table of a plugin that is no provider, as :meth:`table`.

        Args:
            harmless: it counts in a file that is not trusted too.

        Raises:
            ConfigurationError: as :meth:`table`.
        """
        table = self.tables.get(name, {})
        if not (self.trusted or harmless):
            self.require_trust(name, list(table))
        return self._resolved(name, table, environ)

    def require_trust(self, name: str, settings: list[str]) -> None:
        """Refuse settings of a file that is not trusted, rather than pass over them: without an address that somebody
        has written down, a prompt would go to another one.

        Raises:
            ConfigurationError: there are any.
        """
        if settings:
            raise ConfigurationError(
                f"{self.path}: [{name}] sets {', '.join(settings)}, which counts once you trust this file: read it, "
                f"then `airouter config trust {shlex.quote(self.path)}`"
            )

    def _resolved(self, name: str, table: Mapping[str, Any], environ: Mapping[str, str] | None) -> dict[str, Any]:
        environ = os.environ if environ is None else environ
        return {key: resolved(value, f"{self.path}: {name}.{key}", environ) for key, value in table.items()}


def read_settings(path: str | os.PathLike[str]) -> Settings:
    """Read a ``.toml`` or ``.json`` file that the user or the program names, and so trusts.

    Raises:
        ConfigurationError: it cannot be read, or is not made of tables.
    """
    if not isinstance(path, str | os.PathLike):
        raise ConfigurationError(f"the path of a settings file is a string or a Path, not {type(path).__name__}")
    return read(os.fspath(path), None)


def read(name: str, marks: Mapping[str, str] | None) -> Settings:
    """Read a file; ``marks`` is the environment that leads to the marks of trust, where those are needed.

    Raises:
        ConfigurationError: as :func:`read_settings`.
    """
    import tomllib  # most programs have no settings file

    try:
        with open(name, "rb") as file:
            raw = file.read()
        content = tomllib.loads(raw.decode()) if name.endswith(".toml") else json.loads(raw)
    except OSError as error:
        raise ConfigurationError(f"cannot read {name!r}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        kind = "TOML" if name.endswith(".toml") else "JSON"
        raise ConfigurationError(f"{name!r} is not valid {kind}: {error}") from error
    if not isinstance(content, dict) or not all(isinstance(table, dict) for table in content.values()):
        raise ConfigurationError(f"{name!r} must hold a table of settings for each provider")
    general = content.pop(GENERAL, {})
    for key, value in general.items():
        if key not in ("provider", "model"):
            raise ConfigurationError(f"{name!r}: [{GENERAL}] takes provider and model, not {key}")
        if not isinstance(value, str):
            raise ConfigurationError(f"{name!r}: [{GENERAL}] {key} must be a string, not {value!r}")
    _warn_of_exposure(name, content)
    trusted = marks is None or is_trusted(name, raw, marks)
    return Settings(name, content, general.get("provider"), general.get("model"), trusted)


def _warn_of_exposure(path: str, tables: Mapping[str, Mapping[str, Any]]) -> None:
    literal = [
        f"{name}.{key}"
        for name, table in tables.items()
        for key, value in table.items()
        if key in _LITERAL_SECRETS and isinstance(value, str) and not holds_reference(value)
    ]
    if literal and is_exposed(path):
        warnings.warn(
            f"{path} holds keys ({', '.join(literal)}) and others may read it: chmod 600 {path}, or keep the keys with "
            "`airouter keys set`",
            ExposedSecretWarning,
            stacklevel=4,
        )
