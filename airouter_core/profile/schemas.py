"""JSON Schemas as vendors take them: rewritten without a change of meaning, or with what cannot be said told in words.

What a vendor refuses is its own; these are the means. All of them return a new schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = dict[str, Any]
Refused = Callable[[str, Any], bool]
"""Whether a keyword with this value is refused."""

OF_SCHEMAS = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
"""Keywords that hold schemas by name."""
SCHEMAS = ("items", "prefixItems", "anyOf", "allOf", "oneOf", "not", "additionalProperties", "if", "then", "else")
"""Keywords that hold a schema, or a list of them."""
COMPOSED = ("allOf", "anyOf", "oneOf")
REFERENCE = "#/$defs/"


def mapped(schema: Any, change: Callable[[Schema], Schema]) -> Any:
    """The schema with ``change`` applied to it and to each schema inside, the inner ones first."""
    if isinstance(schema, list | tuple):
        return [mapped(item, change) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    made: Schema = {}
    for name, value in schema.items():
        if name in OF_SCHEMAS and isinstance(value, Mapping):
            made[name] = {key: mapped(item, change) for key, item in value.items()}
        else:
            made[name] = mapped(value, change) if name in SCHEMAS else value
    return change(made)


def schemas_in(schema: Any) -> Iterator[Mapping[str, Any]]:
    """The schema, and each one inside."""
    if isinstance(schema, list | tuple):
        for item in schema:
            yield from schemas_in(item)
    elif isinstance(schema, Mapping):
        yield schema
        for name, value in schema.items():
            if name in OF_SCHEMAS and isinstance(value, Mapping):
                for item in value.values():
                    yield from schemas_in(item)
            elif name in SCHEMAS:
                yield from schemas_in(value)


def closed(schema: Any) -> Any:
    """Each object with properties says that it has no others, unless it says otherwise."""

    def close(one: Schema) -> Schema:
        return {"additionalProperties": False, **one} if "properties" in one else one

    return mapped(schema, close)


def with_choices(schema: Any) -> Any:
    """``oneOf`` said as ``anyOf``: for whoever writes an answer both offer the same."""

    def choose(one: Schema) -> Schema:
        if "oneOf" not in one or "anyOf" in one:
            return one
        rest = {name: value for name, value in one.items() if name not in ("oneOf", "discriminator")}
        return {**rest, "anyOf": one["oneOf"]}

    return mapped(schema, choose)


def with_one_object_at_the_top(schema: Mapping[str, Any]) -> Schema:
    """Alternatives at the root said as one object that has the properties of all of them.

    For vendors whose tools take an object and nothing else. What all alternatives require is required; which of them
    go together is told in the description, where the model reads it.
    """
    composed = [name for name in COMPOSED if isinstance(schema.get(name), list | tuple)]
    if not composed:
        return dict(schema)
    root = {name: value for name, value in schema.items() if name not in composed}
    properties: dict[str, Any] = dict(_properties(root))
    required = _required(root)
    for name in composed:
        parts = [_resolved(part, schema) for part in schema[name]]
        for part in parts:
            for key, value in _properties(part).items():
                known = properties.setdefault(key, value)
                if known != value:
                    either = known.get("anyOf") if isinstance(known, Mapping) else None
                    properties[key] = {"anyOf": [*(either if isinstance(either, list) else [known]), value]}
        sets = [_required(part) for part in parts]
        needed = [key for one in sets for key in one if name == "allOf" or all(key in other for other in sets)]
        required += [key for key in dict.fromkeys(needed) if key not in required]
    told = ", ".join(f"{name}: {json.dumps(schema[name], ensure_ascii=False, default=str)}" for name in composed)
    before = f"{root['description']} " if root.get("description") else ""
    needs = {"required": required} if required else {}
    return {**root, "type": "object", "properties": properties, **needs, "description": f"{before}({told})"}


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    properties = schema.get("properties")
    return properties if isinstance(properties, Mapping) else {}


def _required(schema: Mapping[str, Any]) -> list[str]:
    names = schema.get("required")
    return [name for name in names if isinstance(name, str)] if isinstance(names, list | tuple) else []


def _resolved(part: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    name = _name_in(part) if isinstance(part, Mapping) else None
    found = schema.get("$defs", {}).get(name) if name is not None else part
    return found if isinstance(found, Mapping) else {}


def in_words(schema: Any, refused: Refused) -> Any:
    """The schema with refused keywords told in the description of where they stood: the model reads them there."""

    def tell(one: Schema) -> Schema:
        told = {name: value for name, value in one.items() if refused(name, value)}
        if not told:
            return one
        kept = {name: value for name, value in one.items() if name not in told}
        said = (f"{name}: {json.dumps(value, ensure_ascii=False, default=str)}" for name, value in told.items())
        before = f"{one['description']} " if one.get("description") else ""
        return {**kept, "description": f"{before}({', '.join(said)})"}

    return mapped(schema, tell)


def with_definitions_at_the_top(schema: Mapping[str, Any]) -> Schema:
    """The schema with all its definitions at its root, where references look for them, and no reference as its root.

    A definition from inside whose name another one has gets a name of its own.
    """
    found: dict[str, Any] = {}
    made = _hoisted(schema, found)
    root = made
    followed: list[str] = []
    while (name := _name_in(root)) in found and name not in followed:
        followed.append(str(name))
        root = {**found[str(name)], **{key: value for key, value in root.items() if key != "$ref"}}
    used = {_name_in(one) for one in (*schemas_in(root), *schemas_in(list(found.values())))}
    kept = {name: definition for name, definition in found.items() if name in used or name not in followed}
    return {**root, "$defs": kept} if kept else root


def with_references_alone(schema: Mapping[str, Any]) -> Schema:
    """A reference beside other keywords is replaced by what it refers to, or stands alone inside an ``anyOf``."""
    definitions = schema.get("$defs", {})

    def part(one: Schema) -> Schema:
        name = _name_in(one)
        if name is None or len(one) == 1:
            return one
        beside = {key: value for key, value in one.items() if key != "$ref"}
        target = definitions.get(name)
        if not isinstance(target, Mapping) or is_recursive(target, definitions, name):
            return {"anyOf": [{"$ref": one["$ref"]}], **beside}
        return {**target, **beside}

    made = dict(mapped(schema, part))
    kept = {
        name: definition for name, definition in made.pop("$defs", {}).items() if name in _reached(made, definitions)
    }
    return {**made, "$defs": kept} if kept else made


def is_recursive(schema: Any, definitions: Mapping[str, Any] | None = None, name: str | None = None) -> bool:
    """Whether a schema refers to itself, by way of its definitions."""
    if definitions is None:
        definitions = schema.get("$defs", {}) if isinstance(schema, Mapping) else {}
        return any(is_recursive(definition, definitions, key) for key, definition in definitions.items())
    return name in _reached(schema, definitions)


def _reached(schema: Any, definitions: Mapping[str, Any]) -> set[str]:
    """The definitions that a schema refers to, and those that they refer to."""
    reached: set[str] = set()
    waiting = [{name: value for name, value in schema.items() if name != "$defs"}]
    while waiting:
        for one in schemas_in(waiting.pop()):
            target = _name_in(one)
            if target is not None and target not in reached:
                reached.add(target)
                waiting.append(definitions.get(target, {}))
    return reached


def is_open(one: Mapping[str, Any]) -> bool:
    """Whether this one takes properties that it does not name, as a mapping does."""
    kind = one.get("type")
    is_object = "object" in (kind if isinstance(kind, list) else [kind]) or "properties" in one
    return is_object and ("properties" not in one or one.get("additionalProperties", True) is not False)


def _hoisted(schema: Any, found: dict[str, Any]) -> Schema:
    """The schema without definitions, which are put into ``found``; its references follow them."""
    if not isinstance(schema, Mapping):
        return schema  # type: ignore[no-any-return]  # a value of a keyword
    names: dict[str, str] = {}
    own = schema.get("$defs", schema.get("definitions"))
    definitions = own if isinstance(own, Mapping) else {}
    for name, definition in definitions.items():
        names[name] = free = _free_name(name, definition, found)
        found.setdefault(free, None)
    for name, definition in definitions.items():
        found[names[name]] = _renamed(_hoisted(definition, found), names)
    rest = {name: value for name, value in schema.items() if name not in ("$defs", "definitions")}
    made: Schema = {}
    for name, value in rest.items():
        if name in OF_SCHEMAS and isinstance(value, Mapping):
            made[name] = {key: _hoisted(item, found) for key, item in value.items()}
        elif name in SCHEMAS:
            made[name] = (
                [_hoisted(item, found) for item in value] if isinstance(value, list) else _hoisted(value, found)
            )
        else:
            made[name] = value
    return dict(_renamed(made, names))


def _free_name(name: str, definition: Any, found: Mapping[str, Any]) -> str:
    number, free = 1, name
    while free in found and found[free] != definition:
        number += 1
        free = f"{name}_{number}"
    return free


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    def rename(one: Schema) -> Schema:
        reference = one.get("$ref")
        if not isinstance(reference, str):
            return one
        name = reference.removeprefix("#/definitions/").removeprefix(REFERENCE)
        return {**one, "$ref": f"{REFERENCE}{names[name]}"} if name in names else one

    return mapped(schema, rename)


def _name_in(one: Mapping[str, Any]) -> str | None:
    reference = one.get("$ref")
    return reference.removeprefix(REFERENCE) if isinstance(reference, str) and reference.startswith(REFERENCE) else None
