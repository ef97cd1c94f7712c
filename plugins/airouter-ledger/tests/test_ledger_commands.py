"""``airouter logs``, ``costs`` and ``record``: what they find, write, refuse and forget."""

from __future__ import annotations

import datetime
import json
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from airouter_core.cli import app
from airouter_core.errors import ConfigurationError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage
from airouter_ledger.commands import logs
from airouter_ledger.contents import stored
from airouter_ledger.ledger import Ledger, seconds_of
from airouter_ledger.records import CallRecord
from airouter_ledger.settings import size_of
from airouter_ledger.switch import switch

NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC).timestamp()
DAY = 86400.0
Said = Callable[..., Result]


def record(id_: str = "a1", **more: Any) -> CallRecord:
    return CallRecord(**{"id": id_, "at": NOON, "kind": "chat", "provider": "toy", "model": "toy-1", **more})


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings, whose ledger would be this one."""
    for name in ("AIROUTER_CONFIG", "AIROUTER_CASSETTE", "AIROUTER_REPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "airouter").mkdir(mode=0o700)
    return tmp_path / "airouter"


@pytest.fixture
def said(home: Path) -> Said:
    """Runs ``airouter`` with these words."""

    def run(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(app.app, words, **options)

    return run


@pytest.fixture
def kept(home: Path) -> Iterator[Ledger]:
    """Three calls of three days: answered and kept, failed, of a price that nobody knows."""
    ask = Ask(model="toy-1", messages=(Message("user", "Where is Zürich?"),))
    answer = Response(message=Message("assistant", "In Switzerland."))
    with Ledger.open(str(home / "ledger.db")) as ledger:
        ledger.add(
            record("aa1", usage=Usage(1200, 50), cost=Cost(Decimal("0.5"), "provider"), seconds=1.5, finish="stop",
                   session="s", user="eva", tags={"team": "blue"}, saved=Decimal("0.25")),
            stored(ask, answer, "text"),
        )  # fmt: skip
        ledger.add(record("bb2", at=NOON + DAY, error="RateLimitedError", cost=Cost(Decimal("0.125"), "provider"),
                          at_least=True, kind="embedding"))  # fmt: skip
        ledger.add(record("cc3", at=NOON + 2 * DAY, provider="other", model=None, usage=Usage(5, 5)))
        yield ledger


def ids(result: Result) -> list[str]:
    assert result.exit_code == 0, result.output
    return [found["id"] for found in json.loads(result.stdout)]


@pytest.mark.usefixtures("kept")
def test_calls_are_listed(said: Said) -> None:
    """The newest first, with what each took; what is not known is a dash, and a cost that may be more says so."""
    rows = [line.split() for line in said("logs").stdout.splitlines()]
    assert rows[0] == ["id", "at", "model", "tokens", "cost", "seconds", "end"]
    assert [(row[0], *row[3:]) for row in rows[1:]] == [
        ("cc3", "other", "5+5", "-", "-", "-"),
        ("bb2", "toy/toy-1", "-+-", "≥0.125000", "-", "RateLimitedError"),
        ("aa1", "toy/toy-1", "1200+50", "0.500000", "1.50", "stop"),
    ]


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("-n", "1"), ["cc3"]),
        (("-n", "0"), ["cc3", "bb2", "aa1"]),
        (("-m", "toy*"), ["bb2", "aa1"]),
        (("-p", "other"), ["cc3"]),
        (("--kind", "embedding"), ["bb2"]),
        (("--errors",), ["bb2"]),
        (("--error", "ServerError"), []),
        (("--conversation", "s"), ["aa1"]),
        (("--user", "eva"), ["aa1"]),
        (("--tag", "team=blue"), ["aa1"]),
        (("--tag", "team=blue", "--tag", "for=x"), []),
        (("--since", "2026-12-01T00:00:00Z"), ["cc3", "bb2"]),
        (("--until", "2026-12-01T00:00:00Z"), ["aa1"]),
        (("--cost-over", "0.2"), ["aa1"]),
        (("-q", "zürich switzerland"), ["aa1"]),
    ],
)
def test_calls_are_found(said: Said, words: tuple[str, ...], found: list[str]) -> None:
    """Each option is a condition of its own."""
    assert ids(said("logs", *words, "--json")) == found


def test_nothing_is_found(said: Said, kept: Ledger) -> None:
    """Nothing that fits, nothing at all, and no ledger yet are three different things."""
    assert "no call is remembered that fits" in said("logs", "--user", "nobody").stderr
    assert "no call is remembered that fits" in said("costs", "--user", "nobody").stderr
    assert kept.prune(older_than=0.0, now=NOON + 3 * DAY) == 3
    assert "no call is remembered yet" in said("logs").stderr
    (Path(kept.where)).rename(Path(kept.where).with_name("elsewhere.db"))
    for words in (("logs",), ("costs",), ("logs", "show", "x"), ("logs", "export"), ("logs", "prune", "--keep", "1d")):
        result = said(*words)
        assert isinstance(result.exception, ConfigurationError)
        assert "nothing is remembered yet: `airouter logs on` begins" in str(result.exception)


@pytest.mark.usefixtures("kept")
def test_one_call_is_shown(said: Said) -> None:
    """By the beginning of its id; with what was said where that is kept, and how to keep it where it is not."""
    shown = said("logs", "show", "aa")
    assert "user: Where is Zürich?" in shown.stdout
    assert "assistant: In Switzerland." in shown.stdout
    assert "cost:         " in shown.stdout
    assert "logs on --content" not in shown.stderr
    bare = said("logs", "show", "bb2")
    assert "error:        RateLimitedError" in bare.stdout
    assert "finish:" not in bare.stdout
    assert "`airouter logs on --content text` keeps it from now on" in bare.stderr
    told = json.loads(said("logs", "show", "aa", "--json").stdout)
    assert (told["id"], told["ask"]["messages"][0]["parts"][0]["text"]) == ("aa1", "Where is Zürich?")
    missing = said("logs", "show", "zz")
    assert "no call begins with 'zz'; `airouter logs` lists them" in str(missing.exception)


@pytest.mark.usefixtures("kept")
def test_calls_are_exported(said: Said, tmp_path: Path) -> None:
    """One a line, the oldest first, into a file that is named; with the same conditions as a list."""
    assert said("logs", "export", "-o", "calls.jsonl").exit_code == 0
    lines = [json.loads(line) for line in (tmp_path / "calls.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["id"] for line in lines] == ["aa1", "bb2", "cc3"]
    assert [line["ask"] is None for line in lines] == [False, True, True]
    assert [json.loads(line)["id"] for line in said("logs", "export", "--errors").stdout.splitlines()] == ["bb2"]


@pytest.mark.usefixtures("kept")
def test_what_was_spent(said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows by what is asked for, the sum below, and how many calls nobody can price; bars are for a terminal."""
    found = said("costs", "--by", "provider")
    rows = [line.split() for line in found.stdout.splitlines()]
    assert rows == [
        ["provider", "calls", "dollars", "unknown", "tokens", "in", "out", "saved"],
        ["other", "1", "0.0000", "1", "5", "5", "-"],
        ["toy", "2", "0.6250", "-", "1,200", "50", "0.2500"],
    ]
    assert "0.6250 dollars together, and 1 calls whose cost nobody knows" in found.stderr
    assert "nobody knows" not in said("costs", "-p", "toy").stderr
    by_tag = said("costs", "--by", "tag:team", "--user", "eva").stdout.splitlines()
    assert [line.split()[0] for line in by_tag] == ["team", "blue"]
    assert [total["name"] for total in json.loads(said("costs", "--by", "user", "--json").stdout)] == ["", "eva"]
    with pytest.raises(ConfigurationError, match="weather"):
        said("costs", "--by", "weather", catch_exceptions=False)


