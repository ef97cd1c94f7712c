"""The awaited half: the same flows, driven by an event loop."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
import warnings
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.errors import (
    ConnectionFailedError,
    OverloadedError,
    ParameterError,
    TransportTimeoutError,
    TruncatedStreamError,
    UnsupportedFeatureError,
)
from airouter_core.plugins import Plugins
from airouter_core.provider import Provider
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


def test_connections_are_kept_and_shared(run: Run, serve: Any, make_provider: Any) -> None:
    """Twenty calls in a row use one connection."""
    server = serve(answer)

    async def ask() -> None:
        async with make_provider(server.url) as provider:
            for _ in range(20):
                await provider.aexecute("example-1", "hi")

    run(ask())
    assert server.connections == 1


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


def test_many_streams_on_one_loop_all_come_whole(run: Run, serve: Any, make_provider: Any) -> None:
    """Two hundred at once, none mixed and none cut."""
    server = serve(answer)

    async def read(provider: Any) -> str:
        return "".join([text async for text in provider.astream_execute("example-1", "hi")])

    async def ask() -> set[str]:
        async with make_provider(server.url) as provider:
            return set(await asyncio.gather(*(read(provider) for _ in range(200))))

    assert run(ask()) == {"One two three"}


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
            await asyncio.to_thread(reached.wait, 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return await asyncio.to_thread(closed.wait, 10)

    assert run(ask())


@pytest.mark.parametrize("turns", range(12))
def test_cancelling_anywhere_leaves_nothing_behind(turns: int, run: Run, serve: Any, make_provider: Any) -> None:
    """Whichever await is interrupted, the next call works and nothing is reported as lost."""
    server = serve(answer)

    async def ask() -> str:
        async with make_provider(server.url) as provider:
            task = asyncio.create_task(provider.aexecute("example-1", "hi"))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            text: str = await provider.aexecute("example-1", "hi")
            return text

    assert run(ask()) == "One two three"


def test_leaving_a_stream_early_closes_its_connection(run: Run, serve: Any, make_provider: Any) -> None:
    """`async with` ends the stream where it is left."""
    closed = threading.Event()

    def script(peer: Any, received: Any) -> bool:
        peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
        peer.chunk(chunk("One"))
        if peer.wait_for_end():
            closed.set()
        return False

    server = serve(script)

    async def ask() -> tuple[str, bool]:
        async with make_provider(server.url) as provider:
            async with provider.astream_chat("example-1", "hi") as stream:
                async for event in stream:
                    if isinstance(event, TextDelta):
                        break
            return stream.partial.text, await asyncio.to_thread(closed.wait, 10)

    assert run(ask()) == ("One", True)


def test_failures_are_those_of_the_blocking_half(run: Run, serve: Any, make_provider: Any) -> None:
    """Refused, cut, silent, overloaded, misspelt: the same classes, with what had arrived."""

    def script(peer: Any, received: Any) -> bool:
        if "cut" in received.target:
            peer.head(200, Transfer_Encoding="chunked", Content_Type="text/event-stream")
            peer.chunk(chunk("half"))
            peer.chunk(b"")
        elif "silent" in received.target:
            peer.wait_for_end()
        elif "busy" in received.target:
            peer.answer(503, b'{"error": {"message": "busy"}}')
        return False

    server = serve(script)

    async def fail(path: str, error: type[BaseException], **settings: Any) -> Any:
        async with make_provider(server.url + path, max_retries=0, **settings) as provider:
            with pytest.raises(error) as caught:
                await provider.astream_chat("example-1", "hi").read()
            return caught.value

    async def ask() -> None:
        cut = await fail("/cut", TruncatedStreamError)
        assert cut.partial.text == "half"
        await fail("/silent", TransportTimeoutError, timeout=0.2)
        assert (await fail("/busy", OverloadedError)).status == 503
        async with make_provider(server.url) as provider:
            with pytest.raises(ParameterError, match="did you mean"):
                await provider.achat("example-1", "hi", parameters={"temprature": 1})
            with pytest.raises(UnsupportedFeatureError):
                await provider.achat("example-1", "hi", response_format={"type": "object", "properties": {}})
        with socket.create_server(("127.0.0.1", 0)) as unused:
            port = unused.getsockname()[1]
        async with make_provider(f"http://127.0.0.1:{port}", max_retries=0) as provider:
            with pytest.raises(ConnectionFailedError, match="is the server running"):
                await provider.achat("example-1", "hi")

    run(ask())


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

    def list_models(self) -> list[ModelInfo]:
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
