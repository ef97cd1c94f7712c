"""``airouter install`` and ``uninstall``: distributions of airouter, by the pip or uv of this environment."""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import click

from ..errors import ConfigurationError, ExecutionError
from .available import distribution_of, installed_version
from .output import note, write

CORE = "airouter-core"

dry_option = click.option("--dry-run", is_flag=True, help="Print the command, and do not run it.")


@click.command()
@click.option("-U", "--upgrade", is_flag=True, help="Also what is there in an older version.")
@click.option("-y", "--yes", is_flag=True, help="Install what is not in the list without asking.")
@dry_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def install(upgrade: bool, yes: bool, dry_run: bool, names: tuple[str, ...]) -> None:
    """Install plugins into this environment: by the name of a provider, of a package, or by the path of one.

    `airouter plugins --available` lists what there is. Extras stand in brackets: 'llama-cpp[embedded]'. Where
    airouter was installed from a checkout, its plugins come from there too.
    """
    wanted = [_wanted(name, yes=yes or dry_run) for name in names]
    _run(["install", *(["--upgrade"] if upgrade else []), *wanted], dry_run=dry_run)
    if not dry_run:
        note(f"installed: {', '.join(wanted)}. `airouter plugins` lists what is there, `airouter setup` goes on")


@click.command()
@dry_option
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
def uninstall(dry_run: bool, names: tuple[str, ...]) -> None:
    """Remove plugins from this environment; your settings, keys and models stay."""
    wanted = [_found(name) for name in names]
    _run(["uninstall", *wanted], dry_run=dry_run)
    if not dry_run:
        note(f"removed: {', '.join(wanted)}")


def _wanted(name: str, *, yes: bool) -> str:
    if os.sep in name and os.path.exists(name):
        return name
    meant = distribution_of(name)
    if meant is None:
        raise ConfigurationError(f"{name!r} is no name of a package, and no path of one")
    found, ours = meant
    if ours:
        return _in_checkout(found) or found
    if yes:
        return found
    advice = f"{found!r} is none of ours (`airouter plugins --available` lists them)"
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigurationError(f"{advice}; --yes installs it all the same")
    click.confirm(f"{advice}. Anybody can publish a package of such a name: install it?", abort=True, err=True)
    return found


def _in_checkout(distribution: str) -> str | None:
    """Where the distribution lies in the checkout that the core was installed from, if it was and there is one."""
    folder = checkout()
    if folder is None:
        return None
    name, bracket, extras = distribution.partition("[")
    path = folder if name == CORE else os.path.join(folder, "plugins", name)
    return f"{path}{bracket}{extras}" if os.path.isfile(os.path.join(path, "pyproject.toml")) else None


def checkout() -> str | None:
    """The folder that the core was installed from, as PEP 610 has installers record it; ``None`` for a package."""
    recorded = metadata.distribution(CORE).read_text("direct_url.json")
    parts = urlsplit(json.loads(recorded).get("url", "") if recorded else "")
    return url2pathname(parts.path) if parts.scheme == "file" else None


def _found(name: str) -> str:
    meant = distribution_of(name)
    if meant is None:
        raise ConfigurationError(f"{name!r} is no name of a package")
    found = meant[0].partition("[")[0]
    if found == CORE:
        raise ConfigurationError(f"{CORE} is the program that runs; remove it with what has installed it")
    if installed_version(found) is None:
        raise ConfigurationError(f"{found} is not installed; `airouter plugins` lists what is")
    return found


def _run(arguments: Sequence[str], *, dry_run: bool) -> None:
    """Run the installer of this environment.

    Raises:
        ConfigurationError: nothing may or can be installed here; the message says what to do instead.
        ExecutionError: it has failed.
    """
    command = _installer(arguments)
    if dry_run:
        write(shlex.join(command))
        return
    note(shlex.join(command))
    code = subprocess.run(command, check=False).returncode  # noqa: S603  # made of checked names
    if code:
        raise ExecutionError(f"{arguments[0]} failed with exit code {code}; what it said stands above")


def _installer(arguments: Sequence[str]) -> list[str]:
    _refuse_managed(arguments)
    if importlib.util.find_spec("pip") is not None:
        sure = ["--yes"] if arguments[0] == "uninstall" else []
        return [sys.executable, "-m", "pip", arguments[0], *sure, *arguments[1:]]
    uv = shutil.which("uv")
    if uv is None:
        raise ConfigurationError(f"there is neither pip nor uv here: {sys.executable} -m ensurepip brings pip")
    return [uv, "pip", arguments[0], "--python", sys.executable, *arguments[1:]]


def _kept_by_uv(without: Sequence[str]) -> list[str]:
    """What uv was asked to install, as its receipt has it with extras and places: first the tool itself."""
    with open(os.path.join(sys.prefix, "uv-receipt.toml"), "rb") as file:
        receipt = tomllib.load(file)
    asked = receipt.get("tool", {}).get("requirements", [])
    dropped = {name.partition("[")[0] for name in without}
    return [_spelt(one) for one in asked if one.get("name") not in dropped] or [f"{CORE}[cli]"]


def _spelt(requirement: Mapping[str, Any]) -> str:
    extras = f"[{','.join(requirement['extras'])}]" if requirement.get("extras") else ""
    place = next((requirement[kind] for kind in ("editable", "directory", "path") if kind in requirement), None)
    if place is not None:
        return f"{place}{extras}"
    return f"{requirement['name']}{extras}{requirement.get('specifier', '')}"


def _refuse_managed(arguments: Sequence[str]) -> None:
    """Refuse to change what something else keeps: a program in one file, a tool of uv or pipx, the system's Python."""
    names = [name for name in arguments[1:] if not name.startswith("-")]
    if getattr(sys, "frozen", False):
        raise ConfigurationError("this program was built as one file, and takes no plugins afterwards")
    adding = arguments[0] == "install"
    if os.path.exists(os.path.join(sys.prefix, "uv-receipt.toml")):
        tool, *kept = _kept_by_uv(without=names)
        told = "".join(f" --with {shlex.quote(name)}" for name in (*kept, *(names if adding else [])))
        raise ConfigurationError(
            f"uv keeps this environment, and changes it by one command: uv tool install {shlex.quote(tool)}{told}"
        )
    if os.path.exists(os.path.join(sys.prefix, "pipx_metadata.json")):
        verb = "inject" if adding else "uninject"
        raise ConfigurationError(f"pipx keeps this environment: pipx {verb} {CORE} {shlex.join(names)}")
    in_venv = sys.prefix != sys.base_prefix
    if not in_venv and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")):
        raise ConfigurationError(
            "this Python is managed by the system: make an environment of your own, such as `python3 -m venv "
            f"~/airouter`, and there `pip install '{CORE}[cli]' {shlex.join(names)}`"
        )
