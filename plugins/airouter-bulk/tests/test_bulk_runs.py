"""Runs against a server that counts: what is asked, how often, what comes out, and when a run stops."""

from __future__ import annotations

import asyncio
import io
import re
import signal
import sqlite3
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import airouter_bulk
from airouter_bulk.errors import JournalError, SpecError
from airouter_bulk.journal.files import held
from airouter_core import ProviderManager
from airouter_core.errors import ConfigurationError
from airouter_core.plugins.registry import installed
from airouter_core.profile.prices import Prices
from airouter_core.testing.server import Answer

if TYPE_CHECKING:
    from conftest import Bulk

PRICES = Prices.of_settings({"openai/m": {"input": 100, "output": 100}})
"""A call of 20 and 10 tokens costs 0.003 USD."""


def test_every_row_comes_out_once_in_its_order_with_its_answer(bulk: Bulk) -> None:
    """As it was given, with the answer and what is known about it at its end."""
    summary = bulk.run(bulk.numbered(30), shard=7)
    assert (summary.state, summary.valid, summary.exit_code) == ("finished", 30, 0)
    lines = bulk.lines()
    assert [line["n"] for line in lines] == list(range(30))
    assert all(line["answer"] == f"answer to {line['q']}" for line in lines)
    assert lines[0]["airouter"]["usage"] == {"input_tokens": 20, "output_tokens": 10}
    assert [path.name for path in bulk.folder.glob("answers-00001.*")] == ["answers-00001.jsonl"]
    assert len(bulk.witness.calls) == 30


def test_equal_questions_are_asked_once_and_answered_everywhere(bulk: Bulk) -> None:
    """The cost stands at the first; unless each is to be asked."""
    rows = [{"id": number, "q": f"q{number % 3}"} for number in range(9)]
    bulk.run(rows, prices=PRICES)
    assert len(bulk.witness.calls) == 3
    told = [line["airouter"] for line in bulk.lines()]
    assert [one.get("same_as") for one in told] == [None, None, None, 0, 1, 2, 0, 1, 2]
    assert sum(one["cost"] for one in told) == pytest.approx(0.009)
    assert bulk.run(rows, dedupe=False, fork=True).calls == 9


def test_a_run_that_is_run_again_asks_nothing_and_writes_the_same_bytes(bulk: Bulk) -> None:
    """Export depends on the journal alone."""
    rows = [*bulk.numbered(20), {"n": 1}]
    assert bulk.run(rows).exit_code == 2
    before = bulk.bytes()
    assert bulk.run(None).exit_code == 2
    assert bulk.run(rows).exit_code == 2
    assert bulk.bytes() == before
    assert len(bulk.witness.calls) == 20


def test_rows_that_cannot_be_asked_are_told_of_and_stop_nobody(bulk: Bulk, tmp_path: Path) -> None:
    """Malformed lines, missing fields, a field that the answer would overwrite."""
    path = tmp_path / "rows.jsonl"
    path.write_text('{"q": "a"}\nnothing\n{"r": "b"}\n{"q": "c", "answer": 1}\n{ }\n{"q": "d"}')
    assert bulk.run(path).exit_code == 2
    assert [line["q"] for line in bulk.lines()] == ["a", "d"]
    errors = bulk.lines("errors.jsonl")
    assert [line["airouter"]["row"] for line in errors] == [1, 2, 3, 4]
    assert errors[0]["raw"] == "nothing"
    assert "the row has no 'q'" in errors[1]["airouter"]["error"]["message"]
    assert errors[2]["q"] == "c"
    assert len(bulk.witness.calls) == 2


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b'[\n{"q": "a"},\n{"q": "b"}\n]\n', "without brackets"),
        ('{"q": "a"}\n{"q": "b"}\n'.encode("utf-16"), "none of the first 3 rows is one"),
        (b"PK\x03\x04" + bytes(range(256)) * 99, "rows is one: line 1"),
    ],
)
def test_a_file_of_something_else_is_no_table(bulk: Bulk, tmp_path: Path, data: bytes, told: str) -> None:
    """It is an error of the call, and not a folder full of failed rows."""
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    with pytest.raises(ConfigurationError, match=told):
        bulk.run(path)
    assert bulk.lines("errors.jsonl") == []


