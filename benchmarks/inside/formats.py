"""The three formats that the stub speaks: what is asked, and where the text stands in the answer."""

from __future__ import annotations

import json
from typing import Any

PROMPT = "Say hello."
MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5", "ollama": "llama3.2"}
PATHS = {"openai": "/v1/chat/completions", "anthropic": "/v1/messages", "ollama": "/api/chat"}
HEADERS = {
    "openai": {"Authorization": "Bearer stub-key"},
    "anthropic": {"x-api-key": "stub-key", "anthropic-version": "2023-06-01"},
    "ollama": {},
}
STREAMED = {"stream": True}


def payload(shape: str, *, stream: bool) -> dict[str, Any]:
    """The body of one question."""
    body: dict[str, Any] = {
        "model": MODELS[shape],
        "messages": [{"role": "user", "content": PROMPT}],
        "stream": stream,
    }
    return {**body, "max_tokens": 1024} if shape == "anthropic" else body


def text_in(shape: str, answer: Any) -> str:
    """The text of a whole answer."""
    if shape == "openai":
        return str(answer["choices"][0]["message"]["content"])
    if shape == "anthropic":
        return str(answer["content"][0]["text"])
    return str(answer["message"]["content"])


def piece_in(shape: str, line: bytes) -> str | None:
    """The text in one line of a stream: no more than a program without a library would do."""
    if shape == "ollama":
        return json.loads(line)["message"]["content"] if line else None  # type: ignore[no-any-return]
    if not line.startswith(b"data: ") or line == b"data: [DONE]":
        return None
    event = json.loads(line[6:])
    if shape == "openai":
        return event["choices"][0]["delta"].get("content")  # type: ignore[no-any-return]
    return event["delta"].get("text") if event["type"] == "content_block_delta" else None
