"""A stand-in for the vendors: one small server that answers their endpoints with the least that is valid."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

OLLAMA_PORT = 11434
"""The document names it, so nothing else will do."""
TEXT = "An answer."
WORDS = ("An ", "answer.")
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 16).decode()
WRONG_KEY = "invalid"
"""The document's own example of one."""


class StandIn(ThreadingHTTPServer):
    """The server, and what it was asked."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), Vendors)
        self.asked: list[tuple[str, Any]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """Where the providers find it, and keys."""
        return {
            "OPENAI_BASE_URL": f"{self.address}/openai/v1",
            "OPENAI_API_KEY": "sk-of-nobody",
            "ANTHROPIC_BASE_URL": f"{self.address}/anthropic",
            "OPENROUTER_BASE_URL": f"{self.address}/openrouter/api/v1",
        }


class Vendors(BaseHTTPRequestHandler):
    """All vendors' endpoints, told apart by their paths."""

    protocol_version = "HTTP/1.1"
    server: StandIn

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        self._answer(json.loads(self.rfile.read(length) or b"null"))

    def _answer(self, asked: Any) -> None:
        path = self.path.partition("?")[0]
        self.server.asked.append((path, asked))
        if WRONG_KEY in (self.headers.get("authorization") or ""):
            self._send(401, {"error": {"message": "Incorrect API key provided", "code": "invalid_api_key"}})
        elif path in self.whole and not (asked or {}).get("stream", path.startswith("/api/")):
            self._send(200, self.whole[path])
        elif path in self.streams:
            self._send_text(*self.streams[path])
        elif path in self.whole:
            self._send(200, self.whole[path])
        else:
            self._send(404, {"error": {"message": f"the stand-in knows no {path}", "type": "not_found"}})

    def _send(self, status: int, value: Any) -> None:
        self._send_text("application/json", json.dumps(value), status)

    def _send_text(self, kind: str, text: str, status: int = 200) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    whole: ClassVar[dict[str, Any]]
    streams: ClassVar[dict[str, tuple[str, str]]]