def test_what_came_out_may_go_in_again(bulk: Bulk) -> None:
    """Under names of its own, so that no line has a field twice; what failed for such a name is kept as a text."""
    bulk.run(bulk.numbered(2))
    rows = bulk.lines()
    with pytest.raises(ConfigurationError, match="field 'answer' of its own"):
        bulk.run(rows, fork=True)
    with pytest.raises(ConfigurationError, match="field 'airouter' of its own"):
        bulk.run(rows, fork=True, answer="second")
    again = {"answer": "second", "details": "of_second", "prompt": "more of {{ q }}"}
    assert bulk.run([*rows, {"q": "x", "of_second": 1}], fork=True, **again).valid == 2
    (line, _) = bulk.lines()
    assert list(line) == ["n", "q", "answer", "airouter", "second", "of_second"]
    with pytest.raises(SpecError, match="field 'q' of their own"):
        bulk.run(None, **{**again, "answer": "q"})
    assert bulk.run(None, **{**again, "answer": "third"}).valid == 2
    assert list(bulk.lines()[0])[-2:] == ["third", "of_second"]
    (error,) = bulk.lines("errors.jsonl")
    assert error["raw"] == '{"q":"x","of_second":1}'
    assert error["of_second"]["error"]["class"] == "malformed"


def test_where_the_first_row_cannot_be_asked_nothing_is(bulk: Bulk) -> None:
    """A misspelt field or parameter is an error of the call, not of every row."""
    with pytest.raises(ConfigurationError, match="the first row cannot be asked: the row has no 'w'"):
        bulk.run(bulk.numbered(3), prompt="{{ w }}")
    with pytest.raises(ConfigurationError, match="temprature"):
        bulk.run(bulk.numbered(3), parameters={"temprature": 1}, fork=True)
    assert bulk.witness.calls == []


def test_failures_that_may_pass_are_tried_again_and_others_are_not(bulk: Bulk) -> None:
    """A row that is refused for what it says costs one call; a server's trouble ends after so many tries."""

    def behave(_: Any, question: str, number: int) -> Any:
        if question == "question 1":
            return bulk.refused(400)
        if question == "question 2":
            return bulk.refused(500)
        return bulk.refused(503) if question == "question 3" and number < 3 else None

    bulk.witness.behave = behave
    summary = bulk.run(bulk.numbered(5), retries=2)
    assert (summary.valid, summary.failed, summary.exit_code) == (3, 2, 2)
    assert [bulk.witness.calls.count(f"question {number}") for number in range(5)] == [1, 1, 3, 3, 1]
    errors = {line["n"]: line["airouter"] for line in bulk.lines("errors.jsonl")}
    assert errors[1]["error"]["class"] == "caller_fault"
    assert (errors[2]["error"]["class"], errors[2]["attempts"]) == ("transient", 3)


def test_a_poisoned_row_does_not_hold_up_the_rest(bulk: Bulk) -> None:
    """Rows that wait to be tried again take no place among the calls under way."""
    bulk.witness.behave = lambda _, question, number: bulk.refused(500) if question.endswith("0") else None
    summary = bulk.run(bulk.numbered(40), retries=1, in_flight=2, wait=0.05)
    assert (summary.valid, summary.failed, summary.calls) == (36, 4, 44)


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [(401, "bad key", "credential"), (429, "your quota is used up", "quota"), (404, "no such model", "model_gone")],
)
def test_what_every_row_would_meet_pauses_the_run(bulk: Bulk, status: int, message: str, told: str) -> None:
    """No more than those under way are refused; mended, it goes on with all of them."""
    bulk.witness.behave = lambda *_: bulk.refused(status, message)
    summary = bulk.run(bulk.numbered(50), in_flight=3)
    assert (summary.state, summary.exit_code, summary.failed, summary.pending > 0) == ("paused", 4, 0, True)
    assert str(summary.reason).startswith(told)
    assert len(bulk.witness.calls) <= 3
    bulk.witness.behave = lambda *_: None
    assert bulk.run(bulk.numbered(50)).valid == 50