@pytest.mark.parametrize(
    ("part", "bar"), [("0", ""), ("1", "█" * 24), ("0.5", "█" * 12), ("0.01", "▎"), ("0.9999", "█" * 24)]
)
def test_bars_are_as_long_as_what_was_spent(part: str, bar: str) -> None:
    """To an eighth of a character."""
    from airouter_ledger.commands.costs import _bar

    assert _bar(Decimal(part)) == bar


def test_the_switch(said: Said, home: Path) -> None:
    """On with what is to be kept, off once, and off again; where the ledger is can be asked before there is one."""
    assert switch() is None
    assert said("logs", "path").stdout.strip() == str(home / "ledger.db")
    assert "of what is said, none" in said("logs", "on").stderr
    assert switch() == "none"
    assert "of what is said, full" in said("logs", "on", "--content", "full").stderr
    assert switch() == "full"
    told = json.loads(said("logs", "status", "--json").stdout)
    assert (told["on"], told["switched"], told["content"], told["calls"], told["bytes"]) == (True, True, "full", 0, 0)
    assert "calls are not remembered any more" in said("logs", "off").stderr
    assert "it was not on" in said("logs", "off").stderr
    assert said("logs", "status").stdout.splitlines() == [
        f"off: 0 calls in {home / 'ledger.db'}",
        "content none, 0 B",
    ]


