"""Tests for layers: a subclass names a layer, and each way to ask goes through it, blocking and awaited.

::

    class TestLimiter(LayerConformance):
        def layer(self) -> Layer:
            return Limiter(2)
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest

from ..config.http import HttpConfig
from ..config.loading import load_config
from ..dialects.chat_completions.dialect import ChatDialect
from ..dialects.chat_completions.endpoints import embeddings_operation, models_operation
from ..errors import ServerError
from ..flow.layers import Layer
from ..flow.steps import Flow
from ..plugins.hookspecs import hookimpl
from ..plugins.registry import Plugins
from ..profile.declarations import ProviderInfo
from ..provider.facade import Provider
from ..provider.http import HttpProvider
from ..values.calls import Call, Outcome
from ..values.catalog import ModelInfo
from ..wire.failures import ErrorTable
from .cancelling import Place, cancelled_everywhere
from .checks.lifetime import soon
from .halves import AWAITED, BLOCKING, Half
from .server import Answer, Connection, LoopbackServer, ReceivedRequest
from .subject import hold

WORDS = ("one ", "two ", "three")
USAGE = {"prompt_tokens": 3, "completion_tokens": 3, "total_tokens": 6}
PATIENCE = 10.0
"""Seconds after which what should come at once will not come any more."""
INFO = ProviderInfo(
    name="behind-the-layer",
    target="airouter_core.testing.layers:Behind",
    capabilities=("chat", "stream", "system_prompt", "embeddings"),
)
DIALECT = ChatDialect(provider=INFO.name, errors=ErrorTable(INFO.name))


class Behind(HttpProvider[HttpConfig]):
    """The provider that the layer stands around."""

    wire = DIALECT.wire()
    models = models_operation(lambda entry: ModelInfo(id=entry["id"], name=entry["id"], provider=INFO.name))

    def embeddings_flow(self, texts: Any, model: str | None) -> Flow[list[list[float]]]:
        return self.operate(embeddings_operation(), texts, model or "m")


class Balance:
    """Counts starts and ends of calls, as hooks are told of them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.open: dict[int, str] = {}
        self.ended: list[Outcome] = []
        self.wrong: list[str] = []

    @hookimpl
    def airouter_call_started(self, call: Call) -> None:
        with self._lock:
            self.open[id(call)] = call.kind

    @hookimpl
    def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
        with self._lock:
            self.ended.append(outcome)
            if self.open.pop(id(call), None) is None:
                self.wrong.append(f"a call of kind {call.kind} ended twice, or never began")


