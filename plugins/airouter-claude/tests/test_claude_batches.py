"""Message batches: handed in, watched, read as they come, and from the command line."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from airouter_claude.batches import BatchRequest, ResultsParser
from airouter_claude.provider import ClaudeProvider
from airouter_core import create_provider
from airouter_core.errors import (
    BadRequestError,
    OverloadedError,
    ParameterError,
    ProtocolError,
    TruncatedStreamError,
)
from airouter_core.provider import batches as batches_module
from airouter_core.testing.recordings import pieces
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [{"type": "text", "text": "Grüße 👋"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
OVERLOADED = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"}
LINES = [
    {"custom_id": "b", "result": {"type": "succeeded", "message": MESSAGE}},
    {"custom_id": "a", "result": {"type": "errored", "error": OVERLOADED}},
    {"custom_id": "c", "result": {"type": "canceled"}},
    {"custom_id": "d", "result": {"type": "expired"}},
]
JSONL = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in LINES).encode()


def state(status: str, **counts: int) -> dict[str, Any]:
    return {
        "id": "msgbatch_1",
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0, **counts},
        "created_at": "2026-11-23T10:00:00.123456+00:00",
        "ended_at": "2026-11-23T11:00:00Z" if status == "ended" else None,
        "expires_at": "2026-11-24T10:00:00Z",
        "results_url": "https://elsewhere.example/results",
    }


@attrs.define
class Vendor:
    """The batches endpoints, with states that follow each other."""

    states: list[dict[str, Any]] = attrs.field(factory=list)
    results: bytes = JSONL

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        if request.path.endswith("/results"):
            connection.answer(Answer(200, {"content-type": "application/x-jsonl"}, tuple(pieces(self.results, seed=3))))
        else:
            now = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            body = {"data": [now], "has_more": False} if "?limit" in request.path else now
            connection.answer(Answer.of_json(body))


ENDED = state("ended", succeeded=1, errored=1, canceled=1, expired=1)


@pytest.fixture
def vendor() -> Vendor:
    return Vendor([ENDED])


@pytest.fixture
def server(vendor: Vendor) -> Iterator[LoopbackServer]:
    with LoopbackServer(vendor) as running:
        yield running


@pytest.fixture
def provider(server: LoopbackServer) -> Iterator[ClaudeProvider]:
    with create_provider("claude", {"base_url": server.url, "api_key": "sk-ant-test", "max_retries": 0}) as made:
        assert isinstance(made, ClaudeProvider)
        yield made


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_cut_anywhere(size: int) -> None:
    """Results are read however their bytes are cut, and a missing last line end is no loss."""
    parser = ResultsParser()
    found = [result for piece in pieces(JSONL.rstrip(), size) for result in parser.feed(piece)]
    found += parser.close()
    assert [(result.custom_id, result.outcome) for result in found] == [
        (line["custom_id"], line["result"]["type"]) for line in LINES
    ]
    assert found[0].response is not None
    assert (found[0].response.text, found[0].response.usage.output_tokens) == ("Grüße 👋", 4)
    assert isinstance(found[1].error, OverloadedError)
    assert found[1].error.request_id == "req_1"


@pytest.mark.parametrize("line", [b'{"custom_id": "a"}\n', b"<html>\n", b'{"custom_id": 1, "result": {"type": "x"}}\n'])
def test_a_line_that_is_no_result(line: bytes) -> None:
    """A line that is no result is an error of the provider's."""
    with pytest.raises(ProtocolError):
        list(ResultsParser().feed(line))


def test_create(provider: ClaudeProvider, server: LoopbackServer, vendor: Vendor) -> None:
    """Requests are built as calls are; one version serves all, and what was left out is told."""
    vendor.states = [state("in_progress", processing=2)]
    with pytest.warns(match="'temperature' was left out"):
        batch = provider.create_batch(
            [
                BatchRequest(custom_id="new", model="claude-opus-5-5", messages="Hi", parameters={"temperature": 0.5}),
                {"model": "claude-haiku-4-5", "messages": "Hi", "parameters": {"temp": 0.5, "max_tokens": 9}},
            ]
        )
    sent = server.requests[0]
    assert (sent.method, sent.path) == ("POST", "/v1/messages/batches")
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert [entry["custom_id"] for entry in sent.json["requests"]] == ["new", "request-1"]
    assert "temperature" not in sent.json["requests"][0]["params"]
    assert sent.json["requests"][1]["params"]["temperature"] == 0.5
    assert "stream" not in sent.json["requests"][0]["params"]
    assert (batch.id, batch.status, batch.ended, batch.counts.total) == ("msgbatch_1", "in_progress", False, 2)
    assert batch["counts"]["processing"] == 2
    assert batch.warnings[0].startswith("new: parameter 'temperature' was left out")


