"""Keys, teams and changes of them as rows of the ledger's database, and what a field of theirs may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.value import Value
from airouter_ledger.periods import Period

from ..bounds import MOST_DOLLARS, Bounds, Team
from ..keys import ClientKey

Execute = Callable[..., Any]
NOT_KEPT = ("digest", "of_team")
"""Fields of a key that its document does not hold: the first has a column, the second a table."""


class UnknownNameError(ParameterError):
    """There is no key or team of this name."""


class NameTakenError(ParameterError):
    """There is one of this name already."""


class Change(Value, frozen=True, kw_only=True):
    """Something that an administrator did.

    Attributes:
        at: seconds since 1970.
        who: which way it was done: the command line, the admin API, or the console.
        before, after: what was and is known of the key or team, without secrets.
    """

    number: int
    at: float
    who: str
    action: str
    subject: str
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None


def checked(value: Any, changes: Mapping[str, Any]) -> Any:
    """A key or team with some fields changed.

    Raises:
        ParameterError: a field is unknown, or cannot be so.
        ConfigurationError: the period is none.
    """
    fields = set(value.__struct_fields__) - {"id", "name", "created", "of_team"}
    if unknown := sorted(set(changes) - fields):
        raise ParameterError(f"a {type(value).__name__} has no {', '.join(unknown)}")
    changed = msgspec.structs.replace(value, **changes)
    try:
        changed = msgspec.convert(msgspec.to_builtins(changed), type(value))
    except msgspec.ValidationError as error:
        raise ParameterError(str(error)) from error
    amount = changed.budget
    if amount is not None and (
        not isinstance(amount, Decimal) or not amount.is_finite() or not 0 <= amount <= MOST_DOLLARS
    ):
        raise ParameterError(f"budget must be an amount from 0 to {MOST_DOLLARS}, not {amount}")
    Period(changed.period)
    if any(not pattern or not pattern.isprintable() for pattern in changed.models):
        raise ParameterError("models must be addresses, routes or patterns of them")
    return changed


def edited(execute: Execute, name: str, changes: Mapping[str, Any]) -> Callable[[], tuple[Any, Any]]:
    found = named_key(execute, name)
    changed = checked(found, changes)
    require_team(execute, changed)
    execute("UPDATE gateway_keys SET digest = ?, said = ? WHERE id = ?", changed.digest, document(changed), found.id)
    return lambda: (found, changed)


def named_key(execute: Execute, name: str) -> ClientKey:
    rows = execute("SELECT said, digest FROM gateway_keys WHERE name = ? OR id = ?", name, name)
    if not rows:
        raise UnknownNameError(f"there is no key {name!r}")
    said, digest = rows[0]
    return key_of(said, digest, {})


def named_team(execute: Execute, name: str) -> Team:
    rows = execute("SELECT said FROM gateway_teams WHERE name = ?", name)
    if not rows:
        raise UnknownNameError(f"there is no team {name!r}")
    return decoded_team(rows[0][0])


def decoded_team(said: str) -> Team:
    team: Team = msgspec.json.decode(said, type=Team)
    return team


def require_team(execute: Execute, key: ClientKey) -> None:
    if key.team is not None and not execute("SELECT 1 FROM gateway_teams WHERE name = ?", key.team):
        raise ParameterError(f"there is no team {key.team!r}")


def key_of(said: str, digest: str, teams: Mapping[str, Team]) -> ClientKey:
    key = msgspec.convert({**msgspec.json.decode(said), "digest": digest}, ClientKey)
    return msgspec.structs.replace(key, of_team=teams.get(key.team or ""))


def document(value: Bounds) -> str:
    said = {name: item for name, item in msgspec.to_builtins(value).items() if name not in NOT_KEPT}
    return msgspec.json.encode(said).decode()


def told(value: Bounds | None) -> str | None:
    return None if value is None else document(value)


def read_document(said: str | None) -> dict[str, Any] | None:
    return None if said is None else msgspec.json.decode(said)
