"""Keys and teams, and every change of them, in the ledger's database.

A change and the row that tells of it are one transaction, and no row holds a key or its hash. Servers that run read
again when the number of the last change is another one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.values.value import Value
from airouter_ledger.guests import Guest
from airouter_ledger.ledger import Ledger
from airouter_ledger.periods import Period

from ..bounds import MOST_DOLLARS, Bounds, Team
from ..keys import SHOWN, ClientKey, digest_of, new_key, require_name
from .schema import NAME, VERSIONS

Execute = Callable[..., Any]
Result = TypeVar("Result")
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


class Accounts:
    """Keys and teams of one ledger. For many threads and processes.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self.tables: Guest = ledger.guest(NAME, VERSIONS)
        self._clock = clock

    def all_keys(self) -> list[ClientKey]:
        """All keys, in the order made."""
        teams = {team.name: team for team in self.all_teams()}
        rows = self.tables.read("SELECT said, digest FROM gateway_keys")
        found = [_key(said, digest, teams) for said, digest in rows]
        return sorted(found, key=lambda key: (key.created, key.name))

    def key(self, name: str) -> ClientKey:
        """The key of this name, or that begins so.

        Raises:
            UnknownNameError: there is none.
        """
        found = next((key for key in self.all_keys() if name in (key.name, key.prefix, key.id)), None)
        if found is None:
            raise UnknownNameError(f"there is no key {name!r}")
        return found

    def all_teams(self) -> list[Team]:
        """All teams, by name."""
        rows = self.tables.read("SELECT said FROM gateway_teams ORDER BY name")
        return [_decoded_team(said) for (said,) in rows]

    def team(self, name: str) -> Team:
        """The team of this name.

        Raises:
            UnknownNameError: there is none.
        """
        found: Team = _team(self.tables.read, name)
        return found

    def last_change(self) -> int:
        """The number of the last change; 0 before the first."""
        return int(self.tables.read("SELECT COALESCE(MAX(number), 0) FROM gateway_changes")[0][0])

    def changes(self, limit: int = 100, before: int | None = None) -> list[Change]:
        """What was done, the newest first; with numbers below ``before``."""
        rows = self.tables.read(
            "SELECT number, at, who, action, subject, before, after FROM gateway_changes WHERE number < ?"
            " ORDER BY number DESC LIMIT ?",
            (1 << 62) if before is None else before,
            limit,
        )
        return [
            Change(number=number, at=at, who=who, action=action, subject=subject, before=_read(was), after=_read(now))
            for number, at, who, action, subject, was, now in rows
        ]

    def create(self, name: str, *, by: str, **given: Any) -> tuple[str, ClientKey]:
        """Make a key: the key itself, which nobody can show again, and what is kept of it.

        Args:
            by: which way it is done, for the list of changes.
            given: fields of the key.

        Raises:
            ParameterError: there is one of this name, or a field cannot be.
        """
        require_name(name)
        secret = new_key()
        made = _checked(
            ClientKey(
                name=name,
                digest=digest_of(secret),
                prefix=secret[:SHOWN],
                id=secrets.token_hex(6),
                created=self._clock(),
            ),
            given,
        )

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            if execute("SELECT 1 FROM gateway_keys WHERE name = ?", name):
                raise NameTakenError(f"there is a key {name!r} already: edit or rotate it, or take another name")
            _require_team(execute, made)
            execute(
                "INSERT INTO gateway_keys (id, name, digest, said) VALUES (?, ?, ?, ?)",
                made.id, name, made.digest, _document(made),
            )  # fmt: skip
            return lambda: (None, made)

        self._change(by, "create key", name, work)
        return secret, self.key(name)

    def edit(self, name: str, *, by: str, **changes: Any) -> ClientKey:
        """Change bounds, team, expiry or state of a key; at once, also for servers that run.

        Raises:
            ParameterError: there is no such key, or a field cannot be.
        """
        self._change(by, "edit key", name, lambda execute: _edited(execute, name, changes))
        return self.key(name)

    def rotate(self, name: str, *, by: str) -> tuple[str, ClientKey]:
        """Make a new key in place of one, which is of no use from now on. Budget and limits go on.

        Raises:
            ParameterError: there is no such key.
        """
        secret = new_key()
        changes = {"digest": digest_of(secret), "prefix": secret[:SHOWN]}
        self._change(by, "rotate key", name, lambda execute: _edited(execute, name, changes))
        return secret, self.key(name)

    def revoke(self, name: str, *, by: str) -> None:
        """Make a key useless and forget it.

        Raises:
            ParameterError: there is no such key.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = _named(execute, name)
            execute("DELETE FROM gateway_keys WHERE id = ?", found.id)
            return lambda: (found, None)

        self._change(by, "revoke key", name, work)

    def create_team(self, name: str, *, by: str, **given: Any) -> Team:
        """Make a team.

        Raises:
            ParameterError: there is one of this name, or a field cannot be.
        """
        require_name(name)
        made: Team = _checked(Team(name=name, created=self._clock()), given)

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            if execute("SELECT 1 FROM gateway_teams WHERE name = ?", name):
                raise NameTakenError(f"there is a team {name!r} already: edit it, or take another name")
            execute("INSERT INTO gateway_teams (name, said) VALUES (?, ?)", name, _document(made))
            return lambda: (None, made)

        self._change(by, "create team", name, work)
        return made

    def edit_team(self, name: str, *, by: str, **changes: Any) -> Team:
        """Change the bounds of a team.

        Raises:
            ParameterError: there is no such team, or a field cannot be.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = _team(execute, name)
            changed = _checked(found, changes)
            execute("UPDATE gateway_teams SET said = ? WHERE name = ?", _document(changed), name)
            return lambda: (found, changed)

        self._change(by, "edit team", name, work)
        return self.team(name)

    def remove_team(self, name: str, *, by: str) -> None:
        """Forget a team that has no keys any more.

        Raises:
            ParameterError: there is no such team, or it has keys: without it they would be bounded by less.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = _team(execute, name)
            documents = [msgspec.json.decode(said) for (said,) in execute("SELECT said FROM gateway_keys")]
            if keys := [said["name"] for said in documents if said.get("team") == name]:
                raise ParameterError(
                    f"the team {name!r} has keys: revoke {', '.join(sorted(keys))} first, or move them"
                )
            execute("DELETE FROM gateway_teams WHERE name = ?", name)
            return lambda: (found, None)

        self._change(by, "remove team", name, work)

    def _change(
        self, by: str, action: str, subject: str, work: Callable[[Execute], Callable[[], tuple[Any, Any]]]
    ) -> None:
        """Do something and tell of it, once, however often the database has to be asked."""
        id_, at = secrets.token_hex(8), self._clock()

        def changing(execute: Execute) -> None:
            if execute("SELECT 1 FROM gateway_changes WHERE id = ?", id_):
                return
            before, after = work(execute)()
            execute(
                "INSERT INTO gateway_changes (number, id, at, who, action, subject, before, after) "
                "SELECT COALESCE(MAX(number), 0) + 1, ?, ?, ?, ?, ?, ?, ? FROM gateway_changes",
                id_, at, by, action, subject, _told(before), _told(after),
            )  # fmt: skip

        self.tables.write(changing)


def _checked(value: Any, changes: Mapping[str, Any]) -> Any:
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


def _edited(execute: Execute, name: str, changes: Mapping[str, Any]) -> Callable[[], tuple[Any, Any]]:
    found = _named(execute, name)
    changed = _checked(found, changes)
    _require_team(execute, changed)
    execute("UPDATE gateway_keys SET digest = ?, said = ? WHERE id = ?", changed.digest, _document(changed), found.id)
    return lambda: (found, changed)


def _named(execute: Execute, name: str) -> ClientKey:
    rows = execute("SELECT said, digest FROM gateway_keys WHERE name = ? OR id = ?", name, name)
    if not rows:
        raise UnknownNameError(f"there is no key {name!r}")
    said, digest = rows[0]
    return _key(said, digest, {})


def _team(execute: Execute, name: str) -> Team:
    rows = execute("SELECT said FROM gateway_teams WHERE name = ?", name)
    if not rows:
        raise UnknownNameError(f"there is no team {name!r}")
    return _decoded_team(rows[0][0])


def _decoded_team(said: str) -> Team:
    team: Team = msgspec.json.decode(said, type=Team)
    return team


def _require_team(execute: Execute, key: ClientKey) -> None:
    if key.team is not None and not execute("SELECT 1 FROM gateway_teams WHERE name = ?", key.team):
        raise ParameterError(f"there is no team {key.team!r}")


def _key(said: str, digest: str, teams: Mapping[str, Team]) -> ClientKey:
    document = {**msgspec.json.decode(said), "digest": digest}
    key = msgspec.convert(document, ClientKey)
    return msgspec.structs.replace(key, of_team=teams.get(key.team or ""))


def _document(value: Bounds) -> str:
    said = {name: item for name, item in msgspec.to_builtins(value).items() if name not in NOT_KEPT}
    return msgspec.json.encode(said).decode()


def _told(value: Bounds | None) -> str | None:
    return None if value is None else _document(value)


def _read(said: str | None) -> dict[str, Any] | None:
    return None if said is None else msgspec.json.decode(said)