@pytest.mark.usefixtures("kept")
def test_budgets_are_part_of_the_status(said: Said, home: Path) -> None:
    """How much of each is used, of how much, until when."""
    (home / "airouter.toml").write_text('[budgets.team]\namount = 50\nperiod = "forever"\n')
    result = said("logs", "status")
    assert result.stdout.splitlines()[0].startswith("on: 3 calls in")
    assert result.stdout.splitlines()[-1] == "budget team: 0 of 50 USD"
    (budget,) = json.loads(said("logs", "status", "--json").stdout)["budgets"]
    assert (budget["name"], budget["amount"], budget["ends"]) == ("team", "50", None)


def test_old_calls_are_forgotten(said: Said, kept: Ledger) -> None:
    """Only what is told, and only after a yes; without a bound nothing is."""
    kept.add(record("dd4", at=time.time()))
    nothing = said("logs", "prune", "--yes")
    assert "say what to forget: --keep '30 days', --size '500 MB'" in str(nothing.exception)
    assert said("logs", "prune", "--keep", "0 days", input="n\n").exit_code == 1
    assert kept.count() == 4
    assert "forgot 0 calls" in said("logs", "prune", "--size", "1 GB", "--yes").stderr
    wrong = said("logs", "prune", "--keep", "some time", "--yes")
    assert "an age is a number with a unit" in str(wrong.exception)
    assert "forgot 4 calls" in said("logs", "prune", "--size", "1", input="y\n").stderr


@pytest.mark.parametrize(
    ("age", "seconds"),
    [
        ("30 days", 30 * DAY), ("1 day", DAY), ("2", 2 * DAY), ("2d", 2 * DAY), ("12h", 43200), ("12 hours", 43200),
        ("90s", 90), ("90 s", 90), ("90 seconds", 90), ("5m", 300), ("5 min", 300), ("5 mins", 300), ("1 minute", 60),
        ("1.5 hours", 5400), ("2w", 14 * DAY), ("1 week", 7 * DAY), ("1 month", 31 * DAY), ("2 years", 732 * DAY),
    ],
)  # fmt: skip
def test_ages(age: str, seconds: float) -> None:
    """A number and a unit, short or long, one or several; a number alone is of days."""
    assert seconds_of(age) == seconds


@pytest.mark.parametrize("age", ["", "days", "2 moons", "1e400 days", "nan days", 5, None])
def test_what_is_no_age(age: Any) -> None:
    """It is told how one is written."""
    with pytest.raises(ConfigurationError, match="an age is a"):
        seconds_of(age)


@pytest.mark.parametrize(
    ("size", "count"),
    [("1", 1), ("500 MB", 500 << 20), ("1.5KiB", 1536), ("2 k", 2048), ("1GB", 1 << 30), ("1 T", 1 << 40), (7, 7)],
)
def test_sizes(size: Any, count: int) -> None:
    """A number of bytes, or a text with a unit; a K is 1,024."""
    assert size_of(size) == count


@pytest.mark.parametrize("size", ["", "big", "1 EB", "-1", "1 MB more", 0, True, None])
def test_what_is_no_size(size: Any) -> None:
    """It is told how one is written."""
    with pytest.raises(ConfigurationError, match="a size is a number of bytes"):
        size_of(size)


