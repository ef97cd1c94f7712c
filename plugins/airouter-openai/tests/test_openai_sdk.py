"""The vendor's own client, asked for the same content, sends the same JSON."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart, Message, TextPart
from airouter_core.values.tools import Tool

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    openai = pytest.importorskip("openai", reason="the vendor's client is a test dependency of this plugin")

KEY = "sk-test-0123456789"
PNG = b"\x89PNG\r\n\x1a\nrest"
PDF = b"%PDF-1.7 rest"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOL = Tool("weather", "Tell the weather", SCHEMA)

ANSWERS = {
    "chat/completions": {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    },
    "responses": {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed", "output": []},
    "completions": {
        "id": "c",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "text": "upon", "finish_reason": "stop", "logprobs": None}],
    },
    "embeddings": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    },
    "images/generations": {"created": 1, "data": [{"b64_json": "aGVsbG8="}]},
    "moderations": {
        "id": "m",
        "model": "m",
        "results": [{"flagged": False, "categories": {}, "category_scores": {}}],
    },
    "responses/input_tokens": {"object": "response.input_tokens", "input_tokens": 3},
}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Answers each endpoint in its form, and keeps what was asked."""

    def answer(request: Any, connection: Any) -> None:
        connection.answer(Answer.of_json(ANSWERS[request.path.removeprefix("/v1/")]))

    with LoopbackServer(answer) as running:
        yield running


@pytest.fixture
def client(server: LoopbackServer) -> Iterator[Any]:
    with openai.OpenAI(api_key=KEY, base_url=f"{server.url}/v1", max_retries=0, organization="org-a") as made:
        yield made


def ours(server: LoopbackServer, **config: Any) -> Any:
    return create_provider(
        "openai", {"api_key": KEY, "base_url": f"{server.url}/v1", "organization": "org-a", **config}
    )


def both(server: LoopbackServer) -> tuple[Any, Any]:
    """The last two bodies, after seeing that they went to the same place with the same credentials."""
    first, second = server.requests[-2:]
    assert (first.method, first.path) == (second.method, second.path)
    for name in ("authorization", "openai-organization", "content-type"):
        assert first.headers.get(name) == second.headers.get(name), name
    return json.loads(first.body), json.loads(second.body)


HISTORY = [
    Message.system("Be brief."),
    Message.user("Weather in Paris?"),
    {
        "role": "assistant",
        "content": "I look.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "Sunny"},
]
FILES = [
    Message.user(TextPart("Look."), FilePart("image/png", data=PNG), FilePart("application/pdf", PDF, name="a.pdf"))
]


def test_a_chat_completion_is_the_clients(server: LoopbackServer, client: Any) -> None:
    """A conversation with tools, and every parameter of a model that takes them all."""
    ours(server).chat(
        "gpt-4o",
        HISTORY,
        parameters={
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 50,
            "stop": ["END"],
            "seed": 7,
            "presence_penalty": 0.1,
            "frequency_penalty": 0.2,
            "logit_bias": {"50256": -100},
            "n": 1,
            "top_logprobs": 3,
            "parallel_tool_calls": False,
            "user": "u1",
            "service_tier": "flex",
        },
        tools=[TOOL],
        tool_choice="weather",
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    )
    client.chat.completions.create(
        model="gpt-4o",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Weather in Paris?"},
            HISTORY[2],
            HISTORY[3],
        ],
        temperature=0.5,
        top_p=0.9,
        max_tokens=50,
        stop=["END"],
        seed=7,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logit_bias={"50256": -100},
        n=1,
        logprobs=True,
        top_logprobs=3,
        parallel_tool_calls=False,
        user="u1",
        service_tier="flex",
        tools=[
            {
                "type": "function",
                "function": {"name": "weather", "description": "Tell the weather", "parameters": SCHEMA},
            }
        ],
        tool_choice={"type": "function", "function": {"name": "weather"}},
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
    )
    mine, theirs = both(server)
    assert mine == theirs


def test_a_chat_completion_of_a_reasoning_model_is_the_clients(server: LoopbackServer, client: Any) -> None:
    """The role of the system message, the name of max_tokens, reasoning effort, and files."""
    ours(server).chat(
        "gpt-5", [Message.system("Be brief."), *FILES], parameters={"max_tokens": 50, "reasoning_effort": "low"}
    )
    client.chat.completions.create(
        model="gpt-5",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look."},
                    {"type": "image_url", "image_url": {"url": FILES[0].parts[1].data_url}},
                    {"type": "file", "file": {"filename": "a.pdf", "file_data": FILES[0].parts[2].data_url}},
                ],
            },
        ],
        max_completion_tokens=50,
        reasoning_effort="low",
    )
    mine, theirs = both(server)
    assert mine == theirs