def _completion(model: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": TEXT}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return {"id": "chat-1", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage}


def _sse(*events: Mapping[str, Any] | str, named: bool = False) -> tuple[str, str]:
    lines = []
    for event in events:
        name = f"event: {event['type']}\n" if named and isinstance(event, Mapping) else ""
        lines.append(f"{name}data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
    return "text/event-stream", "".join(lines)


def _completion_stream(model: str) -> tuple[str, str]:
    head = {"id": "chat-1", "object": "chat.completion.chunk", "model": model}
    chunks = [{**head, "choices": [{"index": 0, "delta": {"content": word}}]} for word in WORDS]
    last = {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    return _sse(*chunks, last, "[DONE]")


def _message(content: list[Any], stop_reason: str | None) -> dict[str, Any]:
    head = {"id": "msg-1", "type": "message", "role": "assistant", "model": "claude-opus-5-5", "content": content}
    return {**head, "stop_reason": stop_reason, "usage": {"input_tokens": 3, "output_tokens": 2}}


def _ndjson(*values: Mapping[str, Any]) -> tuple[str, str]:
    return "application/x-ndjson", "".join(json.dumps(value) + "\n" for value in values)


_OPENAI, _CLAUDE, _ROUTER = "/openai/v1", "/anthropic/v1", "/openrouter/api/v1"
_OUTPUT = [
    {
        "type": "message",
        "id": "item-1",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
    }
]
_RESPONSE = {
    "id": "resp-1",
    "object": "response",
    "status": "completed",
    "model": "gpt-5.5",
    "output": _OUTPUT,
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
_JUDGED = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.0}}
_LISTED = [
    {
        "id": f"openai/gpt-{number}",
        "name": f"OpenAI: GPT-{number}",
        "description": "Good at coding.",
        "context_length": 128000,
        "pricing": {"prompt": price, "completion": price},
    }
    for number, price in ((4, "0.00003"), (5, "0.00001"))
]
_TOLD = {"model": "mistral", "created_at": "2026-11-23T00:00:00Z"}
_DONE = {"done": True, "done_reason": "stop", "prompt_eval_count": 3, "eval_count": 2}

Vendors.whole = {
    f"{_OPENAI}/models": {
        "object": "list",
        "data": [{"id": "gpt-4", "object": "model", "created": 1, "owned_by": "-"}],
    },
    f"{_OPENAI}/chat/completions": _completion("gpt-4"),
    f"{_OPENAI}/responses": _RESPONSE,
    f"{_OPENAI}/embeddings": {"object": "list", "data": [{"index": 0, "embedding": [0.5, 0.25]}], "model": "-"},
    f"{_OPENAI}/images/generations": {"created": 1, "data": [{"b64_json": PICTURE}]},
    f"{_OPENAI}/moderations": {"id": "modr-1", "model": "omni-moderation-latest", "results": [_JUDGED]},
    f"{_CLAUDE}/models": {
        "data": [
            {"type": "model", "id": "claude-opus-5-5", "display_name": "Opus", "created_at": "2026-09-01T00:00:00Z"}
        ],
        "has_more": False,
    },
    f"{_CLAUDE}/messages": _message([{"type": "text", "text": TEXT}], "end_turn"),
    f"{_CLAUDE}/messages/count_tokens": {"input_tokens": 2},
    f"{_ROUTER}/models": {"data": _LISTED},
    f"{_ROUTER}/chat/completions": _completion("openai/gpt-4"),
    f"{_ROUTER}/credits": {"data": {"total_credits": 10, "total_usage": 2.5}},
    f"{_ROUTER}/key": {"data": {"label": "a key", "limit": None, "usage": 2.5}},
    "/api/version": {"version": "0.30.0"},
    "/api/tags": {"models": [{"name": "mistral:latest", "model": "mistral:latest", "size": 1, "digest": "0" * 64}]},
    "/api/ps": {"models": []},
    "/api/show": {"model_info": {"general.architecture": "llama", "llama.context_length": 8192}, "details": {}},
    "/api/chat": {**_TOLD, "message": {"role": "assistant", "content": TEXT}, **_DONE},
    "/api/pull": {"status": "success"},
}
Vendors.streams = {
    f"{_OPENAI}/chat/completions": _completion_stream("gpt-4"),
    f"{_ROUTER}/chat/completions": _completion_stream("openai/gpt-4"),
    f"{_OPENAI}/responses": _sse(
        {"type": "response.created", "response": {**_RESPONSE, "status": "in_progress", "output": []}},
        {"type": "response.output_item.added", "output_index": 0, "item": {**_OUTPUT[0], "content": []}},
        *({"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": w} for w in WORDS),
        {"type": "response.output_item.done", "output_index": 0, "item": _OUTPUT[0]},
        {"type": "response.completed", "response": _RESPONSE},
        named=True,
    ),
    f"{_CLAUDE}/messages": _sse(
        {"type": "message_start", "message": _message([], None)},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": w}} for w in WORDS),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
        named=True,
    ),
    "/api/chat": _ndjson(
        *({**_TOLD, "message": {"role": "assistant", "content": word}, "done": False} for word in WORDS),
        {**_TOLD, "message": {"role": "assistant", "content": ""}, **_DONE},
    ),
    "/api/pull": _ndjson({"status": "pulling manifest"}, {"status": "success"}),
}


def _served(server: StandIn) -> Iterator[StandIn]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def vendors() -> Iterator[StandIn]:
    """OpenAI, Claude and OpenRouter, on a free port."""
    yield from _served(StandIn(0))


@pytest.fixture(scope="session")
def ollama() -> Iterator[StandIn]:
    """Ollama, on its own port."""
    try:
        server = StandIn(OLLAMA_PORT)
    except OSError as error:
        pytest.skip(f"port {OLLAMA_PORT} is not free for a stand-in of Ollama: {error}")
    yield from _served(server)
