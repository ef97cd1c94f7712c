"""Flows that run flows: what the stack promises, blocking and awaited."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from airouter_core.errors import ProtocolError, TransportTimeoutError
from airouter_core.flow.awaited import AsyncDriver
from airouter_core.flow.blocking import Driver
from airouter_core.flow.layers import Gate, Tap, silent, tapped
from airouter_core.flow.slots import Slots
from airouter_core.flow.steps import (
    Delegate,
    Do,
    Emit,
    Flow,
    Gather,
    Open,
    Pull,
    Race,
    ReadAll,
    ReadSome,
    Sleep,
    Take,
    delegated,
    given,
)
from airouter_core.values.events import TextDelta
from airouter_core.wire.http import HttpRequest


class Answer:
    """An answer that tells when it is closed."""

    status = 200

    def __init__(self, world: World, name: str) -> None:
        self.headers: dict[str, str] = {}
        self._world = world
        self._name = name
        self._left = [b"x", b"y", b""]

    def read_some(self, timeout: float) -> Any:
        return self._world.given(self._left.pop(0))

    def read_all(self, timeout: float, limit: int) -> Any:
        return self._world.given(b"xy")

    def close(self) -> None:
        self._world.log.append(f"close {self._name}")


class World:
    """Connections of either half, and a log of what was opened and closed."""

    def __init__(self, awaited: bool, name: str = "") -> None:
        self.awaited = awaited
        self.log: list[str] = []
        self.name = name
        self.transport: Any = self
        self.async_transport: Any = self

    def open(self, request: HttpRequest, **_: Any) -> Any:
        self.log.append(f"open {request.url}")
        return self.given(Answer(self, request.url))

    def given(self, value: Any) -> Any:
        async def coming() -> Any:
            await asyncio.sleep(0)
            return value

        return coming() if self.awaited else value

    def run(self, flow: Flow[Any]) -> Any:
        return asyncio.run(AsyncDriver(flow, self).run()) if self.awaited else Driver(flow, self).run()

    def read(self, flow: Flow[Any], most: int = 1000) -> list[Any]:
        """The first events; then the reader goes."""
        if self.awaited:
            return asyncio.run(self._read(flow, most))
        events = Driver(flow, self).events()
        found = [event for _, event in zip(range(most), events, strict=False)]
        events.close()
        return found

    async def _read(self, flow: Flow[Any], most: int) -> list[Any]:
        events = AsyncDriver(flow, self).events()
        found = []
        async for event in events:
            found.append(event)
            if len(found) == most:
                break
        await events.aclose()
        return found


@pytest.fixture(params=[False, True], ids=["blocking", "awaited"])
def world(request: pytest.FixtureRequest) -> World:
    return World(request.param)


def opened(name: str) -> Open:
    return Open(HttpRequest("GET", name), 1, 2)


def texts(flow_log: list[str], *said: str, then: Exception | None = None) -> Flow[str]:
    """A flow that opens something and says some texts."""
    try:
        yield opened(said[0])
        for text in said:
            yield Emit((TextDelta(text),))
        if then is not None:
            raise then
        return "".join(said)
    finally:
        flow_log.append(f"end {said[0]}")


def said(events: list[Any]) -> str:
    return "".join(event.text for event in events)


def test_a_delegated_flow_ends_before_the_one_around_goes_on(world: World) -> None:
    """Its value comes out, its connection is closed at once, and its error can be caught: that is how routers live."""

    def route() -> Flow[str]:
        try:
            yield from delegated(texts(world.log, "a", then=ProtocolError("broke")))
        except ProtocolError:
            world.log.append("caught")
        return (yield from delegated(texts(world.log, "b")))

    assert world.run(route()) == "b"
    assert world.log == ["open a", "end a", "close a", "caught", "open b", "end b", "close b"]


def test_who_leaves_closes_from_the_inside(world: World) -> None:
    """The innermost flow first, then its connection, then the flow around it and its own."""

    def route() -> Flow[None]:
        try:
            yield opened("outer")
            yield from delegated(texts(world.log, "inner", "more"))
        finally:
            world.log.append("end outer")

    assert said(world.read(route(), most=1)) == "inner"
    assert world.log == ["open outer", "open inner", "end inner", "close inner", "end outer", "close outer"]


def test_what_is_open_outside_can_be_read_on(world: World) -> None:
    """Each flow has its own response; one that was closed cannot be read."""

    def outer() -> Flow[Any]:
        response = yield opened("outer")
        first = yield ReadSome(response, 1)
        inner = yield from delegated(another())
        second = yield ReadSome(response, 1)
        with pytest.raises(TypeError, match="opened last"):
            yield ReadSome(inner, 1)
        return first, second

    def another() -> Flow[Any]:
        response = yield opened("inner")
        assert (yield ReadAll(response, 1, 9)) == b"xy"
        return response

    assert world.run(outer()) == (b"x", b"y")


def test_connections_are_lent_by_scope(world: World) -> None:
    """A request goes through what it names, else through what the nearest flow around lends."""
    one, two = World(world.awaited), World(world.awaited)

    def ask(name: str, via: Any = None) -> Flow[None]:
        step = opened(name)
        step.via = via
        yield step

    def route() -> Flow[None]:
        yield from delegated(ask("first"), via=one)
        yield from delegated(delegated(ask("second", via=two)), via=one)
        yield from ask("third")

    world.run(route())
    assert (one.log, two.log) == (["open first", "close first"], ["open second", "close second"])
    assert world.log == ["open third", "close third"]
    with pytest.raises(TypeError, match="whose connections"):
        (asyncio.run(AsyncDriver(ask("x")).run()) if world.awaited else Driver(ask("x")).run())


# Watching.


def test_taps_see_every_event_and_change_nothing(world: World) -> None:
    """Innermost first, for each event before its reader sees it; also where nobody reads."""
    seen: list[str] = []

    def watched() -> Flow[str]:
        inner = delegated(texts([], "a", "b"), through=tapped(lambda event: seen.append(f"1{event.text}")))
        return (yield from delegated(inner, through=tapped(lambda event: seen.append(f"2{event.text}"))))

    assert said(world.read(watched())) == "ab"
    assert seen == ["1a", "2a", "1b", "2b"]
    assert world.run(watched()) == "ab"
    assert seen == ["1a", "2a", "1b", "2b"] * 2


def test_a_tap_may_hand_over_to_another(world: World) -> None:
    """What only the first event is of interest to costs the later ones nothing."""
    seen: list[str] = []

    class First(Tap):
        def __init__(self) -> None:
            super().__init__(self.first)

        def first(self, event: Any) -> None:
            seen.append(f"first {event.text}")
            self.see = lambda event: seen.append(event.text)
            self.changed()

    world.run(delegated(texts([], "a", "b", "c"), through=First()))
    assert seen == ["first a", "b", "c"]


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("read", [False, True])
def test_an_error_of_a_tap_is_raised_in_its_own_layer(world: World, gated: bool, read: bool) -> None:
    """Not in the flows inside, which would take it for a failure of who answers: they are closed like those of a
    reader who has gone.
    """
    caught: list[str] = []

    def budget(event: Any) -> None:
        if event.text == "b":
            raise ValueError("spent")

    def router() -> Flow[Any]:
        try:
            return (yield from delegated(texts(world.log, "a", "b", "c")))
        except ValueError:
            caught.append("router")
            raise

    def layer() -> Flow[Any]:
        try:
            return (yield from delegated(router(), through=tapped(budget)))
        except ValueError as error:
            caught.append(f"layer: {error}")
            return "refused"

    def outer() -> Flow[Any]:
        through = Gate(lambda event: False) if gated else tapped(lambda event: None)
        return (yield from delegated(layer(), through=through))

    if read:
        assert said(world.read(outer())) == ("" if gated else "a")
    else:
        assert world.run(outer()) == "refused"
    assert caught == ["layer: spent"]
    assert world.log == ["open a", "end a", "close a"]


def test_an_error_among_the_events_is_the_error_of_who_makes_them(world: World) -> None:
    """Although a tap and a gate stand around it."""

    def broken() -> Iterator[TextDelta]:
        yield TextDelta("a")
        raise ProtocolError("broken")

    def inner() -> Flow[str]:
        try:
            yield Emit(broken())
        except ProtocolError as error:
            return f"caught {error}"
        return ""

    flow = delegated(delegated(inner(), through=tapped(lambda event: None)), through=Gate(lambda event: True))
    assert world.run(flow) == "caught broken"


def test_a_gate_holds_back_until_it_opens(world: World) -> None:
    """What it held goes first, and everything after it as it comes; by hand, what it held is given."""
    seen: list[str] = []

    def route(opens: Callable[[Any], bool]) -> Flow[Any]:
        gate = Gate(opens)
        tap = tapped(lambda event: seen.append(event.text))
        value = yield from delegated(delegated(texts([], "a", "b", "c", "d"), through=gate), through=tap)
        seen.append("open" if gate.is_open else "shut")
        yield Emit(gate.open())
        return value

    assert said(world.read(route(lambda event: event.text == "b"))) == "abcd"
    assert seen == ["a", "b", "c", "d", "open"]
    seen.clear()
    assert said(world.read(route(lambda event: False))) == "abcd"
    assert seen == ["shut"]
    assert world.read(delegated(texts([], "a"), through=silent)) == []


# The end.


@pytest.mark.parametrize("awaits", [False, True], ids=["in a thread", "in no thread"])
@pytest.mark.parametrize("how", ["value", "error", "left", "tap"])
def test_whoever_wants_is_told_of_the_end_exactly_once(world: World, how: str, awaits: bool) -> None:
    """However it ends, before the flow around goes on, with what became of it, and with the connection closed."""
    told: list[Any] = []

    def see(event: Any) -> None:
        if how == "tap" and event.text == "b":
            raise ValueError("tap")

    def after(scope: Delegate) -> None:
        told.append((scope.value, repr(scope.error), scope.cancelled, scope.requests, list(world.log)))

    async def after_awaited(scope: Delegate) -> None:
        after(scope)

    def ledger() -> Flow[Any]:
        inner = texts(world.log, "a", "b", then=ProtocolError("broke") if how == "error" else None)
        try:
            return (yield from delegated(inner, after=after, after_awaited=after_awaited if awaits else None))
        finally:
            world.log.append("ledger")

    def outermost() -> Flow[Any]:
        try:
            return (yield from delegated(ledger(), through=tapped(see)))
        except (ProtocolError, ValueError) as error:
            return repr(error)

    world.read(outermost(), most=1 if how == "left" else 1000)
    ((value, error, cancelled, requests, log),) = told
    assert (value, error, cancelled) == {
        "value": ("ab", "None", False),
        "error": (None, "ProtocolError('broke')", False),
        "left": (None, "None", True),
        "tap": (None, "None", True),
    }[how]
    assert requests == 1
    assert log[:3] == ["open a", "end a", "close a"]
    assert world.log.count("ledger") == 1


def test_what_is_told_may_be_awaited_and_may_fail(world: World) -> None:
    """A coroutine is run in either half; what it raises is raised where it was asked for."""
    told: list[str] = []

    async def after(scope: Delegate) -> None:
        await asyncio.sleep(0)
        told.append(scope.value)
        raise ValueError("cannot write")

    def ledger() -> Flow[Any]:
        try:
            return (yield from delegated(given("x"), after=after))
        except ValueError as error:
            return f"caught {error}"

    assert world.run(ledger()) == "caught cannot write"
    assert told == ["x"]


def test_what_is_awaited_in_place_of_what_blocks(world: World) -> None:
    """In the task that awaits, and in no thread; what it raises is raised where it was asked for."""
    threads: list[tuple[str, int]] = []

    def blocks(name: str) -> str:
        threads.append((name, threading.get_ident()))
        return "blocking"

    async def awaits(name: str) -> str:
        await asyncio.sleep(0)
        threads.append((name, threading.get_ident()))
        if name == "after":
            raise ValueError("cannot write")
        return "awaited"

    def ledger() -> Flow[Any]:
        done = yield Do(lambda: blocks("do"), lambda: awaits("do"))
        try:
            yield from delegated(given("x"), after=lambda _: blocks("after"), after_awaited=lambda _: awaits("after"))
        except ValueError as error:
            return f"{done}: {error}"
        return done

    assert world.run(ledger()) == ("awaited: cannot write" if world.awaited else "blocking")
    assert threads == [("do", threading.get_ident()), ("after", threading.get_ident())]


def test_what_is_awaited_at_the_end_goes_on_without_its_caller() -> None:
    """Who is cancelled while the end is told waits until it has been told, once."""
    told: list[str] = []

    async def main() -> None:
        begun, may_end = asyncio.Event(), asyncio.Event()

        async def after_awaited(_: Delegate) -> None:
            told.append("begun")
            begun.set()
            await may_end.wait()
            told.append("ended")

        def after(_: Delegate) -> None:
            told.append("blocking")

        flow = delegated(given("x"), after=after, after_awaited=after_awaited)
        asking = asyncio.ensure_future(AsyncDriver(flow).run())
        await begun.wait()
        asking.cancel()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not asking.done()
        may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await asking

    asyncio.run(main())
    assert told == ["begun", "ended"]


def test_retries_and_requests_are_counted(world: World) -> None:
    """In each delegation around, those of gathered flows included."""

    def one(again: bool) -> Flow[None]:
        yield Open(HttpRequest("GET", "a"), 1, 1, is_retry=again)

    def all_of_it() -> Flow[tuple[int, int]]:
        scope = Delegate(several())
        yield scope
        return scope.requests, scope.retries

    def several() -> Flow[None]:
        yield from delegated(one(False))
        yield Gather([one(True), one(False)])

    assert world.run(all_of_it()) == (3, 1)


def test_the_head_of_the_last_answer_is_seen_outside(world: World) -> None:
    """Status and headers of what a flow has opened are there for each flow around, gathered ones included."""

    def one(name: str) -> Flow[Any]:
        return (yield Open(HttpRequest("GET", name), 1, 1))

    def all_of_it() -> Flow[list[bool]]:
        plain = Delegate(one("a"))
        opened = yield plain
        around = Delegate(several())
        last = yield around
        return [plain.head is opened, around.head is last[0], Delegate(given(None)).head is None]

    def several() -> Flow[Any]:
        return (yield Gather([one("b")]))

    assert world.run(all_of_it()) == [True, True, True]


# Waiting.


def test_slots_are_given_in_turn_and_never_lost() -> None:
    """More waiters than threads; those who are cancelled give back what they were about to get."""
    slots, now, most = Slots(2), [0], [0]

    def limited() -> Flow[str]:
        yield Take(slots)
        try:
            now[0] += 1
            most[0] = max(most[0], now[0])
            yield Do(lambda: time.sleep(0.001))
            now[0] -= 1
            return "done"
        finally:
            slots.give_back()

    async def go() -> None:
        tasks = [asyncio.create_task(AsyncDriver(limited()).run()) for _ in range(60)]
        await asyncio.sleep(0)
        for task in tasks[5:10]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results.count("done") == 55

    asyncio.run(go())
    assert Driver(gathering([limited() for _ in range(20)])).run() == ["done"] * 20
    assert (slots.free, slots.waiting, most) == (2, 0, [2])
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)


def gathering(flows: list[Flow[Any]], **how: Any) -> Flow[Any]:
    return (yield Gather(flows, **how))


def test_gathered_flows_run_at_the_same_time(world: World) -> None:
    """Values and errors in order; context variables reach them; events of theirs go nowhere."""
    who = contextvars.ContextVar("who", default="nobody")
    who.set("me")
    together = threading.Barrier(2)

    def one(number: int) -> Flow[Any]:
        yield Emit((TextDelta("unseen"),))
        yield Do(lambda: together.wait(120))
        if number:
            raise ValueError(number)
        return (yield Do(who.get))

    value, error = world.run(gathering([one(0), one(1)]))
    assert value == "me"
    assert isinstance(error, ValueError)
    assert world.read(gathering([given(1)], each=True)) == [1]
    assert sorted(world.read(gathering([given(1), given(2)], each=True))) == [1, 2]


def test_enough_is_enough(world: World) -> None:
    """The others are stopped, and have a TimeoutError."""
    release = threading.Event()

    def slow() -> Flow[str]:
        while not release.is_set():
            yield Sleep(0.001)
        return "slow"

    first, second = world.run(gathering([slow(), given("fast")], enough=1))
    assert second == "fast"
    assert isinstance(first, TimeoutError)
    release.set()


def racing(*flows: Flow[Any], after: float = 0.0) -> Flow[Any]:
    """A race; its result is the winner, and its value."""
    race = Race(flows[0], lambda: flows[1] if len(flows) > 1 else None, after)
    yield race
    return race.winner, race.value


def waiting(log: list[str], until: threading.Event, *said: str) -> Flow[Any]:
    """A flow that says nothing until an event is set."""
    while not until.is_set():
        yield Sleep(0.001)
    return (yield from texts(log, *said))


@pytest.mark.parametrize("read", [True, False])
def test_who_says_something_first_has_won(world: World, read: bool) -> None:
    """Its events and its value are those of the race; of the other nothing is seen, and it is closed."""
    never, log = threading.Event(), []
    flow = racing(waiting(log, never, "slow"), texts(log, "a", "b"))
    if read:
        assert said(world.read(flow)) == "ab"
    else:
        assert world.run(flow) == (1, "ab")
    assert log == ["end a"]


def test_who_is_quick_has_no_rival(world: World) -> None:
    """The other flow is not even made before its time; where there is none, the first one takes as long as it takes."""
    assert world.run(racing(texts([], "a", "b"), after=60)) == (0, "ab")
    assert world.read(racing(given(7), after=60)) == []
    soon = threading.Event()
    threading.Timer(0.05, soon.set).start()
    assert world.run(racing(waiting([], soon, "late"))) == (0, "late")


def test_who_fails_is_out(world: World) -> None:
    """The other one goes on; the failure of the first alone ends the race; where all fail, it is the first one's."""

    def failing(error: Exception, until: threading.Event | None = None) -> Flow[Any]:
        while until is not None and not until.is_set():
            yield Sleep(0.001)
        yield Sleep(0)
        raise error

    both_run = threading.Event()

    def begins() -> Flow[Any]:
        both_run.set()
        yield Sleep(0.02)
        return (yield from texts([], "b"))

    assert world.run(racing(failing(ValueError("first"), both_run), begins())) == (1, "b")
    with pytest.raises(ValueError, match="first"):
        world.run(racing(failing(ValueError("first")), given("unused"), after=60))
    both_run.clear()

    def begins_and_fails() -> Flow[Any]:
        both_run.set()
        yield Sleep(0)
        raise KeyError("second")

    with pytest.raises(ValueError, match="first"):
        world.run(racing(failing(ValueError("first"), both_run), begins_and_fails()))


