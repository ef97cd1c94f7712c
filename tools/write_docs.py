"""Write the parts of the documentation that the code knows: python tools/write_docs.py (a test says when it is due)."""

from __future__ import annotations

import importlib
import inspect
import json
import tomllib
from pathlib import Path

import click

from airouter_core.cli.app import OWN
from airouter_core.profile.declarations import Command, Parameter
from airouter_core.values.canonical import CANONICAL

ROOT = Path(__file__).parents[1]
AVAILABLE = ROOT / "airouter_core" / "cli" / "available.toml"
COMMANDS = ROOT / "docs" / "command-line.md"
FROM_COMMANDS, TO_COMMANDS = "<!-- commands: begin -->", "<!-- commands: end -->"
ADMIN_API = Path(__file__).parents[1] / "docs" / "gateway-admin-api.json"
GUIDE = ROOT / "docs" / "guides" / "parameters.md"
BEGIN, END = "<!-- parameters: begin -->", "<!-- parameters: end -->"


def parameter_table() -> str:
    """The canonical parameters as a table."""
    lines = ["| name | also | values | meaning |", "|---|---|---|---|"]
    for row in CANONICAL:
        aliases = ", ".join(f"`{alias}`" for alias in row.aliases) or "-"
        lines.append(f"| `{row.name}` | {aliases} | {_values(row)} | {row.description} |")
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The guide with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{parameter_table()}\n{END}{after}"


def with_commands(text: str) -> str:
    """The page of the command line, with what the commands of the core say of themselves."""
    before, _, rest = text.partition(FROM_COMMANDS)
    _, _, after = rest.partition(TO_COMMANDS)
    told = "\n\n".join(_told(["airouter", own.name], _imported(own.target)) for own in sorted(OWN, key=_name))
    return f"{before}{FROM_COMMANDS}\n\n{told}\n\n{TO_COMMANDS}{after}"


def admin_api() -> str:
    """The document of the gateway's admin API."""
    from airouter_gateway.admin.openapi import document

    return json.dumps(document(), indent=1) + "\n"


def available_list() -> str:
    """The distributions of this repository as TOML: what they are, and the providers and commands that they bring."""
    tables = []
    for path in sorted(ROOT.glob("plugins/*/pyproject.toml")):
        project = tomllib.loads(path.read_text(encoding="utf-8"))["project"]
        brings: list[str] = []
        for target in project.get("entry-points", {}).get("airouter", {}).values():
            plugin = importlib.import_module(target)
            providers = getattr(plugin, "airouter_providers", tuple)()
            brings += [name for info in providers for name in (info.name, *info.aliases)]
            brings += [command.name for command in getattr(plugin, "airouter_commands", tuple)()]
        brings = list(dict.fromkeys(brings))
        tables.append(
            f"[{project['name']}]\ndescription = {json.dumps(project['description'])}\nbrings = {json.dumps(brings)}\n"
        )
    return "# Written by tools/write_docs.py; a test says when it is due.\n\n" + "\n".join(tables)


def _name(command: Command) -> str:
    return command.name


def _imported(target: str) -> click.Command:
    module, _, attribute = target.partition(":")
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


def _told(path: list[str], command: click.Command) -> str:
    """A command, or a group with its commands: how it is written, what it does, its options."""
    pieces = [
        piece
        for parameter in command.params
        if isinstance(parameter, click.Argument)
        for piece in [_argument(parameter)]
    ]
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    shown = " ".join([*path, *(["[OPTIONS]"] if options else []), *pieces])
    text = inspect.cleandoc(command.help or "")
    lines = [
        f"{'#' * (len(path) + 1)} {' '.join(path)}",
        "",
        *([] if isinstance(command, click.Group) else [f"`{shown}`", ""]),
        text,
    ]
    if options:
        lines += ["", "| option | |", "|---|---|", *map(_option, options)]
    if isinstance(command, click.Group):
        lines += [f"\n{_told([*path, name], inner)}" for name, inner in sorted(command.commands.items())]
    return "\n".join(lines)


def _argument(argument: click.Argument) -> str:
    name = argument.metavar or (argument.name or "").upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _option(option: click.Option) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    value = f" `{option.metavar}`" if option.metavar else ""
    return f"| {names}{value} | {(option.help or '').replace('|', chr(92) + '|')} |"


def _values(row: Parameter) -> str:
    if row.choices:
        return ", ".join(row.choices)
    if row.above is not None:
        limits = f" above {row.above:g}"
    elif row.minimum is not None:
        limits = f" from {row.minimum:g}" + (f" to {row.maximum:g}" if row.maximum is not None else "")
    else:
        limits = ""
    return row.kind + limits + (f", in {row.unit}" if row.unit else "")


if __name__ == "__main__":
    AVAILABLE.write_text(available_list(), encoding="utf-8")
    print(AVAILABLE)
    GUIDE.write_text(with_table(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    print(GUIDE)
    COMMANDS.write_text(with_commands(COMMANDS.read_text(encoding="utf-8")), encoding="utf-8")
    print(COMMANDS)
    ADMIN_API.write_text(admin_api(), encoding="utf-8")
    print(ADMIN_API)