class LayerConformance(ABC):
    """What holds of every layer that hands on what it is asked and what comes of it.

    Attributes:
        passes_errors: whether a failure of the provider reaches the caller as it is; a router may know better.
    """

    passes_errors: ClassVar[bool] = True
    halves: ClassVar[tuple[Half, ...]] = (BLOCKING, AWAITED)

    @abstractmethod
    def layer(self) -> Layer:
        """A fresh layer, which lets a handful of calls go through."""

    @pytest.fixture(autouse=True)
    def _balanced(self) -> Iterator[None]:
        """Exactly one end for each start, whatever a test does."""
        self.balance = Balance()
        yield
        hold(soon(lambda: not self.balance.open), f"calls that never ended: {list(self.balance.open.values())}")
        hold(not self.balance.wrong, "; ".join(self.balance.wrong))

    def test_a_chat_goes_through(self) -> None:
        """Whole: the response with its usage is the one that the provider gives."""
        for provider, _ in self._each_half():
            response = provider.chat("m", "Hello")
            hold(response.text == "".join(WORDS), f"the answer became {response.text!r}")
            hold(response.usage.input_tokens == USAGE["prompt_tokens"], f"the usage became {response.usage!r}")

    def test_a_stream_goes_through(self) -> None:
        """Piece by piece, and its response is complete."""
        for provider, _ in self._each_half():
            texts = list(provider.stream_execute("m", "Hello"))
            hold(texts == list(WORDS), f"the pieces became {texts!r}")

    def test_embeddings_and_models_go_through(self) -> None:
        """Other kinds than chat, whose results are not responses."""
        for provider, _ in self._each_half():
            hold(provider.create_embedding(["a", "b"]) == [[1.0], [2.0]], "the vectors became others")
            hold([model.id for model in provider.list_models()] == ["m"], "the models became others")

    def test_the_same_again_goes_through(self) -> None:
        """What was asked before has the same answer, wherever it comes from, whole and as a stream."""
        for provider, _ in self._each_half():
            for _ in range(2):
                hold(provider.chat("m", "Hello").text == "".join(WORDS), "the second answer is another")
                hold("".join(provider.stream_execute("m", "Hello")) == "".join(WORDS), "the second stream is another")

    def test_errors_go_through(self) -> None:
        """The class of a failure stays what it is, before an answer and in the middle of one."""
        if not self.passes_errors:
            pytest.skip("knows better than to hand failures on")
        for provider, _ in self._each_half(lambda request, connection: connection.answer(Answer(500, {}, (b"{}",)))):
            for ask in (lambda p: p.chat("m", "Hello"), lambda p: list(p.stream_chat("m", "Hello"))):
                with pytest.raises(ServerError):
                    ask(provider)

    def test_leaving_a_stream_closes_its_connection(self) -> None:
        """At once, and the call has ended when it was left."""
        for provider, server in self._each_half(_never_ending):
            stream = provider.stream_execute("m", "Hello")
            hold(next(stream) == WORDS[0], "the stream begins otherwise")
            stream.close()
            hold(server.left.wait(PATIENCE), "the connection stays open")
            hold(soon(lambda: not self.balance.open), "the call goes on")
            hold(self.balance.ended[-1].cancelled, "the end is told as if it had come by itself")

    def test_cancelling_leaves_nothing_behind(self) -> None:
        """Cancelled at any await: ended once, its connection closed or kept for the next call, which works."""
        for stream in (False, True):
            with LoopbackServer(_slow) as server:
                asyncio.run(self._cancel(server, stream=stream))

    async def _cancel(self, server: LoopbackServer, *, stream: bool) -> None:
        async with self._provider(server) as provider:

            async def call() -> str:
                if stream:
                    return (await provider.astream_chat("m", "Hello").read()).text
                return (await provider.achat("m", "Hello")).text

            async def look(place: Place) -> None:
                hold(await asyncio.to_thread(soon, lambda: not self.balance.open), f"{place}: the call goes on")
                hold(await call() == "".join(WORDS), f"{place}: the next call has another answer")
                closed = await asyncio.to_thread(soon, lambda: server.open_connections <= 1)
                hold(closed, f"{place}: {server.open_connections} connections are open")

            await cancelled_everywhere(call, look)

    def _each_half(
        self, behaviour: Callable[[ReceivedRequest, Connection], None] | None = None
    ) -> Iterator[tuple[Any, LoopbackServer]]:
        for half in self.halves:
            with LoopbackServer(behaviour or _answering) as server, contextlib.ExitStack() as stack:
                yield stack.enter_context(half.of(self._provider(server))), server

    def _provider(self, server: LoopbackServer) -> Provider[Any]:
        config = load_config(HttpConfig, {"base_url": server.url, "max_retries": 0}, provider=INFO.name, environ={})
        plugins = Plugins.of(self.balance).with_layers([self.layer()])
        return Behind(config, INFO, plugins)


def _event(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    return (
        b"data: %b\n\n"
        % json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}).encode()
    )


STREAM = Answer(
    200,
    {"content-type": "text/event-stream"},
    (*(_event({"content": word}) for word in WORDS), _event({}, "stop", usage=USAGE) + b"data: [DONE]\n\n"),
)
WHOLE = Answer.of_json(
    {
        "choices": [{"index": 0, "message": {"content": "".join(WORDS)}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
)


def _answer_to(request: ReceivedRequest) -> Answer:
    if request.path.endswith("models"):
        return Answer.of_json({"data": [{"id": "m"}]})
    if request.path.endswith("embeddings"):
        vectors = [{"index": place, "embedding": [place + 1.0]} for place in range(len(request.json["input"]))]
        return Answer.of_json({"data": vectors, "usage": {"prompt_tokens": 2, "total_tokens": 2}})
    return STREAM if request.json.get("stream") else WHOLE


def _answering(request: ReceivedRequest, connection: Connection) -> None:
    connection.answer(_answer_to(request))


def _slow(request: ReceivedRequest, connection: Connection) -> None:
    answer = _answer_to(request)
    connection.send(answer.head)
    for frame in answer.frames():
        time.sleep(0.002)
        connection.send(frame)
    if answer.framing == "chunked":
        connection.send(b"0\r\n\r\n")


def _never_ending(request: ReceivedRequest, connection: Connection) -> None:
    frames = list(STREAM.frames())
    connection.send(STREAM.head + frames[0] + frames[1])
    connection.wait(PATIENCE)
    connection.close()
