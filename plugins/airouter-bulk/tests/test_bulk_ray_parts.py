"""What a run on Ray is made of, without Ray: journal and workers in one process, and what is sent between them."""

from __future__ import annotations

import asyncio
import pickle
import socket
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from airouter_bulk import Spec
from airouter_bulk.errors import SpecError
from airouter_core import ProviderManager, create_provider
from airouter_core.config.files import Settings, read_settings
from airouter_core.errors import ConfigurationError, ExecutionError, RateLimitedError
from airouter_core.plugins.registry import installed
from airouter_core.profile.prices import Prices

pytest.importorskip("click", reason="runs on Ray need airouter-core[cli]")

from airouter_bulk import ray
from airouter_bulk.journal.records import Call
from airouter_bulk.ray import reference
from airouter_bulk.ray.cluster import Node, Staff, StoppedError, connected
from airouter_bulk.ray.driver import Driver
from airouter_bulk.ray.head import Head
from airouter_bulk.ray.messages import Plan, plain_rows
from airouter_bulk.ray.reached import Journal
from airouter_bulk.ray.worker import Worker
from airouter_bulk.reports import Summary
from airouter_bulk.rows import rows_of
from airouter_bulk.workers import pool
from airouter_bulk.workers.worker import carried

if TYPE_CHECKING:
    from conftest import Bulk

KEY = "sk-planted-0123456789abcdef"


class _AwayError(Exception):
    """The journal is being restarted."""


