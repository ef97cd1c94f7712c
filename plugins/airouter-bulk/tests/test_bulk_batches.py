"""The lane of batches: every way a batch can end, and one batch only, whoever is killed or not answered meanwhile."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from airouter_bulk import Summary, arun, searching
from airouter_bulk.errors import SpecError
from airouter_bulk.journal import attempts
from airouter_bulk.journal.files import connected
from airouter_core import create_provider
from airouter_core.config.folders import VARIABLE
from airouter_core.plugins.registry import installed
from airouter_core.profile.prices import Prices
from airouter_core.testing.server import Answer, LoopbackServer


def _beside(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vendors = _beside("vendors")
LOSE = vendors.LOSE
PROGRAM = Path(__file__).parent / "batched.py"
ROWS = [{"n": number, "q": f"question {number}"} for number in range(6)]


class Lane:
    """Runs of one vendor, in one folder."""

    def __init__(self, vendor: Any, folder: Path) -> None:
        self.vendor = vendor
        self.folder = folder

    def run(self, rows: Any = ROWS, *, fork: bool = False, **given: Any) -> Summary:
        """Run to the end, with short waits."""
        parameters = {"max_tokens": 10}
        spec = {"target": f"{self.vendor.provider}/m", "prompt": "{{ q }}", "parameters": parameters, "lane": "batch"}
        prices = Prices.of_settings({f"{self.vendor.provider}/m": {"input": 100, "output": 100}})

        async def work() -> Summary:
            async with create_provider(self.vendor.provider, self.vendor.config) as provider:
                return await arun(
                    {**spec, **given},
                    rows,
                    self.folder,
                    provider=(provider, "m"),
                    prices=prices,
                    fork=fork,
                    wait_before=lambda *_: 0.01,
                    wait_to_look=lambda number: 0.01,
                )

        return asyncio.run(work())

    def answers(self) -> dict[int, Any]:
        """What came out, by row."""
        lines = [json.loads(line) for path in self.folder.glob("answers-*") for line in path.read_text().splitlines()]
        return {line["n"]: line["answer"] for line in lines}


@pytest.fixture(params=vendors.VENDORS, ids=lambda vendor: vendor.provider)
def lane(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lane]:
    """One vendor after the other."""
    yield from _lane(request.param, tmp_path)


def _lane(kind: Any, folder: Path) -> Iterator[Lane]:
    if not any(info.name == kind.provider for info in installed().providers()):
        pytest.skip(f"the plugin of {kind.provider} is not installed")
    vendor = kind()
    with LoopbackServer(vendor) as server:
        vendor.server = server
        yield Lane(vendor, folder / "out")


@pytest.fixture
def openai(tmp_path: Path) -> Iterator[Lane]:
    """OpenAI alone, where all vendors are alike."""
    yield from _lane(vendors.OpenAI, tmp_path)


def test_a_run_is_handed_in_and_costs_half(lane: Lane) -> None:
    """In as many batches as it takes; what comes back in any order stands in the order of the rows."""
    summary = lane.run([*ROWS, ROWS[0] | {"n": 6}], batch_size=4)
    assert (summary.state, summary.valid, summary.exit_code) == ("finished", 6, 0)
    assert [len(filed.requests) for filed in lane.vendor.filed] == [4, 2]
    assert lane.vendor.calls == []
    assert lane.answers() == {n: f"batched question {n % 6}" for n in range(7)}
    assert float(summary.spent) == pytest.approx(6 * 0.0015)
    assert summary.reserved == 0
    assert lane.run(None).calls == 6


def test_what_a_vendor_asks_for_a_batch_can_be_said(lane: Lane) -> None:
    """The part of the price is a setting, and is told beside the source of the price."""
    assert float(lane.run(batch_price=0.25).spent) == pytest.approx(6 * 0.00075)
    with closing(connected(str(lane.folder), new=False)) as journal:
        assert [line.priced_by for line in attempts.costs(journal)] == ["[prices], batch at 0.25"]


@pytest.mark.parametrize("fate", ["errored", "expired", "canceled", "missing"])
def test_what_a_batch_has_not_answered_is_asked_by_calls(lane: Lane, fate: str) -> None:
    """At the full price; but a question that was refused for what it says fails, as it would there."""
    lane.vendor.fate = lambda question, number: fate if question in ("question 1", "question 4") else "succeeded"
    summary = lane.run()
    called = [] if fate == "errored" else ["question 1", "question 4"]
    assert sorted(lane.vendor.calls) == called
    assert (summary.valid, summary.failed) == (4 + len(called), 2 - len(called))
    assert float(summary.spent) == pytest.approx(4 * 0.0015 + len(called) * 0.003)
    assert summary.reserved == 0
    assert len(lane.vendor.filed) == 1


def test_what_a_batch_has_not_answered_may_go_into_another_one(lane: Lane) -> None:
    """As often as is said; then it fails, and nothing is asked at the full price."""
    lane.vendor.fate = lambda question, number: "expired" if question == "question 3" or number == 0 else "succeeded"
    summary = lane.run(rest="batch", retries=2)
    assert lane.vendor.calls == []
    assert [len(filed.requests) for filed in lane.vendor.filed] == [6, 6, 1]
    assert (summary.valid, summary.failed, summary.exit_code) == (5, 1, 2)


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_of_a_batch_that_has_expired_all_answers_are_taken(openai: Lane, status: str) -> None:
    """They are paid for; the others are asked again."""
    openai.vendor.ends = lambda number: status
    openai.vendor.fate = lambda question, number: "succeeded" if question < "question 3" else "expired"
    summary = openai.run()
    assert summary.valid == 6
    assert [openai.answers()[n].partition(" ")[0] for n in range(6)] == ["batched"] * 3 + ["called"] * 3


def test_where_answers_are_kept_back_what_they_may_cost_stays_booked(tmp_path: Path) -> None:
    """OpenRouter gives none of a batch that has expired, whoever pays for them."""
    for lane in _lane(vendors.OpenRouter, tmp_path):
        lane.vendor.ends = lambda number: "expired"
        lane.vendor.fate = lambda question, number: "succeeded" if question < "question 3" else "missing"
        summary = lane.run(budget="5")
        assert (summary.valid, len(lane.vendor.calls)) == (6, 6)
        assert summary.reserved > 0


def test_a_batch_that_is_refused_when_it_is_looked_at_says_why(openai: Lane) -> None:
    """Its questions are asked by calls, or the run is paused where that is not wanted."""
    openai.vendor.ends = lambda number: "failed"
    assert openai.run(ROWS[:2], rest="batch").exit_code == 4
    with closing(connected(str(openai.folder), new=False)) as journal:
        (reason,) = journal.execute("SELECT reason FROM runs").fetchone()
    assert "Enqueued token limit" in reason
    assert openai.run(ROWS[:2]).valid == 2
    assert len(openai.vendor.calls) == 2


@pytest.mark.parametrize("status", [400, 429, 500])
def test_a_batch_that_is_not_taken_is_no_batch(lane: Lane, status: int) -> None:
    """Refused for good: calls. Too fast, or trouble: once more, when it is known that there is none."""
    answer = Answer.of_json({"error": {"message": "no", "type": "api_error"}}, status=status)
    answers = [answer]
    lane.vendor.at = lambda point: answers.pop() if point == "create" and answers else None
    summary = lane.run()
    assert (summary.valid, summary.reserved) == (6, 0)
    assert (len(lane.vendor.filed), len(lane.vendor.calls)) == ((0, 6) if status == 400 else (1, 0))


def test_a_bad_key_pauses(lane: Lane) -> None:
    """And keeps all rows."""
    refused = Answer.of_json({"error": {"message": "bad key", "type": "authentication_error"}}, status=401)
    lane.vendor.at = lambda point: refused
    summary = lane.run()
    assert (summary.exit_code, summary.failed, summary.pending, summary.reserved) == (4, 0, 6, 0)
    assert str(summary.reason).startswith("credential")


@pytest.mark.parametrize("point", ["create", "created", "look", "list", "results"])
def test_an_answer_that_is_lost_makes_no_second_batch(lane: Lane, point: str) -> None:
    """Whether it was lost before the vendor had the batch, or after; and whatever is lost later is asked again."""
    left = ["created", point] if point == "list" else [point]
    lane.vendor.at = lambda here: LOSE if here in left and not left.remove(here) else None
    summary = lane.run()
    assert (summary.valid, len(lane.vendor.filed), summary.reserved) == (6, 1, 0)
    assert not left or (point == "results" and isinstance(lane.vendor, vendors.OpenRouter))
    assert lane.vendor.calls == []


def test_a_batch_of_somebody_else_is_not_taken_for_ours(lane: Lane) -> None:
    """Though it has as many questions, and is as new."""
    lane.vendor.at = lambda point: None
    lane.run()
    other = Lane(lane.vendor, lane.folder.with_name("other"))
    left = ["created"]
    lane.vendor.at = lambda here: LOSE if here in left and not left.remove(here) else None
    summary = other.run([{"n": n, "q": f"other {n}"} for n in range(6)])
    assert (summary.valid, len(lane.vendor.filed)) == (6, 2)
    assert other.answers()[0] == "batched other 0"


@pytest.mark.parametrize("uncertain", ["resend", "hold"])
def test_a_batch_that_may_be_older_than_all_that_are_listed_stays_booked(
    openai: Lane, monkeypatch: pytest.MonkeyPatch, uncertain: str
) -> None:
    """Nobody knows whether it is there: its questions are asked again or held, as calls are whose end nobody knows."""
    monkeypatch.setattr(searching, "LISTED", 3)
    newer = [
        {"id": f"newer_{n}", "status": "completed", "created_at": time.time(), "request_counts": {"total": 6}}
        for n in range(3)
    ]
    others = Answer.of_json({"data": [{**one, "metadata": {"airouter_bulk": "another"}} for one in newer]})
    left = ["created"]
    openai.vendor.at = lambda point: (
        others if point == "list" else LOSE if point in left and not left.remove(point) else None
    )
    summary = openai.run(uncertain=uncertain, budget="5")
    assert (summary.valid, summary.uncertain) == ((6, 0) if uncertain == "resend" else (0, 6))
    assert (len(openai.vendor.filed), openai.vendor.calls) == (2 if uncertain == "resend" else 1, [])
    assert summary.reserved > 0
    with closing(connected(str(openai.folder), new=False)) as journal:
        assert journal.execute("SELECT count(*) FROM attempts WHERE state = 'uncertain'").fetchone() == (6,)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("point", ["upload", "create", "created", "look", "results"])
def test_whoever_is_killed_leaves_one_batch(lane: Lane, point: str) -> None:
    """At each point of the way: killed there, run again, there is one, and each answer is taken once."""
    if (point == "upload" and not isinstance(lane.vendor, vendors.OpenAI)) or (
        point == "results" and isinstance(lane.vendor, vendors.OpenRouter)
    ):
        pytest.skip("this vendor has no such point")
    here = threading.Event()
    left = [point]

    def at(where: str) -> str | None:
        if where not in left:
            return None
        left.remove(where)
        here.set()
        process.kill()
        process.wait()
        return LOSE

    lane.vendor.at = at
    config = json.dumps(lane.vendor.config)
    arguments = [sys.executable, str(PROGRAM), lane.vendor.provider, config, str(lane.folder)]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE)
    assert here.wait(600), process.communicate()[1].decode()
    process.communicate()
    summary = lane.run(None)
    assert (summary.valid, len(lane.vendor.filed), summary.reserved) == (6, 1, 0)
    assert lane.answers() == {n: f"batched question {n}" for n in range(6)}
    assert lane.vendor.calls == []


def test_a_budget_holds_for_batches(openai: Lane) -> None:
    """With half the price; what finds no room waits for what comes back, and at the cap the run ends."""
    one = openai.run(ROWS[:1], budget="1")
    assert float(one.spent) == 0.0015
    other = Lane(openai.vendor, openai.folder.with_name("other"))
    openai.vendor.filed.clear()
    summary = other.run(ROWS, budget="0.012", batch_size=6)
    assert (summary.exit_code, summary.reason is not None) == (3, True)
    assert len(openai.vendor.filed) > 1
    assert float(summary.spent + summary.reserved) <= 0.012


def test_answers_of_a_batch_are_validated_and_corrected_by_calls(openai: Lane) -> None:
    """A batch would take a day to correct one."""
    schema = {"type": "object"}
    summary = openai.run(ROWS[:2], schema=schema, reasks=1)
    assert (summary.failed, len(openai.vendor.calls)) == (2, 2)  # the server never says JSON
    assert all("does not fit the schema" in question for question in openai.vendor.calls)


def test_who_takes_no_batches_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    """The lane is for those who do."""
    if not any(info.name == "ollama" for info in installed().providers()):
        pytest.skip("airouter-ollama is not installed")

    async def work() -> None:
        async with create_provider("ollama", {}) as provider:
            spec = {"target": "ollama/m", "prompt": "{{ q }}", "lane": "batch"}
            await arun(spec, ROWS, tmp_path, provider=(provider, "m"))

    with pytest.raises(SpecError, match="takes no batches"):
        asyncio.run(work())


def test_batches_that_are_with_the_vendor_are_collected_whatever_the_lane(openai: Lane) -> None:
    """So that nothing that is paid for is lost when the specification changes."""
    openai.vendor.looks = 10**6
    refused = Answer.of_json({"error": {"message": "bad key"}}, status=401)
    openai.vendor.at = lambda point: refused if point == "look" else None
    assert openai.run().exit_code == 4
    openai.vendor.at = lambda point: None
    openai.vendor.filed[0].looks = 0
    assert openai.run(lane="calls").valid == 6
    assert openai.vendor.calls == []


def test_a_fork_does_not_pay_for_what_is_with_the_vendor(openai: Lane) -> None:
    """It is collected first; then equal questions keep their answers."""
    openai.vendor.looks = 10**6
    refused = Answer.of_json({"error": {"message": "bad key"}}, status=401)
    openai.vendor.at = lambda point: refused if point == "look" else None
    assert openai.run().exit_code == 4
    with pytest.raises(SpecError, match="with the vendor"):
        openai.run(fork=True)
    openai.vendor.at = lambda point: None
    openai.vendor.filed[0].looks = 0
    assert openai.run(None).valid == 6
    assert openai.run(fork=True).valid == 6
    assert (len(openai.vendor.filed), openai.vendor.calls) == (1, [])


def test_cancelling_a_run_stops_its_batches(
    openai: Lane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """What they have answered by then is paid for, so it is fetched; the rest is given up."""
    app = pytest.importorskip("airouter_core.cli.app", reason="airouter-core[cli] is not installed")
    from airouter_core.cli.targets import current_settings

    request.addfinalizer(current_settings.cache_clear)
    openai.vendor.looks = 10**6
    refused = Answer.of_json({"error": {"message": "bad key"}}, status=401)
    openai.vendor.at = lambda point: refused if point == "look" else None
    assert openai.run().exit_code == 4
    openai.vendor.at = lambda point: None
    openai.vendor.fate = lambda question, number: "succeeded" if question < "question 2" else "canceled"
    settings = tmp_path / "airouter.toml"
    settings.write_text(f'[openai]\nbase_url = "{openai.vendor.server.url}"\napi_key = "k"\n')
    settings.chmod(0o600)
    monkeypatch.setenv(VARIABLE, str(settings))
    current_settings.cache_clear()
    assert app.run_app(["bulk", "cancel", str(openai.folder)]) == 0
    assert openai.vendor.filed[0].looks < 0
    summary = openai.run(None, rest="batch", retries=0)
    assert (summary.valid, summary.failed, openai.vendor.calls) == (2, 4, [])
    assert len(openai.vendor.filed) == 1


def test_a_journal_of_an_earlier_version_is_taken_further(tmp_path: Path) -> None:
    """With all that is in it."""
    with closing(connected(str(tmp_path))) as journal:
        journal.execute("INSERT INTO attempts (item, n, run, state, sent_at, reserved) VALUES (1, 1, 1, 'sent', 0, 5)")
        journal.executescript("DROP TABLE batches; DROP INDEX attempts_of_batches; PRAGMA user_version = 1")
        journal.execute("ALTER TABLE attempts DROP COLUMN batch")
    with closing(connected(str(tmp_path))) as journal:
        assert journal.execute("SELECT reserved, batch FROM attempts").fetchone() == (5, None)
        assert journal.execute("SELECT count(*) FROM batches").fetchone() == (0,)
