"""Calls are remembered, found again, and forgotten when it is time; in SQLite and in PostgreSQL."""

from __future__ import annotations

import contextlib
import datetime
import os
import stat
import threading
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import ConfigurationError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Cost, Usage
from airouter_ledger.contents import stored
from airouter_ledger.database import schema
from airouter_ledger.errors import LedgerError, LedgerVersionError
from airouter_ledger.ledger import Ledger
from airouter_ledger.records import CallRecord

DAY = 86400.0
NOON = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC).timestamp()


def record(id_: str = "a1", **more: Any) -> CallRecord:
    return CallRecord(**{"id": id_, "at": NOON, "kind": "chat", "provider": "toy", "model": "toy-1", **more})


def test_a_call_is_read_as_it_was_written(ledger: Ledger) -> None:
    """Every field comes back, money to the last digit; what is unknown stays unknown."""
    whole = record(
        parent="p", address="http://127.0.0.1:1/v1", served="toy-1-0", attempt=2, attempts=({"target": "a/b"},),
        parameters={"temperature": 0.5, "stop": ["x"]}, usage=Usage(10, 5, 3, 2, 1),
        cost=Cost(Decimal("0.000012345"), "provider"), at_least=True, saved=Decimal("1.5"), seconds=1.25,
        first_event=0.5, finish="stop", error="ServerError", session="s", user="u", tags={"team": "a"}, stream=True,
        leaf=False, size=10,
    )  # fmt: skip
    ledger.add(whole)
    ledger.add(record("a2"))
    assert ledger.call("a1") == whole
    assert ledger.call("a2") == record("a2")
    assert ledger.call("nobody") is None
    with pytest.raises(ConfigurationError, match="several calls begin with 'a'"):
        ledger.call("a")


def test_said_twice_it_is_remembered_once(ledger: Ledger) -> None:
    """A write that is done again after a broken connection changes nothing."""
    ledger.add(record())
    ledger.add(record(provider="other"))
    assert [call.provider for call in ledger.calls()] == ["toy"]


def test_text_that_no_database_takes(ledger: Ledger) -> None:
    """NUL and halves of characters are written as what stands for the unreadable; nothing is refused or lost."""
    ledger.add(record(model="a\0b", session="\ud83d", tags={"x\0": "\udc00y"}))
    (call,) = ledger.calls()
    assert (call.model, call.session) == ("a\ufffdb", "?")


def test_filters(ledger: Ledger) -> None:
    """Each condition by itself; the newest first, page by page."""
    for number in range(7):
        ledger.add(
            record(
                f"c{number}",
                at=NOON + number * DAY,
                model=f"m-{number % 2}",
                served="under_score" if number == 3 else None,
                error="RateLimitedError" if number == 1 else None,
                session="s" if number > 4 else None,
                user="eva" if number == 2 else None,
                tags={"team": "blue" if number == 6 else "red"},
                cost=Cost(Decimal(number), "provider"),
            )
        )

    def found(**conditions: Any) -> str:
        return "".join(call.id[1:] for call in ledger.calls(**conditions))

    assert found() == "6543210"
    assert found(newest_first=False, limit=2) == "01"
    assert found(model="m-1") == "531"
    assert found(model="m*") == "6543210"
    assert found(model="under_*") == "3"
    assert found(model="under%") == ""
    assert found(error="any") == found(error="RateLimitedError") == "1"
    assert found(session="s") == "65"
    assert found(user="eva") == "2"
    assert found(tags={"team": "blue"}) == "6"
    assert found(cost_over=Decimal(5)) == "6"
    since = datetime.datetime.fromtimestamp(NOON + 2 * DAY, datetime.UTC)
    assert found(since=since, until=since + datetime.timedelta(days=2)) == "32"


