"""What Google and Cohere answer to the snippets of their pages: the least that is valid."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

PICTURE = "iVBORw0KGgo="
SAID = "something"
GEMINI_METHOD = re.compile(r"/gemini/v1beta/models/[^/:]+:(\w+)")


class Given(NamedTuple):
    """An answer: its content type, its bytes, further headers."""

    kind: str
    data: bytes
    headers: Mapping[str, str] = {}


def answer_to(method: str, target: str, asked: Any, filled: Callable[[Mapping[str, Any]], Any]) -> Given | None:
    """The answer of one of these vendors; ``None`` for what is asked of another.

    Args:
        target: path and query, below the vendor's name.
        filled: makes the least that fits a schema.
    """
    path, _, query = target.partition("?")
    if path == "/gemini/upload/v1beta/files":
        return _json({"file": FILE}) if "upload_id" in query else _json({}, {"x-goog-upload-url": UPLOAD})
    if called := GEMINI_METHOD.fullmatch(path):
        return _called(called.group(1), asked, filled)
    if path == "/cohere/v2/chat" and asked["stream"]:
        return _events(*COHERE_STREAM, "[DONE]")
    if path == "/cohere/v2/embed":
        return _json({"embeddings": {"float": [[0.5, 0.25]] * len(asked["texts"])}})
    if path == "/cohere/v2/rerank":
        count = len(asked["documents"])
        return _json({"results": [{"index": index, "relevance_score": 1 / (1 + index)} for index in range(count)]})
    if path.startswith("/gemini/v1beta/cachedContents"):
        return _json({} if method == "DELETE" else CACHE)
    return _json(WHOLE[path]) if path in WHOLE else None


def _called(method: str, asked: Any, filled: Callable[[Mapping[str, Any]], Any]) -> Given:
    match method:
        case "streamGenerateContent":
            return _events(_generated({"text": SAID}))
        case "countTokens":
            return _json({"totalTokens": 3})
        case "batchEmbedContents":
            return _json({"embeddings": [{"values": [0.5, 0.25]}] * len(asked["requests"])})
    config = asked.get("generationConfig", {})
    if "IMAGE" in config.get("responseModalities", ()):
        return _json(_generated({"inlineData": {"mimeType": "image/png", "data": PICTURE}}))
    wanted = config.get("responseJsonSchema")
    return _json(_generated({"text": SAID if wanted is None else json.dumps(filled(_resolved(wanted)))}))


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**schema, **schema.get("$defs", {}).get(schema.get("$ref", "").rpartition("/")[2], {})}


def _generated(part: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
        "modelVersion": "gemini-3.6-flash",
        "responseId": "r1",
    }


def _json(value: Any, headers: Mapping[str, str] | None = None) -> Given:
    return Given("application/json", json.dumps(value).encode(), headers or {})


def _events(*events: Any) -> Given:
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return Given("text/event-stream", "".join(f"data: {text}\r\n\r\n" for text in texts).encode())


UPLOAD = "https://generativelanguage.googleapis.com/upload/v1beta/files?upload_id=u1"
FILE = {
    "name": "files/f1",
    "uri": "https://generativelanguage.googleapis.com/v1beta/files/f1",
    "mimeType": "image/jpeg",
    "state": "ACTIVE",
}
CACHE = {"name": "cachedContents/c1", "model": "models/gemini-3.6-flash", "usageMetadata": {"totalTokenCount": 9}}
_TEXT = {"type": "text", "text": SAID}
COHERE_STREAM = (
    {"type": "message-start", "id": "a1", "delta": {"message": {"role": "assistant"}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": _TEXT}}},
    {"type": "content-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}},
)
WHOLE: Mapping[str, Any] = {
    "/gemini/v1beta/models": {"models": [{"name": "models/gemini-3.6-flash", "inputTokenLimit": 1_048_576}]},
    "/gemini/v1beta/interactions": {
        "id": "v1_1",
        "status": "completed",
        "model": "gemini-3.6-flash",
        "steps": [{"type": "model_output", "content": [_TEXT]}],
    },
    "/cohere/v2/chat": {
        "id": "a1",
        "finish_reason": "COMPLETE",
        "message": {"role": "assistant", "content": [_TEXT]},
        "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}},
    },
    "/cohere/v1/tokenize": {"tokens": [1, 2, 3]},
    "/cohere/v1/models": {"models": [{"name": "command-a-03-2025", "endpoints": ["chat"]}]},
}
