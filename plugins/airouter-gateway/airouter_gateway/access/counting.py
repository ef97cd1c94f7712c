"""What is counted of requests, tokens and what is under way: statements on the ledger's database.

A minute is made of spans of a second, kept one row each. A span counts until all of it is older than a minute, so what
is counted is never less than what was asked in any minute.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from airouter_core.errors import AirouterError
from airouter_core.values.value import Value

MINUTE = 60
LIVES = 60.0
"""Seconds after which a server that has said nothing is taken for dead."""
Kind = Literal["requests", "tokens"]
REQUESTS: Kind = "requests"
TOKENS: Kind = "tokens"

Execute = Callable[..., Any]


class LimitReachedError(AirouterError):
    """Somebody has asked as much as they may.

    Attributes:
        wait: seconds after which there is room again; ``None`` where waiting does not help.
    """

    def __init__(self, message: str, wait: float | None) -> None:
        super().__init__(message)
        self.wait = wait


class Room(Value, frozen=True):
    """What is left of the tightest limit of a kind, and seconds until it is whole again."""

    kind: Kind
    limit: int
    left: int
    reset: int


def named(subject: str) -> str:
    """Who is bounded, in words."""
    kind, _, name = subject.partition(":")
    return {"key": "this key", "team": f"the team {name!r}"}.get(kind, "this server")


def unless_reached(room: Room | LimitReachedError | None) -> Room | None:
    if isinstance(room, LimitReachedError):
        raise room
    return room


def full(execute: Execute, subject: str, limit: int | None, now: float) -> LimitReachedError | None:
    """Why one more cannot be under way, where it cannot."""
    if limit is None:
        return None
    rows = execute(
        "SELECT COUNT(*) FROM gateway_flights JOIN gateway_servers ON gateway_servers.id = gateway_flights.server"
        " WHERE gateway_flights.subject = ? AND gateway_servers.seen > ?",
        subject, now - LIVES,
    )  # fmt: skip
    return (
        LimitReachedError(f"{named(subject)} may have {limit} requests at a time", 1.0)
        if int(rows[0][0]) >= limit
        else None
    )


def count(
    execute: Execute,
    kind: Kind,
    limits: Sequence[tuple[str, int | None]],
    wanted: int,
    now: float,
) -> Room | LimitReachedError | None:
    """Count for all or none: the tightest room that is left, or who has none."""
    span = int(now)
    tightest: Room | None = None
    held = [(subject, limit) for subject, limit in limits if limit is not None]
    begun: list[str] = []
    for subject, limit in held:
        rows = execute(
            "SELECT span, amount FROM gateway_counts WHERE subject = ? AND kind = ? AND span >= ? ORDER BY span",
            subject, kind, span - MINUTE,
        )  # fmt: skip
        used = sum(int(amount) for _, amount in rows)
        if used + wanted > limit:
            return LimitReachedError(_said(subject, kind, limit, wanted), _wait(rows, used + wanted - limit, now))
        left = limit - used - wanted
        if tightest is None or left < tightest.left:
            first = int(rows[0][0]) if rows else span
            tightest = Room(kind, limit, left, first + MINUTE + 1 - span)
        if not rows or int(rows[-1][0]) < span:
            begun.append(subject)
    for subject, _ in held:
        execute(
            "INSERT INTO gateway_counts (subject, kind, span, amount) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (subject, kind, span) DO UPDATE SET amount = gateway_counts.amount + excluded.amount",
            subject, kind, span, wanted,
        )  # fmt: skip
    for subject in begun:  # once a second is enough to forget what is over
        execute("DELETE FROM gateway_counts WHERE subject = ? AND span < ?", subject, span - 2 * MINUTE)
    return tightest


def _said(subject: str, kind: str, limit: int, wanted: int) -> str:
    if kind == REQUESTS:
        return f"{named(subject)} may ask {limit} times a minute"
    more = ": lower max_tokens, or ask less at once" if wanted > limit else ""
    return f"{named(subject)} may use {limit} tokens a minute, and this request may use {wanted}{more}"


def _wait(rows: Sequence[Sequence[Any]], needed: int, now: float) -> float | None:
    """Until so much has left the minute; ``None`` for never."""
    for span, amount in rows:
        needed -= int(amount)
        if needed <= 0:
            return max(int(span) + MINUTE + 1 - now, 0.0)
    return None
