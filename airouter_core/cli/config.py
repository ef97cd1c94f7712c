"""``airouter config``: write, show, check and trust the settings file."""

from __future__ import annotations

import os

import click

from ..config.files import GENERAL, Settings, read_settings
from ..config.folders import FILE_NAMES, config_folder, first_in
from ..config.trust import distrust
from ..config.trust import trust as trust_file
from ..errors import ConfigurationError
from ..plugins.registry import installed
from .checking import findings
from .choices import json_option
from .output import note, warn, write, write_json
from .own_files.defaults import own_file
from .settings_file import file_schema, shown, template
from .targets import current_settings, listed_providers


@click.group()
def config() -> None:
    """Write, show, check and trust the settings file."""


@config.command()
def path() -> None:
    """Print the path of the settings file in force."""
    click.echo(_in_force().path)


@config.command()
@click.option("--here", is_flag=True, help="Write airouter.toml in this folder instead of your own.")
@click.option("--force", is_flag=True, help="Overwrite.")
def init(here: bool, force: bool) -> None:
    """Write a settings file with every setting of every provider that is listed, commented out."""
    target = FILE_NAMES[0] if here else os.path.join(config_folder(), FILE_NAMES[0])
    if os.path.exists(target) and not force:
        raise ConfigurationError(f"{target} is there already; --force overwrites it")
    os.makedirs(os.path.dirname(target) or ".", mode=0o700, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(template(listed_providers()))
    click.echo(target)
    if here:
        note("what it says of addresses, programs and keys counts after `airouter config trust`, here as for others")


@config.command()
@json_option
def show(as_json: bool) -> None:
    """Show the settings file in force; keys are not shown."""
    settings = _in_force()
    tables = {name: {key: shown(name, table, key) for key in table} for name, table in settings.tables.items()}
    if as_json:
        known = {"path": settings.path, "trusted": settings.trusted, "provider": settings.provider}
        write_json({**known, "model": settings.model, "providers": tables})
        return
    note(settings.path + ("" if settings.trusted else " (not trusted)"))
    general = {"provider": settings.provider, "model": settings.model}
    for name, table in ({GENERAL: {key: value for key, value in general.items() if value}} | tables).items():
        if table or name != GENERAL:
            write(f"[{name}]")
        for key, value in table.items():
            write(f"{key} = {value!r}")


@config.command()
def check() -> None:
    """Check each table of the settings file, without asking any network."""
    settings = _in_force()
    found = list(findings(settings))
    for finding in found:
        if finding.state == "wrong":
            warn(finding.message)
        else:
            click.echo(f"[{finding.table}] ok" + (", without a key" if finding.state == "no key" else ""))
            if finding.message:
                note(finding.message)
    wrong = sum(finding.state == "wrong" for finding in found)
    if wrong:
        raise ConfigurationError(f"{wrong} of {len(found)} in {settings.path} cannot be used")


@config.command()
@click.argument("path", required=False, type=click.Path(exists=True, dir_okay=False))
def trust(path: str | None) -> None:
    """Let everything in the settings file of this folder (or PATH) count, as it is now.

    A file that lies in the folder you work in may be a stranger's: it may choose models and parameters, but no
    addresses, programs, headers or keys. Read it first. A change of the file ends the trust.
    """
    target = path or _here()
    read_settings(target)  # what cannot be read cannot be meant
    trust_file(target)
    note(f"trusted: {target}")


@config.command()
@click.argument("path", required=False, type=click.Path(dir_okay=False))
def untrust(path: str | None) -> None:
    """Take back the trust in the settings file of this folder (or PATH)."""
    target = path or _here()
    note(f"no longer trusted: {target}" if distrust(target) else f"was not trusted: {target}")


@config.command()
def schema() -> None:
    """Print a JSON Schema of the settings file, for editors."""
    write_json(file_schema(installed().providers()))


def _in_force() -> Settings:
    found = current_settings()
    if found is None:
        raise ConfigurationError(f"there is none; `airouter config init` writes {own_file()}")
    return found


def _here() -> str:
    found = first_in(".")
    if found is None:
        raise ConfigurationError(f"there is no {' and no '.join(FILE_NAMES)} in this folder; name a path")
    return found
