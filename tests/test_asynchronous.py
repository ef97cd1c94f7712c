"""The awaited half: the same flows, driven by an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import struct
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.errors import ConnectionFailedError, OverloadedError
from airouter_core.flow.steps import Do, Flow, done
from airouter_core.plugins.registry import Plugins
from airouter_core.provider.facade import Provider
from airouter_core.testing.cancelling import Place, cancelled_everywhere
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.request import Request

pytest.importorskip("aiohttp", reason="awaiting is an extra: pip install 'airouter-core[async]'")

Run = Callable[[Coroutine[Any, Any, Any]], Any]

WORDS = ("One", " two", " three")


def chunk(text: str | None, finish: str | None = None) -> bytes:
    delta = {"content": text} if text else {}
    return (
        b"data: " + json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}).encode() + b"\n\n"
    )


def body(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice]}).encode()


def answer(peer: Any, received: Any) -> None:
    """Answer whole or in a stream, as the request asks."""
    if received.target.endswith("/models"):
        peer.answer(200, json.dumps({"data": [{"id": "example-1"}]}).encode())
    elif received.target.endswith("/embeddings"):
        peer.answer(200, json.dumps({"data": [{"index": 0, "embedding": [0.5]}]}).encode())
    elif json.loads(received.body).get("stream"):
        peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
        for word in WORDS:
            peer.chunk(chunk(word))
        peer.chunk(chunk(None, "stop") + b"data: [DONE]\n\n")
        peer.chunk(b"")
    else:
        peer.answer(200, body("".join(WORDS)))


def _uvloop() -> Any:
    return pytest.importorskip("uvloop", reason="runs on uvloop too where it is installed").new_event_loop


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Run a coroutine on a fresh event loop of each kind; nothing may be left behind."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else _uvloop()

    def go(coroutine: Coroutine[Any, Any, Any]) -> Any:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(coroutine)

    yield go
    gc.collect()


def test_every_method_has_an_awaited_one(run: Run, serve: Any, make_provider: Any) -> None:
    """What is awaited gives what the blocking method gives."""
    server = serve(answer)
    blocking = make_provider(server.url)

    async def ask() -> list[Any]:
        async with make_provider(server.url) as provider:
            return [
                await provider.aexecute("example-1", "hi"),
                (await provider.achat("example-1", "hi")).text,
                [text async for text in provider.astream_execute("example-1", "hi")],
                await provider.alist_models(),
                await provider.acreate_embedding("hi"),
                await provider.acount_tokens("hello"),
                await provider.avalidate_config(),
                (await provider.aget_info()).status,
            ]

    assert run(ask()) == [
        blocking.execute("example-1", "hi"),
        blocking.chat("example-1", "hi").text,
        list(blocking.stream_execute("example-1", "hi")),
        blocking.list_models(),
        blocking.create_embedding("hi"),
        blocking.count_tokens("hello"),
        True,
        "available",
    ]


def test_one_provider_serves_loops_one_after_another(run: Run, serve: Any, make_provider: Any) -> None:
    """Three event loops in a row, as three asyncio.run() make them; the last one cleans up after all."""
    server = serve(answer)
    provider = make_provider(server.url)

    async def ask(close: bool) -> str:
        text: str = await provider.aexecute("example-1", "hi")
        await provider.async_transport.close()
        if close:
            await provider.aclose()
        return text

    assert [run(ask(close)) for close in (False, False, True)] == ["One two three"] * 3


def test_forgetting_to_close_says_nothing(
    serve: Any, make_provider: Any, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A program that ends its loop without aclose() gets its answer, and no complaint about sessions."""
    server = serve(answer)
    provider = make_provider(server.url)
    # The sockets of an ended loop are the loop's own; that they warn when they are collected is asyncio's choice.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        assert asyncio.run(provider.aexecute("example-1", "hi")) == "One two three"
        provider._async_transport = None
        gc.collect()
    assert "Unclosed" not in capsys.readouterr().err + caplog.text


