"""Whom a command means: by option, address, environment, settings file, or because nobody else is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from airouter_core.cli.available import Available
from airouter_core.cli.targets import compared_target, current_settings, named_target
from airouter_core.errors import ConfigurationError, ParameterError, UnknownProviderError
from airouter_core.plugins.registry import installed

pytestmark = pytest.mark.skipif(
    not {"llama-cpp", "openai", "openrouter"} <= {info.name for info in installed().providers()},
    reason="chooses among several: pip install airouter-llamacpp airouter-openai airouter-openrouter",
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two clouds: both could be asked."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789")
    monkeypatch.setenv("OPENROUTER_API_KEY", "sk-or-0123456789")


def settings(text: str) -> None:
    Path("airouter.toml").write_text(text)
    current_settings.cache_clear()


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("airouter-toy/airouter-toy", ("llama-cpp", "airouter-toy/airouter-toy")),
        ("llama-cpp/airouter-toy", ("llama-cpp", "airouter-toy")),
        ("gguf/airouter-toy", ("llama-cpp", "airouter-toy")),
        ("some/folder/model.gguf", ("llama-cpp", "some/folder/model.gguf")),
        ("openai/some", ("openai", "some")),
        ("openrouter/openai/some", ("openrouter", "openai/some")),
        ("gpt-5.2", ("openai", "gpt-5.2")),
        ("maker/some", ("openrouter", "maker/some")),
    ],
)
def test_an_address_alone(model: str, target: tuple[str, str]) -> None:
    """The provider before the slash; else who has the model here; else who claims it and has a key."""
    assert named_target(None, model) == target


def test_who_has_no_key_is_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody else claims the model: then the error says how to give a key."""
    monkeypatch.delenv("OPENROUTER_API_KEY")
    assert named_target(None, "maker/some") == ("openrouter", "maker/some")


def test_a_provider_that_is_not_installed_is_not_a_model_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a local provider is the usual one, the error says what to install; a cloud has such names of its own."""
    elsewhere = Available("airouter-elsewhere", "Models elsewhere", ("elsewhere",))
    monkeypatch.setattr("airouter_core.cli.available.available", lambda: (elsewhere,))
    settings('[airouter]\nprovider = "llama-cpp"\n')
    with pytest.raises(ConfigurationError, match=r"comes with airouter-elsewhere.*`airouter install elsewhere`"):
        named_target(None, "elsewhere/some")
    assert named_target(None, "maker/some") == ("llama-cpp", "maker/some")
    settings('[airouter]\nprovider = "openrouter"\n')
    assert named_target(None, "elsewhere/some")[0] == "openrouter"


def test_nobody_claims_it() -> None:
    """No guess; the error names who is there."""
    with pytest.raises(UnknownProviderError, match=r"no provider claims the model 'nonsense' \(there are: .*openai"):
        named_target(None, "nonsense")
    with pytest.raises(UnknownProviderError, match=r"did you mean llama-cpp/some\?.*openrouter/lama-cpp/some"):
        named_target(None, "lama-cpp/some")  # which is no reason to send it away
    with pytest.raises(ParameterError, match="names no model"):
        named_target(None, "openai/")
    with pytest.raises(
        ConfigurationError, match=r"no default model is set: `airouter setup`.*-m PROVIDER/MODEL \(there are: .*openai"
    ):
        named_target(None, None)


def test_an_option_leaves_the_model_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """-p says who; a model of another's address is not torn apart. A usual model goes with its usual provider only."""
    assert named_target("openrouter", "openai/some") == ("openrouter", "openai/some")
    monkeypatch.setenv("AIROUTER_MODEL", "airouter-toy")
    assert named_target("openai", None) == ("openai", "airouter-toy")
    monkeypatch.setenv("AIROUTER_PROVIDER", "gguf")
    assert named_target("openai", None) == ("openai", None)
    assert named_target("llama-cpp", None) == ("llama-cpp", "airouter-toy")


def test_the_usual_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Written together they belong together; a model alone is an address; an address beats the usual provider."""
    settings('[airouter]\nprovider = "openrouter"\nmodel = "openai/some"\n')
    assert named_target(None, None) == ("openrouter", "openai/some")
    assert named_target(None, "maker/other") == ("openrouter", "maker/other")
    assert named_target(None, "llama-cpp/airouter-toy") == ("llama-cpp", "airouter-toy")
    settings('[airouter]\nmodel = "gguf/airouter-toy"\n')
    assert named_target(None, None) == ("llama-cpp", "airouter-toy")
    assert named_target("openai", None) == ("openai", None)
    monkeypatch.setenv("AIROUTER_MODEL", "openai/some")
    assert named_target(None, None) == ("openai", "some")


def test_tables_are_providers_too() -> None:
    """By their own names; what two of them list is nobody's until one is named."""
    settings('[mine]\nprovider = "gguf"\ntimeout = 3\n[nobody]\n')
    assert named_target(None, "mine/airouter-toy") == ("mine", "airouter-toy")
    with pytest.raises(ConfigurationError, match="say which: mine/airouter-toy, llama-cpp/airouter-toy"):
        named_target(None, "airouter-toy")


@pytest.mark.parametrize(
    ("target", "meant"),
    [
        ("openai", ("openai", None)),
        ("openai:some", ("openai", "some")),
        ("openai/some:tag", (None, "openai/some:tag")),
        ("some:tag", (None, "some:tag")),
        ("route:fast", (None, "route:fast")),
    ],
)
def test_what_is_compared(target: str, meant: tuple[str | None, str | None]) -> None:
    """A provider alone, an address, or the older spelling with a colon."""
    assert compared_target(target) == meant
