"""Plugins are found by their entry points, once, and some may be disabled."""

from __future__ import annotations

import pathlib
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import PathFinder
from typing import Any

import importlib_metadata
import pytest

from airouter_core.errors import UnknownProviderError
from airouter_core.plugins import finding
from airouter_core.plugins.finding import PluginSource
from airouter_core.plugins.registry import Plugins, installed

Install = Callable[..., pathlib.Path]


@pytest.fixture(params=["folders", "library"])
def install(request: pytest.FixtureRequest, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Lay a distribution beside others on the path, which holds nothing else; found in each of the two ways."""
    monkeypatch.setattr(sys, "path", [str(tmp_path / "first"), str(tmp_path / "second"), *sys.path])
    monkeypatch.setattr(finding, "only_plain_folders", lambda: request.param == "folders")
    known = {source.distribution for source in finding.read_by_library()}

    def ours_alone(read: Callable[[], Iterable[PluginSource]]) -> Callable[[], list[PluginSource]]:
        return lambda: [source for source in read() if source.distribution not in known]

    monkeypatch.setattr(finding, "read_from_folders", ours_alone(finding.read_from_folders))
    monkeypatch.setattr(finding, "read_by_library", ours_alone(finding.read_by_library))

    def laid(
        name: str, entry_points: str | None, *, version: str = "1.0", folder: str = "first", ending: str = "dist-info"
    ) -> pathlib.Path:
        metadata = tmp_path / folder / f"{name.replace('-', '_')}-{version}.{ending}"
        metadata.mkdir(parents=True)
        file = "METADATA" if ending == "dist-info" else "PKG-INFO"
        (metadata / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n\nName: x\n")
        if entry_points is not None:
            (metadata / "entry_points.txt").write_text(entry_points)
        return metadata

    return laid


@pytest.fixture
def kept(install: Install, tmp_path: pathlib.Path) -> Iterator[None]:
    """A plugin beside the one that a test is about."""
    install("airouter-kept", "[airouter]\nkept = kept_for_a_test\n")
    (tmp_path / "first" / "kept_for_a_test.py").write_text(
        "from airouter_core import hookimpl\n@hookimpl\ndef airouter_call_started(call): ...\n"
    )
    yield
    sys.modules.pop("kept_for_a_test", None)


def found() -> list[tuple[str, str, str | None, str]]:
    return [
        (source.name, source.distribution, source.version, source.target) for source, _ in finding.installed_plugins()
    ]


def test_what_is_installed_is_found(install: Install) -> None:
    """Each entry point of the group, with its distribution as pip names it; other groups and comments are not ours."""
    text = (
        "[console_scripts]\nother = other:main\n\n"
        "[airouter]\n# good = bad.plugin\ngood = good.plugin\n  two=good.more : thing.inner [extra]\n"
        "\n[airouter.x]\nno = no\n"
    )
    install("Airouter-Good", text)
    install("older", "[airouter]\nold = old.plugin\n", ending="egg-info")
    install("without", None)
    assert found() == [
        ("good", "Airouter-Good", "1.0", "good.plugin"),
        ("two", "Airouter-Good", "1.0", "good.more : thing.inner [extra]"),
        ("old", "older", "1.0", "old.plugin"),
    ]


def test_the_first_of_two_on_the_path_counts(install: Install) -> None:
    """A checkout beside its installed metadata, also where the first has lost its entry points."""
    install("airouter-twice", "[airouter]\ngood = new.plugin\n", version="2.0")
    install("Airouter_Twice", "[airouter]\ngood = old.plugin\n", folder="second")
    install("airouter-lost", None)
    install("airouter-lost", "[airouter]\nlost = lost.plugin\n", version="0.1", folder="second")
    assert found() == [("good", "airouter-twice", "2.0", "new.plugin")]


def test_what_an_entry_point_names_is_loaded(install: Install, tmp_path: pathlib.Path) -> None:
    """A module, or an object in one; one that fails is a problem, and the others go on."""
    code = (
        "from airouter_core import ProviderInfo, hookimpl\n"
        "class Plugin:\n"
        "    @hookimpl\n"
        "    def airouter_providers(self): return [ProviderInfo(name='laid', target='m:C')]\n"
        "class Holder: plugin = Plugin()\n"
    )
    install("airouter-laid", "[airouter]\nlaid = laid_out_for_a_test:Holder.plugin [x]\nbad = not_there_at_all\n")
    (tmp_path / "first" / "laid_out_for_a_test.py").write_text(code)
    plugins = Plugins.discover({})
    assert [known.name for known in plugins.providers()] == ["laid"]
    assert plugins.provider("laid").distribution == "airouter-laid"
    assert ["ModuleNotFoundError" in problem.message for problem in plugins.problems] == [True]
    sys.modules.pop("laid_out_for_a_test")


@pytest.mark.parametrize("value", ["airouter-good", "good", " Airouter_Good , other", "bad,airouter.good"])
@pytest.mark.usefixtures("kept")
def test_plugins_are_disabled_by_the_environment(install: Install, value: str) -> None:
    """``AIROUTER_DISABLED_PLUGINS`` names distributions or entry points: not loaded, nor said to be missing."""
    install("airouter-good", "[airouter]\ngood = not_there_at_all\n")
    plugins = Plugins.discover({"AIROUTER_DISABLED_PLUGINS": value})
    assert plugins.problems == ()
    assert [source.name for source in plugins.sources] == ["kept"]
    with pytest.raises(UnknownProviderError, match="is disabled: take airouter-good out of the variable"):
        plugins.plus().provider("good")


@pytest.mark.usefixtures("kept")
def test_an_empty_variable_disables_nothing() -> None:
    """Blanks and commas name nobody."""
    assert len(Plugins.discover({"AIROUTER_DISABLED_PLUGINS": " , "}).sources) == 1


def test_both_ways_of_reading_agree_here() -> None:
    """What is read from plain folders is what ``importlib_metadata`` finds in this environment."""
    read = [*finding.read_from_folders()]
    assert read
    assert sorted(read, key=repr) == sorted(finding.read_by_library(), key=repr)


def test_what_is_not_in_plain_folders_is_asked_of_the_library(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A zip file on the path, an egg, or a finder of somebody's own."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "nowhere")])
    finders = [PathFinder, importlib_metadata.MetadataPathFinder()]
    monkeypatch.setattr(sys, "meta_path", finders)
    assert finding.only_plain_folders()
    with zipfile.ZipFile(tmp_path / "packed.zip", "w") as archive:
        archive.writestr("packed-1.0.dist-info/METADATA", "Name: packed\nVersion: 1.0\n")
        archive.writestr("packed-1.0.dist-info/entry_points.txt", "[airouter]\npacked = packed.plugin\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "packed.zip")])
    assert not finding.only_plain_folders()
    assert found() == [("packed", "packed", "1.0", "packed.plugin")]
    monkeypatch.setattr(sys, "path", [str(tmp_path / "some.egg")])
    assert not finding.only_plain_folders()

    class Finder:
        def find_distributions(self, context: Any) -> Any: ...

    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(sys, "meta_path", [*finders, Finder()])
    assert not finding.only_plain_folders()


def test_the_installed_plugins_are_discovered_once() -> None:
    """What is installed is looked for once in a process."""
    assert installed() is installed()
