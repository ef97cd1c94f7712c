"""Use from many threads, streams left early, and what is left behind."""

from __future__ import annotations

import asyncio
import concurrent.futures
import multiprocessing
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from ...errors import AirouterError
from ...provider.facade import Provider
from ..frames import frame_ends
from ..halves import LOOP_THREAD, in_each_half
from ..server import Answer, Connection, LoopbackServer, ReceivedRequest
from ..subject import Subject, hold, none_of

THREADS = 32
CALLS = 3
LONG = "Say hello. " * 200
WAITING = ("asyncio", "ThreadPoolExecutor", "airouter", LOOP_THREAD)
"""What the names of threads begin with that only wait for others."""
PATIENCE = 30.0
"""Seconds after which something that should end at once has not, however busy the machine is."""


class LifetimeChecks(Subject):
    """Threads, early ends, and closing."""

    @in_each_half
    def test_asking_and_streaming_give_the_same(self) -> None:
        """chat(), stream_chat(), execute() and stream_execute() give the same answer to the same question."""
        with _Asked(self) as provider:
            whole = self.ask(provider)
            if "stream" not in self.info.capabilities:
                pytest.skip("does not stream")
            texts = "".join(provider.stream_execute(self.model, "Say hello."))
            hold(provider.execute(self.model, "Say hello."), "execute() gives no text")
            with provider.stream_chat(self.model, "Say hello.") as stream:
                events = list(stream)
                hold(stream.response.text == texts, "stream_chat() and stream_execute() give different texts")
            hold(events, "the stream has no events")
            hold(whole.finish_reason is not None, "the response has no finish_reason")
            hold(whole.provider == self.info.name, f"response.provider is {whole.provider!r}")
            if not self.has_wire:
                hold(whole.text == texts, f"chat() says {whole.text!r}, streaming {texts!r}")

    @in_each_half
    def test_it_is_usable_from_many_threads(self) -> None:
        """32 threads that ask one provider at once each get their own answer."""
        with _Asked(self) as provider:
            expected = {stream: self._text(provider, stream) for stream in self._ways()}

            def work(number: int) -> list[str]:
                found = []
                for call in range(CALLS):
                    stream = (number + call) % 2 == 1 and True in expected
                    try:
                        text = self._text(provider, stream)
                    except AirouterError as error:
                        text = repr(error)
                    if text != expected[stream]:
                        found.append(f"thread {number} got {text[:80]!r}")
                return found

            with concurrent.futures.ThreadPoolExecutor(THREADS) as pool:
                none_of(problem for problems in pool.map(work, range(THREADS)) for problem in problems)

    @in_each_half
    def test_leaving_a_stream_closes_its_connection(self) -> None:
        """A stream that is not read to its end has its connection closed at once, however it is left."""
        self.http_class()
        if "stream" not in self.info.capabilities:
            pytest.skip("does not stream")
        recording = self.good(stream=True)
        most = frame_ends(recording.body, self.framing())[-2]
        started = Answer(200, recording.headers, (recording.body[:most],))

        def half(request: ReceivedRequest, connection: Connection) -> None:
            connection.send(started.head + b"".join(started.frames()))
            connection.wait(PATIENCE)
            connection.close()

        def close_stream(provider: Provider[Any]) -> None:
            with provider.stream_chat(self.model, "Hello") as stream:
                next(iter(stream))

        def close_texts(provider: Provider[Any]) -> None:
            texts = provider.stream_execute(self.model, "Hello")
            next(texts)
            texts.close()  # type: ignore[attr-defined]  # a generator, which is an Iterator with close()

        for leave in (close_stream, close_texts):
            with LoopbackServer(half) as server, self.provider(server) as provider:
                began = time.monotonic()
                leave(provider)
                hold(server.left.wait(PATIENCE), f"{leave.__name__}: the connection stays open")
                hold(time.monotonic() - began < PATIENCE, f"{leave.__name__}: leaving takes {PATIENCE} s")

    @in_each_half
    def test_closing_leaves_nothing_behind(self) -> None:
        """After close() there is no connection, thread or process left, and closing twice does no harm."""
        threads = set(threading.enumerate())
        children = set(multiprocessing.active_children())
        with self._server() as server:
            provider = self.provider(server)
            for stream in self._ways():
                self.ask(provider, stream=stream)
            provider.close()
            provider.close()
            if server is not None:
                hold(soon(lambda: server.open_connections == 0), f"{server.open_connections} connections are open")
            self._refuses_when_closed(provider)
        left = [thread.name for thread in set(threading.enumerate()) - threads if thread.is_alive()]
        hold(not left, f"threads are left: {', '.join(left)}")
        hold(set(multiprocessing.active_children()) <= children, "processes are left")

    def _refuses_when_closed(self, provider: Provider[Any]) -> None:
        try:
            self.ask(provider)
        except AirouterError:
            return
        hold(False, "a closed provider still answers")

    @in_each_half
    def test_leaving_stops_the_work(self) -> None:
        """Without HTTP: a stream that is left, cancelled, or whose provider is closed ends its work at once."""
        if self.has_wire:
            pytest.skip("over HTTP its connection tells: see the checks of left and cancelled streams")
        if "stream" not in self.info.capabilities:
            pytest.skip("does not stream")
        ways = [_leave_stream, _close_provider, *(() if self.half.new_loop is None else (_cancel_reader,))]
        for leave in ways:
            working = _working()
            with self.provider() as provider:
                began = time.monotonic()
                leave(provider, self.model)
                seconds = time.monotonic() - began
                hold(seconds < PATIENCE, f"{leave.__name__[1:]}: it takes {seconds:.1f} s")
                still = ", ".join(worker.name for worker in _working_on(working))
                hold(not still, f"{leave.__name__[1:]}: {still} works on")

    @in_each_half
    def test_connections_are_used_again(self) -> None:
        """Calls after each other go through one connection, streams and errors among them."""
        self.http_class()
        with self.serving() as server, self.provider(server) as provider:
            for _ in range(3):
                for stream in self._ways():
                    self.ask(provider, stream=stream)
            hold(server.connections == 1, f"{len(server.requests)} requests took {server.connections} connections")

    # How the checks go about it.

    def _ways(self) -> tuple[bool, ...]:
        return (False, True) if "stream" in self.info.capabilities else (False,)

    def _text(self, provider: Provider[Any], stream: bool) -> str:
        return self.ask(provider, stream=stream).text

    def _server(self) -> Any:
        return self.serving() if self.has_wire else _NoServer()


