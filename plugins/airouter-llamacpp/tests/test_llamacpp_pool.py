"""The pool of engines, with engines that are none: who waits, who leaves, who is told what."""

from __future__ import annotations

import threading
from typing import Any

import attrs
import pytest

from airouter_core.errors import ConfigurationError, ExecutionError, OverloadedError
from airouter_llamacpp.engines.pool import EnginePool
from airouter_llamacpp.settings import EngineSettings

from .conftest import until


class FakeEngine:
    """Remembers what was done to it."""

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.address = self.api_key = ""
        self.alive = True
        self.stopped = False

    def stop(self) -> None:
        self.stopped, self.alive = True, False

    def forget(self) -> None: ...


def settings(name: str) -> EngineSettings:
    return EngineSettings(id=name, path=f"/{name}", size=1, context=1)


A, B, C = (settings(name) for name in "abc")


def pool(started: list[FakeEngine], **more: Any) -> EnginePool[FakeEngine]:
    def start(wanted: EngineSettings, progress: object) -> FakeEngine:
        started.append(FakeEngine(wanted))
        return started[-1]

    usual: dict[str, Any] = {"limit": 2, "more": "raise max_servers", "keep_alive": -1, "patience": 120}
    return EnginePool(start, more.pop("shortage", lambda wanted: None), **{**usual, **more})


def test_the_one_used_longest_ago_leaves() -> None:
    """Engines are shared while there is room; then the least recently used one makes it."""
    started: list[FakeEngine] = []
    engines = pool(started)
    for wanted in (A, B, A, C):
        lease = engines.lease(wanted)
        assert lease.engine().settings == wanted
        lease.release()
        lease.release()
    assert [engine.settings.id for engine in started] == ["a", "b", "c"]
    assert [engine.stopped for engine in started] == [False, True, False]
    assert [engine.settings.id for engine in engines.running()] == ["a", "c"]


def test_one_in_use_never_leaves() -> None:
    """With every engine in use, a call waits; when the wait is over it is told, when one comes free it goes on."""
    for patience in (0.05, 120):
        engines = pool([], patience=patience)
        used = [engines.lease(wanted) for wanted in (A, B)]
        for lease in used:
            lease.engine()
        if patience < 1:
            with pytest.raises(OverloadedError, match="raise max_servers"):
                engines.lease(C).engine()
        else:
            threading.Timer(0.05, used[0].release).start()
            assert engines.lease(C).engine().settings == C


def test_those_who_come_later_queue_behind() -> None:
    """Calls that could share an engine do not keep one that waits for its place from ever getting it."""
    engines = pool([], limit=1)
    first = engines.lease(A)
    first.engine()
    order: list[str] = []

    def take(wanted: EngineSettings) -> None:
        lease = engines.lease(wanted)
        lease.engine()
        order.append(wanted.id)
        lease.release()

    threads = []
    for wanted in (B, A):
        threads.append(threading.Thread(target=take, args=(wanted,)))
        threads[-1].start()
        assert until(lambda: len(engines._queue) == len(threads))
    first.release()
    for thread in threads:
        thread.join(120)
    assert order == ["b", "a"]


