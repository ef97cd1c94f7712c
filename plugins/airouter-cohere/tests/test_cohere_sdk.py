"""The vendor's own client as witness: the same content is the same JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, ProviderPart, ReasoningPart, ToolCallPart, ToolResultPart
from airouter_core.values.tools import ResponseFormat, Tool

cohere = pytest.importorskip("cohere", reason="cohere is not installed")

# The vendor's client asks asyncio what Python 3.14 wants asked of inspect.
pytestmark = pytest.mark.filterwarnings("ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning")

KEY = "test-key-0123456789"
MODEL = "command-a-reasoning-08-2025"
PNG = b"\x89PNG\r\n\x1a\n"
PICTURE = "data:image/png;base64,iVBORw0KGgo="
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "Tell the weather.", "parameters": SCHEMA}
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
ANSWER = {
    "id": "a1",
    "finish_reason": "COMPLETE",
    "message": {"role": "assistant", "content": [{"type": "text", "text": "Hi."}]},
}
STREAM = [
    {"type": "message-start", "id": "a1", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": "Hi."}}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
]


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    def answer(request: ReceivedRequest, connection: Connection) -> None:
        if request.path == "/v2/embed":
            connection.answer(Answer.of_json({"id": "e1", "embeddings": {"float": [[0.5], [0.25]]}}))
        elif request.path == "/v2/rerank":
            connection.answer(Answer.of_json({"id": "r1", "results": [{"index": 0, "relevance_score": 0.5}]}))
        elif request.json.get("stream"):
            body = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in STREAM) + "data: [DONE]\n\n"
            connection.answer(Answer(200, {"content-type": "text/event-stream"}, (body.encode(),)))
        else:
            connection.answer(Answer.of_json(ANSWER))

    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture
def client(server: LoopbackServer) -> Iterator[Any]:
    """The vendor's, whose connections are closed."""
    httpx = pytest.importorskip("httpx")
    with httpx.Client() as connections:
        yield cohere.ClientV2(api_key=KEY, base_url=server.url, httpx_client=connections)


CASES: dict[str, tuple[dict[str, Any], Any, dict[str, Any]]] = {
    "a text": ({"messages": [{"role": "user", "content": "Hello"}]}, "Hello", {}),
    "a system prompt and parameters": (
        {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
            "temperature": 0.5,
            "p": 0.9,
            "k": 40,
            "max_tokens": 99,
            "stop_sequences": ["END"],
            "seed": 7,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.25,
            "thinking": {"type": "enabled", "token_budget": 50},
        },
        [Message.system("Be brief."), Message.user("Hello")],
        {
            "parameters": {
                "temperature": 0.5,
                "top_p": 0.9,
                "top_k": 40,
                "max_tokens": 99,
                "stop": ["END"],
                "seed": 7,
                "presence_penalty": 0.5,
                "frequency_penalty": 0.25,
                "reasoning_budget": 50,
            }
        },
    ),
    "tools": (
        {
            "messages": [
                {"role": "user", "content": "How is it?"},
                {
                    "role": "assistant",
                    "tool_plan": "I will look.",
                    "tool_calls": [CALL],
                    "content": [{"type": "thinking", "thinking": "Hm."}],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "clear"},
            ],
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": "REQUIRED",
            "strict_tools": True,
        },
        [
            Message.user("How is it?"),
            Message.assistant(
                ReasoningPart("Hm.", {"cohere": {"type": "thinking"}}),
                ProviderPart("cohere", {"tool_plan": "I will look."}),
                ToolCallPart("c1", "weather", '{"city": "Oslo"}'),
            ),
            Message("tool", ToolResultPart("c1", "clear")),
        ],
        {"tools": [Tool("weather", "Tell the weather.", SCHEMA, strict=True)], "tool_choice": "required"},
    ),
    "a picture": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "What is it?"},
                        {"type": "image_url", "image_url": {"url": PICTURE, "detail": "high"}},
                    ],
                }
            ]
        },
        [Message.user("What is it?", FilePart("image/png", data=PNG, detail="high"))],
        {},
    ),
    "a form": (
        {
            "messages": [{"role": "user", "content": "Hello"}],
            "response_format": {"type": "json_object", "json_schema": SCHEMA},
        },
        "Hello",
        {"response_format": ResponseFormat("json_schema", SCHEMA)},
    ),
    "what only Cohere has": (
        {
            "messages": [{"role": "user", "content": "Hello"}],
            "documents": [{"id": "d1", "data": {"text": "Quack."}}],
            "citation_options": {"mode": "FAST"},
            "safety_mode": "STRICT",
        },
        "Hello",
        {
            "provider_options": {
                "cohere": {
                    "documents": [{"id": "d1", "data": {"text": "Quack."}}],
                    "citation_options": {"mode": "FAST"},
                    "safety_mode": "STRICT",
                }
            }
        },
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_same_content_is_the_same_json(server: LoopbackServer, client: Any, name: str, stream: bool) -> None:
    """Address, key and body."""
    asked, messages, arguments = CASES[name]
    if stream:
        assert [event.type for event in client.chat_stream(model=MODEL, **asked)]
    else:
        assert client.chat(model=MODEL, **asked).message.content[0].text == "Hi."
    theirs = server.requests[-1]
    with create_provider("cohere", {"base_url": server.url, "api_key": KEY}) as provider:
        if stream:
            provider.stream_chat(MODEL, messages, **arguments).read()
        else:
            provider.chat(MODEL, messages, **arguments)
    ours = server.requests[-1]
    assert (ours.method, ours.path) == (theirs.method, theirs.path)
    assert ours.headers["authorization"] == theirs.headers["authorization"] == f"Bearer {KEY}"
    assert ours.json == theirs.json


def test_embeddings_and_rankings_are_asked_for_alike(server: LoopbackServer, client: Any) -> None:
    """The same addresses and bodies."""
    client.embed(model="embed-v4.0", input_type="search_query", texts=["a", "b"], embedding_types=["float"])
    embedded = server.requests[-1]
    client.rerank(model="rerank-v4.0-pro", query="q", documents=["a", "b"], top_n=1)
    ranked = server.requests[-1]
    with create_provider("cohere", {"base_url": server.url, "api_key": KEY}) as provider:
        provider.create_embedding(["a", "b"], "embed-v4.0", input_type="search_query")  # type: ignore[call-arg]
        assert (server.requests[-1].path, server.requests[-1].json) == (embedded.path, embedded.json)
        provider.rerank("q", ["a", "b"], limit=1)
        assert (server.requests[-1].path, server.requests[-1].json) == (ranked.path, ranked.json)