class _Method:
    def __init__(self, here: _Here, name: str) -> None:
        self._here, self._name = here, name

    async def remote(self, *arguments: Any) -> Any:
        method = getattr(self._here.head, self._name, None)
        if method is None:
            raise _AwayError
        asked = asyncio.ensure_future(method(*pickle.loads(pickle.dumps(arguments))))
        ended = asyncio.ensure_future(self._here.dead.wait())
        await asyncio.wait({asked, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not asked.done():
            asked.cancel()
            raise _AwayError
        return pickle.loads(pickle.dumps(await asked))


class _Here:
    """The journal as its workers reach it: what is said is pickled, and it may die."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.head: Head | None = None
        self.born()

    def born(self) -> None:
        self.head, self.dead = Head(self._plan), asyncio.Event()

    async def die(self) -> None:
        """What is under way stays as it is in the journal, as when the process is killed."""
        head, self.head = self.head, None
        self.dead.set()
        await asyncio.sleep(0)
        assert head is not None
        await head.stop()

    def __getattr__(self, name: str) -> _Method:
        return _Method(self, name)


class Cluster:
    """A run on workers of this process."""

    def __init__(self, bulk: Bulk, monkeypatch: pytest.MonkeyPatch, rows: int, **spec: Any) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        file = bulk.folder.with_name("airouter.toml")
        file.write_text(f'[openai]\nbase_url = "{bulk.witness.server.url}"\n')
        self.bulk = bulk
        self.rows = bulk.numbered(rows)
        wanted = Spec.of({"target": "openai/m", "prompt": "{{ q }}", **spec})
        self._reference = reference.by_settings("openai", read_settings(file))
        prices = Prices.of_settings({"openai/m": {"input": 100, "output": 100}})
        self.here = _Here(Plan(wanted, str(bulk.folder), self._reference, "m", prices, True))
        self.working: dict[str, asyncio.Task[None]] = {}

    def begin(self) -> asyncio.Task[Summary]:
        """A life of the journal."""
        head = self.here.head
        assert head is not None

        async def ended() -> Summary:
            sending = asyncio.ensure_future(self._sent(head))
            found = await head.run(head.life, list(self.working), fork=False, sample=0)
            sending.cancel()
            assert isinstance(found, Summary), found
            return found

        return asyncio.ensure_future(ended())

    async def _sent(self, head: Head) -> None:
        for number, rows in enumerate((list(rows_of(self.rows)), [])):
            assert await head.admit(head.life, number, plain_rows(rows))
            assert not await head.admit("another", number, plain_rows(rows))

    async def hire(self, name: str, among: int = 1) -> None:
        """One more worker, of so many."""
        worker = Worker(name, pickle.loads(pickle.dumps(self._reference)), _AwayError)
        assert isinstance(await worker.ready(), int)
        await self.here.join.remote(name, among)
        self.working[name] = asyncio.ensure_future(worker.work(self.here))

    async def called(self, count: int) -> None:
        """Wait until the server has seen so many calls."""
        while len(self.bulk.witness.calls) < count:
            await asyncio.sleep(0.005)

    def states(self) -> dict[str, int]:
        """Attempts by their state."""
        with closing(sqlite3.connect(self.bulk.folder / "journal.db")) as journal:
            return dict(journal.execute("SELECT state, count(*) FROM attempts GROUP BY state").fetchall())


Story = Callable[[Cluster], Any]


@pytest.fixture
def told(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Tell what happens to a cluster."""
    # How old a call may be is another test's.
    monkeypatch.setattr("airouter_bulk.workers.pool.STALE", 600)
    monkeypatch.setattr("airouter_bulk.workers.worker.STALE", 600)

    def tell(story: Story, rows: int, **spec: Any) -> Cluster:
        async def within() -> Cluster:
            cluster = Cluster(bulk, monkeypatch, rows, **spec)
            try:
                async with asyncio.timeout(600):
                    await story(cluster)
            finally:
                for task in cluster.working.values():
                    task.cancel()
                await asyncio.gather(*cluster.working.values(), return_exceptions=True)
            return cluster

        return asyncio.run(within())

    return tell


def test_workers_share_what_is_asked(bulk: Bulk, told: Callable[..., Any]) -> None:
    """What comes out is what one process makes; each question is asked once, and no more at a time than allowed."""
    bulk.witness.pause = 0.02

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one", 2)
        await cluster.hire("two", 2)
        summary = await running
        assert (summary.exit_code, summary.valid, summary.calls) == (0, 40, 40)
        await asyncio.gather(*cluster.working.values())  # the run is over, so they end

    told(story, 40, in_flight=6)
    assert bulk.witness.most <= 6
    assert len(bulk.witness.calls) == 40
    there = bulk.bytes()
    bulk.folder = bulk.folder.with_name("alone")
    bulk.run(bulk.numbered(40), prices=Prices.of_settings({"openai/m": {"input": 100, "output": 100}}))
    assert bulk.bytes() == there


def test_a_journal_that_is_restarted_waits_for_the_calls_under_way(bulk: Bulk, told: Callable[..., Any]) -> None:
    """Their answers are taken over, so nothing is asked twice, and the limit holds. Booked twice is at most what was on
    its way to a worker.
    """
    bulk.witness.pause = 0.2

    async def story(cluster: Cluster) -> None:
        first = cluster.begin()
        await cluster.hire("one", 2)
        await cluster.hire("two", 2)
        for calls in (8, 20):
            await cluster.called(calls)
            await cluster.here.die()
            await first
            await asyncio.sleep(0.3)  # the answers have come meanwhile
            cluster.here.born()
            await asyncio.sleep(0.3)  # workers find the new life before it has begun
            first = cluster.begin()
        summary = await first
        assert (summary.exit_code, summary.valid) == (0, 30)

    cluster = told(story, 30, in_flight=6, budget="1", parameters={"max_tokens": 10})
    assert Counter(bulk.witness.calls).most_common(1)[0][1] == 1
    assert bulk.witness.most <= 6
    states = cluster.states()
    assert states.pop("uncertain", 0) <= 2 * 6
    assert states == {"answered": 30}


def test_limits_that_a_worker_hears_of_hold_for_all(bulk: Bulk, told: Callable[..., Any]) -> None:
    """They reach the journal with the answer, and the next call waits for room."""
    headers = {"x-ratelimit-limit-requests": "1", "x-ratelimit-remaining-requests": "0"}
    headers |= {"x-ratelimit-reset-requests": "600ms"}

    def behave(_witness: Any, question: str, _number: int) -> Any:
        answer = bulk.said(question)
        return attrs.evolve(answer, headers={**answer.headers, **headers})

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one")
        assert (await running).valid == 2

    bulk.witness.behave = behave
    told(story, 2, in_flight=1)
    first, second = bulk.witness.times
    assert second - first >= 0.5


def test_what_a_lost_worker_had_is_asked_again(bulk: Bulk, told: Callable[..., Any]) -> None:
    """Once it is sure to be dead, and not before: what it still reports is taken."""
    may_answer = bulk.witness.may_answer
    may_answer.clear()

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one")
        await cluster.called(3)
        lost = asyncio.ensure_future(cluster.here.lose.remote("one", 3.0))  # its node is gone, and it lives on
        may_answer.set()
        await cluster.working["one"]
        assert len(bulk.witness.calls) == 3
        await lost
        may_answer.clear()
        await cluster.hire("two")
        await cluster.called(6)
        cluster.working["two"].cancel()
        await cluster.here.lose.remote("two", 0.0)
        may_answer.set()
        await cluster.hire("three")
        assert (await running).valid == 9

    cluster = told(story, 9, in_flight=3)
    assert cluster.states() == {"answered": 9, "uncertain": 3}
    assert len(bulk.witness.calls) == 12


def test_a_worker_that_was_given_up_gets_nothing_more(bulk: Bulk, told: Callable[..., Any]) -> None:
    """Nor does one that the journal never heard of."""

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        assert await cluster.here.lease.remote("stranger", 0, {}) is None
        await cluster.hire("one")
        await running
        assert await cluster.here.lease.remote("one", 0, {}) is None

    told(story, 2)


def test_retry_after_closes_for_all_workers(bulk: Bulk, told: Callable[..., Any]) -> None:
    """Also for calls that are on their way to a worker; they are no tries."""

    def behave(witness: Any, question: str, number: int) -> Any:
        return bulk.refused(429, "slow", retry_after="1") if len(witness.calls) == 1 else None

    bulk.witness.behave = behave

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one", 2)
        await cluster.hire("two", 2)
        assert (await running).valid == 6

    assert "answered" in told(story, 6, in_flight=2, retries=1).states()


def test_ended_at_once_or_after_what_is_under_way(bulk: Bulk, told: Callable[..., Any]) -> None:
    """As one process does: a run that is paused says so, and goes on when it is begun again."""
    bulk.witness.may_answer.clear()

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one")
        await cluster.called(2)
        await cluster.here.pause.remote("paused", "somebody said so")
        bulk.witness.may_answer.set()
        summary = await running
        assert (summary.exit_code, summary.valid, summary.reason) == (4, 2, "somebody said so")
        await cluster.working.pop("one")
        cluster.here.born()
        again = cluster.begin()
        await cluster.hire("two")
        assert (await again).valid == 4

    told(story, 4, in_flight=2)
    assert len(bulk.witness.calls) == 4


def test_what_waits_too_long_for_a_worker_is_permitted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else calls that were permitted one by one would go out all at once."""
    monkeypatch.setattr(pool, "STALE", 0.05)

    async def story() -> None:
        calls = pool.Pool(5)
        waiting = asyncio.ensure_future(calls.answer(None, (1, 1)))  # type: ignore[arg-type]
        await asyncio.sleep(0.1)
        assert await calls.give("one", 0.0) == []
        with pytest.raises(pool.NotSentError):
            await waiting

    asyncio.run(story())


async def _three_ask(calls: pool.Pool) -> list[asyncio.Future[Any]]:
    waiting: list[asyncio.Future[Any]] = [
        asyncio.ensure_future(calls.answer(None, Call(number, 1)))  # type: ignore[arg-type]
        for number in range(3)
    ]
    await asyncio.sleep(0)
    return waiting


def test_each_worker_has_its_part_and_no_more() -> None:
    """While there are two of them; one that stays takes over what the other leaves."""

    async def story() -> None:
        calls = pool.Pool(4, workers=2)
        await _three_ask(calls)
        one = await calls.give("one", 1.0)
        assert len(one) == 2
        assert await calls.give("one", 0.0) == []
        assert len(await calls.give("two", 1.0)) == 1
        calls.workers = 1
        more = await _three_ask(calls)
        assert len(await calls.give("one", 1.0)) == 2
        assert not more[0].done()

    asyncio.run(story())


def test_a_worker_that_is_gone_gets_nothing_of_what_it_had_wished_for() -> None:
    """Else a call would be with nobody, and the run would never end."""

    async def story() -> None:
        calls = pool.Pool(4)
        wishing = asyncio.ensure_future(calls.give("one", 60.0))
        await asyncio.sleep(0)
        assert calls.lose("one") == 0
        waiting = await _three_ask(calls)
        assert await wishing == []
        fetched = asyncio.ensure_future(calls.give("two", 60.0))
        await asyncio.sleep(0)
        assert calls.lose("two") == 0  # while it waits for more of them
        assert await fetched == []
        assert len(await calls.give("three", 1.0)) == 3
        assert not any(one.done() for one in waiting)

    asyncio.run(story())


def test_who_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is counted only while somebody listens: a machine that slept has heard nobody."""
    monkeypatch.setattr(pool, "LOOKED", 0.01)

    async def story() -> None:
        calls = pool.Pool(4)
        calls.heard("one")
        for _ in range(3):
            await asyncio.sleep(0.05)
            calls.quiet()
        assert 0.02 < calls.quiet()["one"] < 0.05
        calls.heard("one")
        assert calls.quiet()["one"] < 0.02
        calls.lose("one")
        calls.heard("one")
        assert calls.quiet() == {}

    asyncio.run(story())


def test_calls_that_were_lost_on_their_way_are_given_again(bulk: Bulk, told: Callable[..., Any]) -> None:
    """A connection may break in between, while journal and worker live. They are made once, and none is forgotten."""

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        head, broken = cluster.here.head, []
        assert head is not None
        lease = head.lease

        async def breaking(worker: str, got: int, lives: dict[str, int]) -> Any:
            given = await lease(worker, got, lives)
            if given is not None and given.given and len(broken) < 5:
                broken.append(given)
                raise _AwayError
            return given

        head.lease = breaking  # type: ignore[method-assign]
        await cluster.hire("one")
        assert (await running).valid == 12
        assert len(broken) == 5

    assert told(story, 12, in_flight=3).states() == {"answered": 12}
    assert len(bulk.witness.calls) == 12


def test_rows_that_end_in_an_error_end_the_run_when_nothing_is_under_way(bulk: Bulk, told: Callable[..., Any]) -> None:
    """No call is given up for it."""
    bulk.witness.pause = 0.02

    async def story(cluster: Cluster) -> None:
        head = cluster.here.head
        assert head is not None
        running = asyncio.ensure_future(head.run(head.life, [], fork=False, sample=0))
        await head.admit(head.life, 0, plain_rows(list(rows_of(bulk.numbered(200)))))
        await cluster.hire("one")
        await cluster.called(1)
        await head.no_more(head.life, "the table is gone")
        assert str(await running) == "the table is gone"

    states = told(story, 0, in_flight=3).states()
    assert set(states) == {"answered"}
    assert states["answered"] == len(bulk.witness.calls)


def test_a_run_that_is_paused_waits_for_no_worker(bulk: Bulk, told: Callable[..., Any]) -> None:
    """Where there is none, what was booked is given back."""

    async def story(cluster: Cluster) -> None:
        running = cluster.begin()
        await cluster.hire("one", 3)
        await cluster.called(1)
        cluster.working["one"].cancel()
        await asyncio.sleep(0.3)
        await cluster.here.pause.remote("paused", "somebody said so")
        await cluster.here.lose.remote("one", 0.0)
        assert (await running).state == "paused"

    bulk.witness.may_answer.clear()
    assert told(story, 6, in_flight=3).states() == {"uncertain": 1, "unsent": 2}


@pytest.mark.parametrize("by_variable", [False, True])
def test_where_nobody_listens_there_is_no_cluster(monkeypatch: pytest.MonkeyPatch, by_variable: bool) -> None:
    """That is said at once, also where the environment names it; Ray itself looks for minutes."""
    pytest.importorskip("ray", reason="pip install 'airouter-bulk[ray]'")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"127.0.0.1:{listening.getsockname()[1]}"
    if by_variable:
        monkeypatch.setenv("RAY_ADDRESS", address)
    given = None if by_variable else address
    with pytest.raises(ConfigurationError, match=f"no Ray cluster at {address}"), connected(given):
        pass


@pytest.mark.parametrize(("address", "told"), [("local", "does not start on this machine"), ("x:1", "no Ray cluster")])
def test_a_cluster_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch, address: str, told: str) -> None:
    """Ray raises errors of no class of its own; they are told in a line."""
    ray = pytest.importorskip("ray", reason="pip install 'airouter-bulk[ray]'")

    def init(**_: Any) -> None:
        raise Exception("timed out during startup")  # noqa: TRY002  # as Ray does

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr("airouter_bulk.ray.cluster._require", lambda _: None)
    with pytest.raises(ConfigurationError, match=f"{told}.*timed out during startup"), connected(address):
        pass


def test_secrets_go_by_reference_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent holds the place of a key, and the provider that is made of it has the key."""
    file = tmp_path / "airouter.toml"
    file.write_text('[mine]\nprovider = "openai"\nbase_url = "http://127.0.0.1:1/v1"\napi_key = "${PLACE}"\n[other]\n')
    monkeypatch.setenv("PLACE", KEY)
    sent = pickle.dumps(reference.by_settings("mine", read_settings(file)))
    assert KEY.encode() not in sent
    assert b"other" not in sent
    with pickle.loads(sent).provider() as provider:
        assert provider.config.api_key == KEY
        assert provider.config.max_retries == 0
    monkeypatch.delenv("PLACE")
    with pytest.raises(ConfigurationError, match="PLACE, which is not set"):
        pickle.loads(sent).provider()


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (f'api_key = "{KEY}"', "api_key"),
        (f'custom_headers = {{ Authorization = "Bearer {KEY}" }}', "custom_headers.Authorization"),
        ('proxies = { https = "http://me:passw0rd@proxy:1" }', "proxies.https"),
        ('base_url = "https://me:passw0rd@host/v1"', "base_url"),
    ],
)
def test_a_secret_in_the_file_itself_does_not_travel(tmp_path: Path, table: str, named: str) -> None:
    """It is refused with what to do; the message does not tell it."""
    file = tmp_path / "airouter.toml"
    file.write_text(f"[openai]\n{table}\n")
    file.chmod(0o600)
    with pytest.raises(ConfigurationError, match="keyring:NAME") as told:
        reference.by_settings("openai", read_settings(file))
    assert named in str(told.value)
    assert KEY not in str(told.value)
    assert "passw0rd" not in str(told.value)


def test_a_provider_of_a_program_goes_by_reference_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where its key is in the environment; one that is nowhere else cannot be found by others."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with create_provider("openai", {"base_url": "http://127.0.0.1:1/v1"}) as provider:
        found = reference.by_provider(provider)
    assert found.settings.tables["openai"] == {"base_url": "http://127.0.0.1:1/v1", "api_key": "${OPENAI_API_KEY}"}
    assert KEY.encode() not in pickle.dumps(found)
    with (
        create_provider("openai", {"api_key": f"{KEY}2"}) as provider,
        pytest.raises(ConfigurationError, match="do not travel"),
    ):
        reference.by_provider(provider)


def _nodes(*resources: dict[str, float]) -> list[Node]:
    return [Node(f"n{number}", "host", had) for number, had in enumerate(resources)]


def test_nobody_is_asked_whom_the_target_does_not_name(tmp_path: Path) -> None:
    """As on one machine; told before a cluster is looked for."""
    if not any(info.name == "openrouter" for info in installed().providers()):
        pytest.skip("airouter-openrouter, which claims all names with a slash, is not installed")
    with ProviderManager() as manager:
        manager.add_provider("openrouter", {"api_key": KEY})
        spec = {"target": "gone/m", "prompt": "{{ q }}"}
        with pytest.raises(SpecError, match=r"'gone' is no provider that is here.*openrouter/gone/m"):
            ray.run(spec, [{"q": "hi"}], tmp_path, manager=manager)


def test_where_workers_are_placed() -> None:
    """One on each node that computes, one for each GPU, or as many as are wanted where there is most room."""
    nodes = _nodes({}, {"CPU": 8}, {"CPU": 4, "GPU": 2})
    assert [node.id for node in Staff().missing(nodes, Counter())] == ["n1", "n2"]
    assert [node.id for node in Staff().missing(nodes, Counter({"n1": 1}))] == ["n2"]
    assert [node.id for node in Staff(gpus=1).missing(nodes, Counter({"n2": 1}))] == ["n2"]
    assert Staff(gpus=0.5).wanted(nodes) == 4
    assert [node.id for node in Staff(workers=3).missing(nodes, Counter({"n1": 1}))] == ["n1", "n1"]
    assert len(Staff(workers=99).missing(nodes, Counter())) == Staff(workers=99).wanted(nodes) == 12
    assert [node.id for node in Staff(cpus=0).missing(nodes, Counter())] == ["n1", "n2"]


class _StrangeError(RateLimitedError):
    def __init__(self) -> None:
        super().__init__("slow", retry_after=3.0)
        self.lock = asyncio.Lock()
        self.what: Any = lambda: None


def test_errors_of_strangers_travel_as_ours() -> None:
    """Whatever they hold."""
    assert str(carried(_StrangeError())) == "_StrangeError: slow"
    assert carried(RateLimitedError("slow", retry_after=3.0)).__dict__["retry_after"] == 3.0


class _Silent:
    """A cluster whose actors never say anything."""

    exceptions = SimpleNamespace(RayActorError=_AwayError, RayError=_AwayError)

    def __init__(self) -> None:
        self.killed: list[Any] = []

    def remote(self, **_: Any) -> Any:
        return lambda kind: SimpleNamespace(remote=lambda *given: self)

    def nodes(self) -> list[Any]:
        return []

    def kill(self, actor: Any) -> None:
        self.killed.append(actor)

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=lambda *given, **named: asyncio.Event().wait())


def test_a_journal_that_cannot_begin_is_told(tmp_path: Path) -> None:
    """And not waited for: only one that was there can be restarted."""
    asked: list[str] = []

    class FailedError(_AwayError):
        actor_init_failed = True

    async def look() -> str:
        asked.append("look")
        if len(asked) == 1:
            raise _AwayError
        raise FailedError("Traceback:\n  in line 1\nno module named airouter_bulk\n")

    async def story() -> None:
        made = reference.Reference("openai", Settings(path="none", tables={}))
        plan = Plan(Spec.of({"target": "openai/m", "prompt": "{{ q }}"}), str(tmp_path), made, "m", Prices(), True)
        journal = Journal(_Silent(), plan)
        with pytest.raises(ExecutionError, match="of the cluster: no module named airouter_bulk; each node needs"):
            await journal.ask(SimpleNamespace(remote=look))

    asyncio.run(story())
    assert len(asked) == 2


def test_a_worker_that_stood_still_before_a_life_of_the_journal_is_quiet_in_it(
    bulk: Bulk, told: Callable[..., Any]
) -> None:
    """Else nobody would end it, and that life would wait for it for ever."""

    async def story(cluster: Cluster) -> None:
        head = cluster.here.head
        assert head is not None
        running = asyncio.ensure_future(head.run(head.life, ["one"], fork=False, sample=0))
        await head.join("two", 2)
        await asyncio.sleep(0)
        assert set((await head.look()).quiet) == {"one", "two"}
        running.cancel()

    told(story, 1)


def test_in_a_notebook_a_run_has_a_thread_of_its_own() -> None:
    """Since an event loop runs there already; an interrupt ends it."""
    pytest.importorskip("pyarrow", reason="pip install 'airouter-bulk[parquet]'")
    from airouter_bulk.ray.data import _ended

    async def work() -> int:
        return 3

    async def notebook() -> int:
        return _ended(work())

    assert _ended(work()) == asyncio.run(notebook()) == 3


def test_a_node_whose_processors_are_in_use_is_not_waited_for(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """For longer than some time: it is told, and is the end where there is no other."""
    pytest.importorskip("ray", reason="pip install 'airouter-bulk[ray]'")
    monkeypatch.setattr("airouter_bulk.ray.crew.PLACED", 0.01)

    class Busy(_Silent):
        def nodes(self) -> list[Any]:
            return [{"NodeID": "ab" * 28, "NodeManagerHostname": "host", "Resources": {"CPU": 1.0}, "Alive": True}]

    async def story() -> None:
        made = reference.Reference("openai", Settings(path="none", tables={}))
        plan = Plan(Spec.of({"target": "openai/m", "prompt": "{{ q }}"}), str(tmp_path), made, "m", Prices(), True)
        driver = Driver(Busy(), plan, bulk.numbered(1), Staff())
        with pytest.raises(ExecutionError, match="worker 1 on host cannot be started: its node has had no room for"):
            await driver.run(fork=False, sample=0, approve=None)

    asyncio.run(story())


def test_what_fails_beside_a_run_ends_it(bulk: Bulk, tmp_path: Path) -> None:
    """Nobody awaits it, and nobody is to wait for ever because of it."""

    class Odd(_Silent):
        def nodes(self) -> list[Any]:
            return [{"Alive": True}]

    async def story() -> None:
        made = reference.Reference("openai", Settings(path="none", tables={}))
        plan = Plan(Spec.of({"target": "openai/m", "prompt": "{{ q }}"}), str(tmp_path), made, "m", Prices(), True)
        with pytest.raises(KeyError, match="NodeID"):
            await Driver(Odd(), plan, bulk.numbered(1), Staff()).run(fork=False, sample=0, approve=None)

    asyncio.run(story())


def test_ctrl_c_twice_ends_also_where_the_journal_says_nothing(
    bulk: Bulk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its actor is ended too, so that nobody goes on with it."""
    monkeypatch.setattr("airouter_bulk.ray.driver.STOPPED", 0.01)
    made = reference.Reference("openai", Settings(path="none", tables={}))
    silent = _Silent()

    async def stopped() -> None:
        plan = Plan(Spec.of({"target": "openai/m", "prompt": "{{ q }}"}), str(tmp_path), made, "m", Prices(), True)
        driver = Driver(silent, plan, bulk.numbered(1), Staff())
        running = asyncio.ensure_future(driver.run(fork=False, sample=0, approve=None))
        await asyncio.sleep(0)
        driver.pause("paused", "interrupted")
        driver.stop()
        with pytest.raises(StoppedError, match="stopped at once"):
            await running

    asyncio.run(stopped())
    assert silent.killed == [silent]
