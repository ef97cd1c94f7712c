"""What the distributions say of each other: one version, and lists that name all of them."""

from __future__ import annotations

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PLUGINS = {path.parent.name for path in ROOT.glob("plugins/*/pyproject.toml")}
NOT_IN_ALL = {"airouter-otel"}
"""Whoever exports traces chooses that with the exporter; all others get a layer for nothing."""

pytestmark = pytest.mark.skipif(not PLUGINS, reason="the plugins are not beside these tests: this is no checkout")


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The tool of releases, over a copy of what holds the versions."""
    spec = importlib.util.spec_from_file_location("release", ROOT / "tools" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    for name in PLUGINS:
        (tmp_path / name).mkdir()
        shutil.copy(ROOT / "plugins" / name / "pyproject.toml", tmp_path / name)
    monkeypatch.setattr(tool, "PLUGINS", sorted(tmp_path / name for name in PLUGINS))
    monkeypatch.setattr(tool, "CORE", Path(shutil.copy(ROOT / "airouter_core" / "version.py", tmp_path)))
    return tool


def test_versions_move_together(release: ModuleType) -> None:
    """All distributions say the same version, and one command changes it in all of them, and nothing else."""
    assert len(set(release.versions().values())) == 1
    assert release.versions().keys() == {"airouter-core", *PLUGINS}
    before = {path: path.read_text() for path in [release.CORE, *(p / "pyproject.toml" for p in release.PLUGINS)]}
    old = release.versions()["airouter-core"]
    release.set_version("12.3.4rc1")
    assert set(release.versions().values()) == {"12.3.4rc1"}
    for path, text in before.items():
        assert path.read_text().replace('"12.3.4rc1"', f'"{old}"') == text


@pytest.mark.parametrize("wrong", ["1.2", "v1.2.3", "1.2.3-beta", "", '1.2.3"\nname = "x'])
def test_a_version_that_is_none_changes_nothing(release: ModuleType, wrong: str) -> None:
    """It is refused with the way to write it."""
    before = release.versions()
    with pytest.raises(SystemExit, match=re.escape("write it as 1.2.3")):
        release.set_version(wrong)
    assert release.versions() == before


def test_lists_of_distributions_are_whole(project: dict[str, dict[str, dict[str, object]]]) -> None:
    """The extra `all`, the workspace of uv and the README's table name every distribution."""
    extras, readme = project["project"]["optional-dependencies"], (ROOT / "README.md").read_text(encoding="utf-8")
    in_all = {re.split(r"[\[<>=]", str(line))[0] for line in extras["all"]}
    assert in_all == (PLUGINS | {"airouter-core"}) - NOT_IN_ALL
    assert project["tool"]["uv"]["sources"].keys() == PLUGINS | {"airouter-core"}
    assert set(re.findall(r"'\./plugins/([\w-]+)['\[]", readme)) == PLUGINS
