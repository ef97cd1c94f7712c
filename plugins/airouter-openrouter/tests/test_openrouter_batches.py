"""Batches: inline and of one model, with the results in the batch itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import BadRequestError, ParameterError
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_openrouter.provider import OpenRouterProvider

CHOICE = {"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
BODY = {"id": "gen-batch-1", "object": "chat.completion", "model": "a/m", "choices": [CHOICE]}
RESULT = {"id": "r", "custom_id": "a", "response": {"status_code": 200, "request_id": "q", "body": BODY}, "error": None}


class Server:
    """The endpoint, with one batch."""

    def __init__(self) -> None:
        self.status = "completed"
        self.bodies: list[bytes] = []
        self.paths: list[str] = []

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        self.paths.append(request.path)
        if request.method == "POST":
            self.bodies.append(request.body)
        shown: dict[str, Any] = {
            "id": "batch_1",
            "status": self.status,
            "request_counts": {"total": 1, "completed": 1, "failed": 0},
            "results": [RESULT] if self.status == "completed" else None,
            "error": {"message": "no such model"} if self.status == "failed" else None,
        }
        connection.answer(Answer.of_json({"data": [shown]} if "limit" in request.path else shown))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def provider(server: Server) -> Iterator[OpenRouterProvider]:
    with (
        LoopbackServer(server) as running,
        create_provider("openrouter", {"base_url": f"{running.url}/api/v1", "api_key": "k"}) as made,
    ):
        yield made


def test_a_batch_names_endpoint_and_model_before_its_requests(server: Server, provider: OpenRouterProvider) -> None:
    """It is read as it comes, and refused otherwise; it lies beside the address of the API."""
    batch = provider.create_batch([{"custom_id": "a", "model": "a/m", "messages": "hi"}])
    assert (batch.id, batch.ended) == ("batch_1", True)
    assert server.paths == ["/api/beta/batches"]
    assert server.bodies[0].startswith(b'{"endpoint":"/v1/chat/completions","model":"a/m","requests":[{"custom_id":"a"')
    assert b"stream" not in server.bodies[0]
    with pytest.raises(ParameterError, match="one model"):
        provider.create_batch(
            [{"custom_id": str(n), "model": f"a/m{n}", "messages": "hi"} for n in range(2)],
        )


def test_results_stand_in_the_batch_once_it_is_completed(server: Server, provider: OpenRouterProvider) -> None:
    """Of one that has failed there are none, and it says why."""
    (result,) = provider.batch_results("batch_1")
    assert (result.custom_id, result.outcome) == ("a", "succeeded")
    assert result.response is not None
    assert result.response.text == "hello"
    server.status = "in_progress"
    with pytest.raises(BadRequestError, match="in_progress"):
        list(provider.batch_results("batch_1"))
    server.status = "failed"
    assert list(provider.batch_results("batch_1")) == []
    assert provider.get_batch("batch_1").error == "no such model"
    assert [batch.id for batch in provider.list_batches(3)] == ["batch_1"]
    assert provider.cancel_batch("batch_1").ended
