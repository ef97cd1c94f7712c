"""A provider by its name and settings, for another process of this machine."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any, NamedTuple

import attrs

from airouter_core.errors import ConfigurationError
from airouter_core.plugins.factory import create_provider
from airouter_core.plugins.registry import installed
from airouter_core.provider.facade import Provider


class Copied(NamedTuple):
    """What a process needs to make the same provider. Its keys are in here: it goes through a pipe, and nowhere else.

    Attributes:
        settings: those that are not the usual ones.
    """

    name: str
    settings: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Copied({self.name!r}, ...)"

    def provider(self) -> Provider[Any]:
        """The provider, made here.

        Raises:
            ConfigurationError: its plugin cannot be loaded here.
        """
        return create_provider(self.name, dict(self.settings))


def copied(provider: Provider[Any]) -> Copied:
    """A provider as another process can make it.

    Raises:
        ConfigurationError: its settings hold what cannot be handed over, such as a function, or it has more than them.
    """
    settings = own_settings(provider)
    try:
        pickle.dumps(settings)
    except Exception as error:  # whatever a stranger's class does
        raise ConfigurationError(
            f"the settings of {provider.info.name} cannot be handed to worker processes ({error}): leave workers out"
        ) from None
    return Copied(provider.info.name, settings)


def own_settings(provider: Provider[Any]) -> dict[str, Any]:
    """The settings with which a provider of the same name, made elsewhere, is the same one.

    One that has its usual value is left out, unless a variable of the environment could take its place there.

    Raises:
        ConfigurationError: layers, plugins or tables of the program's own are around it, which are nowhere else.
    """
    if provider.plugins is not installed():
        raise ConfigurationError(
            f"{provider.info.name} has layers, plugins or tables of settings that this program gave it, and no other "
            "process has: let the program make the calls itself, or name them in a settings file that is in force"
        )
    fields = attrs.fields_dict(type(provider.config))
    given = {name: getattr(provider.config, name) for name, field in fields.items() if field.init}
    return {
        name: value
        for name, value in given.items()
        if value is not None and (fields[name].metadata.get("env") or value != _usual(fields[name]))
    }


def _usual(field: attrs.Attribute[Any]) -> Any:
    default: Any = field.default
    return default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]  # a class
