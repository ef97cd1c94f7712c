"""A settings file as text: one to begin with, its schema for editors, and what of it may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import attrs

from ..config.files import GENERAL
from ..config.provider import ProviderConfig
from ..config.references import is_reference
from ..errors import AirouterError
from ..plugins.factory import config_class
from ..plugins.registry import installed
from ..profile.declarations import ProviderInfo

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
    for table in installed().tables().values():
        lines += ["", f"# [{table.name}]" + (f"  # {table.description}" if table.description else "")]
    for info in infos:
        lines += ["", f"[{info.name}]"]
        for field in attrs.fields(config_class(info)):
            description = field.metadata.get("description", "")
            lines.append(f"# {field.name} = {_example(info, field)}" + (f"  # {description}" if description else ""))
    return "\n".join(lines) + "\n"


def file_schema(infos: list[ProviderInfo]) -> dict[str, Any]:
    """A JSON Schema (2020-12) of the settings file."""
    general = {"type": "object", "properties": {"provider": {"type": "string"}, "model": {"type": "string"}}}
    own = {table.name: {"type": "object", "description": table.description} for table in installed().tables().values()}
    tables = {info.name: _table_schema(config_class(info)) for info in infos}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "airouter settings",
        "type": "object",
        "properties": {GENERAL: {**general, "additionalProperties": False}, **own, **tables},
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


def shown(name: str, table: Mapping[str, Any], key: str) -> Any:
    """A setting as it may be shown: what is not known to be harmless might be a key that is misspelt."""
    value = table[key]
    if key == "provider" or is_reference(value) or isinstance(value, bool | int | float):
        return value
    try:
        info = installed().provider(table.get("provider", name))
        field = attrs.fields_dict(config_class(info)).get(key)
    except AirouterError:
        return HIDDEN
    if field is None or field.metadata.get("secret"):
        return HIDDEN
    if isinstance(value, str) and "://" in value:
        return _without_secrets(value)
    return value


def _without_secrets(address: str) -> str:
    """An address without what may be a key in it, though such an address is refused when it is used."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return HIDDEN
    place = f"{HIDDEN}@{parts.netloc.rpartition('@')[2]}" if "@" in parts.netloc else parts.netloc
    hidden = f"?{HIDDEN}" if parts.query else ""
    return f"{parts.scheme}://{place}{parts.path}{hidden}"