def test_a_response_is_the_clients(server: LoopbackServer, client: Any) -> None:
    """The same conversation over the Responses API, with nothing stored."""
    ours(server, api="responses").chat(
        "gpt-5.2",
        HISTORY,
        parameters={
            "max_tokens": 50,
            "reasoning_effort": "none",
            "temperature": 0.5,
            "top_logprobs": 2,
            "verbosity": "low",
            "parallel_tool_calls": False,
            "user": "u1",
            "service_tier": "flex",
        },
        tools=[TOOL],
        tool_choice="weather",
        response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True}},
        provider_options={"openai": {"tools": [{"type": "web_search"}], "prompt_cache_key": "k"}},
    )
    client.responses.create(
        model="gpt-5.2",
        input=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Weather in Paris?"},
            {"role": "assistant", "content": "I look."},
            {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Paris"}'},
            {"type": "function_call_output", "call_id": "call_1", "output": "Sunny"},
        ],
        max_output_tokens=50,
        reasoning={"effort": "none"},
        temperature=0.5,
        top_logprobs=2,
        text={
            "format": {"type": "json_schema", "name": "answer", "schema": SCHEMA, "strict": True},
            "verbosity": "low",
        },
        parallel_tool_calls=False,
        safety_identifier="u1",
        service_tier="flex",
        tools=[
            {
                "type": "function",
                "name": "weather",
                "description": "Tell the weather",
                "parameters": SCHEMA,
                "strict": False,
            },
            {"type": "web_search"},
        ],
        tool_choice={"type": "function", "name": "weather"},
        include=["message.output_text.logprobs", "reasoning.encrypted_content"],
        store=False,
        prompt_cache_key="k",
    )
    mine, theirs = both(server)
    assert mine == theirs


def test_a_response_with_files_is_the_clients(server: LoopbackServer, client: Any) -> None:
    """Images and documents, and a model that does not reason."""
    ours(server, api="responses", store=True).chat("gpt-4o", [*FILES], response_format="json")
    client.responses.create(
        model="gpt-4o",
        input=[
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look."},
                    {"type": "input_image", "image_url": FILES[0].parts[1].data_url, "detail": "auto"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": FILES[0].parts[2].data_url},
                ],
            }
        ],
        text={"format": {"type": "json_object"}},
        store=True,
    )
    mine, theirs = both(server)
    assert mine == theirs


def test_streams_are_asked_for_as_the_client_does(server: LoopbackServer, client: Any) -> None:
    """``stream`` over both APIs, with the usage that chat completions give only when asked."""
    ours(server).stream_chat("gpt-4o", "Hi").read()
    client.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "Hi"}],
        stream=True,
        stream_options={"include_usage": True},
    ).close()
    mine, theirs = both(server)
    assert mine == theirs
    ours(server, api="responses").stream_chat("gpt-4o", "Hi").read()
    client.responses.create(model="gpt-4o", input=[{"role": "user", "content": "Hi"}], stream=True, store=False).close()
    mine, theirs = both(server)
    assert mine == theirs


def test_the_other_endpoints_are_the_clients(server: LoopbackServer, client: Any) -> None:
    """Embeddings, images, moderation and counting."""
    ours(server).create_embedding(["a"], model="text-embedding-3-small", dimensions=8)
    client.embeddings.create(model="text-embedding-3-small", input=["a"], dimensions=8, encoding_format="float")
    mine, theirs = both(server)
    assert {"encoding_format": "float", **mine} == theirs

    ours(server).create_image("a cat", model="gpt-image-2", size="1024x1024", n=2, quality="low", output_format="webp")
    client.images.generate(
        prompt="a cat", model="gpt-image-2", size="1024x1024", n=2, quality="low", output_format="webp"
    )
    mine, theirs = both(server)
    assert mine == theirs

    image = FilePart("image/png", data=PNG)
    ours(server).moderate_content(["words", image])
    client.moderations.create(
        model="omni-moderation-latest",
        input=[{"type": "text", "text": "words"}, {"type": "image_url", "image_url": {"url": image.data_url}}],
    )
    mine, theirs = both(server)
    assert mine == theirs

    ours(server, api="completions").chat("davinci-002", "Once", parameters={"max_tokens": 5, "stop": "."})
    client.completions.create(model="davinci-002", prompt="Once", max_tokens=5, stop=["."])
    mine, theirs = both(server)
    assert mine == theirs

    assert ours(server, api="responses").count_tokens("words", "gpt-5") == 3
    client.responses.input_tokens.count(model="gpt-5", input="words")
    mine, theirs = both(server)
    assert mine == theirs
