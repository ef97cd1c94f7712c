"""Making providers from names and mappings."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from ..errors import AirouterError
from .problems import loading
from .registry import Plugins, installed

if TYPE_CHECKING:
    from ..config.provider import ProviderConfig
    from ..profile.declarations import ProviderInfo
    from ..provider.facade import Provider
    from .layering import GivenLayer


P = ParamSpec("P")
Made = TypeVar("Made")


def _telling_of_settings(make: Callable[P, Made]) -> Callable[P, Made]:
    """With the place of settings in the error of a keyword that is unknown: elsewhere they are keywords."""

    @functools.wraps(make)
    def made(*args: P.args, **named: P.kwargs) -> Made:
        try:
            return make(*args, **named)
        except TypeError:
            import inspect  # seldom needed

            unknown = next((word for word in named if word not in inspect.signature(make).parameters), None)
            if unknown is None:
                raise
        name = args[0] if args else named.get("name", "PROVIDER")
        raise TypeError(
            f"{make.__name__}() got an unexpected keyword argument {unknown!r}; settings go together: "
            f"{make.__name__}({name!r}, {{{unknown!r}: …}})"
        )

    return made


@_telling_of_settings
def create_provider(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    plugins: Plugins | None = None,
    fallback: Mapping[str, Any] | None = None,
    layers: Iterable[GivenLayer] = (),
) -> Provider[Any]:
    """Make a provider. Nothing is sent, and no connection is opened.

    Args:
        name: canonical name or alias.
        config: its settings; what is left out comes from the environment, then from the defaults.
        plugins: those installed, unless given.
        fallback: settings that count where neither ``config`` nor the environment gives one, such as a file's.
        layers: what is to stand around everything this provider answers, the first outermost; beside those of plugins.
            ``("limit", layer)`` names a position among ``admit``, ``ledger``, ``cache``, ``limit``, ``route``.

    Raises:
        UnknownProviderError: no plugin declares this provider; the message says what to install.
        ConfigurationError: a setting is unknown or wrong, or the plugin is broken.
    """
    plugins = plugins or installed()
    if layers:
        plugins = plugins.with_layers(layers)
    info = plugins.provider(name)
    loaded = _load_config(info, config, fallback)
    provider_class = _imported(info, info.target)
    provider: Provider[Any] = provider_class(loaded, info, plugins)
    return provider


def list_providers(*, plugins: Plugins | None = None) -> list[ProviderInfo]:
    """All providers that can be created, by name. Imports no implementation."""
    return (plugins or installed()).providers()


def validate_provider_config(
    name: str,
    config: Mapping[str, Any] | None = None,
    *,
    plugins: Plugins | None = None,
    fallback: Mapping[str, Any] | None = None,
) -> tuple[bool, str | None]:
    """Whether calls could be made with this configuration, and why not. Asks no network, and never raises.

    The arguments are those of :func:`create_provider`.
    """
    try:
        info = (plugins or installed()).provider(name)
        loaded = _load_config(info, config, fallback)
        from ..config.http import HttpConfig
        from ..config.loading import require_api_key

        if isinstance(loaded, HttpConfig) and loaded.needs_api_key:
            require_api_key(loaded.api_key, provider=info.name, variable=info.api_key_env)
    except AirouterError as error:
        return False, str(error)
    return True, None


def config_class(info: ProviderInfo) -> type[ProviderConfig]:
    """The class of a provider's configuration.

    Raises:
        PluginLoadError: it cannot be imported.
    """
    if info.config_target is None:
        from ..config.http import HttpConfig

        return HttpConfig
    found: type[ProviderConfig] = _imported(info, info.config_target)
    return found


def _load_config(
    info: ProviderInfo, config: Mapping[str, Any] | None, fallback: Mapping[str, Any] | None = None
) -> ProviderConfig:
    from ..config.loading import load_config

    return load_config(config_class(info), config, provider=info.name, api_key_env=info.api_key_env, fallback=fallback)


def _imported(info: ProviderInfo, target: str) -> Any:
    module_name, _, attribute = target.partition(":")
    with loading(f"provider {info.name!r} of {info.distribution} cannot be imported from {target!r}; reinstall it"):
        return getattr(importlib.import_module(module_name), attribute)
