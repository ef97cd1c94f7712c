"""The vendor's own client, asked for the same content, sends the same JSON."""

from __future__ import annotations

import base64
import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart, Message, TextPart, ToolCallPart
from airouter_core.values.tools import ResponseFormat, Tool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    openrouter = pytest.importorskip("openrouter", reason="the vendor's client is a test dependency of this plugin")

KEY = "sk-or-0123456789"
PNG, PDF, WAV = b"\x89PNG\r\n\x1a\nrest", b"%PDF-1.7 rest", b"RIFF\x26\x00\x00\x00WAVErest"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("weather", "Tell the weather", SCHEMA)
THEIR_TOOL = {
    "type": "function",
    "function": {"name": "weather", "description": "Tell the weather", "parameters": SCHEMA},
}
DETAILS = [
    {"type": "reasoning.summary", "summary": "look it up", "format": "openai-responses-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "abc", "id": "rs_1", "format": "openai-responses-v1", "index": 1},
]
USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.25}
ANSWERS = {
    "chat/completions": {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "system_fingerprint": None,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    },
    "embeddings": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1, "cost": 0.25},
    },
    "images": {"created": 1, "data": [{"b64_json": "aGVsbG8=", "media_type": "image/png"}], "usage": USAGE},
    "key": {
        "data": {
            "label": "k", "limit": 5, "limit_remaining": 4.5, "limit_reset": None, "usage": 0.5, "usage_daily": 0.5,
            "usage_weekly": 0.5, "usage_monthly": 0.5, "is_free_tier": False, "is_management_key": False,
        }
    },
    "credits": {"data": {"total_credits": 10, "total_usage": 2.5}},
    "generation?id=gen-1": {"data": {"id": "gen-1", "model": "m", "total_cost": 0.25}},
}  # fmt: skip


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Answers each endpoint in its form, and keeps what was asked."""

    def answer(request: Any, connection: Any) -> None:
        connection.answer(Answer.of_json(ANSWERS[request.path.removeprefix("/api/v1/")]))

    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture
def client(server: LoopbackServer) -> Iterator[Any]:
    with openrouter.OpenRouter(
        api_key=KEY,
        server_url=f"{server.url}/api/v1",
        http_referer="https://app.example",
        x_open_router_title="App",
        x_open_router_categories="cli-agent,creative-writing",
    ) as made:
        yield made


@pytest.fixture
def ours(server: LoopbackServer) -> Iterator[Any]:
    config = {
        "api_key": KEY,
        "base_url": f"{server.url}/api/v1",
        "app_url": "https://app.example",
        "app_name": "App",
        "app_categories": ["cli-agent", "creative-writing"],
    }
    with create_provider("openrouter", config) as provider:
        yield provider


def both(server: LoopbackServer) -> tuple[Any, Any]:
    """The last two bodies less defaults, after seeing that they went to the same place, from the same program."""
    first, second = server.requests[-2:]
    assert (first.method, first.path) == (second.method, second.path)
    for name in ("authorization", "http-referer", "x-openrouter-title", "x-openrouter-categories", "content-type"):
        assert first.headers.get(name) == second.headers.get(name), name
    mine, theirs = first.json, second.json
    if mine is not None and theirs.get("stream") is False:
        theirs.pop("stream")
    return mine, theirs


def data_url(media_type: str, data: bytes) -> str:
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def test_a_question_with_parameters_is_the_same(ours: Any, client: Any, server: LoopbackServer) -> None:
    """System prompt, parameters under the vendor's names, reasoning and routing."""
    ours.chat(
        "a/b",
        [Message.system("Be brief."), Message.user("Hello")],
        parameters={
            "temp": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "top_a": 0.2, "max_length": 99, "stop": ["x", "y"],
            "seed": 7, "presence_penalty": 0.5, "frequency_penalty": 0.25, "repeat_penalty": 1.1,
            "logit_bias": {"5": -1.0}, "top_logprobs": 3, "reasoning_effort": "high", "user": "u-1",
            "service_tier": "flex",
        },
        provider_options={
            "openrouter": {
                "order": ["anthropic"],
                "only": ["anthropic", "amazon-bedrock"],
                "sort": "price",
                "max_price": {"prompt": 0.3, "completion": "1.5"},
                "require_parameters": True,
                "models": ["a/b", "c/d"],
            }
        },
    )  # fmt: skip
    client.chat.send(
        model="a/b",
        messages=[{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        temperature=0.5, top_p=0.9, top_k=5, min_p=0.1, top_a=0.2, max_completion_tokens=99, stop=["x", "y"],
        seed=7, presence_penalty=0.5, frequency_penalty=0.25, repetition_penalty=1.1, logit_bias={"5": -1.0},
        logprobs=True, top_logprobs=3, reasoning={"effort": "high"}, user="u-1", service_tier="flex",
        provider={
            "order": ["anthropic"],
            "only": ["anthropic", "amazon-bedrock"],
            "sort": "price",
            "max_price": {"prompt": "0.3", "completion": "1.5"},
            "require_parameters": True,
        },
        models=["a/b", "c/d"],
    )  # fmt: skip
    mine, theirs = both(server)
    assert mine == theirs


def test_a_turn_with_tools_and_reasoning_is_the_same(ours: Any, client: Any, server: LoopbackServer) -> None:
    """Tools, the call and its result, the reasoning details that go back, and the form of the answer."""
    ours.chat(
        "a/b",
        [
            Message.user("Weather?"),
            Message.assistant(
                ToolCallPart("call_1", "weather", '{"city":"Bonn"}', {}),
                TextPart("", {"openrouter": {"reasoning_details": DETAILS}}),
            ),
            Message.tool("call_1", "Sunny"),
        ],
        tools=[TOOL],
        tool_choice="weather",
        response_format=ResponseFormat("json_schema", SCHEMA, name="report", strict=True),
        parameters={"parallel_tool_calls": False},
    )
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}}
    client.chat.send(
        model="a/b",
        messages=[
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_details": DETAILS},
            {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
        ],
        tools=[THEIR_TOOL],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "report", "schema": SCHEMA, "strict": True},
        },
        parallel_tool_calls=False,
    )
    mine, theirs = both(server)
    assert mine == theirs


