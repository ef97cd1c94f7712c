"""What is tried before a release: minutes of building and installing, so only when it is asked for."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROJECTS = (ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml")))
BUILT = "AIROUTER_DIST"
"""Names a folder with built distributions, to try those."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "release: builds and installs distributions; only with -m release, or by path")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave these tests out unless somebody asked for them."""
    asked = "release" in config.getoption("markexpr") or any(HERE.name in argument for argument in config.args)
    if asked:
        return
    ours = [item for item in items if HERE in item.path.parents]
    items[:] = [item for item in items if HERE not in item.path.parents]
    config.hook.pytest_deselected(items=ours)


@attrs.frozen
class Environment:
    """A fresh virtual environment."""

    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def command(self, name: str) -> Path:
        return self.python.parent / name

    def run(self, *arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run this environment's Python, far from the checkout unless told where."""
        kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        return subprocess.run(
            [str(self.python), *map(str, arguments)],
            cwd=cwd or self.folder,
            env={**kept, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=600,
        )

    def install(self, *requirements: object, **options: str) -> None:
        result = self.run("-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements, **options)
        assert result.returncode == 0, result.stderr


@pytest.fixture(scope="session")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of every distribution; each wheel was made from the sdist."""
    if given := os.environ.get(BUILT):
        return Path(given).resolve()
    pytest.importorskip("build", reason="builds distributions: pip install build")
    folder = tmp_path_factory.mktemp("dist")
    for project in PROJECTS:
        command = [sys.executable, "-m", "build", "--outdir", str(folder), str(project)]
        result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
        assert result.returncode == 0, result.stdout + result.stderr
    return folder


def _made(folder: Path, python: str | None = None) -> Environment:
    if python is None:
        venv.create(folder, with_pip=True)
    else:
        subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True, timeout=120)
    return Environment(folder)


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Environment]:
    """Makes virtual environments, of this Python unless told of another."""

    def make(requirements: Iterable[object] = (), python: str | None = None) -> Environment:
        made = _made(tmp_path / f"environment-{len(list(tmp_path.iterdir()))}", python)
        if wanted := list(requirements):
            made.install(*wanted)
        return made

    return make


@pytest.fixture(scope="session")
def newcomer(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """All of ours, with the command line and without an engine."""
    made = _made(tmp_path_factory.mktemp("newcomer") / "environment")
    made.install("--find-links", dist, *sorted(dist.glob("*.whl")), "airouter-core[cli]")
    return made
