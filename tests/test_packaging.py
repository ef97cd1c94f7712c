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


WORKFLOWS = sorted(ROOT.glob(".github/workflows/*.y*ml"))


def test_no_workflow_runs_what_others_can_change() -> None:
    """An action is named by its commit, with the version that it is, and no workflow may do more than its jobs say."""
    assert WORKFLOWS
    for path in WORKFLOWS:
        text = path.read_text(encoding="utf-8")
        used = re.findall(r"^\s*-?\s*uses:\s*(.+)$", text, re.MULTILINE)
        assert used
        assert not [one for one in used if re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one) is None], path
        assert "permissions: {}" in text.partition("jobs:")[0], path
        assert "pull_request_target" not in text, path


def test_nobody_holds_a_token_that_could_publish() -> None:
    """The index trusts one job, which builds nothing and in which nothing of this repository runs."""
    text = (ROOT / ".github" / "workflows" / "release.yml").read_text(encoding="utf-8")
    assert not re.search(r"secrets\.|password:|user:|API_TOKEN|TWINE", text)
    build, publish = text.partition("\n  publish:")[::2]
    assert "id-token" not in build
    assert "id-token: write" in publish
    assert "environment: release" in publish
    assert "needs: build" in publish
    assert not re.search(r"actions/checkout|setup-python|\bmake\b|\bpip\b", publish)
    assert "sha256sum --check" in publish
    assert "persist-credentials: false" in build


def test_no_distribution_brings_what_runs_by_itself() -> None:
    """A ``.pth`` file, or a ``sitecustomize``, is run by every start of Python: how a poisoned release was at work."""
    folders = [ROOT / "airouter_core", *(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    files = [path for folder in folders for path in folder.rglob("*")]
    assert files
    assert not [path for path in files if path.suffix == ".pth" or path.stem in ("sitecustomize", "usercustomize")]
    for path in (ROOT / "pyproject.toml", *ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))
        built = project.get("tool", {}).get("hatch", {}).get("build", {})
        assert not [name for name in ("hooks", "force-include") if name in str(built)], path
