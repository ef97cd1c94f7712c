"""What a call costs, counted in Python calls: that takes no clock, and is the same on every machine."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core import Answer, Ask, Flow
from airouter_core.flow.steps import delegated
from airouter_core.plugins.registry import Plugins
from airouter_core.testing.counting import python_calls

MOST_OF_A_CHAT = 400
MOST_OF_A_CHUNK = 40
MOST_OF_A_LAYER = 10
LAYERS = 5

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
WHOLE = {
    "id": "c1",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
    "usage": USAGE,
}


def passing(ask: Ask, answer: Answer) -> Flow[Any]:
    """A layer that does nothing."""
    return (yield from delegated(answer(ask)))


def answering(pieces: int) -> Callable[[Any, Any], None]:
    """A whole answer, or one in so many pieces, each in a chunk of its own."""

    def answer(peer: Any, received: Any) -> None:
        if b'"stream":true' not in received.body:
            peer.answer(200, json.dumps(WHOLE).encode(), Content_Type="application/json")
            return
        peer.head(200, Content_Type="text/event-stream", Transfer_Encoding="chunked")
        for _ in range(pieces):
            peer.chunk(b'data: {"id":"c1","model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n')
        peer.chunk(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
        peer.chunk(b"")

    return answer


@pytest.fixture
def ask_in(serve: Any, make_provider: Any) -> Callable[..., Callable[[], object]]:
    """A warm chat with a server: whole, or of so many pieces; behind so many layers."""

    def make(pieces: int = 0, layers: int = 0) -> Callable[[], object]:
        plugins = Plugins.of().with_layers([passing] * layers)
        provider = make_provider(serve(answering(pieces)).url, plugins=plugins)

        def ask() -> object:
            return list(provider.stream_execute("m", "hi")) if pieces else provider.chat("m", "hi")

        for _ in range(3):
            ask()
        return ask

    return make


def test_a_warm_chat(ask_in: Any) -> None:
    """The libraries below take half of it; a layer that delegates takes a few."""
    alone, behind = python_calls(ask_in()), python_calls(ask_in(layers=LAYERS))
    assert alone <= MOST_OF_A_CHAT
    assert behind - alone <= LAYERS * MOST_OF_A_LAYER


@pytest.mark.parametrize("layers", [0, LAYERS])
def test_a_piece_of_a_stream(ask_in: Any, layers: int) -> None:
    """Layers take nothing of it."""
    few, many = (python_calls(ask_in(pieces, layers)) for pieces in (50, 250))
    assert (many - few) / 200 <= MOST_OF_A_CHUNK


@pytest.mark.parametrize("pieces", [0, 3])
def test_a_call_leaves_nothing_to_the_garbage_collector(ask_in: Any, pieces: int) -> None:
    """What holds itself in a circle lives on until Python looks for such, with the whole answer that it holds."""
    ask = ask_in(pieces, 1)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        ask()
        gc.collect()
        left = [type(one).__name__ for one in gc.garbage if type(one).__module__.startswith("airouter_core")]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    assert left == []


def test_a_warm_awaited_call_sets_no_timer(serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that has one for its silence goes by that, however many answers it brings."""
    provider = make_provider(serve(answering(0)).url)

    async def work() -> list[object]:
        loop = asyncio.get_running_loop()
        set_for: list[object] = []
        for _ in range(3):
            await provider.achat("m", "hi")
        monkeypatch.setattr(loop, "call_at", lambda when, callback, *_, **__: set_for.append(callback))
        for _ in range(3):
            await provider.achat("m", "hi")
        return set_for

    assert asyncio.run(work()) == []
