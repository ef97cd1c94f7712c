"""Stored keys: in a file, and in a keyring."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ConfigurationError
from airouter_core.keys import FileKeyStore, KeyStore, SystemKeyStore


class Keyring(types.ModuleType):
    """A keyring that lives in memory, with the functions of the package."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}

    def get_keyring(self) -> Any:
        return types.SimpleNamespace(name="memory")

    def get_password(self, service: str, name: str) -> str | None:
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, key: str) -> None:
        self.kept[service, name] = key

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture(params=["file", "keyring"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    """An empty store of each kind."""
    return FileKeyStore(str(tmp_path / "new" / "keys.json")) if request.param == "file" else SystemKeyStore(Keyring())


def test_keys_are_kept_by_name(store: KeyStore) -> None:
    """Stored, replaced, listed, forgotten."""
    assert store.names() == []
    assert store.get("openai") is None
    store.set("openai", "sk-first")
    store.set("claude", "sk-ant")
    store.set("openai", "sk-second")
    assert store.get("openai") == "sk-second"
    assert store.names() == ["claude", "openai"]
    assert store.remove("openai")
    assert not store.remove("openai")
    assert store.names() == ["claude"]


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"openai": 3}'])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    """With its path."""
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=r"keys\.json"):
        FileKeyStore(str(path)).names()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """And nothing half-written is left."""
    (tmp_path / "keys.json").mkdir()
    with pytest.raises(ConfigurationError, match="cannot"):
        FileKeyStore(str(tmp_path / "keys.json" / "inner" / "..")).set("a", "sk")
    assert [path.name for path in tmp_path.iterdir()] == ["keys.json"]


def test_the_keyring_comes_before_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Unless a file is named, or there is no keyring that works."""

    class Fail:
        pass

    keyring = Keyring()
    fail = types.ModuleType("keyring.backends.fail")
    fail.Keyring = Fail  # type: ignore[attr-defined]  # made up here
    backends = types.ModuleType("keyring.backends")
    backends.fail = fail  # type: ignore[attr-defined]  # as above
    for module in (keyring, backends, fail):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    assert isinstance(KeyStore.default({"XDG_CONFIG_HOME": str(tmp_path)}), SystemKeyStore)
    assert isinstance(KeyStore.default({"AIROUTER_KEYS_FILE": str(tmp_path / "k")}), FileKeyStore)
    monkeypatch.setattr(keyring, "get_keyring", Fail)
    store = KeyStore.default({"XDG_CONFIG_HOME": str(tmp_path)})
    assert store.place == str(tmp_path / "airouter" / "keys.json")