def test_plain_http_reads_no_certificates(
    run: Run, serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trusting somebody costs as much as many calls to a server on this machine, which needs none of it."""
    monkeypatch.delattr("airouter_core.transports.awaited.authorities")
    server = serve(answer)

    async def ask() -> str:
        async with make_provider(server.url) as provider:
            text: str = await provider.aexecute("example-1", "hi")
            return text

    assert run(ask()) == "One two three"


def test_a_connection_that_is_reset_is_told_to_the_caller_alone(run: Run, serve: Any, make_provider: Any) -> None:
    """The error is raised where the stream is read; asyncio does not report it a second time, as noticed by nobody."""

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
        peer.chunk(chunk("One"))
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False

    server = serve(script)
    complaints: list[str] = []

    async def ask() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))
        async with make_provider(server.url, max_retries=0) as provider:
            with pytest.raises(ConnectionFailedError):
                await provider.astream_chat("example-1", "hi").read()

    run(ask())
    gc.collect()
    assert complaints == []


STREAMS = 1000


@pytest.fixture
def _room_for_sockets() -> Iterator[None]:
    """Both ends of each stream are files of this process, more than many systems allow unasked."""
    resource = pytest.importorskip("resource", reason="this system has no limits to raise")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * STREAMS + 200
    if resource.RLIM_INFINITY != hard < needed:
        pytest.skip(f"this system allows {hard} open files; {needed} are needed")
    if resource.RLIM_INFINITY != soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class _Together:
    """A server that ends no stream before all have begun; each repeats what it was asked."""

    def __init__(self) -> None:
        self.begun = 0
        self._all = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        asked = json.loads(await reader.readexactly(int(head.partition("content-length:")[2].split()[0])))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        writer.write(chunk(asked["messages"][0]["content"]))
        self.begun += 1
        if self.begun == STREAMS:
            self._all.set()
        await self._all.wait()
        writer.write(chunk(" and on") + chunk(None, "stop") + b"data: [DONE]\n\n")
        await writer.drain()
        writer.close()


@pytest.mark.usefixtures("_room_for_sockets")
def test_a_thousand_streams_on_one_loop_all_come_whole(run: Run, make_provider: Any) -> None:
    """All are open at the same time; none is mixed with another, none is cut."""

    async def read(provider: Any, number: int) -> str:
        return "".join([text async for text in provider.astream_execute("example-1", f"stream {number}")])

    patient = {"timeout": 600, "connect_timeout": 600}  # server and clients have one loop, and all come at once

    async def ask() -> list[str]:
        server = await asyncio.start_server(_Together().answer, "127.0.0.1", 0, backlog=STREAMS)
        port = server.sockets[0].getsockname()[1]
        async with server, make_provider(f"http://127.0.0.1:{port}", **patient) as provider:
            return await asyncio.gather(*(read(provider, number) for number in range(STREAMS)))

    assert run(ask()) == [f"stream {number} and on" for number in range(STREAMS)]


def test_cancelling_closes_the_connection_at_once(run: Run, serve: Any, make_provider: Any) -> None:
    """The server sees the end of the connection while the provider is still open."""
    reached, closed = threading.Event(), threading.Event()

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
        peer.chunk(chunk("One"))
        reached.set()
        if peer.wait_for_end():
            closed.set()
        return False

    server = serve(script)

    async def read(provider: Any) -> None:
        async for _ in provider.astream_execute("example-1", "hi"):
            pass

    async def ask() -> bool:
        async with make_provider(server.url) as provider:
            task = asyncio.create_task(read(provider))
            await asyncio.to_thread(reached.wait, 120)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(closed.wait, 120)

    assert run(ask())


class _Ends:
    """Counts how calls began and ended."""

    def __init__(self) -> None:
        self.started = 0
        self.cancelled: list[bool] = []

    @hookimpl
    def airouter_call_started(self) -> None:
        self.started += 1

    @hookimpl
    def airouter_call_ended(self, outcome: Any) -> None:
        self.cancelled.append(outcome.cancelled)


async def _retried(provider: Any) -> None:
    with contextlib.suppress(OverloadedError):
        await provider.achat("busy", "hi")


async def _in_a_thread(provider: Any) -> None:
    await provider.arun(_one_step())


def _one_step() -> Flow[None]:
    yield Do(lambda: None)


LIVES: dict[str, Callable[[Any], Coroutine[Any, Any, Any]]] = {
    "a call": lambda provider: provider.aexecute("example-1", "hi"),
    "a stream": lambda provider: provider.astream_chat("example-1", "hi").read(),
    "a call that is retried": _retried,
    "a list": lambda provider: provider.alist_models(),
    "work in a thread": _in_a_thread,
}


@pytest.mark.parametrize("life", LIVES)
def test_cancelling_anywhere_ends_the_call(
    life: str, run: Run, serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From opening to closing, whichever await is interrupted: what began has ended, once, without a complaint."""
    monkeypatch.setattr("airouter_core.flow.exchange.FIRST_DELAY", 0.001)

    def script(peer: Any, received: Any) -> None:
        if b'"busy"' in received.body:
            peer.answer(503, b'{"error": {"message": "busy"}}')
        else:
            answer(peer, received)

    server = serve(script)
    complaints: list[str] = []

    async def ask() -> int:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(str(context)))
        lives: list[_Ends] = []

        async def live() -> None:
            lives.append(_Ends())
            async with make_provider(server.url, Plugins.of(lives[-1]), max_retries=1) as provider:
                await LIVES[life](provider)

        async def look(place: Place) -> None:
            assert len(lives[-1].cancelled) == lives[-1].started, place

        return await cancelled_everywhere(live, look)

    assert run(ask()) > 2
    gc.collect()
    assert complaints == []


