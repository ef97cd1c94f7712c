"""Answers in the chat-completions format, to be read as bodies and as streams."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.testing.recordings import pieces
from airouter_core.values.folding import fold
from airouter_core.values.messages import ToolCallPart
from airouter_core.values.response import Response
from airouter_core.wire.failures import ErrorTable

DIALECT = ChatDialect(provider="p", errors=ErrorTable("p", COMMON_CODES))


WIRE = DIALECT.wire()


def sse(*chunks: Any, done: bool = True) -> bytes:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    return "".join((*lines, "data: [DONE]\n\n" if done else "")).encode()


def chunk(delta: Any = None, finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    return {
        "id": "i",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [choice],
        **more,
    }


def body(message: Any, finish: str | None = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"id": "i", "object": "chat.completion", "model": "m", "choices": [choice], **more}).encode()


def read_stream(data: bytes, dialect: ChatDialect = DIALECT, size: int | None = None) -> Response:
    parser = dialect.wire().open_stream()

    def events() -> Iterable[Any]:
        for piece in (data,) if size is None else pieces(data, size):
            yield from parser.feed(piece)
        yield from parser.close()

    return fold(events())


def read_body(data: bytes, dialect: ChatDialect = DIALECT) -> Response:
    return fold(dialect.wire().parse_body(data))


USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def calls(*deltas: Any) -> tuple[ToolCallPart, ...]:
    response = read_stream(sse(*(chunk({"tool_calls": delta}) for delta in deltas), chunk(None, "tool_calls")))
    return response.tool_calls