def test_new_calls_are_followed(said: Said, kept: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is written once, the oldest first, until Ctrl-C."""
    looks = iter([lambda: kept.add(record("dd4", at=NOON + 3 * DAY)), lambda: None, lambda: None])

    def sleep(seconds: float) -> None:
        look = next(looks, None)
        if look is None:
            raise KeyboardInterrupt
        look()

    monkeypatch.setattr("airouter_ledger.commands.logs.time.sleep", sleep)
    result = said("logs", "-f")
    assert result.exit_code == 130
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["aa1", "bb2", "cc3", "dd4"]


def test_a_program_that_is_recorded(said: Said, tmp_path: Path) -> None:
    """It is told where to keep answers; its exit code is ours, and what ends in failure is not called recorded."""
    show = "import os; open('seen', 'w').write(os.environ['AIROUTER_CASSETTE'] + ' ' + os.environ['AIROUTER_REPLAY'])"
    result = said("record", "answers.db", "--", sys.executable, "-c", show)
    assert (result.exit_code, result.stderr.strip()) == (0, "answers.db is recorded")
    assert (tmp_path / "seen").read_text() == f"{tmp_path / 'answers.db'} record"
    failed = said("record", "answers.db", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert (failed.exit_code, failed.stderr) == (3, "")
    strict = said("record", "--mode", "strict", "answers.db", "--", sys.executable, "-c", show)
    assert (strict.exit_code, strict.stderr) == (0, "")
    assert (tmp_path / "seen").read_text().endswith(" strict")
    killed = said("record", "answers.db", "--", sys.executable, "-c", "import os; os.kill(os.getpid(), 9)")
    assert killed.exit_code == 137


def test_what_cannot_be_recorded(said: Said) -> None:
    """A cassette that is not there, and a program that is not, are told before anything runs."""
    lost = said("record", "--mode", "strict", "lost.db", "--", sys.executable, "-c", "1")
    assert "there is no cassette lost.db" in str(lost.exception)
    nobody = said("record", "answers.db", "--", "no-such-program")
    assert "cannot run 'no-such-program': No such file or directory" in str(nobody.exception)


def test_a_list_of_calls_fits_a_terminal(tmp_path: Path) -> None:
    """Ids are shown by their ends, which `logs show` takes; a pipe gets them whole. The address can be asked again."""
    ids = ("1c6e1f0a9d3b11223344aa01", "1c6e1f0a9d3b11223344aa02", "9f270e7203b84fb28871dcd9")
    some = [record(id_, provider="claude", model="claude-sonnet-5-5", seconds=1.5, finish="end_turn") for id_ in ids]
    whole, brief = (logs.rows_of(some, brief=brief) for brief in (False, True))
    assert [row[0] for row in whole] == list(ids)
    assert [row[0] for row in brief] == ["1c6e…aa01", "1c6e…aa02", "9f27…dcd9"]
    assert whole[0][2] == "claude/claude-sonnet-5-5"
    assert max(sum(map(len, row)) + 2 * len(row) for row in brief) <= 80
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        for each in some:
            ledger.add(each)
        for asked in ("1c6e…aa02", "1c6e...aa02", "1c6e1f0a9d3b11223344aa02"):
            assert ledger.call(asked) == some[1]
    assert logs.rows_of([], brief=True) == []


def test_moments_have_words() -> None:
    """Beginnings of days, weeks, months and years; what is none is told with all of them."""
    now = datetime.datetime(2026, 12, 2, 15, 30).astimezone()  # a Wednesday, wherever this machine is
    found = {word: logs.beginning(word.title(), now) for word in logs.BEGINNINGS}
    assert {word: f"{moment:%Y-%m-%d %H:%M}" for word, moment in found.items()} == {
        "today": "2026-12-02 00:00",
        "yesterday": "2026-12-01 00:00",
        "this week": "2026-11-30 00:00",
        "this month": "2026-12-01 00:00",
        "this year": "2026-01-01 00:00",
    }
    assert all(moment is not None and moment.tzinfo is not None for moment in found.values())
    assert logs.Moment().convert("today", None, None) <= datetime.datetime.now(datetime.UTC)
    with pytest.raises(click.BadParameter, match="today, yesterday, this week"):
        logs.Moment().convert("month", None, None)
