"""What a key, its team and the whole server may do in a minute and at a time, counted for all servers together."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests

from airouter_core.testing.server import Answer, Connection, ReceivedRequest
from airouter_gateway.access.accounts import Accounts
from airouter_gateway.access.counting import LIVES, LimitReachedError, Room
from airouter_gateway.access.limits import Limits
from airouter_gateway.bounds import Bounds
from airouter_ledger.ledger import Ledger

if TYPE_CHECKING:
    from conftest import Running, Serve

CHAT = "/v1/chat/completions"
ASKED = {"model": "up/m", "messages": [{"role": "user", "content": "hi"}]}
PRICED = {
    "prices": {"up/m": {"input": 1_000_000, "output": 1_000_000}, "openai/m": {"input": 1_000_000, "output": 1_000_000}}
}
BY = "a test"


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def accounts_of(running: Running) -> Accounts:
    return running.gateway.access.books.made_accounts()


class Clock:
    """A clock that is set; only SQLite asks it."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limits(tmp_path: object, clock: Clock) -> Any:
    """Limits in a file, by a clock that is set."""
    with Ledger.open(f"{tmp_path}/ledger.db") as ledger:
        made = Limits(Accounts(ledger).tables, clock=clock)
        yield made
        made.close()


def asked(limits: Limits, *bounded: tuple[str, Bounds]) -> float | None:
    """Seconds to wait; 0 where the request is let through."""
    try:
        asyncio.run(limits.begin(f"r{time.monotonic_ns()}", bounded))
    except LimitReachedError as error:
        return error.wait
    return 0


