"""Beside the vendor's own client: the same call gives the same body, and the same answer is read alike."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core.testing.recordings import load_recordings
from airouter_core.testing.server import Answer
from airouter_ollama.provider import OllamaProvider

sdk = pytest.importorskip("ollama", reason="needs the vendor's client: pip install ollama==0.6.3")

Stub = Callable[..., Any]
Providers = Callable[..., OllamaProvider]

GOOD = Answer.of_json(
    {"model": "m", "message": {"role": "assistant", "content": "Hi."}, "done": True, "done_reason": "stop"}
)
OURS = {"truncate", "shift"}
"""What we add to be told when a prompt does not fit; the client knows neither."""


@contextlib.contextmanager
def client_at(host: str) -> Iterator[Any]:
    """The vendor's client, closed at the end."""
    client = sdk.Client(host=host)
    try:
        yield client
    finally:
        client._client.close()


def test_the_same_call_is_the_same_body(stub: Stub, provider_at: Providers) -> None:
    """Messages, tools, options, format and thinking go out as the vendor's client sends them."""
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Weather in Rome?"}]
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    function = {"name": "get_weather", "description": "The weather.", "parameters": schema}
    tool = {"type": "function", "function": function}
    options = {"temperature": 0.5, "num_ctx": 4096, "num_predict": 9, "stop": ["x"], "seed": 1}
    with stub(chat=GOOD) as server:
        with client_at(server.url) as client:
            client.chat("m", messages, tools=[tool], options=options, format=schema, think="low", keep_alive="5m")
        provider_at(server.url).chat(
            "m",
            messages,
            tools=[tool],
            response_format=schema,
            parameters={
                "temp": 0.5, "ctx_size": 4096, "max_length": 9, "stop": "x", "seed": 1,
                "reasoning_effort": "low", "keep_alive": "5m",
            },
        )  # fmt: skip
        theirs, ours = (request.json for request in server.requests)
    assert {name: value for name, value in ours.items() if name not in OURS} == theirs


def test_the_same_embedding_is_the_same_body(stub: Stub, provider_at: Providers) -> None:
    """Texts to embed go out alike."""
    with stub(embed=Answer.of_json({"embeddings": [[0.5], [0.25]]})) as server:
        with client_at(server.url) as client:
            client.embed("m", ["a", "b"], truncate=False)
        provider_at(server.url).create_embedding(["a", "b"], "m")
        theirs, ours = (request.json for request in server.requests)
    assert ours == theirs


@pytest.mark.parametrize("host", ["", "box", ":11435", "http://box", "https://box/ollama", "[::1]:1", "box:1/path/"])
def test_a_host_means_the_same(host: str, provider_at: Providers) -> None:
    """The client and we find the same server behind a spelling; only we turn addresses to listen on into others."""
    with client_at(host) as client:
        theirs = str(client._client.base_url).rstrip("/")
    assert provider_at(host).config.base_url == theirs.removesuffix(":80").removesuffix(":443")


def test_the_same_answer_is_read_alike(shared: Path, stub: Stub, provider_at: Providers) -> None:
    """Whole answers as recorded say the same to both."""
    compared = 0
    for recording in load_recordings(shared / "recordings", "ollama-api"):
        if recording.path != "/api/chat" or recording.stream or not recording.is_answer:
            continue
        with stub(chat=recording.answer()) as server:
            with client_at(server.url) as client:
                theirs = client.chat("m", [{"role": "user", "content": "Hello"}])
            ours = provider_at(server.url).chat("m", "Hello")
        assert ours.text == (theirs.message.content or "")
        assert ours.reasoning == (theirs.message.thinking or None)
        assert ours.usage.input_tokens == theirs.prompt_eval_count
        assert ours.usage.output_tokens == theirs.eval_count
        assert ours.raw_finish_reason == theirs.done_reason
        calls = [(call.function.name, dict(call.function.arguments)) for call in theirs.message.tool_calls or ()]
        assert [(call.name, call.arguments) for call in ours.tool_calls] == calls
        compared += 1
    assert compared > 10