def test_a_retry_after_keeps_everybody_away_for_so_long(bulk: Bulk) -> None:
    """No call comes in between, and then all are answered."""
    times: list[float] = []
    closed: list[float] = []

    def behave(_: Any, question: str, number: int) -> Any:
        times.append(time.monotonic())
        if not closed:
            closed.append(times[-1])
            return bulk.refused(429, retry_after="1")
        return None

    bulk.witness.behave = behave
    assert bulk.run(bulk.numbered(8), in_flight=1).valid == 8
    assert len(times) == 9
    assert times[1] - closed[0] >= 1.0


def test_a_long_wait_is_told_of_once(bulk: Bulk, caplog: pytest.LogCaptureFixture) -> None:
    """So that nobody takes a run that stands still for one that hangs; and it ends when it is paused."""

    class Pausing:
        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def __enter__(self) -> None:
            asyncio.get_running_loop().call_later(0.5, self.engine.pause, "paused", "enough")

        def __exit__(self, *_: object) -> None: ...

    together = threading.Barrier(2)

    def behave(*_: Any) -> Answer:
        together.wait(120)
        return bulk.refused(429, "a day's requests are used", retry_after="86400")

    bulk.witness.behave = behave
    assert bulk.run(bulk.numbered(4), in_flight=2, watch=Pausing).exit_code == 4
    (told,) = [record.getMessage() for record in caplog.records if record.name == "airouter.bulk"]
    assert told.startswith("nothing is sent for 86400 seconds")


def test_no_more_calls_are_under_way_than_allowed(bulk: Bulk) -> None:
    """And as many are."""
    together = threading.Barrier(4)

    def behave(*_: Any) -> None:
        together.wait(120)

    bulk.witness.behave = behave
    bulk.run(bulk.numbered(20), in_flight=4)
    assert bulk.witness.most == 4


def test_a_budget_is_never_exceeded_and_nearly_used(bulk: Bulk) -> None:
    """The most that a call can cost is booked before it; at the cap the run stops, and goes on with a higher one."""
    bounded = {"parameters": {"max_tokens": 10}, "prices": PRICES, "in_flight": 8}
    summary = bulk.run(bulk.numbered(50), budget=0.1, **bounded)
    assert (summary.state, summary.exit_code, summary.reserved) == ("cap", 3, 0)
    assert summary.spent <= 0.1 < float(summary.spent) + 0.02
    assert float(summary.spent) == pytest.approx(0.003 * len(bulk.witness.calls))
    assert bulk.run(bulk.numbered(50), budget=1, **bounded).exit_code == 0
    assert len(bulk.witness.calls) == 50


def test_a_budget_that_cannot_be_kept_is_refused(bulk: Bulk) -> None:
    """Without a price, or without a limit of the answer."""
    with pytest.raises(SpecError, match="max_tokens"):
        bulk.run(bulk.numbered(1), budget=1, prices=PRICES)
    with pytest.raises(SpecError, match=r"under \[prices\]"):
        bulk.run(bulk.numbered(1), budget=1, parameters={"max_tokens": 5}, fork=True)
    assert bulk.witness.calls == []


def test_what_may_have_been_answered_stays_booked(bulk: Bulk) -> None:
    """A connection that breaks may have been paid for, so what was reserved is not given back."""
    cut = Answer(200, {"content-type": "application/json", "content-length": "500"}, (b'{"id": "1", "choi',), "close")
    bulk.witness.behave = lambda _, question, number: cut if number == 1 else None
    summary = bulk.run(bulk.numbered(1), budget=1, prices=PRICES, parameters={"max_tokens": 10})
    assert (summary.valid, summary.calls, float(summary.spent)) == (1, 2, 0.003)
    assert summary.reserved > 0.003


SCHEMA = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