def test_a_winner_that_breaks_off_fails(world: World) -> None:
    """Once it has said something nobody else can take over."""
    seen: list[Any] = []

    def reading() -> Flow[Any]:
        return (
            yield from delegated(
                racing(texts([], "a", then=ProtocolError("cut")), given("spare"), after=60), through=tapped(seen.append)
            )
        )

    with pytest.raises(ProtocolError, match="cut"):
        world.run(reading())
    assert said(seen) == "a"


def test_a_race_ends_with_its_reader_and_its_deadline(world: World) -> None:
    """Both flows are closed when the reader goes, and when the time is over."""
    never, log = threading.Event(), []
    assert said(world.read(racing(texts(log, *"abc"), waiting(log, never, "x")), most=1)) == "a"
    with pytest.raises(TransportTimeoutError):
        world.run(delegated(racing(waiting([], never, "x"), waiting([], never, "y")), deadline=0.1))


def test_a_deadline_holds_for_everything_inside(world: World) -> None:
    """Waits that would end too late are not begun, whoever catches the error; further in it can only be tighter."""

    def stubborn() -> Flow[str]:
        for _ in range(3):
            try:
                yield from delegated(sleeping(), deadline=100)
            except TransportTimeoutError:
                world.log.append("too late")
        return "gave up"

    def sleeping() -> Flow[None]:
        yield Sleep(50)

    def taking() -> Flow[None]:
        slots = Slots(1)
        slots.take()
        yield Take(slots)

    began = time.monotonic()
    assert world.run(delegated(stubborn(), deadline=20)) == "gave up"
    assert world.log == ["too late"] * 3
    with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.01 s"):
        world.run(delegated(taking(), deadline=0.01))
    (late,) = world.run(delegated(gathering([sleeping()]), deadline=20))
    assert isinstance(late, TransportTimeoutError)
    assert time.monotonic() - began < 45  # nobody has slept


