"""Google, as far as tests need it: answers in its format, and a server that gives them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.tools import Tool

KEY = "test-key-0123456789"


PNG = b"\x89PNG\r\n\x1a\n"


WEATHER = Tool("weather", "Tell the weather.", {"type": "object", "properties": {"city": {"type": "string"}}})


def answered(*parts: Mapping[str, Any], reason: str = "STOP", **more: Any) -> dict[str, Any]:
    """An answer of generateContent."""
    return {
        "candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": reason}],
        "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "thoughtsTokenCount": 5},
        "modelVersion": "gemini-3.6-flash",
        "responseId": "answer",
        **more,
    }


HELLO = answered({"text": "Hello."})


class Google:
    """Gives ``answers`` one after the other, the last one again and again; an exception of its own is a status."""

    def __init__(self) -> None:
        self.answers: list[Any] = [HELLO]
        self.by_path: dict[str, Any] = {}

    def __call__(self, request: ReceivedRequest, connection: Connection) -> None:
        path = request.path.partition("?")[0]
        given = self.by_path.get(f"{request.method} {path}")
        if given is None:
            given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        connection.answer(given if isinstance(given, Answer) else Answer.of_json(given))


def sent(server: LoopbackServer, position: int = -1) -> Any:
    return server.requests[position].json


def weather(city: str) -> dict[str, str]:
    """Tell the weather."""
    return {"sky": "clear", "city": city}


def call(city: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": "weather", "args": {"city": city}, **more}}


def streamed(*answers: Mapping[str, Any]) -> Answer:
    """A stream of answers."""
    body = "".join(f"data: {json.dumps(answer)}\n\n" for answer in answers)
    return Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))


def candidate(*parts: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    """An answer without an id."""
    return {"candidates": [{"content": {"parts": list(parts)}, **({"finishReason": reason} if reason else {})}]}