def test_one_start_serves_all_who_wait_for_it() -> None:
    """Calls that come while an engine is being started share it, and share its failure, each with its own exception."""
    begun, go = threading.Event(), threading.Event()
    fails = True

    def start(wanted: EngineSettings, progress: object) -> FakeEngine:
        begun.set()
        go.wait(120)
        if fails:
            raise ExecutionError("it would not")
        return FakeEngine(wanted)

    engines: EnginePool[FakeEngine] = EnginePool(
        start, lambda wanted: None, limit=1, more="raise it", keep_alive=-1, patience=120
    )
    caught: list[BaseException] = []

    def take() -> None:
        try:
            engines.lease(A).engine()
        except ExecutionError as error:
            caught.append(error)

    threads = [threading.Thread(target=take) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(120)
    go.set()
    for thread in threads:
        thread.join(120)
    assert len({id(error) for error in caught}) == 3
    fails = False
    assert engines.lease(A).engine().settings == A


@pytest.mark.parametrize(("keep_alive", "another"), [(-1, True), (0, False)])
def test_an_engine_that_nobody_wants_any_more_when_it_is_there(keep_alive: float, another: bool) -> None:
    """It makes room for whoever waits for its place, and leaves in its time where nobody does."""
    begun, go, waits = threading.Event(), threading.Event(), threading.Event()
    started: list[FakeEngine] = []

    def start(wanted: EngineSettings, progress: object) -> FakeEngine:
        begun.set()
        go.wait(120)
        started.append(FakeEngine(wanted))
        return started[-1]

    engines: EnginePool[FakeEngine] = EnginePool(
        start, lambda wanted: None, limit=1, more="raise it", keep_alive=keep_alive, patience=600
    )
    given_up = engines.lease(A)

    def give_up() -> None:
        with pytest.raises(ExecutionError, match="given up"):
            given_up.engine()

    def take() -> None:
        waits.set()
        assert engines.lease(B).engine().settings == B

    threads = [threading.Thread(target=give_up)]
    threads[0].start()
    assert begun.wait(120)
    given_up.release()
    if another:
        threads.append(threading.Thread(target=take))
        threads[1].start()
        assert waits.wait(120)
    go.set()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert until(lambda: started[0].stopped)
    assert [engine.settings for engine in engines.running()] == ([B] if another else [])


def test_a_dead_engine_is_replaced() -> None:
    """The next call starts another; whoever still held the dead one gives back nothing that matters."""
    started: list[FakeEngine] = []
    engines = pool(started)
    held = engines.lease(A)
    held.engine().alive = False
    assert engines.lease(A).engine() is started[1]
    held.release()
    assert engines.running() == [started[1]]


def test_unused_engines_leave_after_their_time() -> None:
    """Each call may say how long the engine stays after it."""
    started: list[FakeEngine] = []
    engines = pool(started, keep_alive=0.05)
    for wanted, stays in ((A, None), (B, -1.0)):
        lease = engines.lease(wanted, stays)
        lease.engine()
        lease.release()
    assert until(lambda: started[0].stopped)
    assert not started[1].stopped


def test_unused_engines_leave_for_want_of_memory() -> None:
    """Before a model is refused, those that nobody uses make room."""
    started: list[FakeEngine] = []
    full = attrs.evolve(A, id="full")

    def shortage(wanted: EngineSettings) -> str | None:
        return "no room" if wanted == full and any(not engine.stopped for engine in started) else None

    engines = pool(started, shortage=shortage)
    lease = engines.lease(B)
    lease.engine()
    with pytest.raises(ConfigurationError, match="no room"):
        engines.lease(full).engine()
    lease.release()
    assert engines.lease(full).engine().settings == full
    assert started[0].stopped


def test_a_call_that_left_takes_nothing() -> None:
    """Given back before it was there, a lease leaves no claim behind."""
    engines = pool([], limit=1)
    lease = engines.lease(A)
    lease.release()
    with pytest.raises(ExecutionError, match="given up"):
        lease.engine()
    assert engines.lease(B).engine().settings == B


def test_close_ends_them_all() -> None:
    """Engines in use too; afterwards nothing starts, and whoever waited is told."""
    started: list[FakeEngine] = []
    engines = pool(started, limit=1)
    engines.lease(A).engine()
    caught: list[BaseException] = []

    def take() -> None:
        try:
            engines.lease(B).engine()
        except ConfigurationError as error:
            caught.append(error)

    waiting = threading.Thread(target=take)
    waiting.start()
    assert until(lambda: bool(engines._queue))
    engines.close()
    waiting.join(120)
    assert started[0].stopped
    assert "create another one" in str(caught[0])
    with pytest.raises(ConfigurationError, match="create another one"):
        engines.lease(A).engine()


@pytest.mark.parametrize("what", ["lease", "close", "stop", "release"])
def test_a_forked_child_waits_for_no_lock_of_its_parent(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A thread that held it when the fork came is not there to let it go; the parent's engines are left alone."""
    started: list[FakeEngine] = []
    engines = pool(started)
    lease = engines.lease(A)
    lease.engine()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with engines._changed:
            held.set()
            done.wait(120)

    does = {
        "lease": lambda: engines.lease(A),
        "close": engines.close,
        "stop": lambda: engines.stop(lambda wanted: True),
        "release": lease.release,
    }
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(120)
    monkeypatch.setattr("airouter_llamacpp.engines.pool.os.getpid", lambda: -1)
    child = threading.Thread(target=does[what], daemon=True)
    child.start()
    child.join(120)
    alive = child.is_alive()
    done.set()
    holder.join()
    assert not alive
    assert not started[0].stopped
