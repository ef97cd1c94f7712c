"""The vendor's own client as witness: the same content is the same JSON, and the same answer the same words."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.tools import ResponseFormat, Tool

genai = pytest.importorskip("google.genai", reason="google-genai is not installed")
types = genai.types

KEY = "test-key-0123456789"
PNG = b"\x89PNG\r\n\x1a\n"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
ANSWER = {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}]}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    def answer(request: ReceivedRequest, connection: Connection) -> None:
        if ":streamGenerateContent" in request.path:
            body = f"data: {json.dumps(ANSWER)}\r\n\r\n".encode()
            connection.answer(Answer(200, {"content-type": "text/event-stream"}, (body,)))
        elif ":countTokens" in request.path:
            connection.answer(Answer.of_json({"totalTokens": 3}))
        elif "EmbedContents" in request.path:
            connection.answer(Answer.of_json({"embeddings": [{"values": [0.5]}, {"values": [0.25]}]}))
        else:
            connection.answer(Answer.of_json(ANSWER))

    with LoopbackServer(answer) as running:
        yield running


CALL = ToolCallPart("c1", "weather", '{"city": "Oslo"}', {"gemini": {"thoughtSignature": "c2ln"}})
FUNCTION = Tool("weather", "Tell the weather.", SCHEMA)
DECLARED = {"name": "weather", "description": "Tell the weather.", "parameters_json_schema": SCHEMA}


def turns() -> Any:
    """A conversation with a call, as the vendor's client has it."""
    call = types.FunctionCall(id="c1", name="weather", args={"city": "Oslo"})
    result = types.FunctionResponse(id="c1", name="weather", response={"sky": "clear"})
    return [
        types.Content(role="user", parts=[types.Part(text="How is it?")]),
        types.Content(
            role="model",
            parts=[
                types.Part(text="Hm.", thought=True),
                types.Part(function_call=call, thought_signature=b"sig"),
            ],
        ),
        types.Content(role="user", parts=[types.Part(function_response=result)]),
    ]


def own_turns() -> list[Message]:
    from airouter_core.values.messages import ReasoningPart

    return [
        Message.user("How is it?"),
        Message.assistant(ReasoningPart("Hm.", {"gemini": {"thought": True}}), CALL),
        Message("tool", ToolResultPart("c1", '{"sky": "clear"}')),
    ]


def inline() -> Any:
    return types.Content(
        role="user",
        parts=[
            types.Part.from_bytes(data=PNG, mime_type="image/png"),
            types.Part.from_uri(file_uri="https://example.com/a.pdf", mime_type="application/pdf"),
            types.Part(text="What is it?"),
        ],
    )


def own_inline() -> list[Message]:
    return [
        Message.user(
            FilePart("image/png", data=PNG),
            FilePart("application/pdf", url="https://example.com/a.pdf"),
            TextPart("What is it?"),
        )
    ]


CASES: dict[str, tuple[Any, dict[str, Any], Any, dict[str, Any]]] = {
    "a text": (lambda: "Hello", {}, "Hello", {}),
    "a system prompt and parameters": (
        lambda: "Hello",
        {
            "system_instruction": "Be brief.",
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 40,
            "max_output_tokens": 99,
            "stop_sequences": ["END"],
            "seed": 7,
            "presence_penalty": 0.5,
            "frequency_penalty": 0.25,
            "candidate_count": 2,
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
                "n": 2,
            }
        },
    ),
    "thinking by level": (
        lambda: "Hello",
        {"thinking_config": {"thinking_level": "LOW", "include_thoughts": True}},
        "Hello",
        {"parameters": {"reasoning_effort": "low"}, "provider_options": {"gemini": {"include_thoughts": True}}},
    ),
    "thinking by budget": (
        lambda: "Hello",
        {"thinking_config": {"thinking_budget": 512}},
        "Hello",
        {"parameters": {"reasoning_budget": 512}},
    ),
    "a form": (
        lambda: "Hello",
        {"response_mime_type": "application/json", "response_json_schema": SCHEMA},
        "Hello",
        {"response_format": ResponseFormat("json_schema", SCHEMA)},
    ),
    "tools": (
        turns,
        {
            "tools": [{"function_declarations": [DECLARED]}],
            "tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["weather"]}},
        },
        own_turns,
        {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "weather"}}},
    ),
    "files": (inline, {}, own_inline, {}),
    "what only Google has": (
        lambda: "Hello",
        {
            "tools": [{"google_search": {}}],
            "cached_content": "cachedContents/c1",
            "safety_settings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
            "response_modalities": ["TEXT", "IMAGE"],
        },
        "Hello",
        {
            "provider_options": {
                "gemini": {
                    "tools": [{"googleSearch": {}}],
                    "cachedContent": "cachedContents/c1",
                    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
                    "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
                }
            }
        },
    ),
}