def test_answers_that_do_not_fit_are_asked_for_once_more(bulk: Bulk) -> None:
    """With the answer and what is wrong with it; what still does not fit is a failed row that keeps its text."""

    def behave(_: Any, question: str, number: int) -> Any:
        if question.startswith("That answer does not fit"):
            return bulk.said('{"sum": 7}' if "'sum' is a required" in question or "no valid JSON" in question else "{")
        return bulk.said({"question 0": '{"sum": 1}', "question 1": "seven"}.get(question, '{"sum": "x"}'))

    bulk.witness.behave = behave
    summary = bulk.run(bulk.numbered(3), schema=SCHEMA)
    assert (summary.valid, summary.failed, summary.calls) == (2, 1, 5)
    assert [line["answer"] for line in bulk.lines()] == [{"sum": 1}, {"sum": 7}]
    (error,) = bulk.lines("errors.jsonl")
    assert (error["answer"], error["airouter"]["error"]["class"]) == ("{", "invalid")
    assert (error["airouter"]["attempts"], error["airouter"]["cost"]) == (2, 0.0)


def test_an_answer_that_nobody_had_judged_is_corrected_once(bulk: Bulk) -> None:
    """Whoever was killed in between leaves it to the next one, for which it counts as one question with its tries."""
    bulk.witness.behave = lambda *_: bulk.said("no JSON")
    assert bulk.run(bulk.numbered(30), schema=SCHEMA, reasks=0).failed == 30
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal, journal:
        journal.execute("UPDATE items SET state = 'answered', failure = NULL, problem = NULL")
    bulk.witness.behave = lambda *_: bulk.refused(500)
    summary = bulk.run(None, schema=SCHEMA, retries=3, in_flight=2)
    assert (summary.failed, len(bulk.witness.calls)) == (30, 30 + 30 * 4)
    assert all("fit the schema" in question for question in bulk.witness.calls[30:])


@pytest.mark.parametrize("own", [False, True])
def test_json_in_a_code_block_is_taken_for_what_it_is(bulk: Bulk, own: bool) -> None:
    """As a command takes it: many models cannot help it, and asking again costs. Also where the row has its schema."""
    bulk.witness.behave = lambda _, question, number: bulk.said(
        f'Here it is:\n```json\n{{"sum": {len(question)}}}\n```'
    )
    if not own:
        summary = bulk.run(bulk.numbered(2), schema=SCHEMA)
    else:
        described = {"type": "json_schema", "json_schema": {"name": "sum", "schema": SCHEMA}}
        bodies = [{"messages": [{"role": "user", "content": row["q"]}]} for row in bulk.numbered(2)]
        lines = [{"custom_id": "a", "body": {**body, "response_format": described}} for body in bodies]
        summary = bulk.run(lines, None)
    assert (summary.valid, summary.calls) == (2, 2)
    assert [line["answer"] for line in bulk.lines()] == [{"sum": 10}, {"sum": 10}]


def test_another_specification_is_refused_and_a_fork_keeps_equal_answers(bulk: Bulk) -> None:
    """What differs is named; bounds may differ."""
    rows = bulk.numbered(5)
    bulk.run(rows)
    with pytest.raises(SpecError, match="differs in prompt"):
        bulk.run(rows, prompt="{{ q }}!")
    bulk.run(rows, in_flight=2)
    assert len(bulk.witness.calls) == 5
    assert bulk.run([*rows[2:], {"n": 9, "q": "new"}], fork=True).valid == 4
    assert bulk.witness.calls[5:] == ["new"]
    assert [line["n"] for line in bulk.lines()] == [2, 3, 4, 9]


def test_a_fork_asks_anew_what_has_failed(bulk: Bulk) -> None:
    """As if it was never asked: a correction that came to nothing is forgotten, also by whoever goes on with it."""
    bulk.witness.behave = lambda _, question, number: (
        bulk.refused(500) if "fit the schema" in question else bulk.said("no JSON")
    )
    assert bulk.run(bulk.numbered(1), schema=SCHEMA, retries=0).failed == 1
    bulk.witness.behave = lambda *_: bulk.refused(401)
    assert bulk.run(bulk.numbered(1), schema=SCHEMA, fork=True).exit_code == 4
    bulk.witness.behave = lambda *_: bulk.said('{"sum": 1}')
    assert bulk.run(None, schema=SCHEMA).valid == 1
    assert bulk.witness.calls[-1] == "question 0"


