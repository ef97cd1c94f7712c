"""Stored keys: in a file, and in a keyring."""

from __future__ import annotations

import concurrent.futures
import json
import os
import re
import stat
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import pytest

from airouter_core.config.folders import config_folder
from airouter_core.errors import ConfigurationError
from airouter_core.keys import FileKeyStore, KeyStore, SystemKeyStore, stored_key, stored_names


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
    if request.param == "file":
        return FileKeyStore(str(tmp_path / "new" / "keys.json"))
    return SystemKeyStore(Keyring(), str(tmp_path))


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
    assert sorted(path.name for path in tmp_path.iterdir()) == ["keys.json", "keys.json.lock"]


def test_no_writer_loses_what_another_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads, changes and writes does it alone, among programs and among threads."""
    monkeypatch.setattr("airouter_core.config.writing.PATIENCE", 600)  # the lock goes to whoever comes first
    path = str(tmp_path / "keys.json")
    program = (
        "import sys\n"
        "from airouter_core.config import writing\n"
        "from airouter_core.keys import FileKeyStore\n"
        "writing.PATIENCE = 600\n"
        "for number in range(15): FileKeyStore(sys.argv[1]).set(f'{sys.argv[2]}-{number}', 'sk')\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, path, name]) for name in ("one", "two")]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: FileKeyStore(path).set(f"thread-{number}", "sk"), range(15)))
    assert [writer.wait(600) for writer in writers] == [0, 0]
    assert len(FileKeyStore(path).names()) == 45
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_the_names_in_a_keyring_are_all_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of names, which keyrings do not keep themselves, has one writer at a time."""
    monkeypatch.setattr("airouter_core.config.writing.PATIENCE", 600)  # as above

    class Slow(Keyring):
        def get_password(self, service: str, name: str) -> str | None:
            found = super().get_password(service, name)
            time.sleep(0.001)  # room for another writer, were there one
            return found

    keyring = Slow()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: SystemKeyStore(keyring, str(tmp_path)).set(f"key-{n}", "sk"), range(8)))
    assert len(SystemKeyStore(keyring, str(tmp_path)).names()) == 8


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    """Keys go to the file that the link leads to, also where that is not there yet."""
    target, link = tmp_path / "repository" / "keys.json", tmp_path / "keys.json"
    link.symlink_to(target)
    store = FileKeyStore(str(link))
    store.set("openai", "sk")
    assert link.is_symlink()
    assert json.loads(target.read_text()) == {"openai": "sk"}
    assert store.remove("openai")
    assert link.is_symlink()
    assert target.read_text() == "{}"


def test_a_lock_that_somebody_keeps_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some seconds, with the file to look at; nothing is written past the lock."""
    import filelock

    monkeypatch.setattr("airouter_core.config.writing.PATIENCE", 0.05)
    with (
        filelock.FileLock(tmp_path / "keys.json.lock"),
        pytest.raises(ConfigurationError, match=r"another program has held .*keys\.json\.lock"),
    ):
        FileKeyStore(str(tmp_path / "keys.json")).set("openai", "sk")
    assert not (tmp_path / "keys.json").exists()


def test_a_deeply_nested_file_is_told(tmp_path: Path) -> None:
    """As damaged, not as a RecursionError."""
    path = tmp_path / "keys.json"
    path.write_text("[" * 100_000)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="is not valid JSON"):
        FileKeyStore(str(path)).names()


def test_the_users_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """XDG_CONFIG_HOME before all; a folder that was in use stays in use; else where the system has it."""
    import platformdirs

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    # On Linux the library's answer is known without loading it.
    assert config_folder({}) == platformdirs.user_config_dir("airouter", appauthor=False, roaming=True)
    monkeypatch.setattr(platformdirs, "user_config_dir", lambda *_, **__: "the system's")
    assert config_folder({"XDG_CONFIG_HOME": str(tmp_path / "x")}) == str(tmp_path / "x" / "airouter")
    assert config_folder({"XDG_CONFIG_HOME": "relative", "ANDROID_ROOT": "/system"}) == "the system's"
    (tmp_path / ".config" / "airouter").mkdir(parents=True)
    assert config_folder({}) == str(tmp_path / ".config" / "airouter")


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


def test_a_keyring_is_asked_only_for_what_it_has(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Finding a keyring takes longer than many a call: without a key in it, it is not looked for."""
    environ = {"XDG_CONFIG_HOME": str(tmp_path)}
    monkeypatch.setattr("airouter_core.keys._system_keyring", lambda environ: pytest.fail("it was looked for"))
    assert stored_key(["openai", "gpt"], environ) is None
    assert stored_names(environ) == set()
    store = SystemKeyStore(Keyring(), str(tmp_path / "airouter"))
    store.set("gpt", "sk-in-the-keyring")
    monkeypatch.setattr("airouter_core.keys._system_keyring", lambda environ: store)
    assert stored_key(["openai", "gpt"], environ) == "sk-in-the-keyring"
    assert stored_key(["openai"], environ) is None
    assert stored_names(environ) == {"gpt"}


def test_names_of_keys_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    """The file is named, and no key is taken for missing."""
    (tmp_path / "airouter").mkdir()
    index = tmp_path / "airouter" / "keyring.json"
    index.write_text("{")
    with pytest.raises(ConfigurationError, match=re.escape(str(index))):
        stored_key(["openai"], {"XDG_CONFIG_HOME": str(tmp_path)})