AS_THEY_ARE = ("args", "response", "parametersJsonSchema", "responseJsonSchema")


def camel(name: str) -> str:
    """Google takes names in both cases, and its client writes some in each."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)


def without_defaults(value: Any) -> Any:
    """What both say, apart from empty objects, in one spelling."""
    if isinstance(value, dict):
        named = {camel(name): item for name, item in value.items()}
        made = {name: item if name in AS_THEY_ARE else without_defaults(item) for name, item in named.items()}
        return {name: item for name, item in made.items() if item not in ({}, None) or name == "googleSearch"}
    return [without_defaults(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_the_same_content_is_the_same_json(server: LoopbackServer, name: str, stream: bool) -> None:
    """Address, key and body."""
    contents, config, messages, arguments = CASES[name]
    client = genai.Client(api_key=KEY, http_options={"base_url": server.url, "api_version": "v1beta"})
    asked = {"model": "gemini-3.6-flash", "contents": contents(), "config": config or None}
    if stream:
        assert "".join(chunk.text for chunk in client.models.generate_content_stream(**asked)) == "Hi."
    else:
        assert client.models.generate_content(**asked).text == "Hi."
    theirs = server.requests[-1]
    with create_provider("gemini", {"base_url": server.url, "api_key": KEY}) as provider:
        said = messages() if callable(messages) else messages
        if stream:
            provider.stream_chat("gemini-3.6-flash", said, **arguments).read()
        else:
            provider.chat("gemini-3.6-flash", said, **arguments)
    ours = server.requests[-1]
    assert ours.path == theirs.path
    assert ours.headers["x-goog-api-key"] == theirs.headers["x-goog-api-key"] == KEY
    assert without_defaults(ours.json) == without_defaults(theirs.json)


def test_tokens_and_embeddings_are_asked_for_alike(server: LoopbackServer) -> None:
    """The same addresses and bodies."""
    client = genai.Client(api_key=KEY, http_options={"base_url": server.url, "api_version": "v1beta"})
    client.models.count_tokens(model="gemini-3.6-flash", contents="Hello")
    counted = server.requests[-1]
    client.models.embed_content(
        model="gemini-embedding-001",
        contents=["a", "b"],
        config={"task_type": "CLUSTERING", "output_dimensionality": 1},
    )
    embedded = server.requests[-1]
    with create_provider("gemini", {"base_url": server.url, "api_key": KEY}) as provider:
        assert provider.count_tokens("Hello", "gemini-3.6-flash") == 3
        assert (server.requests[-1].path, server.requests[-1].json) == (counted.path, counted.json)
        provider.create_embedding(["a", "b"], "gemini-embedding-001", task="CLUSTERING", dimensions=1)  # type: ignore[call-arg]
        ours = server.requests[-1].json
    theirs = embedded.json
    for request in theirs["requests"]:
        request["content"].pop("role", None)
    assert (server.requests[-1].path, ours) == (embedded.path, theirs)


def test_vertex_is_asked_for_alike(server: LoopbackServer) -> None:
    """The address of a model in its project and place, with a token."""
    from google.oauth2.credentials import Credentials

    client = genai.Client(
        vertexai=True,
        project="p",
        location="us-east5",
        credentials=Credentials("token-0123456789"),  # type: ignore[no-untyped-call]
        http_options={"base_url": server.url},
    )
    client.models.generate_content(model="gemini-3.6-flash", contents="Hello")
    theirs = server.requests[-1]
    config = {
        "base_url": server.url,
        "vertex": True,
        "project": "p",
        "location": "us-east5",
        "access_token": "token-0123456789",
    }
    with create_provider("gemini", config) as provider:
        provider.chat("gemini-3.6-flash", "Hello")
    ours = server.requests[-1]
    assert (ours.path, ours.json) == (theirs.path, without_defaults(theirs.json))
    assert ours.headers["authorization"] == theirs.headers["authorization"]
