"""Calls and prices as an administrator sees them, and conditions as the ledger takes them."""

from __future__ import annotations

import datetime
from typing import Any

from airouter_core.values.catalog import Pricing
from airouter_ledger.budgets import KEY_TAG
from airouter_ledger.records import CallRecord

from ..access.books import TEAM_TAG
from . import shapes


def shown_call(record: CallRecord) -> dict[str, Any]:
    """The fields of a call that are shown."""
    cost = record.cost
    return {
        "id": record.id, "at": record.at, "kind": record.kind, "provider": record.provider, "model": record.model,
        "served": record.served, "key": record.tags.get(KEY_TAG), "team": record.tags.get(TEAM_TAG),
        "session": record.session, "input_tokens": record.usage.input_tokens,
        "output_tokens": record.usage.output_tokens, "cost": None if cost is None else cost.amount,
        "cost_source": None if cost is None else cost.source, "seconds": record.seconds,
        "first_event": record.first_event, "finish": record.finish, "error": record.error, "stream": record.stream,
        "route": not record.leaf,
    }  # fmt: skip


def conditions_of(wanted: shapes.CallFilter) -> dict[str, Any]:
    """What the ledger takes for a filter."""
    tags = {name: tag for name, tag in ((KEY_TAG, wanted.key), (TEAM_TAG, wanted.team)) if tag}
    same = {name: getattr(wanted, name) or None for name in ("model", "provider", "session", "error", "text")}
    return {**same, "tags": tags, **between(wanted.since, wanted.until)}


def between(since: float | None, until: float | None) -> dict[str, Any]:
    """What the ledger takes for a span of time."""
    return {
        name: datetime.datetime.fromtimestamp(moment, datetime.UTC)
        for name, moment in (("since", since), ("until", until))
        if moment is not None
    }


def per_million(pricing: Pricing | None, what: str) -> float | None:
    """A price for a million tokens."""
    price = None if pricing is None else pricing[what]
    return None if price is None else float(price) * 1_000_000