def test_a_run_that_has_read_no_row_makes_way_for_another_specification(bulk: Bulk) -> None:
    """What was wrong with it is put right in the same folder."""
    with pytest.raises(ConfigurationError, match="first row cannot be asked"):
        bulk.run(bulk.numbered(3), prompt="{{ question }}")
    assert bulk.run(bulk.numbered(3)).valid == 3


def test_a_specification_of_a_later_version_is_said_so(bulk: Bulk) -> None:
    """And not shown as a failure of this one."""
    bulk.run(bulk.numbered(1))
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal, journal:
        journal.execute("UPDATE runs SET spec = json_set(CAST(spec AS TEXT), '$.novelty', 1)")
    with pytest.raises(JournalError, match="upgrade it"):
        bulk.run(bulk.numbered(1))


def test_other_rows_are_refused_and_more_rows_are_taken_in(bulk: Bulk) -> None:
    """A table is known by what is in it, not by how long it is."""
    rows = bulk.numbered(5)
    bulk.run(rows)
    with pytest.raises(SpecError, match="not the rows"):
        bulk.run([{"n": 0, "q": "other"}, *rows[1:]])
    with pytest.raises(SpecError, match=r"here are 3.*--fork"):
        bulk.run(rows[:3])
    assert bulk.run(bulk.numbered(7)).valid == 7
    assert len(bulk.witness.calls) == 7


def test_rows_are_read_only_a_little_ahead(bulk: Bulk) -> None:
    """So that a table may be larger than the memory."""
    drawn = 0

    def rows() -> Any:
        nonlocal drawn
        for number in range(1000):
            drawn = number
            yield {"q": f"question {number}"}

    bulk.witness.behave = lambda *_: bulk.refused(401)
    summary = bulk.run(rows(), in_flight=2)
    assert drawn < 250
    with pytest.raises(SpecError, match="give its rows again"):
        bulk.run(None)
    assert summary.exit_code == 4


def test_a_paused_engine_ends_what_is_under_way(bulk: Bulk) -> None:
    """As Ctrl-C does it once: no call is lost, none is uncertain, and the run goes on later."""
    bulk.witness.pause = 0.02

    class Pausing:
        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def __enter__(self) -> None:
            asyncio.get_running_loop().call_later(0.1, self.engine.pause, "paused", "enough")

        def __exit__(self, *_: object) -> None: ...

    summary = bulk.run(bulk.numbered(200), in_flight=4, watch=Pausing)
    assert (summary.exit_code, summary.uncertain, summary.reason) == (4, 0, "enough")
    assert summary.valid == len(bulk.witness.calls) < 200
    bulk.witness.pause = 0.0
    assert bulk.run(bulk.numbered(200)).valid == len(bulk.witness.calls) == 200