def eventually(true: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    end = time.monotonic() + 120
    while not true():
        assert time.monotonic() < end, "it never became true"
        time.sleep(0.005)


def test_a_minute_is_no_shorter_than_that(limits: Limits, clock: Clock) -> None:
    """Whatever the minute, never more than the limit; room comes back when told, and not before."""
    bounded = ("key:a", Bounds(rpm=3))
    clock.now += 0.9
    assert [asked(limits, bounded) for _ in range(3)] == [0, 0, 0]
    wait = asked(limits, bounded)
    assert wait is not None
    assert 60 < wait <= 61
    clock.now += wait - 0.01
    assert asked(limits, bounded) != 0
    clock.now += 0.02
    assert [asked(limits, bounded) == 0 for _ in range(4)] == [True, True, True, False]


def test_the_least_of_the_chain_counts(limits: Limits) -> None:
    """Key, team and whole: whoever has no room stops it, and nothing is counted for the others then."""
    key, team, whole = ("key:a", Bounds(rpm=5)), ("team:t", Bounds(rpm=2)), ("whole", Bounds(rpm=3))
    assert [asked(limits, key, team, whole) == 0 for _ in range(3)] == [True, True, False]
    assert [asked(limits, key, whole) == 0 for _ in range(2)] == [True, False]
    assert [asked(limits, key) == 0 for _ in range(3)] == [True, True, False]


def test_tokens_are_set_aside_and_corrected(limits: Limits) -> None:
    """What was used takes the place of what was set aside; what can never fit says so."""
    bounded = [("key:a", Bounds(tpm=100))]
    asyncio.run(limits.begin("r", bounded))
    span, room = asyncio.run(limits.set_aside(bounded, 80))
    assert room is not None
    assert (room.limit, room.left) == (100, 20)
    with pytest.raises(LimitReachedError, match="100 tokens a minute"):
        asyncio.run(limits.set_aside(bounded, 30))
    asyncio.run(limits.end("r", bounded, span, -70))
    span, _ = asyncio.run(limits.set_aside(bounded, 30))
    asyncio.run(limits.end("r", bounded, span, 100))
    with pytest.raises(LimitReachedError) as caught:
        asyncio.run(limits.set_aside(bounded, 1))
    assert caught.value.wait is not None
    with pytest.raises(LimitReachedError, match="lower max_tokens"):
        asyncio.run(limits.set_aside(bounded, 101))


def test_what_can_never_fit_is_not_worth_waiting_for(limits: Limits) -> None:
    """Not even in an empty minute."""
    with pytest.raises(LimitReachedError) as caught:
        asyncio.run(limits.set_aside([("key:a", Bounds(tpm=100))], 101))
    assert caught.value.wait is None


def test_requests_that_come_together_are_one_transaction(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And as many of them are let through as would be one after the other."""
    transactions: list[int] = []

    async def begin(limits: Limits) -> list[Any]:
        beginning = (limits.begin(f"r{number}", [("key:a", Bounds(rpm=10))]) for number in range(40))
        return list(await asyncio.gather(*beginning, return_exceptions=True))

    with Ledger.open(f"{tmp_path}/ledger.db") as ledger:
        limits = Limits(Accounts(ledger).tables, clock=clock)
        write = ledger.database.write
        monkeypatch.setattr(ledger.database, "write", lambda work: (transactions.append(1), write(work))[1])
        found = asyncio.run(begin(limits))
    assert [isinstance(one, LimitReachedError) for one in found] == [False] * 10 + [True] * 30
    assert len(transactions) == 1


def test_a_server_that_died_has_nothing_under_way(limits: Limits, clock: Clock) -> None:
    """After a minute without a word of it; a request that has ended makes room at once."""
    bounded = [("key:a", Bounds(in_flight=2))]
    asyncio.run(limits.begin("r1", bounded))
    asyncio.run(limits.begin("r2", bounded))
    assert asked(limits, *bounded) == 1
    asyncio.run(limits.end("r1", bounded))
    assert asked(limits, *bounded) == 0
    assert asked(limits, *bounded) == 1
    clock.now += LIVES + 1
    assert asked(limits, *bounded) == 0


def test_who_is_tightest_is_told(limits: Limits, clock: Clock) -> None:
    """Of a chain, the one that has least left, how much it is, and when all of it is there again."""
    key, whole = ("key:a", Bounds(rpm=9)), ("whole", Bounds(rpm=4))
    asyncio.run(limits.begin("other", [whole]))
    clock.now += 10
    room = asyncio.run(limits.begin("r", [key, whole]))
    assert room == Room("requests", 4, 2, 51)
    assert asyncio.run(limits.begin("r2", [key, ("team:t", Bounds())])) == Room("requests", 9, 7, 61)
    assert asyncio.run(limits.begin("r3", [("team:t", Bounds())])) is None


@pytest.mark.parametrize(
    ("subject", "bounds", "said"),
    [
        ("key:a", Bounds(rpm=1), "this key may ask 1 times a minute"),
        ("team:t", Bounds(rpm=1), "the team 't' may ask 1 times a minute"),
        ("whole", Bounds(rpm=1), "this server may ask 1 times a minute"),
        ("key:a", Bounds(in_flight=1), "this key may have 1 requests at a time"),
    ],
)
def test_who_has_no_room_is_named(limits: Limits, subject: str, bounds: Bounds, said: str) -> None:
    """With how much they may."""
    asyncio.run(limits.begin("r1", [(subject, bounds)]))
    with pytest.raises(LimitReachedError, match=said):
        asyncio.run(limits.begin("r2", [(subject, bounds)]))


def test_a_server_says_that_it_lives(limits: Limits, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what takes longer than a minute stays under way; what a server long dead has left behind is cleared away."""
    tables = limits._tables
    bounded = [("key:a", Bounds(in_flight=2))]

    def die(execute: Any) -> None:
        execute("INSERT INTO gateway_servers (id, seen) VALUES (?, ?)", "dead", clock.now)
        execute("INSERT INTO gateway_flights (id, subject, server) VALUES (?, ?, ?)", "left behind", "key:a", "dead")

    tables.write(die)
    monkeypatch.setattr("airouter_gateway.access.limits.BEAT", 0.01)
    asyncio.run(limits.begin("r1", bounded))
    clock.now += LIVES + 1
    eventually(lambda: (clock.now,) in tables.read("SELECT seen FROM gateway_servers"))
    assert tables.read("SELECT COUNT(*) FROM gateway_flights")[0][0] == 2
    asyncio.run(limits.begin("r2", bounded))  # there is room again for what the dead one had
    assert asked(limits, *bounded) == 1
    clock.now += 10 * LIVES
    eventually(lambda: tables.read("SELECT COUNT(*) FROM gateway_servers")[0][0] == 1)
    assert sorted(tables.read("SELECT id FROM gateway_flights")) == [("r1",), ("r2",)]


def count(address: str, start: Any, refusals: int, let_through: Any) -> None:
    """Ask as fast as can be until so many were refused, in a process of its own; say how many were let through."""
    with Ledger.open(address) as ledger:
        limits = Limits(Accounts(ledger).tables)
        start.wait()
        through = refused = 0
        while refused < refusals:
            one = asked(limits, ("key:a", Bounds(rpm=25)), ("team:t", Bounds(rpm=40)))
            through, refused = through + (one == 0), refused + one
        limits.close()
    let_through.put(through)


def test_two_servers_let_through_what_one_would(address: str) -> None:
    """Two processes that ask as fast as they can: together exactly the limit."""
    Ledger.open(address).close()
    spawn = multiprocessing.get_context("spawn")
    start, let_through = spawn.Barrier(2), spawn.Queue()
    processes = [spawn.Process(target=count, args=(address, start, 20, let_through)) for _ in range(2)]
    for process in processes:
        process.start()
    numbers = [let_through.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert sum(numbers) == 25


def test_two_gateways_share_limits_keys_and_budgets(serve: Serve, address: str) -> None:
    """A key that one is told of is known to the other; both count for the same limit."""
    first, second = serve(ledger=address), serve(ledger=address)
    key, _ = accounts_of(first).create("ci", by=BY, rpm=5)
    answers = [running.post(CHAT, ASKED, headers=bearer(key)) for _ in range(4) for running in (first, second)]
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 3
    assert answers[0].headers["x-ratelimit-limit-requests"] == "5"
    assert answers[0].headers["x-ratelimit-remaining-requests"] == "4"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 60
    accounts_of(second).edit("ci", by=BY, rpm=None)
    assert first.post(CHAT, ASKED, headers=bearer(key)).status_code == 200
    accounts_of(second).edit("ci", by=BY, disabled=True)
    off = first.post(CHAT, ASKED, headers=bearer(key))
    assert (off.status_code, "switched off" in off.text) == (401, True)
    accounts_of(second).revoke("ci", by=BY)
    accounts_of(second).create("other", by=BY)
    assert first.post(CHAT, ASKED, headers=bearer(key)).status_code == 401


@pytest.fixture
def gate() -> Callable[[ReceivedRequest, Connection], None]:
    """An upstream that answers once it may; ``gate.open`` lets it."""
    opened = threading.Event()

    def behaviour(request: ReceivedRequest, connection: Connection) -> None:
        opened.wait(120)
        said = {"role": "assistant", "content": "hello"}
        usage = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
        choice = {"index": 0, "message": said, "finish_reason": "stop"}
        connection.answer(
            Answer.of_json({"id": "x", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage})
        )

    behaviour.opened = opened  # type: ignore[attr-defined]
    return behaviour


def test_requests_at_a_time(serve: Serve, gate: Any) -> None:
    """One too many is told to come back; when one has ended there is room."""
    running = serve(gate)
    key, _ = accounts_of(running).create("ci", by=BY, in_flight=1)
    answers: list[requests.Response] = []
    thread = threading.Thread(target=lambda: answers.append(running.post(CHAT, ASKED, headers=bearer(key))))
    thread.start()
    while not running.upstream.requests:
        time.sleep(0.01)
    full = running.post(CHAT, ASKED, headers=bearer(key))
    assert (full.status_code, full.headers["retry-after"]) == (429, "1")
    gate.opened.set()
    thread.join()
    assert answers[0].status_code == 200
    assert running.post(CHAT, ASKED, headers=bearer(key)).status_code == 200


def test_tokens_of_answers_count(serve: Serve, gate: Any) -> None:
    """What the provider counted is what the next question finds used."""
    gate.opened.set()
    running = serve(gate)
    key, _ = accounts_of(running).create("ci", by=BY, tpm=60)
    first = running.post(CHAT, {**ASKED, "max_tokens": 10}, headers=bearer(key))
    assert (first.status_code, first.headers["x-ratelimit-limit-tokens"]) == (200, "60")
    again = running.post(CHAT, {**ASKED, "max_tokens": 10}, headers=bearer(key))
    assert (again.status_code, "tokens a minute" in again.text) == (429, True)


def test_the_whole_server_is_bounded(serve: Serve) -> None:
    """Also where nobody has a key."""
    running = serve(rpm=2)
    assert [running.post(CHAT, ASKED).status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.filterwarnings("ignore::airouter_ledger.errors.LedgerWarning")  # it is nearly used up
def test_a_key_may_spend_its_budget_and_its_teams(serve: Serve) -> None:
    """Reserved before, settled after, in the ledger; who has used it up is told so in the words that stop clients."""
    running = serve(tables=PRICED)
    accounts = accounts_of(running)
    accounts.create_team("a", by=BY, budget=Decimal(70))
    # A question of some tokens and at most one more: each costs 4 dollars by its usage.
    key, _ = accounts.create("ci", by=BY, team="a", budget=Decimal(60))
    asked = {**ASKED, "max_tokens": 1}
    first = running.post(CHAT, asked, headers=bearer(key))
    assert first.status_code == 200, first.text
    ledger = running.gateway.access.books.ledger()
    assert ledger is not None
    (call,) = ledger.calls()
    assert (call.tags, call.cost and call.cost.amount) == ({"key": "ci", "team": "a"}, Decimal(4))
    spent = dict(ledger.database.read("SELECT budget, amount FROM spent"))
    assert [amount for _, amount in sorted(spent.items())] == [4_000_000_000, 4_000_000_000]
    accounts.edit("ci", by=BY, budget=Decimal(5))
    over = running.post(CHAT, asked, headers=bearer(key))
    assert (over.status_code, over.json()["error"]["code"]) == (429, "insufficient_quota")
    assert (over.headers["x-should-retry"], "the budget of key 'ci'" in over.text) == ("false", True)
    unpriced = running.post(CHAT, {**asked, "model": "up/other"}, headers=bearer(key))
    assert "unpriced of the budget of key 'ci'" in unpriced.text
    accounts.edit("ci", by=BY, budget=None)
    accounts.edit_team("a", by=BY, budget=Decimal(5))
    assert "the budget of team 'a'" in running.post(CHAT, asked, headers=bearer(key)).text
    assert len(running.upstream.requests) == 1


def test_a_name_that_nobody_knows_allows_nothing(serve: Serve) -> None:
    """Where a default answers for unknown names, a pattern that such a name fits opens no other model."""
    running = serve(default="up/m", models={"cheap-one": "up/m"})
    key, _ = accounts_of(running).create("ci", by=BY, models=("cheap-*",))
    assert running.post(CHAT, {**ASKED, "model": "cheap-one"}, headers=bearer(key)).status_code == 200
    assert running.post(CHAT, {**ASKED, "model": "cheap-other"}, headers=bearer(key)).status_code == 403
