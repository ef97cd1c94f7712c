"""``airouter gateway``: keys and teams from the command line."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from airouter_core.errors import AirouterError
from airouter_gateway.key_commands import gateway
from airouter_gateway.keys import digest_of
from airouter_ledger.ledger import Ledger


def run(*arguments: str, fails: bool = False) -> str:
    """What a command prints."""
    result = CliRunner().invoke(gateway, arguments)
    if fails:
        assert isinstance(result.exception, AirouterError)
        return str(result.exception)
    assert result.exception is None, result.exception
    return result.stdout


@pytest.fixture
def home(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who has nothing yet."""
    for name in ("XDG_CONFIG_HOME", "HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.setenv("AIROUTER_CONFIG", "")  # so that it is as it was again, whatever a command makes of it
    monkeypatch.delenv("AIROUTER_CONFIG")
    monkeypatch.chdir(str(tmp_path))
    # A process of its own would close its ledger at its end.
    opened: list[Ledger] = []
    monkeypatch.setattr(
        "airouter_gateway.access.books.opened", lambda *given: opened.append(Ledger.open(given[0])) or opened[-1]
    )
    yield
    for ledger in opened:
        ledger.close()


def test_the_commands_tell_a_key_once(home: None) -> None:
    """From the first key to the last: made, listed, changed, made anew, revoked."""
    secret = run(
        "create", "ci", "-m", "up/*", "--rpm", "60", "--budget", "2.50", "--period", "day", "--days", "90"
    ).strip()
    assert secret.startswith("air-")
    (listed,) = json.loads(run("list", "--json"))
    assert (listed["name"], listed["models"], listed["rpm"], listed["budget"]) == ("ci", ["up/*"], 60, "2.50")
    assert (listed["state"], listed["kept"], listed["spent"]) == ("active", "ledger", "0")
    for shown in (run("list"), run("list", "--json"), run("show", "ci"), run("show", "ci", "--json")):
        assert secret not in shown
        assert digest_of(secret) not in shown
        assert secret[:10] in shown
    assert json.loads(run("edit", "ci", "--rpm", "none", "--disable", "--json"))["state"] == "disabled"
    assert json.loads(run("show", "ci", "--json"))["rpm"] is None
    another = json.loads(run("rotate", "ci", "--json"))
    assert another["key"] != secret
    assert another["id"] == listed["id"]
    run("revoke", "ci")
    assert json.loads(run("list", "--json")) == []
    assert "no key 'ci'" in run("revoke", "ci", fails=True)


def test_the_commands_know_teams(home: None) -> None:
    """Made, given keys, changed and removed."""
    run("teams", "create", "a", "--tpm", "1000", "--budget", "5")
    run("create", "ci", "--team", "a")
    (team,) = json.loads(run("teams", "list", "--json"))
    assert (team["name"], team["tpm"], team["budget"], team["keys"]) == ("a", 1000, "5", ["ci"])
    assert json.loads(run("teams", "edit", "a", "--tpm", "none", "--disable", "--json"))["state"] == "disabled"
    assert json.loads(run("show", "ci", "--json"))["state"] == "team disabled"
    rows = [line.split() for line in run("teams", "list").splitlines()]
    assert rows == [
        ["name", "keys", "models", "rpm", "tpm", "budget", "spent", "state"],
        ["a", "1", "all", "-", "-", "5", "a", "month", "0.0000", "disabled"],
    ]
    shown = dict(line.split(maxsplit=1) for line in run("teams", "show", "a").splitlines())
    assert (shown["keys"], shown["tpm"], shown["models"], shown["budget"]) == ("ci", "-", "-", "5")
    assert shown["created"][:2] == "20"
    assert "there is no team 'b'" in run("teams", "show", "b", fails=True)
    assert "has keys" in run("teams", "remove", "a", fails=True)
    run("edit", "ci", "--team", "none")
    run("teams", "remove", "a")
    assert json.loads(run("teams", "list", "--json")) == []


def test_keys_of_a_file_stay(home: None, tmp_path: object) -> None:
    """What can be kept in a file is made, listed and revoked there; the rest is refused."""
    path = f"{tmp_path}/keys.json"
    run("create", "ci", "--file", path, "--rpm", "3")
    (listed,) = json.loads(run("list", "--file", path, "--json"))
    assert (listed["name"], listed["rpm"], listed["kept"]) == ("ci", 3, "file")
    assert "no budget" in run("create", "other", "--file", path, "--budget", "1", fails=True)
    run("revoke", "ci", "--file", path)
    assert json.loads(run("list", "--file", path, "--json")) == []


def test_bounds_of_a_key_are_read_changed_and_shown(home: None) -> None:
    """In a table and alone; a moment is shown in the time of this machine, and ``none`` takes a bound away."""
    bounds = ("--rpm", "60", "--tpm", "9", "--in-flight", "2", "--budget", "2.50", "--unpriced", "allow")
    made = json.loads(run("create", "ci", "-m", "up/*", "-m", "route:*", *bounds, "--json"))
    assert made["key"].startswith(made["prefix"])
    assert (made["in_flight"], made["unpriced"], made["period"]) == (2, "allow", "month")
    (_, row) = run("list").splitlines()
    assert row.split() == [
        "ci", f"{made['prefix']}…", "-", "up/*,", "route:*", "60", "9", "2.50", "a", "month", "0.0000", "-", "active",
    ]  # fmt: skip
    before = time.time()
    changed = json.loads(
        run("edit", "ci", "-m", "none", "--budget", "none", "--in-flight", "none", "--days", "2", "--json")
    )
    assert (changed["models"], changed["budget"], changed["in_flight"]) == ([], None, None)
    assert before + 2 * 86400 <= changed["expires"] <= time.time() + 2 * 86400
    shown = dict(line.split(maxsplit=1) for line in run("show", made["id"]).splitlines())
    moment = datetime.datetime.fromtimestamp(changed["expires"]).astimezone()
    assert (shown["expires"], shown["models"], shown["rpm"]) == (f"{moment:%Y-%m-%d %H:%M}", "-", "60")
    assert json.loads(run("edit", "ci", "--disable", "--json"))["state"] == "disabled"
    assert json.loads(run("edit", "ci", "--enable", "--json"))["state"] == "active"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--rpm", "0"), "'0' is no count"),
        (("--tpm", "-1"), "'-1' is no count"),
        (("--in-flight", "many"), "'many' is no count"),
        (("--budget", "much"), "'much' is no amount"),
        (("--days", "0"), "is not in the range"),
        (("--unpriced", "maybe"), "is not one of 'refuse', 'allow'"),
    ],
)
def test_a_bound_that_is_none_is_refused(home: None, words: tuple[str, ...], said: str) -> None:
    """Where it was written, before any key is made."""
    result = CliRunner().invoke(gateway, ["create", "ci", *words])
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert json.loads(run("list", "--json")) == []


def test_without_keys(home: None) -> None:
    """It is told who may ask then; what is not there cannot be shown."""
    result = CliRunner().invoke(gateway, ["list"])
    assert "no key: whoever reaches this machine's loopback may ask" in result.stderr
    assert json.loads(run("teams", "list", "--json")) == []
    assert "there is no key 'ci'" in run("show", "ci", fails=True)


def test_keys_of_the_settings_that_are_named(home: None, tmp_path: Path) -> None:
    """--config says whose ledger is meant."""
    (tmp_path / "mine.toml").write_text(f'[ledger]\npath = "{tmp_path}/mine.db"\n')
    (tmp_path / "mine.toml").chmod(0o600)
    run("--config", f"{tmp_path}/mine.toml", "create", "ci")
    assert (tmp_path / "mine.db").exists()
    assert [key["name"] for key in json.loads(run("list", "--json"))] == ["ci"]