def test_a_program_keeps_its_own_handler_of_sigterm(bulk: Bulk) -> None:
    """A run takes the signal where nobody else has, and gives it back."""
    seen: list[Any] = []

    class Looking:
        def __init__(self, engine: Any) -> None: ...

        def __enter__(self) -> None:
            seen.append(signal.getsignal(signal.SIGTERM))

        def __exit__(self, *_: object) -> None: ...

    def own(*_: object) -> None: ...

    bulk.run(bulk.numbered(1), watch=Looking)
    assert seen.pop() is not signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    signal.signal(signal.SIGTERM, own)
    try:
        bulk.run(bulk.numbered(1), watch=Looking)
        assert seen.pop() is signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def test_a_bar_tells_how_fast_it_was_until_its_end(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its last line is the one that stays."""
    progress = pytest.importorskip("airouter_bulk.progress", reason="airouter-core[cli] is not installed")

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    bulk.witness.pause = 0.05
    bulk.run(bulk.numbered(4), in_flight=1, watch=progress.Bar(4))
    rates = [float(rate) for rate in re.findall(r"([\d.]+)/s", terminal.getvalue())]
    assert 0 < rates[-1] < 20


def test_a_sample_is_asked_first_and_its_answers_count(bulk: Bulk) -> None:
    """Whoever says no pays for the sample alone."""
    asked: list[tuple[int, int]] = []

    async def no(engine: Any, left: int) -> bool:
        asked.append((engine.counts.calls, left))
        return False

    summary = bulk.run(bulk.numbered(30), sample=5, approve=no)
    assert (asked, summary.exit_code) == ([(5, 25)], 4)
    assert bulk.run(bulk.numbered(30)).calls == 30


def test_a_folder_is_for_one_run_at_a_time(bulk: Bulk) -> None:
    """The other one's process is named."""
    with held(str(bulk.folder)), pytest.raises(JournalError, match=r"in use by process \d+"):
        bulk.run(bulk.numbered(1))
    assert bulk.run(bulk.numbered(1)).exit_code == 0


def test_a_folder_that_cannot_be_written_is_said_so(bulk: Bulk) -> None:
    """Before anything is asked."""
    bulk.folder.write_text("a file")
    with pytest.raises(JournalError, match="cannot be opened"):
        bulk.run(bulk.numbered(1))
    assert bulk.witness.calls == []


def test_a_journal_that_cannot_be_written_ends_the_run(bulk: Bulk) -> None:
    """A full disk is an error of the run, and what was answered before is kept."""

    class Full:
        def __init__(self, engine: Any) -> None: ...

        def __enter__(self) -> None:
            with sqlite3.connect(bulk.folder / "journal.db") as other:
                other.execute(
                    "CREATE TRIGGER full BEFORE INSERT ON attempts WHEN (SELECT count(*) FROM attempts) >= 10"
                    " BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
                )
            other.close()

        def __exit__(self, *_: object) -> None: ...

    with pytest.raises(JournalError, match="disk is full"):
        bulk.run(bulk.numbered(50), watch=Full)
    assert len(bulk.witness.calls) <= 10
    with sqlite3.connect(bulk.folder / "journal.db") as journal:
        journal.execute("DROP TRIGGER full")
    journal.close()
    assert bulk.run(bulk.numbered(50)).valid == len(bulk.witness.calls) == 50


def test_a_journal_that_cannot_take_rows_ends_the_run(bulk: Bulk) -> None:
    """In words of ours too, and nothing is asked of rows that are not in it."""
    bulk.run(bulk.numbered(5))
    full = "CREATE TRIGGER full BEFORE INSERT ON rows BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal, journal:
        journal.execute(full)
    with pytest.raises(JournalError, match="disk is full"):
        bulk.run(bulk.numbered(9))
    with closing(sqlite3.connect(bulk.folder / "journal.db")) as journal, journal:
        journal.execute("DROP TRIGGER full")
    assert bulk.run(bulk.numbered(9)).valid == len(bulk.witness.calls) == 9


def test_a_journal_that_is_damaged_says_so(bulk: Bulk) -> None:
    """And what to do, wherever it is read; nothing is asked again that it may have had."""
    bulk.run(bulk.numbered(5))
    path = bulk.folder / "journal.db"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(JournalError, match="bring back a copy"):
        bulk.run(bulk.numbered(5))
    path.write_bytes(b"no database" * 1000)
    with pytest.raises(JournalError, match="bring back a copy"):
        bulk.run(bulk.numbered(5))
    path.unlink()
    with closing(sqlite3.connect(path)) as journal, journal:
        journal.execute("PRAGMA user_version = 2")
    with pytest.raises(JournalError, match="cannot be used"):
        bulk.run(bulk.numbered(5))
    assert len(bulk.witness.calls) == 5


@pytest.mark.parametrize("name", ["answers-00000.jsonl", "answers-00003.parquet", "errors.jsonl"])
def test_files_of_others_are_not_overwritten(bulk: Bulk, name: str) -> None:
    """Nor those of a run whose journal is gone; before anything is asked."""
    bulk.folder.mkdir()
    (bulk.folder / "notes.txt").write_text("mine")
    (bulk.folder / name).write_text("mine")
    for _ in range(2):
        with pytest.raises(SpecError, match=f"{name}.*another folder"):
            bulk.run(bulk.numbered(2))
    assert (bulk.folder / name).read_text() == "mine"
    assert bulk.witness.calls == []
    (bulk.folder / name).unlink()
    assert bulk.run(bulk.numbered(2)).valid == 2
    (bulk.folder / "journal.db").unlink()
    with pytest.raises(SpecError, match=r"bring its journal\.db back"):
        bulk.run(bulk.numbered(2))


def test_a_manager_is_asked_by_address(bulk: Bulk) -> None:
    """``bulk.run`` takes one; a plain call needs no loop."""
    with ProviderManager() as manager:
        manager.add_provider("openai", {"base_url": bulk.witness.server.url, "api_key": "k"}, as_name="here")
        spec = {"target": "here/m", "prompt": "{{ q }}"}
        summary = airouter_bulk.run(spec, bulk.numbered(3), bulk.folder, manager=manager)
    assert summary.valid == 3


def test_nobody_is_asked_whom_the_target_does_not_name(bulk: Bulk) -> None:
    """What a provider that is gone was to be asked goes to nobody who claims all names with a slash."""
    if not any(info.name == "openrouter" for info in installed().providers()):
        pytest.skip("airouter-openrouter, which claims them, is not installed")
    with ProviderManager() as manager:
        manager.add_provider("openrouter", {"base_url": bulk.witness.server.url, "api_key": "k"})
        spec = {"target": "gone/m", "prompt": "{{ q }}"}
        with pytest.raises(SpecError, match=r"'gone' is no provider that is here.*openrouter/gone/m"):
            airouter_bulk.run(spec, bulk.numbered(1), bulk.folder, manager=manager)
        assert bulk.witness.calls == []
        spec["target"] = "openrouter/gone/m"
        assert airouter_bulk.run(spec, bulk.numbered(1), bulk.folder, manager=manager).valid == 1


def test_limits_are_learned_from_headers(bulk: Bulk) -> None:
    """Of answers and of refusals."""
    headers = {"x_ratelimit_limit_requests": "600", "x_ratelimit_reset_requests": "10ms"}
    bulk.witness.behave = lambda *_: bulk.refused(400, x_ratelimit_remaining_requests="599", **headers)
    seen: list[Any] = []

    class Watching:
        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            seen.append(self.engine.rhythm.limits)

    bulk.run(bulk.numbered(2), watch=Watching)
    assert (seen[0]["requests"].limit, seen[0]["requests"].remaining) == (600, 599)


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_jumps_changes_nothing(bulk: Bulk, monkeypatch: pytest.MonkeyPatch, days: int) -> None:
    """Neither who is asked and when, nor what comes out."""
    usual, jumped = time.time, False

    def behave(_: Any, question: str, number: int) -> Any:
        nonlocal jumped
        jumped = True
        return bulk.refused(503) if question == "question 7" and number == 1 else None

    bulk.witness.behave = behave
    monkeypatch.setattr(time, "time", lambda: usual() + (days * 86_400 if jumped else 0))
    summary = bulk.run(bulk.numbered(20), requests_per_minute=60_000, in_flight=2)
    assert (summary.valid, summary.exit_code, len(bulk.witness.calls)) == (20, 0, 21)
    before = bulk.bytes()
    jumped = not jumped
    bulk.run(None)
    assert bulk.bytes() == before


def test_a_route_is_asked_as_a_target_is(bulk: Bulk) -> None:
    """Who has answered stands in the journal; the journal sees one call, whatever the route has tried."""
    if not any(info.name == "router" for info in installed().providers()):
        pytest.skip("airouter-router is not installed")
    bulk.witness.behave = lambda _, question, number: bulk.refused(503) if number == 1 else None
    with ProviderManager() as manager:
        route = {"strategy": "first", "targets": ["openai/one", "openai/two"]}
        here = {"base_url": bulk.witness.server.url, "api_key": "k", "max_retries": 0}
        manager.add_provider("router", {"routes": {"both": route}, "providers": {"openai": here}})
        spec = {"target": "route:both", "prompt": "{{ q }}"}
        summary = airouter_bulk.run(spec, bulk.numbered(3), bulk.folder, manager=manager)
    assert (summary.valid, summary.calls, len(bulk.witness.calls)) == (3, 3, 6)