class _Recorder:
    """Writes down what it sees of calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def airouter_admit_call(self, call: Any) -> None:
        self.seen.append(f"admit {call.stream}")

    @hookimpl
    def airouter_call_started(self, call: Any) -> None:
        self.seen.append("started")

    @hookimpl
    def airouter_call_ended(self, call: Any, outcome: Any) -> None:
        how = "cancelled" if outcome.cancelled else type(outcome.error).__name__ if outcome.error else "complete"
        self.seen.append(f"ended {how}: {outcome.response.text}")


def test_hooks_see_the_same_order(run: Run, serve: Any, make_provider: Any) -> None:
    """Admitted, started, ended once: whole, streamed, left early."""
    server = serve(answer)
    recorder = _Recorder()

    async def ask() -> None:
        async with make_provider(server.url, Plugins.of(recorder)) as provider:
            await provider.achat("example-1", "hi")
            await provider.astream_chat("example-1", "hi").read()
            async with provider.astream_chat("example-1", "hi") as stream:
                await anext(stream)
                await anext(stream)

    run(ask())
    assert recorder.seen == [
        "admit False",
        "started",
        "ended complete: One two three",
        "admit True",
        "started",
        "ended complete: One two three",
        "admit True",
        "started",
        "ended cancelled: One",
    ]


class _Blocking(Provider[Any]):
    """A provider that knows nothing of event loops."""

    def __init__(self, config: Any, info: Any) -> None:
        super().__init__(config, info)
        self.threads: set[int] = set()
        self.closed = threading.Event()

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        try:
            for word in WORDS:
                self.threads.add(threading.get_ident())
                yield TextDelta(word)
            yield Finish("stop")
        finally:
            self.closed.set()

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        return [ModelInfo(id="only", name="only", provider="example")]


def test_a_blocking_provider_is_awaited_in_threads(run: Run, make_provider: Any) -> None:
    """Its author wrote no async code; the event loop's own thread does none of its work."""
    example = make_provider("http://127.0.0.1:1")
    provider = _Blocking(example.config, example.info)

    async def ask() -> tuple[str, list[ModelInfo]]:
        async with provider:
            return await provider.aexecute("only", "hi"), await provider.alist_models()

    text, models = run(ask())
    assert text == "One two three"
    assert [model.id for model in models] == ["only"]
    assert threading.get_ident() not in provider.threads
    assert provider.closed.is_set()
