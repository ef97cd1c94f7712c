"""Sample answers of the chat-completions format, for providers that speak it and have no recordings.

Written by hand after the format's public description; recordings of the real provider say more.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from .recordings import Recording

MODEL = "sample-model"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
TEXT = "Grüße: hello from a sample. 👋"
ARGUMENTS = '{"city": "Zürich"}'


def sample(
    name: str,
    body: bytes | str | Mapping[str, Any],
    *,
    stream: bool = False,
    status: int = 200,
    expected: Mapping[str, Any] | None = None,
    content_type: str | None = None,
    path: str = "/v1/chat/completions",
) -> Recording:
    """A recording made by hand: an answer, and what is to be read from it (in the terms of recordings)."""
    if isinstance(body, Mapping):
        body = json.dumps(body, ensure_ascii=False)
    data = body.encode() if isinstance(body, str) else body
    kind = content_type or ("text/event-stream" if stream else "application/json")
    request: dict[str, Any] = {"method": "POST", "path": path, "headers": {}, "json": None}
    return Recording(name, "samples", stream, (), request, status, {"content-type": kind}, data, expected)


def server_sent(values: Iterable[Mapping[str, Any] | str]) -> str:
    """A stream of server-sent events, one for each value."""
    texts = (value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) for value in values)
    return "".join(f"data: {text}\n\n" for text in texts)


def assembled_chat_completion(recording: Recording) -> bytes | None:
    """The whole answer that a stream of this format adds up to; ``None`` where it holds more than text and calls."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    calls: dict[int, dict[str, Any]] = {}
    whole: dict[str, Any] = {"object": "chat.completion"}
    finish: dict[str, Any] = {}
    for line in recording.body.decode().splitlines():
        if not line.startswith("data:") or line[5:].strip() == "[DONE]":
            continue
        chunk = json.loads(line[5:])
        whole.update({key: chunk[key] for key in ("id", "model", "usage") if chunk.get(key)})
        for choice in chunk.get("choices", ()):
            delta = choice.get("delta") or {}
            if choice.get("index") or set(delta) - {"role", "content", "tool_calls", "refusal"} or delta.get("refusal"):
                return None
            if delta.get("content"):
                message["content"] = (message["content"] or "") + delta["content"]
            for fragment in delta.get("tool_calls") or ():
                _add_call(calls, fragment)
            finish.update({key: choice[key] for key in ("finish_reason", "native_finish_reason") if choice.get(key)})
    if calls:
        message["tool_calls"] = [calls[index] for index in sorted(calls)]
    whole["choices"] = [{"index": 0, "message": message, **finish}]
    return json.dumps(whole).encode()


def _add_call(calls: dict[int, dict[str, Any]], fragment: Mapping[str, Any]) -> None:
    call = calls.setdefault(fragment.get("index", 0), {"type": "function", "function": {"name": "", "arguments": ""}})
    if fragment.get("id"):
        call["id"] = fragment["id"]
    for field, value in (fragment.get("function") or {}).items():
        call["function"][field] = call["function"].get(field, "") + (value or "")


def _whole(message: Mapping[str, Any], reason: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": reason}
    return {"id": "sample-1", "object": "chat.completion", "model": MODEL, "choices": [choice], "usage": USAGE}


def _streamed(deltas: Iterable[Mapping[str, Any]], reason: str) -> str:
    head = {"id": "sample-1", "object": "chat.completion.chunk", "model": MODEL}
    chunks: list[Mapping[str, Any] | str] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
    ]
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    chunks.append({**head, "choices": [], "usage": USAGE})
    return server_sent([*chunks, "[DONE]"])


def _expected(text: str, reason: str, calls: Iterable[Mapping[str, Any]] = ()) -> dict[str, Any]:
    return {
        "text": text,
        "tool_calls": list(calls),
        "finish_reason": reason,
        "usage": {"input_tokens": 11, "output_tokens": 7},
        "model": MODEL,
        "reasoning": None,
    }


def _call(arguments: str, **more: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": arguments}, **more}


_CALLED = [{"name": "weather", "arguments_raw": ARGUMENTS, "arguments": json.loads(ARGUMENTS), "id": "call_1"}]
_ERROR = {"error": {"message": "no such model", "type": "invalid_request_error", "code": "model_not_found"}}
_QUOTA = {"error": {"message": "nothing left", "type": "insufficient_quota", "code": "insufficient_quota"}}

CHAT_COMPLETIONS: tuple[Recording, ...] = (
    sample("sample-text", _whole({"content": TEXT}, "stop"), expected=_expected(TEXT, "stop")),
    sample(
        "sample-text-stream",
        _streamed([{"role": "assistant", "content": ""}, *({"content": letter} for letter in TEXT)], "stop"),
        stream=True,
        expected=_expected(TEXT, "stop"),
    ),
    sample(
        "sample-tools",
        _whole({"content": None, "tool_calls": [_call(ARGUMENTS)]}, "tool_calls"),
        expected=_expected("", "tool_calls", _CALLED),
    ),
    sample(
        "sample-tools-stream",
        _streamed(
            [
                {"role": "assistant", "content": None, "tool_calls": [_call("", index=0)]},
                *({"tool_calls": [{"index": 0, "function": {"arguments": part}}]} for part in ARGUMENTS),
            ],
            "tool_calls",
        ),
        stream=True,
        expected=_expected("", "tool_calls", _CALLED),
    ),
    sample("sample-length", _whole({"content": "One, two"}, "length"), expected=_expected("One, two", "length")),
    sample(
        "sample-no-model",
        _ERROR,
        status=404,
        expected={"error": {"status": 404, **_ERROR["error"]}},
    ),
    sample(
        "sample-no-quota",
        _QUOTA,
        status=429,
        expected={"error": {"status": 429, **_QUOTA["error"]}},
    ),
)
"""Answers and failures of the format, whole and streamed."""
