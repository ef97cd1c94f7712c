"""Keys and teams beside the ledger: what is kept, what is shown, and every change of them. In both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from airouter_core.errors import ConfigurationError, ParameterError
from airouter_gateway.access.access import STALE, Access
from airouter_gateway.access.accounts import Accounts
from airouter_gateway.access.books import Books
from airouter_gateway.keys import KeyFile, digest_of
from airouter_ledger.errors import LedgerError
from airouter_ledger.ledger import Ledger

BY = "a test"


@pytest.fixture
def accounts(address: str) -> Iterator[Accounts]:
    """Those of a new ledger, of each kind."""
    with Ledger.open(address) as ledger:
        yield Accounts(ledger)


def test_a_key_is_kept_as_a_hash(accounts: Accounts) -> None:
    """Neither the key nor, in what is told of changes, its hash is anywhere in the database."""
    secret, made = accounts.create("ci", by=BY, models=("up/*",), rpm=3, budget=Decimal("1.5"), period="day")
    rotated, _ = accounts.rotate("ci", by=BY)
    stored = "".join(
        str(accounts.tables.read(f"SELECT * FROM {table}")) for table in ("gateway_keys", "gateway_changes")
    )
    for key in (secret, rotated):
        assert key not in stored
        assert key[len(made.prefix) :] not in stored
    assert digest_of(rotated) not in str(accounts.tables.read("SELECT * FROM gateway_changes"))
    assert secret not in repr(made)


def test_a_key_can_be_changed_and_goes_on(accounts: Accounts) -> None:
    """Rotating makes another key of the same name, id and bounds; the old one is none any more."""
    secret, made = accounts.create("ci", by=BY, rpm=3, expires=5.0)
    accounts.edit("ci", by=BY, rpm=None, tpm=100, disabled=True)
    another, changed = accounts.rotate("ci", by=BY)
    assert (changed.id, changed.rpm, changed.tpm, changed.expires, changed.disabled) == (made.id, None, 100, 5.0, True)
    assert [key.digest for key in accounts.all_keys()] == [digest_of(another)] != [digest_of(secret)]
    accounts.revoke("ci", by=BY)
    assert accounts.all_keys() == []
    told = [(change.number, change.who, change.action, change.subject) for change in accounts.changes()]
    assert told == [(4, BY, "revoke key", "ci"), (3, BY, "rotate key", "ci"), (2, BY, "edit key", "ci"),
                    (1, BY, "create key", "ci")]  # fmt: skip
    edited = accounts.changes(before=3)[0]
    assert edited.before is not None
    assert edited.after is not None
    assert (edited.before["rpm"], edited.after["rpm"], edited.after["tpm"]) == (3, None, 100)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"rpm": 0}, "rpm"),
        ({"tpm": "many"}, "tpm"),
        ({"budget": Decimal(-1)}, "budget"),
        ({"budget": Decimal("NaN")}, "budget"),
        ({"period": "fortnight"}, "period"),
        ({"models": ("",)}, "models"),
        ({"team": "nobody"}, "no team"),
        ({"colour": "red"}, "colour"),
        ({"id": "another"}, "id"),
    ],
)
def test_what_cannot_be_is_refused(accounts: Accounts, fields: dict[str, object], said: str) -> None:
    """With the field in the message, and without a trace in the database."""
    with pytest.raises((ParameterError, ConfigurationError), match=said):
        accounts.create("ci", by=BY, **fields)
    accounts.create("other", by=BY)
    with pytest.raises((ParameterError, ConfigurationError), match=said):
        accounts.edit("other", by=BY, **fields)
    assert len(accounts.changes()) == 1


@pytest.mark.parametrize("name", ["", " ", "a/b", "a\nb", "x" * 101])
def test_names_that_are_none(accounts: Accounts, name: str) -> None:
    """A name stands in addresses, logs and tags, so it is short, printable and whole."""
    with pytest.raises(ParameterError, match="name"):
        accounts.create(name, by=BY)
    with pytest.raises(ParameterError, match="name"):
        accounts.create_team(name, by=BY)


def test_a_name_is_taken_once(accounts: Accounts) -> None:
    """Of keys and of teams."""
    accounts.create("ci", by=BY)
    accounts.create_team("ci", by=BY)
    with pytest.raises(ParameterError, match="already"):
        accounts.create("ci", by=BY)
    with pytest.raises(ParameterError, match="already"):
        accounts.create_team("ci", by=BY)


def test_a_key_is_bounded_by_its_team_too(accounts: Accounts) -> None:
    """It may use what both allow, and is off where one is; a team with keys stays."""
    accounts.create_team("a", by=BY, models=("up/*", "route:*"))
    accounts.create("ci", by=BY, team="a", models=("up/m", "other/*"))
    key = accounts.key("ci")
    assert key.allows("up/m")
    assert not key.allows("up/n")
    assert not key.allows("other/m")
    with pytest.raises(ParameterError, match="revoke ci first"):
        accounts.remove_team("a", by=BY)
    accounts.edit_team("a", by=BY, disabled=True)
    assert accounts.key("ci").is_off
    accounts.edit("ci", by=BY, team=None)
    accounts.remove_team("a", by=BY)
    assert (accounts.all_teams(), accounts.key("ci").is_off) == ([], False)


def test_others_notice(accounts: Accounts, address: str) -> None:
    """Whoever has the same ledger sees a change by its number."""
    with Ledger.open(address) as ledger:
        other = Accounts(ledger)
        assert other.last_change() == 0
        accounts.create("ci", by=BY)
        assert other.last_change() == 1
        assert other.key("ci") == accounts.key("ci")


def test_keys_that_were_read_hold_for_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the database is away who has a key is let in for a minute; then, and where nothing was read, nobody is."""
    now = [100.0]
    monkeypatch.setattr("airouter_gateway.access.access.time.monotonic", lambda: now[0])

    def away() -> int:
        raise LedgerError("it is away")

    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        books = Books({"ledger": {"path": str(tmp_path / "ledger.db")}}, open_ledger=lambda *_: ledger)
        secret, _ = books.made_accounts().create("ci", by=BY)
        access = Access(KeyFile(str(tmp_path / "keys.json")), books)
        assert not access.is_empty()
        monkeypatch.setattr(books.made_accounts(), "last_change", away)
        now[0] += STALE
        asyncio.run(access.refresh())
        assert access.find(digest_of(secret)) is not None
        now[0] += 1
        with pytest.raises(LedgerError):
            asyncio.run(access.refresh())
        with pytest.raises(LedgerError):
            Access(KeyFile(str(tmp_path / "keys.json")), books).is_empty()
