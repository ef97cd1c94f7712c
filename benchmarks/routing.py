"""Strategies of routes in a simulated world: outages, rate limits, load, prompt caches. Seeded; nothing is sent.

    python benchmarks/routing.py [--calls 1000000] [--seed 1]

Beside our strategies stand the published rules of two others, written anew from their documents (LiteLLM 1.110:
shuffle by weight, two retries, cooldown of 5 s after a 429 or when half of at least five calls in a minute failed;
OpenRouter: by 1/price² among those without an outage in the last 30 s, the rest as fallbacks), and what hindsight
allows: the cheapest target that would answer at that moment.
"""

from __future__ import annotations

import argparse
import collections
import heapq
import itertools
import random
import time
from collections.abc import Callable, Generator, Iterator
from decimal import Decimal
from typing import Any

from airouter_core.errors import AirouterError, ExecutionError, OverloadedError, RateLimitedError
from airouter_core.flow.steps import Delegate, Emit, Flow, Sleep
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.profile.prices import Prices
from airouter_core.provider.asking import ask_of
from airouter_core.values.ask import Ask
from airouter_core.values.catalog import Pricing
from airouter_core.values.messages import Message
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_router.calls import Call
from airouter_router.reading import Limits, routes_of
from airouter_router.situation import Knowledge, Situation

RATE = 40.0
"""Calls in a second."""
SESSIONS = 400
CACHE_LIFE = 300.0
DEADLINE = 60.0
TIMEOUT = 20.0
"""Seconds after which a call is given up, by every policy."""
TOKENS = Usage(2000, 300)


class Place:
    """A simulated target: what it costs, how fast it is, how much it takes, and when it is down."""

    def __init__(
        self,
        name: str,
        seed: int,
        *,
        price: float,
        seconds: float,
        room: int,
        rpm: int,
        up: float,
        down: float,
    ) -> None:
        self.name = name
        self.price = price  # dollars for a call
        self.rpm = rpm
        self._seconds = seconds
        self.room = room  # calls that it answers at full speed
        self._chance = random.Random(f"{name} {seed}")
        self._outages = random.Random(f"outages of {name} {seed}")  # the same for every policy
        self._up, self._down = up, down
        self._is_up, self._until = True, self._outages.expovariate(1 / up)
        self._recent: collections.deque[float] = collections.deque()
        self._cached: dict[int, float] = {}
        self.busy = 0

    def is_up(self, now: float) -> bool:
        while self._until < now:
            self._is_up = not self._is_up
            self._until += self._outages.expovariate(1 / (self._up if self._is_up else self._down))
        return self._is_up

    def wait(self, now: float) -> float:
        """Seconds until its rate limit lets a call in."""
        while self._recent and self._recent[0] + 60 <= now:
            self._recent.popleft()
        return 0.0 if len(self._recent) < self.rpm else self._recent[0] + 60 - now

    def serve(self, session: int, world: World) -> Generator[Sleep, Any, tuple[bool, float]]:
        """One call: whether the cache was hit, and the seconds to the first word."""
        began = world.now
        self.is_up(began)
        if not self._is_up:
            yield Sleep(self._chance.uniform(0.05, 2.0))
            raise OverloadedError("down")
        if (wait := self.wait(began)) > 0:
            yield Sleep(0.05)
            raise RateLimitedError("too fast", retry_after=wait)
        self._recent.append(began)
        self.busy += 1
        hit = self._cached.get(session, -1.0) > began
        try:
            load = max(1.0, self.busy / self.room)
            takes = self._seconds * load * self._chance.lognormvariate(0, 0.4) * (0.3 if hit else 1.0)
            yield Sleep(min(takes, TIMEOUT))
            if takes > TIMEOUT:
                raise OverloadedError("too slow")
        finally:
            self.busy -= 1
        self._cached[session] = world.now + CACHE_LIFE
        world.spent += self.price * (0.4 if hit else 1.0)
        return hit, world.now - began


