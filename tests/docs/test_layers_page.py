"""The layers of docs/write-a-layer.md, as they stand there, in the kit for layers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from airouter_core import ServerError
from airouter_core.errors import CallVetoedError
from airouter_core.flow.layers import Layer
from airouter_core.plugins.registry import Plugins
from airouter_core.testing.layers import LayerConformance

PAGE = Path(__file__).parents[2] / "docs" / "write-a-layer.md"
NAMES: dict[str, Any] = {"__name__": "write_a_layer"}
for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
    exec(compile(block, str(PAGE), "exec", dont_inherit=True), NAMES)


class TestPatient(LayerConformance):
    """The first one of the page."""

    def layer(self) -> Layer:
        return NAMES["patient"]  # type: ignore[no-any-return]  # a function of the page


class TestLimiter(LayerConformance):
    """The limiter."""

    def layer(self) -> Layer:
        return NAMES["Limiter"](2, 0.001)  # type: ignore[no-any-return]  # as above


class TestBudget(LayerConformance):
    """The budget."""

    def layer(self) -> Layer:
        return NAMES["Budget"](10**9)  # type: ignore[no-any-return]  # as above


class TestCache(LayerConformance):
    """The cache."""

    def layer(self) -> Layer:
        return NAMES["Cache"]()  # type: ignore[no-any-return]  # as above


class TestFallback(LayerConformance):
    """The router, whose second target is not needed."""

    passes_errors = False

    @pytest.fixture(autouse=True)
    def _other(self, make_provider: Any) -> None:
        self.other = make_provider("http://127.0.0.1:9")

    def layer(self) -> Layer:
        return NAMES["Fallback"](self.other, "m")  # type: ignore[no-any-return]  # as above


VECTORS = {"data": [{"index": 0, "embedding": [1.0]}], "usage": {"prompt_tokens": 7}}


def answering(text: str, status: int = 200) -> Any:
    choice = {"index": 0, "message": {"content": text}, "finish_reason": "stop"}
    chat = {"choices": [choice], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}

    def script(peer: Any, received: Any) -> None:
        said = {} if status != 200 else VECTORS if received.target.endswith("embeddings") else chat
        peer.answer(status, json.dumps(said).encode())

    return script


@pytest.mark.parametrize("stream", [False, True])
def test_the_router_asks_the_other(serve: Any, make_provider: Any, stream: bool) -> None:
    """When the first target is down; what the other one says is the answer."""
    other = make_provider(serve(answering("other")).url)
    layers = Plugins().with_layers([("route", NAMES["Fallback"](other, "m2"))])
    provider = make_provider(serve(answering("", 500)).url, layers, max_retries=0)
    said = "".join(provider.stream_execute("m", "Hi")) if stream else provider.execute("m", "Hi")
    assert said == "other"
    refused = make_provider(serve(answering("", 500)).url, max_retries=0)
    layers = Plugins().with_layers([NAMES["Fallback"](refused, "m2")])
    with pytest.raises(ServerError):
        make_provider(serve(answering("", 500)).url, layers, max_retries=0).execute("m", "Hi")


def test_the_cache_asks_once(serve: Any, make_provider: Any) -> None:
    """Whole and streamed, chats and embeddings."""
    server = serve(answering("kept"))
    provider = make_provider(server.url, Plugins().with_layers([NAMES["Cache"]()]))
    assert [provider.execute("m", "Hi") for _ in range(2)] == ["kept", "kept"]
    assert list(provider.stream_execute("m", "Hi")) == ["kept"]
    assert [provider.create_embedding("a") for _ in range(2)] == [[1.0], [1.0]]
    assert len(server.requests) == 2


def test_the_budget_counts_and_refuses(serve: Any, make_provider: Any) -> None:
    """Chats and embeddings; what failed and was sent is booked as what was reserved."""
    budget = NAMES["Budget"](1010)
    provider = make_provider(serve(answering("x")).url, Plugins().with_layers([("ledger", budget)]))
    provider.execute("m", "Hi")
    provider.create_embedding("a")
    with pytest.raises(CallVetoedError, match="996 tokens"):
        provider.execute("m", "Hi")
    assert budget.rows == [("chat", "m", 7, "complete"), ("embedding", None, 7, "complete")]
    broken = NAMES["Budget"](2000)
    plugins = Plugins().with_layers([("ledger", broken)])
    with pytest.raises(ServerError):
        make_provider(serve(answering("", 500)).url, plugins, max_retries=0).execute("m", "Hi")
    assert broken.rows == [("chat", "m", 1000, "failed")]
