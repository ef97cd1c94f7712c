"""What a settings file refers to instead of holding it: ``${VARIABLE}`` and ``keyring:NAME``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..errors import ConfigurationError

KEYRING = "keyring:"

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def holds_reference(value: Any) -> bool:
    """Whether a value, or anything in it, refers to something."""
    if isinstance(value, Mapping):
        return any(map(holds_reference, value.values()))
    if isinstance(value, list | tuple):
        return any(map(holds_reference, value))
    return isinstance(value, str) and (value.startswith(KEYRING) or bool(_VARIABLE.search(value)))


def is_reference(value: Any) -> bool:
    """Whether a value is a reference and nothing else, so that it can be shown."""
    return isinstance(value, str) and (value.startswith(KEYRING) or bool(_VARIABLE.fullmatch(value)))


def resolved(value: Any, where: str, environ: Mapping[str, str]) -> Any:
    """A value with its references looked up.

    Raises:
        ConfigurationError: one leads nowhere; the message says where it stands.
    """
    if isinstance(value, Mapping):
        return {key: resolved(item, f"{where}.{key}", environ) for key, item in value.items()}
    if isinstance(value, list):
        return [resolved(item, where, environ) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith(KEYRING):
        return _stored(value.removeprefix(KEYRING), where, environ)

    def variable(match: re.Match[str]) -> str:
        found = environ.get(match[1])
        if found is None:
            raise ConfigurationError(f"{where} refers to the environment variable {match[1]}, which is not set")
        return found

    return _VARIABLE.sub(variable, value)


def _stored(name: str, where: str, environ: Mapping[str, str]) -> str:
    from ..keys import KeyStore  # few settings are kept there, and it takes more than all the rest of a settings file

    key = KeyStore.default(environ).get(name)
    if key is None:
        raise ConfigurationError(
            f"{where} refers to the stored key {name!r}, which is not there: airouter keys set {name}"
        )
    return key