class World:
    """The same arrivals and the same outages for every policy of one seed."""

    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.spent = 0.0
        self.chance = random.Random(f"policy {seed}")
        self._arrivals = random.Random(f"arrivals {seed}")
        made = (
            ("cheap", 0.001, 1.2, 60, 900, 600, 60),
            ("solid", 0.003, 0.8, 200, 3000, 6000, 120),
            ("dear", 0.012, 0.4, 400, 6000, 9000, 60),
            ("home", 0.0, 2.5, 12, 600, 20000, 300),
        )
        self.places = {
            name: Place(
                name,
                seed,
                price=price,
                seconds=seconds,
                room=room,
                rpm=rpm,
                up=up,
                down=down,
            )
            for name, price, seconds, room, rpm, up, down in made
        }

    def arrivals(self, calls: int) -> Iterator[tuple[float, int]]:
        at = 0.0
        for _ in range(calls):
            at += self._arrivals.expovariate(RATE)
            yield at, int(SESSIONS * self._arrivals.random() ** 2)


Policy = Callable[[World, int], Flow[Any]]


class Stub:
    """What the router takes for a provider."""

    def __init__(self, world: World, place: Place) -> None:
        self._world = world
        self._place = place

    def flow_of(self, ask: Ask) -> Flow[Any]:
        hit, _ = yield from self._place.serve(int(ask.session or 0), self._world)  # type: ignore[misc]  # only sleeps
        usage = Usage(2000, 300, cache_read_tokens=1800 if hit else 0)
        return Response(message=ANSWER, usage=usage, finish_reason="stop")


ANSWER = Message.assistant("answer")


def ours(strategy: str) -> Callable[[World], Policy]:
    """One of our strategies, with the limits that the operator knows."""

    def made(world: World) -> Policy:
        route = routes_of(
            {"r": {"strategy": strategy, "targets": [f"{name}/m" for name in world.places], "deadline": DEADLINE}}, {}
        )["r"]
        infos = {name: ProviderInfo(name=name, target="nowhere:Nobody") for name in world.places}
        settings = {f"{name}/m": Limits(rpm=place.rpm, in_flight=place.room) for name, place in world.places.items()}
        prices = {
            f"{name}/m": Pricing(prompt=Decimal(str(place.price)) / 2300, completion=Decimal(str(place.price)) / 2300)
            for name, place in world.places.items()
        }
        knowledge = Knowledge(
            infos, settings, Prices(prices), clock=lambda: world.now, chance=world.chance.random, hour=lambda: 12
        )
        stubs: dict[str, Any] = {name: Stub(world, place) for name, place in world.places.items()}

        def policy(_: World, session: int) -> Flow[Any]:
            ask = ask_of("r", "hello", session=str(session))
            return Call(Situation(ask, route, knowledge), stubs.__getitem__, DEADLINE).flow()

        return policy

    return made


def litellm(world: World) -> Policy:
    """Shuffle, retries, cooldown."""
    cooled: dict[str, float] = {}
    calls: dict[str, collections.deque[tuple[float, bool]]] = {name: collections.deque() for name in world.places}

    def note(name: str, *, failed: bool, limited: bool) -> None:
        recent = calls[name]
        recent.append((world.now, failed))
        while recent[0][0] + 60 < world.now:
            recent.popleft()
        share = sum(bad for _, bad in recent) / len(recent)
        if limited or (len(recent) >= 5 and share > 0.5):
            cooled[name] = world.now + 5

    def policy(_: World, session: int) -> Flow[Any]:
        for attempt in range(3):
            healthy = [name for name in world.places if cooled.get(name, 0) <= world.now] or [*world.places]
            weights = [world.places[name].rpm for name in healthy]
            name = world.chance.choices(healthy, weights)[0]
            try:
                result = yield from world.places[name].serve(session, world)  # type: ignore[misc]  # only sleeps
            except ExecutionError as error:
                note(name, failed=True, limited=isinstance(error, RateLimitedError))
                if attempt == 2:
                    raise
                yield Sleep(0.5 * 2**attempt)
            else:
                note(name, failed=False, limited=False)
                return result

    return policy


def openrouter(world: World) -> Policy:
    """By 1/price² among those without an outage in the last 30 s, then the rest; sticky for ten minutes."""
    failed: dict[str, float] = {}
    kept: dict[int, tuple[str, float]] = {}

    def policy(_: World, session: int) -> Flow[Any]:
        stable = [name for name in world.places if failed.get(name, -99) + 30 < world.now]
        order = []
        left = list(stable)
        while left:
            weights = [1 / max(world.places[name].price, 0.0005) ** 2 for name in left]
            order.append(left.pop(left.index(world.chance.choices(left, weights)[0])))
        order += [name for name in world.places if name not in order]
        known, until = kept.get(session, ("", 0.0))
        if known in stable and until > world.now:
            order.sort(key=lambda name: name != known)
        last: ExecutionError | None = None
        for name in order:
            try:
                result = yield from world.places[name].serve(session, world)  # type: ignore[misc]  # only sleeps
            except ExecutionError as error:
                failed[name], last = world.now, error
            else:
                kept[session] = name, world.now + 600
                return result
        assert last is not None
        raise last

    return policy


