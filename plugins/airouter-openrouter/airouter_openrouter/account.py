"""The account and its key.

Source: OpenRouter's OpenAPI document (2026-08-22), ``/credits`` and ``/key``. Amounts are US dollars.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

import msgspec

from airouter_core.errors import PermissionDeniedError, ProviderError
from airouter_core.values.record import Record
from airouter_core.values.value import hiding
from airouter_core.wire.http import HttpRequest, Operation
from airouter_core.wire.json import text

from .config import OpenRouterConfig
from .cost import money
from .operations import data_in, get
from .plugin import OPENROUTER


class KeyInfo(Record, frozen=True, kw_only=True):
    """What OpenRouter knows about the key in use. Amounts are US dollars.

    Attributes:
        limit: what the key may spend; ``None`` without a limit of its own.
        limit_remaining: what of it is left.
        limit_reset: how often the limit starts again, such as ``"monthly"``.
        usage: spent with this key, ever; ``usage_daily``, ``usage_weekly``, ``usage_monthly``: since then (UTC).
        is_management_key: whether it may read the account's credits.
    """

    label: str
    limit: Decimal | None
    limit_remaining: Decimal | None
    limit_reset: str | None
    usage: Decimal | None
    usage_daily: Decimal | None
    usage_weekly: Decimal | None
    usage_monthly: Decimal | None
    is_free_tier: bool
    is_management_key: bool
    expires_at: datetime.datetime | None
    raw: Mapping[str, Any]

    __repr__ = hiding("raw")


class Credits(Record, frozen=True, kw_only=True):
    """What is left to spend. Amounts are US dollars.

    Attributes:
        credits: what remains: of the account, or of the key's own limit.
        total_credits: what was bought, or the key's limit.
        total_usage: what of it is spent.
        source: ``"account"``, or ``"key"`` where the key may not read the account's credits.
    """

    credits: Decimal
    total_credits: Decimal
    total_usage: Decimal
    source: Literal["account", "key"]


def _build_credits(config: OpenRouterConfig) -> HttpRequest:
    return get(config, "credits")


def _parse_credits(body: bytes) -> Credits:
    data = data_in(body)
    bought, used = money(data.get("total_credits")) or Decimal(0), money(data.get("total_usage")) or Decimal(0)
    return Credits(credits=bought - used, total_credits=bought, total_usage=used, source="account")


def _build_key(config: OpenRouterConfig) -> HttpRequest:
    return get(config, "key")


def _parse_key(body: bytes) -> KeyInfo:
    data = data_in(body)
    amounts = {
        field.name: money(data.get(field.name)) for field in msgspec.structs.fields(KeyInfo) if field.name in AMOUNTS
    }
    return KeyInfo(
        label=text(data.get("label")),
        limit_reset=text(data.get("limit_reset")) or None,
        is_free_tier=data.get("is_free_tier") is True,
        is_management_key=data.get("is_management_key") is True,
        expires_at=time_in(data.get("expires_at")),
        raw=data,
        **amounts,
    )


AMOUNTS = frozenset({"limit", "limit_remaining", "usage", "usage_daily", "usage_weekly", "usage_monthly"})

CREDITS = Operation(build=_build_credits, parse=_parse_credits)
KEY = Operation(build=_build_key, parse=_parse_key)


def credits_of_key(key: KeyInfo, refusal: ProviderError) -> Credits:
    """What a key may still spend, where it may not read what the account has.

    Raises:
        PermissionDeniedError: it has no limit of its own, so nothing can be said.
    """
    if key.limit is None or key.limit_remaining is None:
        raise PermissionDeniedError(
            f"{OPENROUTER.name}: this key may not read the account's credits, and has no limit of its own that could "
            f"be told instead (spent with it so far: {key.usage} USD). Use a management key for get_credits(), or "
            "give the key a limit; get_key_info() has what can be known",
            provider=OPENROUTER.name,
            status=refusal.status,
            error_type=refusal.error_type,
            body=refusal.body,
        ) from refusal
    left, limit = key.limit_remaining, key.limit
    return Credits(credits=left, total_credits=limit, total_usage=limit - left, source="key")


def time_in(value: Any) -> datetime.datetime | None:
    """A time as ISO 8601 has it; ``None`` unless it is one."""
    try:
        return datetime.datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