@pytest.mark.parametrize(
    "requests",
    [
        [],
        [{"model": "m"}],
        [{"model": "m", "messages": "x", "custom_id": "a b"}],
        [{"model": "m", "messages": "x", "custom_id": "a"}] * 2,
        [{"model": "m", "messages": "x", "stream": True}],
    ],
)
def test_create_refuses(provider: ClaudeProvider, server: LoopbackServer, requests: list[Any]) -> None:
    """A batch that cannot be meant is refused before anything is sent."""
    with pytest.raises(ParameterError):
        provider.create_batch(requests)
    assert not server.requests


def test_results(provider: ClaudeProvider, server: LoopbackServer) -> None:
    """Results come one by one, from below base_url, whatever address the batch names."""
    assert [result.custom_id for result in provider.batch_results("msgbatch_1")] == ["b", "a", "c", "d"]
    assert server.requests[-1].path == "/v1/messages/batches/msgbatch_1/results"


def test_results_too_early(provider: ClaudeProvider, vendor: Vendor) -> None:
    """Results of a batch that has not ended are refused, with the way to wait."""
    vendor.states = [state("in_progress", processing=4)]
    with pytest.raises(BadRequestError, match="wait_for_batch"):
        next(provider.batch_results("msgbatch_1"))


def test_results_cut_short(provider: ClaudeProvider, vendor: Vendor) -> None:
    """Fewer results than requests is an error after those that came."""
    vendor.results = JSONL[: JSONL.index(b"\n") + 1]
    results = provider.batch_results("msgbatch_1")
    assert next(results).custom_id == "b"
    with pytest.raises(TruncatedStreamError, match="1 of 4"):
        next(results)


def test_wait(provider: ClaudeProvider, vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Waiting reports each state, and ends with the batch."""
    monkeypatch.setattr(batches_module, "FIRST_LOOK", 0.001)
    vendor.states = [state("in_progress", processing=4), state("canceling", processing=4), ENDED]
    states: list[str] = []
    batch = provider.wait_for_batch("msgbatch_1", lambda now: states.append(now.status))
    assert (states, batch.ended) == (["in_progress", "canceling", "ended"], True)


def test_others(provider: ClaudeProvider, server: LoopbackServer) -> None:
    """Batches are listed, looked at and cancelled at their addresses."""
    assert [batch.id for batch in provider.list_batches(5)] == ["msgbatch_1"]
    assert provider.get_batch("msgbatch_1").ended_at is not None
    provider.cancel_batch("msgbatch_1")
    with pytest.raises(ParameterError, match="no id of a batch"):
        provider.get_batch("../models")
    assert [(request.method, request.path) for request in server.requests] == [
        ("GET", "/v1/messages/batches?limit=5"),
        ("GET", "/v1/messages/batches/msgbatch_1"),
        ("POST", "/v1/messages/batches/msgbatch_1/cancel"),
    ]


def test_awaited(server: LoopbackServer) -> None:
    """All of it can be awaited."""
    pytest.importorskip("aiohttp", reason="airouter-core[async] is not installed")

    async def told() -> list[str]:
        async with create_provider("claude", {"base_url": server.url, "api_key": "sk-ant-test"}) as provider:
            assert isinstance(provider, ClaudeProvider)
            batch = await provider.acreate_batch([{"model": "claude-haiku-5-5", "messages": "Hi"}])
            await provider.aget_batch(batch.id)
            await provider.await_batch(batch.id)
            await provider.alist_batches()
            await provider.acancel_batch(batch.id)
            return [result.custom_id async for result in provider.abatch_results(batch.id)]

    assert asyncio.run(told()) == ["b", "a", "c", "d"]


def test_command_line(
    server: LoopbackServer, vendor: Vendor, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: Any
) -> None:
    """The command hands in a file, waits, and prints results as lines of JSON."""
    pytest.importorskip("click", reason="airouter-core[cli] is not installed")
    from airouter_core.cli.app import run_app

    monkeypatch.setattr(batches_module, "FIRST_LOOK", 0.001)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
    file = tmp_path / "requests.jsonl"
    file.write_text('{"custom_id": "a", "model": "claude-haiku-5-5", "messages": "Hi"}\n\n')
    vendor.states = [state("in_progress", processing=4), state("in_progress", processing=4), ENDED]
    assert run_app(["claude-batch", "create", str(file), "--wait"]) == 0
    assert "msgbatch_1  ended" in capsys.readouterr().out
    assert run_app(["claude-batch", "results", "msgbatch_1"]) == 0
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert printed[0]["text"] == "Grüße 👋"
    assert printed[1]["error"]["type"] == "overloaded_error"
    assert run_app(["claude-batch", "list"]) == 0
    assert run_app(["claude-batch", "show", "msgbatch_1", "--json"]) == 0
    assert run_app(["claude-batch", "cancel", "msgbatch_1"]) == 0
    file.write_text("{")
    assert run_app(["claude-batch", "create", str(file)]) == 2
