"""Keys and teams, and every change of them, in the ledger's database.

A change and the row that tells of it are one transaction, and no row holds a key or its hash. Servers that run read
again when the number of the last change is another one.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_ledger.guests import Guest
from airouter_ledger.ledger import Ledger

from ..bounds import Team
from ..keys import SHOWN, ClientKey, digest_of, new_key, require_name
from .account_rows import (
    Change,
    Execute,
    NameTakenError,
    UnknownNameError,
    checked,
    decoded_team,
    document,
    edited,
    key_of,
    named_key,
    named_team,
    read_document,
    require_team,
    told,
)
from .schema import NAME, VERSIONS


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
        found = [key_of(said, digest, teams) for said, digest in rows]
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
        return [decoded_team(said) for (said,) in rows]

    def team(self, name: str) -> Team:
        """The team of this name.

        Raises:
            UnknownNameError: there is none.
        """
        found: Team = named_team(self.tables.read, name)
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
            Change(
                number=number,
                at=at,
                who=who,
                action=action,
                subject=subject,
                before=read_document(was),
                after=read_document(now),
            )
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
        made = checked(
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
            require_team(execute, made)
            execute(
                "INSERT INTO gateway_keys (id, name, digest, said) VALUES (?, ?, ?, ?)",
                made.id, name, made.digest, document(made),
            )  # fmt: skip
            return lambda: (None, made)

        self._change(by, "create key", name, work)
        return secret, self.key(name)

    def edit(self, name: str, *, by: str, **changes: Any) -> ClientKey:
        """Change bounds, team, expiry or state of a key; at once, also for servers that run.

        Raises:
            ParameterError: there is no such key, or a field cannot be.
        """
        self._change(by, "edit key", name, lambda execute: edited(execute, name, changes))
        return self.key(name)

    def rotate(self, name: str, *, by: str) -> tuple[str, ClientKey]:
        """Make a new key in place of one, which is of no use from now on. Budget and limits go on.

        Raises:
            ParameterError: there is no such key.
        """
        secret = new_key()
        changes = {"digest": digest_of(secret), "prefix": secret[:SHOWN]}
        self._change(by, "rotate key", name, lambda execute: edited(execute, name, changes))
        return secret, self.key(name)

    def revoke(self, name: str, *, by: str) -> None:
        """Make a key useless and forget it.

        Raises:
            ParameterError: there is no such key.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = named_key(execute, name)
            execute("DELETE FROM gateway_keys WHERE id = ?", found.id)
            return lambda: (found, None)

        self._change(by, "revoke key", name, work)

    def create_team(self, name: str, *, by: str, **given: Any) -> Team:
        """Make a team.

        Raises:
            ParameterError: there is one of this name, or a field cannot be.
        """
        require_name(name)
        made: Team = checked(Team(name=name, created=self._clock()), given)

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            if execute("SELECT 1 FROM gateway_teams WHERE name = ?", name):
                raise NameTakenError(f"there is a team {name!r} already: edit it, or take another name")
            execute("INSERT INTO gateway_teams (name, said) VALUES (?, ?)", name, document(made))
            return lambda: (None, made)

        self._change(by, "create team", name, work)
        return made

    def edit_team(self, name: str, *, by: str, **changes: Any) -> Team:
        """Change the bounds of a team.

        Raises:
            ParameterError: there is no such team, or a field cannot be.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = named_team(execute, name)
            changed = checked(found, changes)
            execute("UPDATE gateway_teams SET said = ? WHERE name = ?", document(changed), name)
            return lambda: (found, changed)

        self._change(by, "edit team", name, work)
        return self.team(name)

    def remove_team(self, name: str, *, by: str) -> None:
        """Forget a team that has no keys any more.

        Raises:
            ParameterError: there is no such team, or it has keys: without it they would be bounded by less.
        """

        def work(execute: Execute) -> Callable[[], tuple[Any, Any]]:
            found = named_team(execute, name)
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
                id_, at, by, action, subject, told(before), told(after),
            )  # fmt: skip

        self.tables.write(changing)
