"""Where the server is, and who gets a key."""

from __future__ import annotations

from typing import Any

import pytest

from airouter_core.config.loading import load_config
from airouter_core.errors import ConfigurationError
from airouter_ollama.config import OllamaConfig
from airouter_ollama.wire import headers_of

SPELLINGS = {
    "": "http://127.0.0.1:11434",
    "localhost": "http://localhost:11434",
    "box": "http://box:11434",
    "box:8080": "http://box:8080",
    ":11435": "http://127.0.0.1:11435",
    "0.0.0.0": "http://127.0.0.1:11434",
    "0.0.0.0:11435": "http://127.0.0.1:11435",
    "http://0.0.0.0:11435/": "http://127.0.0.1:11435",
    "::": "http://[::1]:11434",
    "::1": "http://[::1]:11434",
    "[::1]": "http://[::1]:11434",
    "[::]:11435": "http://[::1]:11435",
    "[fe80::1]:8080": "http://[fe80::1]:8080",
    "http://box": "http://box",
    "http://box:11434": "http://box:11434",
    "https://box": "https://box",
    "https://box:11434": "https://box:11434",
    "HTTPS://box": "https://box",
    "https://box/ollama/": "https://box/ollama",
    "box/ollama": "http://box:11434/ollama",
    "ollama.com": "https://ollama.com",
    "https://ollama.com/api": "https://ollama.com",
    "http://localhost:11434/v1": "http://localhost:11434",
    '  "box:1"  ': "http://box:1",
    "'box'": "http://box:11434",
}


def config(values: dict[str, Any] | None = None, **environ: str) -> OllamaConfig:
    """A configuration from a mapping and an environment."""
    return load_config(OllamaConfig, values, provider="ollama", environ=environ)


@pytest.mark.parametrize(("spelling", "address"), SPELLINGS.items())
def test_every_spelling_of_the_host(spelling: str, address: str) -> None:
    """The variable and the setting take the same spellings, and an address stays what it is."""
    assert config({"base_url": spelling}).base_url == address
    assert config(OLLAMA_HOST=spelling).base_url == address
    assert config({"base_url": address}).base_url == address


def test_the_setting_wins_over_the_variable() -> None:
    """What is said in the program is meant."""
    assert config({"base_url": "box"}, OLLAMA_HOST="other").base_url == "http://box:11434"


@pytest.mark.parametrize("spelling", ["box:99999", "box:0", "box:port", "ftp://box", "http://user:secret@box"])
def test_what_is_no_address(spelling: str) -> None:
    """A wrong address is a configuration error that shows no password."""
    with pytest.raises(ConfigurationError) as caught:
        config({"base_url": spelling})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        ("https://ollama.com", True),
        ("ollama.com", True),
        ("https://eu.ollama.com", True),
        ("http://ollama.com", False),
        ("https://ollama.com.evil.example", False),
        ("https://evilollama.com", False),
        ("http://localhost:11434", False),
        ("https://box", False),
    ],
)
def test_a_key_from_the_environment_goes_to_the_cloud_alone(host: str, sent: bool) -> None:
    """OLLAMA_API_KEY is a key of Ollama's own service; another server gets only a key that is meant for it."""
    found = config({"base_url": host}, OLLAMA_API_KEY="key-of-the-cloud")
    assert headers_of(found) == ({"Authorization": "Bearer key-of-the-cloud"} if sent else {})
    assert "key-of-the-cloud" in found.secrets
    assert "key-of-the-cloud" not in repr(found)
    given = config({"base_url": host, "api_key": "key-for-this-one"}, OLLAMA_API_KEY="key-of-the-cloud")
    assert headers_of(given) == {"Authorization": "Bearer key-for-this-one"}


@pytest.mark.parametrize(
    "values",
    [{"context": "large"}, {"context": 0}, {"keep_alive": "30"}, {"on_truncation": "no"}, {"base_ulr": "box"}],
)
def test_wrong_settings(values: dict[str, Any]) -> None:
    """A wrong setting is told of when the provider is made."""
    with pytest.raises(ConfigurationError, match=r"ollama: .*(context|keep_alive|on_truncation|base_url)"):
        config(values)
