"""An environment of its own for airouter and for each peer, made on demand and kept in a cache folder.

airouter is measured as users get it, installed from wheels of this checkout: an editable install pays for each of its
folders at every import.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable

import attrs

REPOSITORY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
CACHE = "AIROUTER_BENCHMARK_CACHE"
"""Environment variable that names the cache folder; ``.cache/benchmarks`` in the repository without it."""
DISTRIBUTIONS = (
    ".",
    "plugins/airouter-llamacpp",
    "plugins/airouter-ollama",
    "plugins/airouter-openai",
    "plugins/airouter-claude",
    "plugins/airouter-openrouter",
)
PEERS = {
    "openai": "openai",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "litellm": "litellm",
    "litellm-proxy": "litellm[proxy]",
}
"""What can be measured beside airouter, and what is installed for it."""


class NotAvailableError(Exception):
    """Something cannot be measured here; the message says why."""


@attrs.frozen
class Installed:
    """What an installation takes."""

    distributions: int
    megabytes: float


def cache_folder() -> str:
    """Where environments and the stub are kept."""
    folder = os.environ.get(CACHE) or os.path.join(REPOSITORY, ".cache", "benchmarks")
    os.makedirs(folder, exist_ok=True)
    return folder


def airouter_python() -> str:
    """The interpreter of an environment with this checkout's core, its extras and all plugins."""
    python = _environment("airouter")
    wheels = _wheels()
    core, *plugins = wheels
    fingerprint = _fingerprint(wheels)
    note = os.path.join(os.path.dirname(python), "installed")
    if os.path.exists(note):
        with open(note) as file:
            if file.read() == fingerprint:
                return python
        _pip(python, "install", "--quiet", "--no-deps", "--force-reinstall", *wheels)
    else:
        _pip(python, "install", "--quiet", f"{core}[async,cli]", *plugins)
    with open(note, "w") as file:
        file.write(fingerprint)
    return python


def peer_python(name: str) -> str:
    """The interpreter of an environment with one peer.

    Raises:
        NotAvailableError: it cannot be installed; without a network, for example.
    """
    if name not in PEERS:
        raise NotAvailableError(f"no peer is called {name!r}; there are {', '.join(PEERS)}")
    python = _environment(name)
    note = os.path.join(os.path.dirname(python), "installed")
    if not os.path.exists(note):
        _pip(python, "install", "--quiet", PEERS[name])
        with open(note, "w") as file:
            file.write(PEERS[name])
    return python


def version_of(python: str, distribution: str) -> str:
    """The version that is installed in an environment."""
    code = f"import importlib.metadata as m; print(m.version({distribution!r}))"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def install_size(requirements: Iterable[str]) -> Installed:
    """What installing this takes in an empty environment, without byte code.

    Raises:
        NotAvailableError: it cannot be installed here.
    """
    folder = os.path.join(cache_folder(), "size")
    shutil.rmtree(folder, ignore_errors=True)
    try:
        _pip(_environment("builder"), "install", "--quiet", "--no-compile", "--target", folder, *requirements)
        size = sum(os.path.getsize(os.path.join(place, name)) for place, _, names in os.walk(folder) for name in names)
        return Installed(len(glob.glob(os.path.join(folder, "*.dist-info"))), size / 1e6)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def core_and_openai_wheels() -> list[str]:
    """The wheels of the core and of the OpenAI plugin."""
    return [wheel for wheel in _wheels() if os.path.basename(wheel).startswith(("airouter_core-", "airouter_openai-"))]


@functools.cache
def _wheels() -> tuple[str, ...]:
    """Wheels of this checkout, the core's first; built once in a run."""
    python = _environment("builder")
    folder = os.path.join(cache_folder(), "wheels")
    shutil.rmtree(folder, ignore_errors=True)
    if not os.path.exists(os.path.join(os.path.dirname(python), "hatchling")):
        _pip(python, "install", "--quiet", "hatchling")
    sources = [os.path.join(REPOSITORY, place) for place in DISTRIBUTIONS]
    _pip(python, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, *sources)
    found = sorted(glob.glob(os.path.join(folder, "*.whl")))
    return tuple(sorted(found, key=lambda wheel: not os.path.basename(wheel).startswith("airouter_core-")))


def _environment(name: str) -> str:
    folder = os.path.join(cache_folder(), f"{name}-{sys.version_info.major}.{sys.version_info.minor}")
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        _run([sys.executable, "-m", "venv", folder], "make an environment")
    return python


def _pip(python: str, *arguments: str) -> None:
    _run([python, "-m", "pip", "--disable-pip-version-check", *arguments], f"pip {arguments[0]} {arguments[-1]}")


def _run(command: list[str], what: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise NotAvailableError(f"cannot {what}: {lines[-1]}")


def _fingerprint(paths: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()