def _leave_stream(provider: Provider[Any], model: str) -> None:
    with provider.stream_chat(model, LONG) as stream:
        next(iter(stream))


def _close_provider(provider: Provider[Any], model: str) -> None:
    stream = provider.stream_chat(model, LONG)
    next(iter(stream))
    provider.close()


def _cancel_reader(provider: Any, model: str) -> None:
    itself: Provider[Any] = provider.itself

    async def read() -> None:
        async for _ in itself.astream_chat(model, LONG):
            pass

    async def cancelled() -> None:
        task = asyncio.ensure_future(read())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(cancelled())


def _working() -> set[Any]:
    """Threads and processes that do something; those in which the awaited half waits for what blocks do not count."""
    threads = {thread for thread in threading.enumerate() if not thread.name.startswith(WAITING)}
    return threads | set(multiprocessing.active_children())


def _working_on(before: set[Any]) -> set[Any]:
    """What still works, that did not before, when patience has ended."""
    soon(lambda: _working() <= before)
    return _working() - before


class _NoServer:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class _Asked:
    """A provider, with a server that answers it if it needs one."""

    def __init__(self, subject: LifetimeChecks) -> None:
        self._subject = subject
        self._server = subject._server()

    def __enter__(self) -> Provider[Any]:
        self._provider = self._subject.provider(self._server.__enter__())
        return self._provider

    def __exit__(self, *_: object) -> None:
        self._provider.close()
        self._server.__exit__(None, None, None)


def soon(condition: Callable[[], bool]) -> bool:
    """Whether it comes true before patience ends."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
