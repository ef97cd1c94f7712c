"""What is sent, beside the vendors' own clients: they take the same content, and send the same JSON.

A client is given our body as its arguments: one that it does not know is a ``TypeError``, and what it then sends must
be what we sent, up to defaults that it adds.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.testing.server import Answer, LoopbackServer

KEY = "a-key-0123456789"
ANSWER = {
    "id": "i",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
}
TOOL = {
    "name": "look",
    "description": "Look.",
    "parameters": {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]},
}
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
CALL = {"id": "abcDEF123", "type": "function", "function": {"name": "look", "arguments": '{"at": "sea"}'}}
TALK = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Look at the sea."},
    {"role": "assistant", "content": "I look.", "reasoning_content": "The sea is far.", "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "abcDEF123", "content": "Blue."},
    {"role": "user", "content": "And?"},
]
PICTURE = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is this?"},
            {"type": "image_url", "image_url": {"url": "https://host.example/a.png"}},
        ],
    }
]
TEXT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}]
USUAL = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 99, "stop": ["END"]}
ALL: Mapping[str, Mapping[str, Any]] = {
    "groq": {**USUAL, "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.1, "user": "u"},
    "together": {**USUAL, "seed": 3, "top_k": 4, "min_p": 0.1, "repeat_penalty": 1.1, "n": 2, "top_logprobs": 2},
    "cerebras": {**USUAL, "seed": 3, "logprobs": True, "top_logprobs": 2, "user": "u", "service_tier": "auto"},
    "perplexity": {**USUAL, "top_k": 4, "presence_penalty": 0.1, "frequency_penalty": 0.1},
    "mistral": {**USUAL, "seed": 3, "presence_penalty": 0.1, "frequency_penalty": 0.1, "n": 2},
}
EFFORT: Mapping[str, tuple[str, str]] = {
    "groq": ("openai/gpt-oss-20b", "high"),
    "together": ("openai/gpt-oss-20b", "high"),
    "cerebras": ("gpt-oss-120b", "high"),
    "perplexity": ("sonar-reasoning-pro", "high"),
    "mistral": ("mistral-medium-latest", "none"),
}


def _groq(url: str, body: Mapping[str, Any]) -> None:
    groq = pytest.importorskip("groq", reason="the vendor's client is not installed")
    groq.Groq(api_key=KEY, base_url=url, max_retries=0).chat.completions.create(**body)


def _together(url: str, body: Mapping[str, Any]) -> None:
    together = pytest.importorskip("together", reason="the vendor's client is not installed")
    together.Together(api_key=KEY, base_url=url, max_retries=0).chat.completions.create(**body)


def _cerebras(url: str, body: Mapping[str, Any]) -> None:
    sdk = pytest.importorskip("cerebras.cloud.sdk", reason="the vendor's client is not installed")
    client = sdk.Cerebras(api_key=KEY, base_url=url, max_retries=0, warm_tcp_connection=False)
    client.chat.completions.create(**body)


def _perplexity(url: str, body: Mapping[str, Any]) -> None:
    perplexity = pytest.importorskip("perplexity", reason="the vendor's client is not installed")
    perplexity.Perplexity(api_key=KEY, base_url=url, max_retries=0).chat.completions.create(**body)


def _mistral(url: str, body: Mapping[str, Any]) -> None:
    client = pytest.importorskip("mistralai.client", reason="the vendor's client is not installed")
    with client.Mistral(api_key=KEY, server_url=url) as made:
        made.chat.complete(**body)


CLIENTS: Mapping[str, Callable[[str, Mapping[str, Any]], None]] = {
    "groq": _groq,
    "together": _together,
    "cerebras": _cerebras,
    "perplexity": _perplexity,
    "mistral": _mistral,
}
CONTENTS: Mapping[str, Mapping[str, Any]] = {
    "a text": {"messages": TEXT},
    "tools": {"messages": TEXT, "tools": [TOOL], "tool_choice": "required"},
    "one tool": {"messages": TEXT, "tools": [TOOL], "tool_choice": "look"},
    "a conversation": {"messages": TALK, "tools": [TOOL]},
    "a schema": {"messages": TEXT, "response_format": SCHEMA},
    "json": {"messages": TEXT, "response_format": "json"},
    "a picture": {"messages": PICTURE},
}
LACKING = {
    ("perplexity", "tools"),
    ("perplexity", "one tool"),
    ("perplexity", "a conversation"),
    ("perplexity", "json"),
}
LACKING |= {("cerebras", "a picture")}


def sent(name: str, model: str = "m", **asked: Any) -> dict[str, Any]:
    """The body that a chat is sent in."""
    with LoopbackServer(lambda request, connection: connection.answer(Answer.of_json(ANSWER))) as server:
        with create_provider(name, {"api_key": KEY, "base_url": server.url}) as provider, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            provider.chat(model, asked.pop("messages", TEXT), **asked)
        body: dict[str, Any] = server.requests[-1].json
        return body


def by_client(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The body in which the vendor's own client sends the same."""
    with LoopbackServer(lambda request, connection: connection.answer(Answer.of_json(ANSWER))) as server:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            CLIENTS[name](server.url, body)
        theirs: dict[str, Any] = next(request.json for request in server.requests if request.method == "POST")
        return theirs


def missing(ours: Any, theirs: Any, where: str = "body") -> list[str]:
    """What of ours is not in theirs; what theirs adds is a default."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return [problem for key in ours for problem in missing(ours[key], theirs.get(key), f"{where}.{key}")]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [problem for number, (one, other) in pairs for problem in missing(one, other, f"{where}[{number}]")]
    return [] if ours == theirs else [f"{where}: {json.dumps(ours)} is sent as {json.dumps(theirs)}"]


@pytest.mark.parametrize("name", CLIENTS)
@pytest.mark.parametrize("content", CONTENTS)
def test_the_vendors_client_sends_the_same(name: str, content: str) -> None:
    """Texts, tools, choices, conversations with thoughts, forms, pictures."""
    if (name, content) in LACKING:
        pytest.skip(f"{name} does not have it")
    body = sent(name, **CONTENTS[content])
    assert missing(body, by_client(name, body)) == []


@pytest.mark.parametrize("name", CLIENTS)
def test_the_vendors_client_knows_every_parameter(name: str) -> None:
    """Under the names in which they are sent, reasoning effort among them."""
    model, effort = EFFORT[name]
    for parameters in (ALL[name], {"reasoning_effort": effort}):
        body = sent(name, model, parameters=dict(parameters))
        assert len(body) == 2 + len(parameters) + ("top_logprobs" in parameters and "logprobs" not in body)
        assert missing(body, by_client(name, body)) == []
