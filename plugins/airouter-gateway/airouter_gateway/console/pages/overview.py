"""What goes on now, and what has gone on: requests under way, calls and how long they took, money."""

from __future__ import annotations

import asyncio
import datetime
import time
from decimal import Decimal

from starlette.requests import Request
from starlette.responses import Response

from airouter_ledger.ledger import Ledger

from ...admin import shapes
from ...server.numbers import is_one_of_several
from ..guards import Console
from ..plots import DAY, HOUR, buckets, latency, percentile, spend, traffic
from ..rendering import duration, money, page
from ..sessions import Session

MOST_CALLS = 5000
"""Calls that are read for the plots: the latest, so that a page takes no longer with a busy server."""
DAYS, HOURS = 30, 24
SHOWN = 5


async def overview(console: Console, request: Request, session: Session) -> Response:
    """The page."""
    admin = console.admin
    now = time.time()
    month = now - DAYS * DAY
    by_day, by_model, by_key = await asyncio.gather(
        *(admin.costs(shapes.CostsOf(by=by, since=month)) for by in ("day", "model", "tag:key"))
    )
    calls = await asyncio.to_thread(_calls, admin.ledger(), now)
    begin = now // HOUR * HOUR - (HOURS - 1) * HOUR
    found = buckets([(at, seconds, failed) for at, seconds, failed in calls], begin, HOUR, HOURS)
    times = sorted(seconds for _, seconds, failed in calls if seconds is not None and not failed)
    days = _days(by_day, now)
    return page(
        "overview.html",
        session,
        live=admin.live(),
        several=is_one_of_several(),
        remembers=admin.ledger() is not None,
        calls=len(calls),
        capped=len(calls) == MOST_CALLS,
        failed=sum(failed for *_, failed in calls),
        half=percentile(times, 0.5),
        most=percentile(times, 0.95),
        today=days[-1][1],
        month=sum((amount for _, amount in days), Decimal(0)),
        tokens=sum(total.input_tokens + total.output_tokens for total in by_day),
        spend=spend(days, money),
        traffic=traffic(found),
        latency=latency(found, duration),
        models=_dearest(by_model),
        keys=_dearest(by_key),
    )


async def live(console: Console, request: Request, session: Session) -> Response:
    """What is being answered, for the page to show again and again."""
    return page("parts/live.html", session, live=console.admin.live(), several=is_one_of_several())


def _calls(ledger: Ledger | None, now: float) -> list[tuple[float, float | None, bool]]:
    if ledger is None:
        return []
    since = datetime.datetime.fromtimestamp(now - HOURS * HOUR, datetime.UTC)
    found = ledger.calls(MOST_CALLS, since=since, leaves=True)
    return [(call.at, call.seconds, call.error is not None) for call in found]


def _days(by_day: list[shapes.Costs], now: float) -> list[tuple[str, Decimal]]:
    """Every day of the month that ends now, those without a call too."""
    amounts = {total.name: total.amount for total in by_day}
    # The ledger tells days in the time of this machine, or of its server.
    last = datetime.datetime.fromtimestamp(now).astimezone().date()
    days = [(last - datetime.timedelta(days=back)).isoformat() for back in range(DAYS - 1, -1, -1)]
    return [(one, amounts.get(one, Decimal(0))) for one in days]


def _dearest(sums: list[shapes.Costs]) -> list[shapes.Costs]:
    return sorted(sums, key=lambda total: (-total.amount, -total.calls))[:SHOWN]
