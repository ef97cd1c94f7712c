"""Keys and teams as they may be shown: nothing of a key but how it begins."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Any

from airouter_ledger.ledger import Ledger

from ..bounds import Bounds, Team
from ..keys import ClientKey
from .access import budgets_of, team_budget


class ShownKey(Bounds, frozen=True, kw_only=True):
    """A key, without itself and without its hash.

    Attributes:
        prefix: how it begins.
        spent: US dollars in this period of its budget, with what is set aside for calls under way.
        ends: when the period ends, in seconds since 1970.
        state: whether it may be used, and why not.
        kept: where it is kept: the ledger, or a file (of which only models, rpm and expiry hold).
    """

    name: str
    id: str
    prefix: str
    team: str | None = None
    state: str = "active"
    expires: float | None = None
    created: float = 0.0
    spent: Decimal | None = None
    ends: float | None = None
    kept: str = "ledger"


class ShownTeam(Bounds, frozen=True, kw_only=True):
    """A team.

    Attributes:
        keys: names of its keys.
        spent, ends: as of a key.
    """

    name: str
    state: str = "active"
    created: float = 0.0
    keys: tuple[str, ...] = ()
    spent: Decimal | None = None
    ends: float | None = None


def shown_key(key: ClientKey, ledger: Ledger | None) -> ShownKey:
    """What may be shown of a key."""
    spent, ends = None, None
    if key.budget is not None and ledger is not None:
        state = ledger.purse.state(budgets_of(key)[0], time.time())
        spent, ends = state.used, state.ends
    return ShownKey(
        **_bounds(key), name=key.name, id=key.id, prefix=key.prefix, team=key.team, state=_state(key),
        expires=key.expires, created=key.created, spent=spent, ends=ends, kept="ledger" if key.id else "file",
    )  # fmt: skip


def shown_team(team: Team, keys: list[ClientKey], ledger: Ledger | None) -> ShownTeam:
    """What may be shown of a team."""
    spent, ends = None, None
    if team.budget is not None and ledger is not None:
        state = ledger.purse.state(team_budget(team.name, team), time.time())
        spent, ends = state.used, state.ends
    return ShownTeam(
        **_bounds(team), name=team.name, state="disabled" if team.disabled else "active", created=team.created,
        keys=tuple(key.name for key in keys if key.team == team.name), spent=spent, ends=ends,
    )  # fmt: skip


def _bounds(value: Bounds) -> dict[str, Any]:
    return {name: getattr(value, name) for name in Bounds.__struct_fields__}


def _state(key: ClientKey) -> str:
    if key.disabled:
        return "disabled"
    if key.is_off:
        return "team disabled"
    return "expired" if key.is_expired(time.time()) else "active"
