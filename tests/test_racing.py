"""A race over real connections: the loser's is closed at once, whatever its server is at."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from airouter_core.flow.steps import Flow, Race, Sleep
from airouter_core.provider.asking import ask_of

ANSWER = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "quick"}, "finish_reason": "stop"}]}


@pytest.mark.parametrize("awaited", [False, True])
@pytest.mark.parametrize("began", ["nothing", "head", "half"])
@pytest.mark.parametrize("stream", [False, True])
def test_the_connection_of_the_loser_is_closed(
    serve: Any, make_provider: Any, awaited: bool, began: str, stream: bool
) -> None:
    """Before its head, between head and body, in the middle of a body: its server sees the end, having sent no more."""
    closed, asked = threading.Event(), threading.Event()

    def slow(peer: Any, received: Any) -> bool:
        asked.set()
        if began != "nothing":
            peer.head(200, Content_Length="5000", Content_Type="application/json")
        if began == "half":
            peer.send(b'{"choices": [')
        peer.wait_for_end()
        closed.set()
        return False

    def quick(peer: Any, received: Any) -> bool:
        peer.answer(200, json.dumps(ANSWER).encode())
        return True

    first, other = make_provider(serve(slow).url, max_retries=0), make_provider(serve(quick).url, max_retries=0)

    def rival() -> Flow[Any]:
        while not asked.is_set():
            yield Sleep(0.002)
        return (yield from other.flow_of(ask_of("m", "hi", stream=stream)))

    race = Race(first.flow_of(ask_of("m", "hi", stream=stream)), rival, 0)

    def flow() -> Flow[Any]:
        yield race
        return race.winner, race.value.text

    result = asyncio.run(first.arun(flow())) if awaited else first.run(flow())
    assert result == (1, "quick")
    assert closed.wait(120)
