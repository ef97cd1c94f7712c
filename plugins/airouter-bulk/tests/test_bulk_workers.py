"""Calls that processes of this machine make: the same run, whoever makes them, and whoever of them dies."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest

from airouter_bulk.journal.records import Call
from airouter_bulk.ray.reference import by_provider
from airouter_bulk.workers.copied import Copied, copied
from airouter_bulk.workers.pool import Given, Lease
from airouter_bulk.workers.worker import Worker
from airouter_core import Answer, Ask, Flow, Message, create_provider
from airouter_core.errors import ConfigurationError, ExecutionError
from airouter_core.plugins.registry import installed

if TYPE_CHECKING:
    from conftest import Bulk

KEY = "sk-planted-0123456789abcdef"


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes under /proc")


def _children(parent: int | None = None) -> list[int]:
    """The worker processes that live."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                status = Path("/proc", name, "stat").read_text().rpartition(")")[2].split()
                command = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if int(status[1]) == (parent or os.getpid()) and b"airouter_bulk.workers.process" in command:
                found.append(int(name))
    return found


def test_a_run_with_workers_gives_the_same_bytes(bulk: Bulk) -> None:
    """As one without: each question asked once, and nobody left behind."""
    rows = [*bulk.numbered(40), {"n": 40, "q": "question 1"}, {"n": 41}]
    alone = bulk.run(rows, in_flight=4)
    expected, bulk.folder = bulk.bytes(), bulk.folder.with_name("workers")
    bulk.witness.calls.clear()
    summary = bulk.run(rows, in_flight=4, workers=2)
    assert (
        (summary.valid, summary.malformed, summary.calls) == (alone.valid, alone.malformed, alone.calls) == (40, 1, 40)
    )
    assert bulk.bytes() == expected
    assert Counter(bulk.witness.calls).most_common(1)[0][1] == 1
    assert bulk.witness.most <= 4


def test_limits_that_workers_hear_of_hold_for_all(bulk: Bulk) -> None:
    """What a header says to one, the engine knows."""
    seen: list[Any] = []
    headers = {"x-ratelimit-limit-requests": "1000", "x-ratelimit-remaining-requests": "900"}
    headers |= {"x-ratelimit-reset-requests": "6s"}

    def behave(_witness: Any, question: str, _number: int) -> Any:
        return attrs.evolve(bulk.said(question), headers={**bulk.said(question).headers, **headers})

    class Watch:
        def __init__(self, engine: Any) -> None:
            self.engine = engine

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None:
            seen.append(self.engine.rhythm.limits)

    bulk.witness.behave = behave
    assert bulk.run(bulk.numbered(3), workers=2, watch=Watch).valid == 3
    assert seen[0]["requests"].limit == 1000


def test_failures_are_the_same_errors(bulk: Bulk) -> None:
    """Tried again, given up, or pausing the run, as they would be without workers."""

    def behave(witness: Any, question: str, number: int) -> Any:
        if question == "question 1":
            return bulk.refused(400)
        return bulk.refused(503) if question == "question 2" and number == 1 else None

    bulk.witness.behave = behave
    summary = bulk.run(bulk.numbered(4), workers=2)
    assert (summary.valid, summary.failed, summary.calls) == (3, 1, 5)
    bulk.folder = bulk.folder.with_name("quota")
    bulk.witness.behave = lambda *_: bulk.refused(429, "quota")
    assert bulk.run(bulk.numbered(4), workers=2).exit_code == 4


@linux
@pytest.mark.parametrize(
    ("how", "told"),
    [(signal.SIGKILL, "another one takes its place"), (signal.SIGSTOP, "has said nothing for")],
    ids=["killed", "stands still"],
)
def test_a_worker_that_works_no_more_is_replaced(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, how: signal.Signals, told: str
) -> None:
    """Nobody waits for it for ever: what it had under way is asked again; the others go on."""
    monkeypatch.setattr("airouter_bulk.workers.processes.SILENT", 5.0)
    lost: list[int] = []

    def behave(_witness: Any, _question: str, _number: int) -> None:
        if len(bulk.witness.calls) >= 6 and not lost:
            lost.append(_children()[0])
            os.kill(lost[0], how)

    bulk.witness.behave = behave
    bulk.witness.pause = 0.02
    with caplog.at_level(logging.WARNING, "airouter.bulk"):
        summary = bulk.run(bulk.numbered(30), in_flight=4, workers=2)
    assert (summary.exit_code, summary.valid) == (0, 30)
    assert len(bulk.witness.calls) <= 30 + 4
    assert any(told in record.getMessage() for record in caplog.records)
    assert not _children()


