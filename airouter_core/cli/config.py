"""``airouter config``: write, show and check the settings file."""

from __future__ import annotations

import os
from typing import Any

import attrs
import click

from ..config.files import FILE_NAMES, GENERAL, find_settings, read_settings
from ..config.folders import config_folder
from ..config.provider import ProviderConfig
from ..errors import AirouterError, ConfigurationError, MissingApiKeyError
from ..plugins.factory import config_class, create_provider
from ..plugins.registry import installed
from ..profile.declarations import ProviderInfo
from .choices import json_option, with_stored_key
from .output import note, told, warn, write_json

HIDDEN = "***"

JSON_TYPES: dict[str, Any] = {
    "number": {"type": "number"},
    "integer": {"type": "integer"},
    "boolean": {"type": "boolean"},
    "string": {"type": "string"},
    "strings": {"type": ["string", "array"], "items": {"type": "string"}},
    "mapping": {"type": "object"},
    "path": {"type": "string"},
    "any": {},
}


@click.group()
def config() -> None:
    """Write, show and check the settings file."""


@config.command()
def path() -> None:
    """Print the path of the settings file in force."""
    found = find_settings()
    if found is None:
        raise ConfigurationError(f"there is none; `airouter config init` writes {_own_file()}")
    click.echo(found)


@config.command()
@click.option("--here", is_flag=True, help="Write airouter.toml in this folder instead of your own.")
@click.option("--force", is_flag=True, help="Overwrite.")
def init(here: bool, force: bool) -> None:
    """Write a settings file with every setting of every installed provider, commented out."""
    target = FILE_NAMES[0] if here else _own_file()
    if os.path.exists(target) and not force:
        raise ConfigurationError(f"{target} is there already; --force overwrites it")
    os.makedirs(os.path.dirname(target) or ".", mode=0o700, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(template(installed().providers()))
    click.echo(target)


@config.command()
@json_option
def show(as_json: bool) -> None:
    """Show the settings file in force; keys are not shown."""
    found = find_settings()
    if found is None:
        raise ConfigurationError(f"there is none; `airouter config init` writes {_own_file()}")
    settings = read_settings(found)
    tables = {
        name: {key: _shown(name, key, value) for key, value in table.items()} for name, table in settings.tables.items()
    }
    if as_json:
        write_json({"path": found, "provider": settings.provider, "model": settings.model, "providers": tables})
        return
    note(found)
    for name, table in tables.items():
        click.echo(f"[{name}]")
        for key, value in table.items():
            click.echo(f"{key} = {value!r}")


@config.command()
def check() -> None:
    """Check each provider of the settings file, without asking any network."""
    found = find_settings()
    if found is None:
        raise ConfigurationError(f"there is none; `airouter config init` writes {_own_file()}")
    settings = read_settings(found)
    wrong = 0
    for name in settings.tables:
        try:
            table = settings.table(name)
            info = installed().provider(table.pop("provider", name))
            create_provider(info.name, fallback=with_stored_key(info, table)).close()
        except MissingApiKeyError as error:  # which may come from elsewhere later
            click.echo(f"[{name}] ok, without a key")
            note(told(error))
        except AirouterError as error:
            wrong += 1
            warn(f"[{name}] {told(error)}")
        else:
            click.echo(f"[{name}] ok")
    if wrong:
        raise ConfigurationError(f"{wrong} of {len(settings.tables)} in {found} cannot be used")


@config.command()
def schema() -> None:
    """Print a JSON Schema of the settings file, for editors."""
    write_json(file_schema(installed().providers()))


def template(infos: list[ProviderInfo]) -> str:
    """A settings file for these providers, all settings commented out."""
    lines = [
        "# Settings of airouter. What the command line and the environment say counts before this.",
        '# Keys are better kept elsewhere: "${OPENAI_API_KEY}", or "keyring:openai" after `airouter keys set openai`.',
        "",
        f"[{GENERAL}]",
        '# provider = "llama-cpp"',
        '# model = "airouter-toy"',
    ]
    for info in infos:
        lines += ["", f"[{info.name}]"]
        for field in attrs.fields(config_class(info)):
            description = field.metadata.get("description", "")
            lines.append(f"# {field.name} = {_example(info, field)}" + (f"  # {description}" if description else ""))
    return "\n".join(lines) + "\n"


def file_schema(infos: list[ProviderInfo]) -> dict[str, Any]:
    """A JSON Schema (2020-12) of the settings file."""
    general = {"type": "object", "properties": {"provider": {"type": "string"}, "model": {"type": "string"}}}
    tables = {info.name: _table_schema(config_class(info)) for info in infos}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "airouter settings",
        "type": "object",
        "properties": {GENERAL: {**general, "additionalProperties": False}, **tables},
        "additionalProperties": {"type": "object", "required": ["provider"]},
    }


def _table_schema(kind: type[ProviderConfig]) -> dict[str, Any]:
    properties: dict[str, Any] = {"provider": {"type": "string"}}
    for field in attrs.fields(kind):
        described = dict(JSON_TYPES[field.metadata.get("kind", "any")])
        if field.metadata.get("choices"):
            described["enum"] = list(field.metadata["choices"])
        properties[field.name] = {**described, "description": field.metadata.get("description", "")}
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _example(info: ProviderInfo, field: attrs.Attribute[Any]) -> str:
    if field.metadata.get("secret") and field.metadata.get("kind") == "string":
        return f'"keyring:{info.name}"'
    default = None if isinstance(field.default, attrs.Factory) else field.default  # type: ignore[arg-type]  # attrs types Factory as a function
    match default:
        case bool():
            return str(default).lower()
        case int() | float():
            return str(default)
        case str() if default:
            return f'"{default}"'
    return {"number": "0", "integer": "0", "boolean": "false", "mapping": "{}", "strings": "[]"}.get(
        field.metadata.get("kind", "string"), '""'
    )


def _shown(name: str, key: str, value: Any) -> Any:
    if not isinstance(value, str) or value.startswith(("keyring:", "${")):
        return HIDDEN if isinstance(value, dict) and key in ("custom_headers", "proxies") else value
    try:
        fields = attrs.fields_dict(config_class(installed().provider(name)))
    except AirouterError:
        return HIDDEN if "key" in key or "token" in key else value
    secret = key in fields and fields[key].metadata.get("secret")
    return HIDDEN if secret else value


def _own_file() -> str:
    return os.path.join(config_folder(), FILE_NAMES[0])
