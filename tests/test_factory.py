"""Making providers from names and mappings."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
import pytest

from airouter_core import create_provider, hookimpl, list_providers, validate_provider_config
from airouter_core.config.fields import setting
from airouter_core.config.http import HttpConfig
from airouter_core.errors import ConfigurationError, PluginLoadError, UnknownProviderError
from airouter_core.plugins.factory import config_class
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.http import HttpProvider


@attrs.frozen(kw_only=True)
class ExampleConfig(HttpConfig):
    """The configuration of the example."""

    level: int = setting("integer", default=1, maximum=9)

    @property
    def needs_api_key(self) -> bool:
        return self.level == 2


class Example(HttpProvider[ExampleConfig]):
    """The example."""


@pytest.fixture(autouse=True)
def _module() -> Iterator[None]:
    """A module with the example, as if it were installed."""
    module: Any = types.ModuleType("example_of_a_plugin")
    module.Example, module.ExampleConfig = Example, ExampleConfig
    sys.modules["example_of_a_plugin"] = module
    yield
    del sys.modules["example_of_a_plugin"]


def plugins(**changes: Any) -> Plugins:
    known: dict[str, Any] = {
        "name": "example",
        "aliases": ("sample",),
        "target": "example_of_a_plugin:Example",
        "config_target": "example_of_a_plugin:ExampleConfig",
        "api_key_env": "EXAMPLE_API_KEY",
    }

    class Plugin:
        @hookimpl
        def airouter_providers(self) -> Iterable[ProviderInfo]:
            return (ProviderInfo(**{**known, **changes}),)

    return Plugins.of(Plugin())


def test_a_provider_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """By name or alias, with what was given, what the environment has, and the defaults."""
    monkeypatch.setenv("EXAMPLE_API_KEY", "a-key-of-mine")
    provider = create_provider("sample", {"level": 3}, plugins=plugins())
    assert type(provider) is Example
    assert provider.info.name == "example"
    assert (provider.config.level, provider.config.api_key, provider.config.timeout) == (3, "a-key-of-mine", 300)


def test_providers_are_listed() -> None:
    """Listing needs no implementation."""
    (info,) = list_providers(plugins=plugins(target="no.such.module:Class"))
    assert (info.name, info["name"], info.distribution) == ("example", "example", "Plugin")


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("exampel", None, "did you mean 'example'"),
        (None, None, "a provider's name is a string"),
        ("example", {"levle": 1}, "example: unknown setting 'levle'; did you mean 'level'"),
        ("example", {"level": 10}, "example: setting level must be at most 9"),
        ("example", {"base_url": "nowhere"}, "example: base_url must look like"),
        ("example", ["level"], "config must be a mapping"),
    ],
)
def test_what_is_wrong(name: Any, config: Any, message: str) -> None:
    """What is wrong is an error when a provider is made, and a sentence when its configuration is validated."""
    with pytest.raises(ConfigurationError, match=message):
        create_provider(name, config, plugins=plugins())
    valid, said = validate_provider_config(name, config, plugins=plugins())
    assert valid is False
    assert said is not None
    assert message.split("must", maxsplit=1)[0] in said


def test_what_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration that calls could be made with is valid, and nothing is said of it."""
    monkeypatch.delenv("EXAMPLE_API_KEY", raising=False)
    assert validate_provider_config("example", {"level": 9}, plugins=plugins()) == (True, None)
    assert validate_provider_config("sample", plugins=plugins()) == (True, None)


def test_a_key_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration without the key that every call needs is not valid, and the variable is named."""
    monkeypatch.delenv("EXAMPLE_API_KEY", raising=False)
    valid, said = validate_provider_config("example", {"level": 2}, plugins=plugins())
    assert (valid, "EXAMPLE_API_KEY" in str(said)) == (False, True)
    assert validate_provider_config("example", {"level": 2, "api_key": "a-key"}, plugins=plugins())[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "no.such.module:Class"},
        {"target": "example_of_a_plugin:Missing"},
        {"config_target": "no.such.module:Config"},
    ],
)
def test_an_implementation_that_is_not_there(changes: dict[str, str]) -> None:
    """A target that cannot be imported is named, with the provider and its distribution."""
    with pytest.raises(
        PluginLoadError, match=r"provider 'example' of Plugin cannot be imported from .*reinstall it"
    ) as caught:
        create_provider("example", plugins=plugins(**changes))
    assert isinstance(caught.value.__cause__, ImportError | AttributeError)
    if "config_target" in changes:
        assert validate_provider_config("example", plugins=plugins(**changes))[0] is False


def test_without_a_configuration_of_its_own() -> None:
    """A provider that names none has the settings of every HTTP provider."""
    (info,) = list_providers(plugins=plugins(config_target=None))
    assert config_class(info) is HttpConfig


def test_the_installed_plugins_are_the_default() -> None:
    """Without plugins given, those installed are asked."""
    with pytest.raises(UnknownProviderError):
        create_provider("no-such-provider-anywhere")
    assert isinstance(list_providers(), list)
    assert validate_provider_config("no-such-provider-anywhere")[0] is False
