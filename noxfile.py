"""What `make test` does not: each distribution alone, wheels in bare environments, several versions of Python.

nox                       everything, on the Python that runs nox
nox -s plugin_alone       one plugin beside the core, nothing else
nox -s wheels             built wheels, installed into a bare environment
nox -s tests -p 3.13      the tests on another Python
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["core_alone", "plugin_alone", "wheels"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
ENGINE = "airouter-llamacpp"

ASK = """
from airouter_core import create_provider
with create_provider("llama-cpp", {"models_dir": "models"}) as provider:
    answer = provider.execute("airouter-toy", "What is airouter?", parameters={"temperature": 0})
    assert "Python library" in answer, answer
    print(answer)
"""


def _requirement(plugin: Path) -> str:
    return f"{plugin}[embedded]" if plugin.name == ENGINE else str(plugin)


@nox.session
def core_alone(session: nox.Session) -> None:
    """The core without any plugin: what it needs, and its own tests."""
    session.install(".[async,cli,structured,testing]", "--group", "test")
    session.run("python", "-c", "import airouter_core; assert airouter_core.list_providers() == []")
    session.run("pytest", "tests", "--ignore=tests/e2e", *session.posargs)


@nox.session
@nox.parametrize("plugin", [nox.param(plugin, id=plugin.name) for plugin in PLUGINS])
def plugin_alone(session: nox.Session, plugin: Path) -> None:
    """One plugin beside the core: it needs no other."""
    session.install(".[async,cli,structured,testing]", _requirement(plugin), "--group", "test")
    session.run("python", "-c", "import airouter_core; assert len(airouter_core.list_providers()) == 1")
    session.run("pytest", str(plugin / "tests"), *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Everything together."""
    session.install(".[async,cli,structured,testing]", *map(_requirement, PLUGINS), "--group", "test")
    session.run("pytest", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build every distribution; install the wheels into a bare environment; ask a real model."""
    session.install("build==1.3.0")
    with tempfile.TemporaryDirectory() as folder:
        for project in (ROOT, *PLUGINS):
            session.run("python", "-m", "build", "--outdir", folder, str(project), silent=True)
        bare = Path(folder) / "bare"
        session.run("python", "-m", "venv", str(bare), silent=True)
        pip = [str(bare / "bin" / "python"), "-m", "pip", "install", "--quiet", "--find-links", folder]
        found = sorted(Path(folder).glob("*.whl"))
        session.run(*pip, *map(str, found), f"{ENGINE}[embedded]", external=True)
        session.run(str(bare / "bin" / "python"), "-c", ASK, external=True)
    shutil.rmtree(ROOT / "build", ignore_errors=True)
