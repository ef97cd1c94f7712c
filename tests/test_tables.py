"""Tables of a settings file that are plugins' own."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

import pytest

from airouter_core import ProviderInfo, ProviderManager, SettingsTable, hookimpl
from airouter_core.config.files import read_settings
from airouter_core.config.folders import settings_in_force
from airouter_core.config.trust import trust
from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import Plugins
from airouter_core.plugins.tables import own_settings, require_known

TEXT = """
[ledger]
path = "${PLACE}/calls.db"
[budgets.month]
limit = 10
[budgets.day]
limit = 1
"""


class Ledger:
    """A plugin that is no provider."""

    @hookimpl
    def airouter_tables(self) -> Iterable[SettingsTable]:
        return [SettingsTable(name="ledger"), SettingsTable(name="budgets"), SettingsTable(name="notes", harmless=True)]


class Cloud:
    """A provider."""

    @hookimpl
    def airouter_providers(self) -> Iterable[ProviderInfo]:
        return [ProviderInfo(name="cloud", aliases=("sky",), target="nowhere:Nothing")]


PLUGINS = Plugins.of(Ledger(), Cloud())


def test_a_plugin_reads_its_own_tables(tmp_path: pathlib.Path) -> None:
    """Plain values, tables within it too, with references looked up; nothing where the file does not name it."""
    path = tmp_path / "a.toml"
    path.write_text(TEXT)
    file = read_settings(path)

    def read(name: str) -> dict[str, Any]:
        return own_settings(name, settings=file, plugins=PLUGINS, environ={"PLACE": "/data"})

    assert read("ledger") == {"path": "/data/calls.db"}
    assert read("budgets") == {"month": {"limit": 10}, "day": {"limit": 1}}
    assert read("notes") == {}
    with pytest.raises(ConfigurationError, match=r"no plugin declares the table \[cloud\]"):
        read("cloud")


def test_the_file_in_force_must_be_trusted(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's file sets no budget; a table that its plugin calls harmless counts."""
    monkeypatch.chdir(tmp_path)
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "own")}
    assert own_settings("budgets", plugins=PLUGINS, environ=environ) == {}
    (tmp_path / "airouter.toml").write_text(f"{TEXT}[notes]\ncolour = 'red'\n")
    with pytest.raises(ConfigurationError, match=r"\[budgets\] sets month, day, which counts once you trust"):
        own_settings("budgets", plugins=PLUGINS, environ=environ)
    assert own_settings("notes", plugins=PLUGINS, environ=environ) == {"colour": "red"}
    trust("airouter.toml", environ)
    assert own_settings("budgets", plugins=PLUGINS, environ=environ)["day"] == {"limit": 1}
    assert settings_in_force(environ) is not None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[ledgr]", r"\[ledgr\] is the table of no provider and of no plugin here; did you mean 'ledger'\?"),
        ("[cluod]", "did you mean 'cloud'"),
        ("[routes.fast]", "pip install airouter-routes might bring it"),
    ],
)
def test_a_table_that_is_nobodys(tmp_path: pathlib.Path, text: str, said: str) -> None:
    """It is not passed over: the error says which may be meant."""
    path = tmp_path / "a.toml"
    path.write_text(text)
    file = read_settings(path)
    with pytest.raises(ConfigurationError, match=said):
        require_known(file, next(iter(file.tables)), PLUGINS)
    with pytest.raises(ConfigurationError, match=said):
        ProviderManager.from_config(path, plugins=PLUGINS)


def test_tables_of_plugins_are_no_providers(tmp_path: pathlib.Path) -> None:
    """A manager makes none of them; names, aliases and names of one's own are known."""
    path = tmp_path / "a.toml"
    path.write_text("[ledger]\npath = 'x'\n")
    with ProviderManager.from_config(path, plugins=PLUGINS) as manager:
        assert manager.names == ()
    path.write_text("[cloud]\n[sky]\n[mine]\nprovider = 'cloud'\n")
    file = read_settings(path)
    for name in file.tables:
        require_known(file, name, PLUGINS)


def test_what_is_no_table_is_a_problem_of_its_plugin() -> None:
    """The others go on."""

    class Broken:
        @hookimpl
        def airouter_tables(self) -> Any:
            raise RuntimeError("no luck")

    class Wrong:
        @hookimpl
        def airouter_tables(self) -> Any:
            return ["ledger"]

    plugins = Plugins.of(Broken(), Wrong(), Ledger())
    assert {name: table.distribution for name, table in plugins.tables().items()} == {
        "ledger": "Ledger",
        "budgets": "Ledger",
        "notes": "Ledger",
    }
    plugins.tables()
    assert [problem.source.name for problem in plugins.problems] == ["Broken", "Wrong"]