def test_files_are_the_same(ours: Any, client: Any, server: LoopbackServer) -> None:
    """Pictures by address and by content, documents, sound, and marks for the cache."""
    mark = {"type": "ephemeral", "ttl": "1h"}
    ours.chat(
        "a/b",
        [
            Message.user(
                FilePart.from_url("https://example.com/a.png", detail="high"),
                FilePart.from_data(PNG),
                FilePart.from_data(PDF, name="paper.pdf"),
                FilePart.from_data(WAV),
                TextPart("What is this?", {"openrouter": {"cache_control": mark}}),
            )
        ],
    )
    content = [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}},
        {"type": "file", "file": {"filename": "paper.pdf", "file_data": data_url("application/pdf", PDF)}},
        {"type": "input_audio", "input_audio": {"data": base64.b64encode(WAV).decode(), "format": "wav"}},
        {"type": "text", "text": "What is this?", "cache_control": mark},
    ]
    client.chat.send(model="a/b", messages=[{"role": "user", "content": content}])
    mine, theirs = both(server)
    assert mine == theirs


def test_embeddings_and_pictures_are_the_same(ours: Any, client: Any, server: LoopbackServer) -> None:
    """The endpoints beside chat."""
    assert ours.create_embedding("Hello", "a/e", dimensions=8) == [0.5]
    client.embeddings.generate(model="a/e", input=["Hello"], dimensions=8)
    mine, theirs = both(server)
    assert mine == theirs
    assert ours.create_image("A cat", "a/i", "2K", n=2, seed=1, references=[FilePart.from_data(PNG)]) == [
        "data:image/png;base64,aGVsbG8="
    ]
    reference = {"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}
    client.images.generate(model="a/i", prompt="A cat", size="2K", n=2, seed=1, input_references=[reference])
    mine, theirs = both(server)
    assert mine == theirs


def test_the_account_is_asked_for_in_the_same_way(ours: Any, client: Any, server: LoopbackServer) -> None:
    """Credits and generations come from the same addresses; the client's types are stricter than the answers here."""
    for mine, theirs in (
        (ours.get_credits, client.credits.get_credits),
        (lambda: ours.get_generation("gen-1"), lambda: client.generations.get_generation(id="gen-1")),
        (ours.get_key_info, client.api_keys.get_current_key_metadata),
    ):
        mine()
        with contextlib.suppress(openrouter.errors.ResponseValidationError):
            theirs()
        assert both(server) == (None, None)