def test_events_are_pulled_from_who_does_its_own_input(world: World) -> None:
    """In the half that drives; it is closed as soon as nobody reads."""

    def blocking() -> Iterator[TextDelta]:
        try:
            yield TextDelta("a")
            yield TextDelta("b")
        finally:
            world.log.append("closed")

    async def awaited() -> AsyncIterator[TextDelta]:
        try:
            yield TextDelta("a")
            yield TextDelta("b")
        finally:
            world.log.append("closed")

    def flow() -> Flow[str]:
        yield Pull(blocking, awaited)
        return "end"

    seen: list[str] = []
    watched = delegated(flow(), through=tapped(lambda event: seen.append(event.text)))
    assert said(world.read(watched, most=1)) == "a"
    assert world.log == ["closed"]
    assert world.run(delegated(flow(), through=tapped(lambda event: seen.append(event.text)))) == "end"
    assert seen == ["a", "a", "b"]


def test_what_is_no_step_is_refused(world: World) -> None:
    """The author of a flow is told."""

    def flow() -> Flow[None]:
        yield "x"  # type: ignore[misc]  # the mistake is the point

    with pytest.raises(TypeError, match="yields steps, not 'x'"):
        world.run(flow())


class Clock:
    """A clock that the test turns, where drivers look for deadlines."""

    now = 1000.0

    def passing(self, seconds: float) -> Flow[None]:
        """So much time goes by, and then a wait begins that takes none."""
        self.now += seconds
        yield Sleep(0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr("airouter_core.flow.deadlines.time", SimpleNamespace(monotonic=lambda: turned.now))
    return turned


@pytest.mark.parametrize(("first", "late"), [(0.0, False), (5.0, True)])
def test_a_gate_must_open_in_time(world: World, clock: Clock, first: float, late: bool) -> None:
    """What is held back must begin within its seconds; once it has begun, it may take as long as it likes."""

    def speaking() -> Flow[str]:
        yield Sleep(first)
        yield Emit((TextDelta("a"),))
        yield from clock.passing(0.2)
        yield Emit((TextDelta("b"),))
        return "done"

    def outer() -> Flow[str]:
        try:
            return (yield from delegated(speaking(), through=Gate(lambda _: True), opens_within=0.1))
        except TransportTimeoutError:
            return "late"

    assert world.run(outer()) == ("late" if late else "done")


def test_a_deadline_outlasts_an_open_gate(world: World, clock: Clock) -> None:
    """The other deadlines, outside and inside, go on when a gate has opened."""

    def speaking() -> Flow[None]:
        yield Emit((TextDelta("a"),))
        yield from clock.passing(0.5)

    def inside() -> Flow[None]:
        yield from delegated(speaking(), deadline=10)

    def gated(outer: float | None) -> Flow[None]:
        gate = Gate(lambda _: True)
        yield from delegated(delegated(inside(), through=gate, opens_within=0.1), deadline=outer)

    assert world.run(gated(None)) is None
    with pytest.raises(TransportTimeoutError, match=r"0\.3 s"):
        world.run(gated(0.3))
