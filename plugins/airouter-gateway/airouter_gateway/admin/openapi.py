"""The document of the admin API (OpenAPI 3.1), made of its endpoints."""

from __future__ import annotations

from typing import Any

import msgspec

from airouter_core.version import VERSION

from .endpoints import ENDPOINTS, Endpoint
from .shapes import Failure

PREFIX = "/admin/v1"
REFERENCE = "#/components/schemas/{name}"
REFUSED = {"401": "the admin key is missing or wrong", "429": "too many wrong keys", "503": "the database is away"}


def document() -> dict[str, Any]:
    """The document, as plain values."""
    types: list[Any] = [Failure]
    for endpoint in ENDPOINTS:
        types += [kind for kind in (endpoint.query, endpoint.body, endpoint.gives) if kind is not None]
    schemas, components = _numbers(msgspec.json.schema_components(types, ref_template=REFERENCE))
    by_type = dict(zip(map(str, types), schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        described = _operation(endpoint, by_type, components)
        paths.setdefault(PREFIX + endpoint.path, {})[endpoint.method.lower()] = described
    queries = {endpoint.query.__name__ for endpoint in ENDPOINTS}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "airouter gateway: admin API",
            "version": VERSION,
            "description": "Keys, teams, models, calls and costs of an `airouter serve`. Money is in US dollars, "
            "moments are seconds since 1970. Lists are given in pages: `next` is what to give as `after` for more.",
        },
        "security": [{"adminKey": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"adminKey": {"type": "http", "scheme": "bearer"}},
            "schemas": {name: schema for name, schema in sorted(components.items()) if name not in queries},
        },
    }


def _numbers(schema: Any) -> Any:
    """A schema in which amounts are numbers, as they are written, and not texts, as msgspec takes them to be."""
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            rest = {name: value for name, value in schema.items() if name != "format"}
            return {**rest, "type": "number"}
        return {name: _numbers(value) for name, value in schema.items()}
    return [_numbers(item) for item in schema] if isinstance(schema, list | tuple) else schema


def _operation(endpoint: Endpoint, by_type: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {"operationId": endpoint.id, "summary": endpoint.summary}
    parameters = _parameters(components[endpoint.query.__name__])
    if "{name}" in endpoint.path:
        parameters.insert(0, {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}})
    if parameters:
        said["parameters"] = parameters
    if endpoint.body is not None:
        said["requestBody"] = {"required": True, "content": _json(by_type[str(endpoint.body)])}
    given: dict[str, Any] = {"description": endpoint.summary}
    if endpoint.gives is not None:
        given["content"] = _json(by_type[str(endpoint.gives)])
    wrong = dict(REFUSED)
    if endpoint.body is not None or parameters:
        wrong["400"] = "what was asked cannot be"
    if endpoint.body is not None:
        wrong["413"] = "the body is too large"
    if "{name}" in endpoint.path:
        wrong["404"] = "there is none of this name"
    if endpoint.status == 201:
        wrong["409"] = "the name is taken"
    failures = {
        status: {"description": words, "content": _json(by_type[str(Failure)])} for status, words in wrong.items()
    }
    said["responses"] = {str(endpoint.status): given, **dict(sorted(failures.items()))}
    return said


def _parameters(schema: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "query", "required": False, "schema": said}
        for name, said in schema.get("properties", {}).items()
    ]


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
