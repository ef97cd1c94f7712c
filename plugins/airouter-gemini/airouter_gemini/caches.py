"""Cached contents: a long beginning of prompts that Google keeps for a while, and that calls name instead of sending.

Source: ``caches.py`` of SDK google-genai 3.6.1, and recorded answers.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from airouter_core.errors import ProtocolError
from airouter_core.values.record import Record
from airouter_core.values.request import Request
from airouter_core.values.usage import count
from airouter_core.values.value import hiding
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, items, mapping, text

from .config import GeminiConfig
from .endpoints import LARGEST_PAGE
from .parts import Json
from .request import contents, credentials

CACHES = "cachedContents"


class Cache(Record, frozen=True, kw_only=True):
    """A cached content, as it was when it was asked for.

    Attributes:
        name: what calls name it by: ``provider_options={"gemini": {"cachedContent": cache.name}}``.
        model: the one that can use it.
        tokens: how long it is.
        raw: Google's own object.
    """

    name: str
    model: str
    display_name: str | None = None
    tokens: int | None = None
    created_at: datetime.datetime | None = None
    expires_at: datetime.datetime | None = None
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")


class CachePage(Record, frozen=True):
    """One page of the list of them; ``next`` is what to ask the next one with, or ``None``."""

    caches: tuple[Cache, ...]
    next: str | None


def _path(config: GeminiConfig, name: str) -> str:
    return quote(name if name.startswith("projects/") else f"{config.home}{name}", safe="/")


def _build_create(config: GeminiConfig, request: Request, ttl: float | None, display_name: str | None) -> HttpRequest:
    body: Json = {"model": config.resource(request.model), **contents(request, config)}
    if not body["contents"]:
        del body["contents"]
    if config.vertex and not body["model"].startswith("projects/"):
        body["model"] = f"{config.home}{body['model']}"
    if ttl is not None:
        body["ttl"] = _seconds(ttl)
    if display_name is not None:
        body["displayName"] = display_name
    return json_request(config, "POST", f"{config.home}{CACHES}", body, headers=credentials(config))


def _build_get(config: GeminiConfig, name: str) -> HttpRequest:
    return json_request(config, "GET", _path(config, name), headers=credentials(config))


def _build_update(config: GeminiConfig, name: str, ttl: float) -> HttpRequest:
    path = f"{_path(config, name)}?updateMask=ttl"
    return json_request(config, "PATCH", path, {"ttl": _seconds(ttl)}, headers=credentials(config))


def _build_delete(config: GeminiConfig, name: str) -> HttpRequest:
    return json_request(config, "DELETE", _path(config, name), headers=credentials(config))


def _build_list(config: GeminiConfig, token: str | None) -> HttpRequest:
    query = f"?pageSize={LARGEST_PAGE}" + (f"&pageToken={quote(token, safe='')}" if token else "")
    return json_request(config, "GET", f"{config.home}{CACHES}{query}", headers=credentials(config))


def _seconds(ttl: float) -> str:
    return f"{ttl:g}s"


def _parse(body: bytes) -> Cache:
    return _cache(decoded_object(body))


def _parse_list(body: bytes) -> CachePage:
    page = decoded_object(body)
    found = tuple(_cache(mapping(entry)) for entry in items(page.get("cachedContents")))
    return CachePage(found, text(page.get("nextPageToken")) or None)


def _cache(entry: Mapping[str, Any]) -> Cache:
    if not text(entry.get("name")):
        raise ProtocolError("the provider sent a cached content without a name")
    return Cache(
        name=entry["name"],
        model=text(entry.get("model")),
        display_name=text(entry.get("displayName")) or None,
        tokens=count(mapping(entry.get("usageMetadata")).get("totalTokenCount")),
        created_at=time_of(entry.get("createTime")),
        expires_at=time_of(entry.get("expireTime")),
        raw=dict(entry),
    )


def time_of(value: Any) -> datetime.datetime | None:
    """A time from RFC 3339, whose seconds may have nine digits behind the point; ``None`` unless it is one."""
    try:
        return datetime.datetime.fromisoformat(text(value))
    except ValueError:
        return None


CREATE_CACHE: Operation[Cache] = Operation(build=_build_create, parse=_parse)
GET_CACHE: Operation[Cache] = Operation(build=_build_get, parse=_parse)
UPDATE_CACHE: Operation[Cache] = Operation(build=_build_update, parse=_parse)
DELETE_CACHE: Operation[None] = Operation(build=_build_delete, parse=lambda body: None)
CACHE_PAGE: Operation[CachePage] = Operation(build=_build_list, parse=_parse_list)
