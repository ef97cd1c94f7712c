"""Batches: what goes in is what single calls would send, and what comes back is read as they would be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import BadRequestError, ParameterError
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_openai.batches import lines_of
from airouter_openai.provider import OpenAIProvider

USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
TEXT = {"type": "output_text", "text": "hello", "annotations": []}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5.5",
    "output": [{"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [TEXT]}],
    "usage": USAGE,
}
LINES = [
    {"custom_id": "a", "response": {"status_code": 200, "request_id": "r1", "body": RESPONSE}, "error": None},
    {"custom_id": "b", "response": {"status_code": 429, "body": {"error": {"message": "slow", "code": "x"}}}},
    {"custom_id": "c", "response": None, "error": {"code": "batch_expired", "message": "late"}},
    {"custom_id": "d", "response": None, "error": {"code": "odd", "message": "why"}},
]


class Server:
    """The endpoints, with one batch."""

    def __init__(self) -> None:
        self.status = "completed"
        self.created: list[Any] = []
        self.uploaded = b""

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        if request.path == "/v1/files":
            self.uploaded = request.body
            connection.answer(Answer.of_json({"id": "file-1"}))
        elif request.path.startswith("/v1/files/"):
            lines = "".join(json.dumps(line) + "\n" for line in LINES)
            connection.answer(Answer(200, {}, (lines.encode()[:100], lines.encode()[100:])))
        else:
            if request.method == "POST":
                self.created.append(request.json)
            shown = {
                "id": "batch_1",
                "status": self.status,
                "endpoint": "/v1/responses",
                "created_at": 1,
                "expires_at": 10**30,
                "output_file_id": "file-2",
                "error_file_id": "",
                "request_counts": {"total": 4, "completed": 1, "failed": 2},
                "metadata": {"who": "me"},
            }
            connection.answer(Answer.of_json({"data": [shown]} if "limit" in request.path else shown))


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def provider(server: Server) -> Iterator[OpenAIProvider]:
    with (
        LoopbackServer(server) as running,
        create_provider("openai", {"base_url": f"{running.url}/v1", "api_key": "k", "api": "responses"}) as made,
    ):
        yield made


def test_a_batch_is_a_file_of_what_single_calls_would_send(server: Server, provider: OpenAIProvider) -> None:
    """For the endpoint that they would go to, without a stream; what the vendor keeps comes back."""
    asked = [{"custom_id": "a", "model": "gpt-5.5", "messages": "hi", "parameters": {"max_tokens": 19}}]
    batch = provider.create_batch(asked, {"who": "me"})
    assert (batch.id, batch.status, batch.ended, batch.metadata) == ("batch_1", "completed", True, {"who": "me"})
    (line,) = [json.loads(line) for line in server.uploaded.splitlines() if line.startswith(b"{")]
    assert (line["custom_id"], line["method"], line["url"]) == ("a", "POST", "/v1/responses")
    assert line["body"]["max_output_tokens"] == 19
    assert "stream" not in line["body"]
    (created,) = server.created
    assert created == {
        "input_file_id": "file-1",
        "endpoint": "/v1/responses",
        "completion_window": "24h",
        "metadata": {"who": "me"},
    }


def test_results_are_answers_errors_or_neither(provider: OpenAIProvider) -> None:
    """Each under its name; errors are those of single calls."""

    async def awaited() -> list[Any]:
        return [result async for result in provider.abatch_results("batch_1")]

    for results in (list(provider.batch_results("batch_1")), asyncio.run(awaited())):
        assert [(result.custom_id, result.outcome) for result in results] == [
            ("a", "succeeded"),
            ("b", "errored"),
            ("c", "expired"),
            ("d", "errored"),
        ]
        assert results[0].response is not None
        assert (results[0].response.text, results[0].response.usage.output_tokens) == ("hello", 4)
        assert results[1].error.retryable
        assert "why" in str(results[3].error)


def test_results_of_a_batch_that_goes_on_are_refused(server: Server, provider: OpenAIProvider) -> None:
    """And it can be watched, listed and stopped."""
    server.status = "in_progress"
    with pytest.raises(BadRequestError, match="in_progress"):
        list(provider.batch_results("batch_1"))
    assert provider.get_batch("batch_1").counts.processing == 1
    assert [batch.id for batch in provider.list_batches(1000)] == ["batch_1"]
    assert provider.cancel_batch("batch_1").id == "batch_1"
    with pytest.raises(ParameterError, match="no id of a batch"):
        provider.get_batch("../models")


def test_what_no_batch_can_hold_is_refused_before_it_is_sent(server: Server, provider: OpenAIProvider) -> None:
    """Too many requests, two of one name, or a parameter that nobody knows."""
    with pytest.raises(ParameterError, match="50000 requests"):
        lines_of((("a", {}) for _ in range(50_001)), "responses")
    one = {"custom_id": "a", "model": "gpt-5.5", "messages": "hi"}
    with pytest.raises(ParameterError, match="unique"):
        provider.create_batch([one, one])
    with pytest.raises(ParameterError, match="temprature"):
        provider.create_batch([{**one, "parameters": {"temprature": 1}}])
    assert server.uploaded == b""