def hindsight(world: World) -> Policy:
    """The cheapest that would answer now without a queue."""

    def policy(_: World, session: int) -> Flow[Any]:
        able = [place for place in world.places.values() if place.is_up(world.now) and not place.wait(world.now)]
        free = [place for place in able if place.busy < place.room] or able or [*world.places.values()]
        return (yield from min(free, key=lambda place: place.price).serve(session, world))  # type: ignore[misc]  # as above

    return policy


class Task:
    """One call under way: a stack of flows, of which only sleeps take time."""

    def __init__(self, flow: Flow[Any], began: float) -> None:
        self.began = began
        self._stack: list[Any] = [flow]

    def step(self) -> float | None:
        """Go on until it sleeps; the seconds, or ``None`` at its end.

        Raises:
            AirouterError: it has failed.
        """
        value: Any = None
        error: Exception | None = None
        while self._stack:
            try:
                step = self._stack[-1].send(value) if error is None else self._stack[-1].throw(error)
                value = error = None
            except StopIteration as end:
                self._stack.pop()
                value, error = end.value, None
                continue
            except AirouterError as raised:
                self._stack.pop()
                value, error = None, raised
                continue
            if isinstance(step, Sleep):
                return step.seconds
            if isinstance(step, Delegate):
                self._stack.append(step.flow)
            else:
                assert isinstance(step, Emit)
        if error is not None:
            raise error
        self.value = value
        return None


def simulate(policy_of: Callable[[World], Policy], calls: int, seed: int) -> dict[str, float]:
    """All calls of one policy."""
    world = World(seed)
    policy = policy_of(world)
    numbers = itertools.count()
    waiting: list[tuple[float, int, Task | int]] = []
    arrivals = world.arrivals(calls)
    seconds: list[float] = []
    failed = hits = 0

    def arrive() -> None:
        if (following := next(arrivals, None)) is not None:
            heapq.heappush(waiting, (following[0], next(numbers), following[1]))

    arrive()
    while waiting:
        world.now, _, item = heapq.heappop(waiting)
        if isinstance(item, int):
            arrive()
            item = Task(policy(world, item), world.now)
        try:
            pause = item.step()
        except AirouterError:
            failed += 1
            continue
        if pause is not None:
            heapq.heappush(waiting, (world.now + pause, next(numbers), item))
            continue
        seconds.append(world.now - item.began)
        value = item.value
        hits += bool(value.usage.cache_read_tokens if isinstance(value, Response) else value[0])
    seconds.sort()
    return {
        "success": 100 * len(seconds) / calls,
        "dollars": 1000 * world.spent / max(len(seconds), 1),
        "p50": seconds[len(seconds) // 2],
        "p99": seconds[int(len(seconds) * 0.99)],
        "hits": 100 * hits / max(len(seconds), 1),
    }


POLICIES: dict[str, Callable[[World], Policy]] = {
    **{name: ours(name) for name in ("first", "weighted", "cheapest", "fastest", "least_busy")},
    "LiteLLM's rules": litellm,
    "OpenRouter's rules": openrouter,
    "hindsight": hindsight,
}


def main() -> None:
    """Print one row for each policy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    print(f"{given.calls:,} calls, seed {given.seed}, {RATE:g} a second, {SESSIONS} conversations")
    print(f"{'policy':20}{'success %':>11}{'$ per 1000':>12}{'p50 s':>8}{'p99 s':>8}{'cache %':>9}{'took s':>8}")
    for name, policy in POLICIES.items():
        began = time.perf_counter()
        row = simulate(policy, given.calls, given.seed)
        print(
            f"{name:20}{row['success']:11.3f}{row['dollars']:12.3f}{row['p50']:8.2f}{row['p99']:8.2f}"
            f"{row['hits']:9.1f}{time.perf_counter() - began:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
