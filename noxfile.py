"""What `make test` does not: each distribution alone, wheels in bare environments, several versions of Python.

nox                       everything, on the Python that runs nox
nox -s plugin_alone       one plugin beside the core, nothing else
nox -s wheels             built wheels, installed into a bare environment
nox -s release            build everything, and try it as tests/release says, on each Python that is here
nox -s beside_peers       all of ours beside each library that people have already; pip finds no conflict
nox -s tests -p 3.13      the tests on another Python
nox -s lowest             the tests with the oldest versions of everything that is needed
nox -s mutation           small changes of the code, and whether the tests notice (-- --size 300 --seed 7)
"""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from pathlib import Path
from typing import Any

import nox

nox.options.sessions = ["core_alone", "plugin_alone", "wheels"]
nox.options.reuse_existing_virtualenvs = True

ROOT = Path(__file__).parent
PLUGINS = sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))
ENGINE = "airouter-llamacpp"

PEERS = (
    "openai",
    "anthropic",
    "ollama",
    "litellm",
    "llm",
    "any-llm-sdk",
    "langchain-openai",
    "pydantic-ai-slim[openai]",
)
"""What people have in the same environment; by the names of the package index."""

ASK = """
from airouter_core import create_provider
with create_provider("llama-cpp", {"models_dir": "models"}) as provider:
    answer = provider.execute("airouter-toy", "What is airouter?", parameters={"temperature": 0})
    assert "Python library" in answer, answer
    print(answer)
"""

SOUND = """
from airouter_core.plugins.registry import installed
assert not installed().problems, installed().problems
"""


def _requirement(plugin: Path) -> str:
    return f"{plugin}[embedded]" if plugin.name == ENGINE else str(plugin)


def _described(plugin: Path) -> dict[str, Any]:
    return tomllib.loads((plugin / "pyproject.toml").read_text(encoding="utf-8"))


def _tested(*plugins: Path) -> list[str]:
    """What the tests of these plugins need besides, as pip takes it."""
    have = [plugin for plugin in plugins if "test" in _described(plugin).get("dependency-groups", {})]
    return [word for plugin in have for word in ("--group", f"{plugin}/pyproject.toml:test")]


def _beside(plugin: Path) -> list[Path]:
    """The other distributions of this repository that a plugin needs; no index has them yet."""
    needed = _described(plugin)["project"].get("dependencies", [])
    return [other for other in PLUGINS if any(line.startswith(f"{other.name}>") for line in needed)]


@nox.session
def core_alone(session: nox.Session) -> None:
    """The core without any plugin: what it needs, and its own tests."""
    session.install(".[async,cli,testing]", "--group", "test")
    session.run("python", "-c", "import airouter_core; assert airouter_core.list_providers() == []")
    session.run("pytest", "tests", "--ignore=tests/e2e", *session.posargs)


@nox.session
@nox.parametrize("plugin", [nox.param(plugin, id=plugin.name) for plugin in PLUGINS])
def plugin_alone(session: nox.Session, plugin: Path) -> None:
    """One plugin beside the core, and whatever it says that it needs."""
    needed = map(_requirement, (plugin, *_beside(plugin)))
    session.install(".[async,cli,testing]", *needed, "--group", "test", *_tested(plugin))
    session.run("python", "-c", SOUND)
    session.run("pytest", str(plugin / "tests"), *session.posargs)


@nox.session(python=["3.11", "3.12", "3.13", "3.14"])
def tests(session: nox.Session) -> None:
    """Everything together."""
    more = ("--group", "test", *_tested(*PLUGINS))
    session.install(".[async,cli,testing]", *map(_requirement, PLUGINS), *more)
    session.run("pytest", *session.posargs)


@nox.session
def lowest(session: nox.Session) -> None:
    """Everything together, with what is needed at its lower bounds: pip knows only the newest."""
    session.install("uv==0.13.9")
    oldest = ("uv", "pip", "install", "--quiet", "--python", str(Path(session.bin) / "python"))
    needed = [".[async,cli,testing]", *map(_requirement, PLUGINS), "examples/airouter-echo"]
    session.run(*oldest, "--resolution", "lowest-direct", *needed, "--group", "test")
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


@nox.session
def mutation(session: nox.Session) -> None:
    """A seeded sample of small changes over core and plugins, of which the tests must notice 93 %."""
    needed = (*map(_requirement, PLUGINS), "examples/airouter-echo", "--group", "test", *_tested(*PLUGINS))
    session.install("cosmic-ray==8.7.0", "grimp==3.20", ".[async,cli,testing]", *needed)
    session.run("python", "tools/mutation.py", *session.posargs)


@nox.session
def release(session: nox.Session) -> None:
    """The distributions as they are published: contents, subsets, the README on each Python."""
    session.install(".[testing]", "--group", "release")
    session.run("pytest", "-m", "release", "tests/release", *session.posargs)


@nox.session
@nox.parametrize("peer", [nox.param(peer, id=peer.partition("[")[0]) for peer in PEERS])
def beside_peers(session: nox.Session, peer: str) -> None:
    """All our distributions beside one other library, resolved together, both imported, nothing in conflict."""
    session.install(peer, ".[async,cli]", *map(_requirement, PLUGINS))
    session.run("python", "-m", "pip", "check")
    session.run("python", "-c", SOUND)
    session.run("python", "-c", ASK)
