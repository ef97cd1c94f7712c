"""Environments of clients, made once and kept in ``.cache/clients``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from .clients import BUILT, NODE, PYTHON

FOLDER = Path(".cache/clients").resolve()
DRIVERS = Path(__file__).parent / "drivers"


def install(names: Iterable[str]) -> None:
    """Make what is missing. One that cannot be had is said, and its clients are left out."""
    for name in sorted(set(names) - BUILT.keys()):
        folder = FOLDER / name
        wanted = PYTHON.get(name) or NODE[name]
        mark = folder / "installed"
        if mark.exists() and mark.read_text() == "\n".join(wanted):
            continue
        print(f"installing {name}: {', '.join(wanted)}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            (_python if name in PYTHON else _node)(folder, wanted)
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            print(f"{name} cannot be installed: {error}")
            continue
        mark.write_text("\n".join(wanted))


def command_of(environment: str, driver: str) -> list[str] | None:
    """What runs a driver; ``None`` where its environment is not there."""
    folder = FOLDER / environment
    if not (programs_of(environment) / environment if environment in BUILT else folder / "installed").exists():
        return None
    if driver.endswith(".py"):
        return [str(folder / "bin" / "python") if environment in PYTHON else sys.executable, str(DRIVERS / driver)]
    for file in DRIVERS.glob("*.mjs"):
        if not (folder / file.name).exists() or (folder / file.name).read_bytes() != file.read_bytes():
            shutil.copy(file, folder)  # packages are looked for from where a file lies
    return ["node", str(folder / driver)]


def programs_of(environment: str) -> Path:
    """Where an environment's programs are."""
    if environment in BUILT:
        return Path(BUILT[environment]).resolve()
    return FOLDER / environment / ("bin" if environment in PYTHON else "node_modules/.bin")


def version_of(environment: str, package: str) -> str:
    """The version of a package that was installed."""
    folder = FOLDER / environment
    if environment in NODE:
        return str(json.loads((folder / "node_modules" / package / "package.json").read_text())["version"])
    if environment in BUILT:
        command = [programs_of(environment) / package, "--version"]
    else:
        command = [folder / "bin" / "python", "-c", f"import importlib.metadata as m; print(m.version({package!r}))"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.split()[-1] if found.stdout.strip() else ""


def _python(folder: Path, wanted: Iterable[str]) -> None:
    if uv := shutil.which("uv"):
        subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, folder], check=True)
        command = [uv, "pip", "install", "-q", "--compile-bytecode", "-p", str(folder / "bin" / "python")]
    else:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "-q"]
    subprocess.run([*command, *wanted], check=True)


def _node(folder: Path, wanted: Iterable[str]) -> None:
    (folder / "package.json").write_text('{"type": "module", "private": true}')
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *wanted], cwd=folder, check=True)