@linux
def test_a_worker_that_stands_still_for_a_moment_loses_nothing(bulk: Bulk) -> None:
    """What was answered meanwhile is read then, and not asked again; what it was given meanwhile is permitted anew."""
    stopped: list[int] = []

    def behave(_witness: Any, _question: str, _number: int) -> None:
        if len(bulk.witness.calls) >= 6 and not stopped:
            stopped.append(_children()[0])
            os.kill(stopped[0], signal.SIGSTOP)
            threading.Timer(4.0, os.kill, (stopped[0], signal.SIGCONT)).start()

    bulk.witness.behave = behave
    summary = bulk.run(bulk.numbered(30), in_flight=4, workers=2)
    assert (summary.exit_code, summary.valid, summary.calls) == (0, 30, 30)
    assert len(bulk.witness.calls) == 30


@linux
def test_workers_end_with_their_parent(bulk: Bulk) -> None:
    """Also one that was killed, and one that was told twice to stop."""
    folder = bulk.folder.parent
    (folder / "airouter.toml").write_text(f'[openai]\nbase_url = "{bulk.witness.server.url}"\n')
    (folder / "spec.toml").write_text('target = "openai/m"\nprompt = "{{ q }}"\nin_flight = 4\nworkers = 2\n')
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in bulk.numbered(30)))
    command = [sys.executable, "-m", "airouter_core", "bulk", "run", "spec.toml", "--config", "airouter.toml"]
    for signals in ([signal.SIGKILL], [signal.SIGINT] * 2, [signal.SIGINT], []):
        bulk.witness.calls.clear()
        bulk.witness.may_answer.clear() if signals else bulk.witness.may_answer.set()
        run = subprocess.Popen(
            [*command, "-i", "rows.jsonl", "-o", "out", "--yes"],
            cwd=folder,
            env={**os.environ, "OPENAI_API_KEY": KEY},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        while len(bulk.witness.calls) < 4:
            assert run.poll() is None
            time.sleep(0.01)
        workers = _children(run.pid)
        assert len(workers) == 2
        for sent in signals:
            run.send_signal(sent)
            time.sleep(0.3)
        if signals == [signal.SIGINT]:
            bulk.witness.may_answer.set()
        assert run.wait(60) == {signal.SIGKILL: -9, signal.SIGINT: 4}.get(signals[0] if signals else 0, 0)
        assert (len(bulk.witness.calls) == 4) is bool(signals)
        while any(Path("/proc", str(worker)).exists() for worker in workers):
            time.sleep(0.05)


def test_a_worker_that_cannot_be_started(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told before anything is asked, and nobody waits for it."""
    monkeypatch.setattr(sys, "executable", str(bulk.folder / "nothing"))
    with pytest.raises(ExecutionError, match=r"worker 1 cannot be started: .*nothing"):
        bulk.run(bulk.numbered(2), workers=2)
    assert not bulk.witness.calls


@linux
def test_a_worker_that_nobody_can_replace(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run pauses and says why; the same again goes on."""
    monkeypatch.setattr(sys, "executable", sys.executable)  # as it was, at the end

    def behave(_witness: Any, _question: str, _number: int) -> None:
        if len(bulk.witness.calls) >= 6 and sys.executable != "/nothing":
            sys.executable = "/nothing"
            os.kill(_children()[0], signal.SIGKILL)

    bulk.witness.behave = behave
    bulk.witness.pause = 0.05
    summary = bulk.run(bulk.numbered(200), in_flight=4, workers=2)
    assert summary.exit_code == 4
    assert "no worker can be had any more: worker" in str(summary.reason)


class _Found:
    """A journal that asks one question, and pickles what it is told."""

    def __init__(self, ask: Ask) -> None:
        self.ask = ask
        self.results: list[Any] = []

    async def lease(self, _worker: str, got: int, _lives: Any) -> Lease | None:
        return None if got else Lease("", 1, [Given(Call(1, 1), self.ask, 0.0)], 0.0)

    async def report(self, _worker: str, _life: str, results: Any, _limits: Any) -> None:
        self.results += pickle.loads(pickle.dumps(results))


def test_an_answer_that_holds_what_cannot_be_pickled(bulk: Bulk) -> None:
    """Is reported all the same, as the journal would keep it: it was paid for."""

    def layer(ask: Ask, answer: Answer) -> Flow[Any]:
        response = yield from answer(ask)
        return msgspec.structs.replace(response, provider_metadata={"openai": {"lock": threading.Lock()}})

    async def work() -> list[Any]:
        config = {"api_key": KEY, "base_url": bulk.witness.server.url}
        source: Any = SimpleNamespace(provider=lambda: create_provider("openai", config, layers=[layer]))
        worker = Worker("one", source, TimeoutError)
        assert isinstance(await worker.ready(), int)
        journal = _Found(Ask(model="m", messages=(Message.user("question 1"),)))
        async with asyncio.timeout(60):
            await worker.work(journal)
        return journal.results

    ((call, response),) = asyncio.run(work())
    assert (call, response.text) == (Call(1, 1), "answer to question 1")
    assert "lock" in response.provider_metadata["openai"]["lock"]


def test_a_provider_that_no_process_can_make(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told before anything is asked."""
    monkeypatch.setenv("PYTHONPATH", str(bulk.folder.parent))
    (bulk.folder.parent / "msgspec.py").write_text("raise SystemExit(3)\n")
    with pytest.raises(Exception, match="ended before it had begun"):
        bulk.run(bulk.numbered(2), workers=2)
    assert not bulk.witness.calls


def test_settings_travel_through_a_pipe_alone() -> None:
    """With their key, which no text of them shows; what cannot be pickled is refused."""
    with create_provider("openai", {"api_key": KEY, "timeout": 7}) as provider:
        found = copied(provider)
    assert found.settings == {"api_key": KEY, "timeout": 7, "base_url": provider.config.base_url}
    assert KEY not in repr(found)
    with found.provider() as again:
        assert (again.config.api_key, again.config.timeout) == (KEY, 7)


def test_settings_that_cannot_travel() -> None:
    """A program may give functions; the next step is said."""

    @attrs.frozen
    class Config:
        fetch: Any

    provider: Any = SimpleNamespace(
        info=SimpleNamespace(name="own"), config=Config(lambda: "token"), plugins=installed()
    )
    with pytest.raises(ConfigurationError, match="of own cannot be handed to worker processes"):
        copied(provider)


def test_a_copy_asks_whom_the_program_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the program named the usual address, and the environment another one."""
    pytest.importorskip("airouter_claude")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    usual = "https://api.anthropic.com"
    with (
        create_provider("claude", {"api_key": KEY, "base_url": usual}) as provider,
        copied(provider).provider() as copy,
    ):
        assert copy.config.base_url == provider.config.base_url == usual


def test_layers_of_a_program_are_not_lost() -> None:
    """A budget among them would hold for nobody: it is told before anything is asked."""

    def layer(ask: Ask, answer: Answer) -> Flow[Any]:
        return (yield from answer(ask))

    with create_provider("openai", {"api_key": KEY, "base_url": "http://127.0.0.1:9"}, layers=[layer]) as provider:
        for refer in (copied, by_provider):
            with pytest.raises(ConfigurationError, match="no other process has"):
                refer(provider)


def test_a_copy_of_a_provider_that_is_not_installed() -> None:
    """The next step is said."""
    with pytest.raises(ConfigurationError):
        Copied("nobody", {}).provider()


def test_no_worker_is_begun_for_one(bulk: Bulk) -> None:
    """One worker is the program itself."""
    seen: list[list[int]] = []
    bulk.witness.saw = lambda _: seen.append(_children() if sys.platform.startswith("linux") else [])
    assert bulk.run(bulk.numbered(2), workers=1).valid == 2
    assert seen == [[], []]