def test_many_calls_are_read_in_pages(ledger: Ledger) -> None:
    """More calls than a page holds, several at the same moment, each once."""
    for number in range(1203):
        ledger.add(record(f"{number:04}", at=NOON + number // 7))
    ids = [call.id for call in ledger.calls()]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == 1203


def test_search_finds_words(ledger: Ledger) -> None:
    """Words of prompt and answer, whatever their case; all of them; what looks like an operator is a word."""
    for id_, prompt, answer in (("1", "Where is Zürich?", "In Switzerland."), ("2", "Say NOT a word", "OR two")):
        ask = Ask(model="m", messages=(Message("user", prompt),))
        response = Response(message=Message("assistant", answer))
        ledger.add(record(id_), stored(ask, response, "text"))
    ledger.add(record("3"), stored(Ask(model="m", messages=(Message("user", "zurich"),)), None, "none"))
    assert [call.id for call in ledger.calls(text="zürich switzer*")] == ["1"]
    assert [call.id for call in ledger.calls(text='"NOT" or')] == ["2"]
    assert list(ledger.calls(text="switz")) == list(ledger.calls(text="nowhere")) == []


PICTURE = FilePart.from_data(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), media_type="image/png")


@pytest.mark.parametrize("content", ["text", "full"])
def test_content(ledger: Ledger, content: Any) -> None:
    """Messages come back as they were; a picture is kept once by its hash, its bytes only when all is asked for."""
    ask = Ask(
        model="m",
        messages=(Message.system("s"), Message.user("see", PICTURE)),
        provider_options={"toy": {"secret": "sk-0123456789"}},
    )
    response = Response(message=Message("assistant", "seen"), usage=Usage(1, 2))
    for id_ in ("1", "2"):
        ledger.add(record(id_), stored(ask, response, content))
    found, answered = ledger.content("1")
    assert found is not None
    assert answered is not None
    assert (answered.text, answered.usage) == ("seen", Usage(1, 2))
    assert found.messages[0] == ask.messages[0]
    (file,) = [part for part in found.messages[1].parts if isinstance(part, FilePart)]
    assert file.data == (PICTURE.data if content == "full" else None)
    assert found.provider_options == {}
    assert len(ledger.database.read("SELECT hash FROM files")) == 1
    assert ledger.content("nobody") == (None, None)


def test_conversations(ledger: Ledger) -> None:
    """The messages of a conversation up to its last whole answer; a call that failed does not end it."""
    first = Ask(model="m", messages=(Message("user", "one"),))
    ledger.add(record("1", session="s"), stored(first, Response(message=Message("assistant", "1")), "text"))
    ledger.add(record("2", session="s", at=NOON + 1, error="ServerError"), stored(first, None, "text"))
    ledger.add(record("3", session="t", at=NOON + 2))
    found = ledger.conversation("s")
    assert found is not None
    assert [message.text for message in found[0]] == ["one", "1"]
    assert found[1].id == "1"
    assert ledger.conversation("t") is None
    assert ledger.last_session() == "t"


def test_costs(ledger: Ledger) -> None:
    """Sums by model and by tag: unknown costs are counted as unknown, a router's own calls not at all."""
    ledger.add(record("1", cost=Cost(Decimal("0.1"), "p"), usage=Usage(1, 2), tags={"team": "a"}))
    ledger.add(record("2", cost=Cost(Decimal("0.2"), "p"), usage=Usage(3, 4)))
    ledger.add(record("3"))
    ledger.add(record("4", cost=Cost(Decimal("0.3"), "p"), leaf=False))
    ledger.add(record("5", model="m2", saved=Decimal("0.5")))
    by_model = {total.name: total for total in ledger.costs("model")}
    assert by_model["toy-1"].amount == Decimal("0.3")
    assert (by_model["toy-1"].calls, by_model["toy-1"].unknown, by_model["toy-1"].input_tokens) == (3, 1, 4)
    assert (by_model["m2"].saved, by_model["m2"].unknown) == (Decimal("0.5"), 0)
    assert {total.name: total.amount for total in ledger.costs("tag:team")} == {"": Decimal("0.2"), "a": Decimal("0.1")}
    assert len(ledger.costs("day")) == 1
    with pytest.raises(ConfigurationError, match="by day, month, model"):
        ledger.costs("nothing")


def test_pruning(ledger: Ledger) -> None:
    """Old calls go with their contents, and then the oldest until what is kept is small enough."""
    picture = Ask(model="m", messages=(Message.user("see", PICTURE),))
    for number in range(10):
        content = stored(picture if number < 2 else Ask(model="m"), None, "full")
        ledger.add(record(f"{number}", at=NOON + number, size=1000), content)
    assert ledger.prune(older_than=10, now=NOON + 12) == 2
    assert ledger.count() == 8
    assert ledger.database.read("SELECT hash FROM files") == []
    assert ledger.prune(larger_than=4000) > 0
    assert ledger.size() <= 4000
    assert min(call.id for call in ledger.calls()) > "2"


def test_what_is_found_comes_in_the_order_of_time(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order in which it was written: page by page, several at the same moment, and on from any call."""
    monkeypatch.setattr("airouter_ledger.ledger.PAGE", 20)
    for number in (*range(0, 130, 2), *range(129, 0, -2)):
        said = stored(Ask(model="m", messages=(Message("user", f"a common word, {number % 3} thirds"),)), None, "text")
        ledger.add(record(f"{number:04}", at=NOON + number // 2), said)
    ledger.add(record("none", at=NOON + 100_000))
    moments = [call.at for call in ledger.calls(text="common word")]
    assert moments == sorted(moments, reverse=True)
    assert len(moments) == 130
    ids = [call.id for call in ledger.calls(text="common 0", newest_first=False)]
    assert sorted(ids) == [f"{number:04}" for number in range(0, 130, 3)]
    assert [call.id for call in ledger.calls(text="common 0", newest_first=False, after=ids[25])] == ids[26:]
    assert list(ledger.calls(text="common", newest_first=False, after="none")) == []
    since = datetime.datetime.fromtimestamp(NOON + 55, datetime.UTC)
    assert len(list(ledger.calls(text="common", since=since))) == 20
    assert sum(total.calls for total in ledger.costs(text="common 1")) == 43


def test_a_search_reads_no_more_than_it_shows(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a word that is in every call too: the newest are found first, and nothing is sorted."""
    if address.startswith("postgresql"):
        pytest.skip("PostgreSQL chooses by itself how it reads")
    with Ledger.open(address) as ledger:
        read, plans = ledger.database.read, []

        def see(sql: str, *values: Any) -> Any:
            plans.append(" ".join(str(row[3]) for row in read(f"EXPLAIN QUERY PLAN {sql}", *values)))
            return read(sql, *values)

        monkeypatch.setattr(ledger.database, "read", see)
        for conditions in ({}, {"model": "m", "error": "any"}, {"since": datetime.datetime.now(datetime.UTC)}):
            list(ledger.calls(text="common", limit=20, **conditions))
    assert len(plans) == 3
    assert all(plan.startswith("SCAN words VIRTUAL TABLE") and "TEMP B-TREE" not in plan for plan in plans)


def test_an_older_ledger_is_brought_up_to_date(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was kept by the version before is found and read, in the order of its calls; new calls come behind it."""
    packed = stored(Ask(model="m", messages=(Message("user", "an old word"),)), None, "text")
    assert packed is not None
    with monkeypatch.context() as patched:
        patched.setattr(schema, "VERSIONS", schema.VERSIONS[:2])
        with Ledger.open(address) as older:
            for number in (3, 1, 2):
                older.add(record(f"{number}", at=NOON + number // 2))
                older.database.write(
                    lambda execute, number=number: execute(
                        "INSERT INTO contents (call, ask, response, prompt, answer) VALUES (?, ?, NULL, ?, NULL)",
                        f"{number}",
                        packed.ask,
                        packed.prompt,
                    )
                )
    with Ledger.open(address) as ledger:
        ledger.add(record("4", at=NOON + 1), packed)
        assert [call.id for call in ledger.calls(text="old word")] == ["4", "3", "2", "1"]
        asked, _ = ledger.content("2")
        assert asked is not None
        assert asked.messages[0].text == "an old word"
        assert ledger.prune(older_than=0, now=NOON + 1) == 1
        assert [call.id for call in ledger.calls(text="old word")] == ["4", "3", "2"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_waits_for_no_write_of_its_parent(tmp_path: Path) -> None:
    """A process that forks while one of its threads writes has a child that can write."""
    with Ledger.open(str(tmp_path / "ledger.db")) as ledger:
        begun, forking = threading.Event(), threading.Event()

        def write(_: Any) -> None:
            begun.set()
            forking.wait(60)

        writer = threading.Thread(target=ledger.guest("test", ()).write, args=(write,))
        writer.start()
        assert begun.wait(60)
        os.register_at_fork(before=forking.set)  # comes before those that were registered earlier
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                ledger.add(record("of the child"))
                os._exit(0)
            os._exit(1)
        writer.join()
        ledger.add(record("of the parent"))
        assert os.waitpid(child, 0)[1] == 0
        assert {call.id for call in ledger.calls()} == {"of the child", "of the parent"}


def test_costs_of_months(ledger: Ledger) -> None:
    """In the middle of a month, so that it is the same month in every zone."""
    for number in range(3):
        ledger.add(record(f"{number}", at=NOON - (15 + 20 * number) * DAY, cost=Cost(Decimal(number + 1), "provider")))
    assert [(total.name, total.amount) for total in ledger.costs("month")] == [
        ("2026-10", Decimal(5)),
        ("2026-11", Decimal(1)),
    ]


def test_a_newer_ledger_is_refused(ledger: Ledger, address: str) -> None:
    """What a newer version has written is left alone, and the message says what to do."""
    ledger.database.write(lambda execute: execute("UPDATE about SET value = '99' WHERE name = 'schema'"))
    with pytest.raises(LedgerVersionError, match="pip install --upgrade airouter-ledger"):
        Ledger.open(address)


def test_several_open_it_at_once(address: str) -> None:
    """Sixteen threads that make the same new ledger at the same moment all get one that works."""
    errors: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            with Ledger.open(address) as opened:
                opened.add(record(f"{number}"))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with Ledger.open(address) as opened:
        assert opened.count() == 16


def test_the_file_is_for_its_user_alone(tmp_path: Path) -> None:
    """A new file, and the folder it needs, may be read by nobody else."""
    path = tmp_path / "deep" / "ledger.db"
    Ledger.open(str(path)).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_place_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that is no database, and a folder that is a file, are errors that name the place."""
    damaged = tmp_path / "damaged.db"
    damaged.write_bytes(b"this is no database" * 100)
    with pytest.raises(LedgerError, match=r"damaged\.db cannot be"):
        Ledger.open(str(damaged))
    with pytest.raises(LedgerError, match=r"below cannot be"):
        Ledger.open(str(damaged / "below"))


def test_another_distribution_keeps_its_tables_here(address: str) -> None:
    """Made once, brought up to date by version, and never by an older one; the ledger's own stay as they are."""
    first = (("CREATE TABLE toy_things (name TEXT PRIMARY KEY)",),)
    second = (*first, ("ALTER TABLE toy_things ADD COLUMN size BIGINT",))
    with Ledger.open(address) as ledger:
        ledger.guest("toy", first).write(lambda execute: execute("INSERT INTO toy_things (name) VALUES (?)", "a"))
        guest = ledger.guest("toy", second)
        assert list(map(tuple, guest.read("SELECT name, size FROM toy_things"))) == [("a", None)]
        assert ledger.guest("toy", second).read("SELECT name FROM toy_things")
        with pytest.raises(LedgerVersionError, match="upgrade toy"):
            ledger.guest("toy", first)
        assert abs(guest.write(lambda execute: guest.now(execute, time.time)) - time.time()) < 60
        assert guest.with_others(lambda execute: execute("SELECT 1"))()
    Ledger.open(address).close()


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at what a process holds open")
def test_a_ledger_that_is_closed_holds_no_file(tmp_path: Path) -> None:
    """Neither for writing nor for reading, by however many threads it was read."""
    path = tmp_path / "ledger.db"

    def held() -> int:
        return sum(str(path) in os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd"))

    ledger = Ledger.open(str(path))
    ledger.add(record())
    readers = [threading.Thread(target=ledger.count) for _ in range(3)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()
    assert held() > 0
    ledger.close()
    assert held() == 0
