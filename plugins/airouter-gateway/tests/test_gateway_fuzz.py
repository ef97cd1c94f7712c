"""Wrong values in every field of every dialect: the caller's fault, said as such, and never the server's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airouter_core.errors import ConfigurationError
from airouter_gateway.dialects import table
from airouter_gateway.dialects.binding import bound
from airouter_gateway.dialects.dialect import Dialect
from airouter_gateway.dialects.question import Naming, Taker

from .conftest import changed, places

FUNCTION = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}, "strict": True}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PICTURE = "iVBORw0KGgo="
BODIES: dict[Dialect, dict[str, Any]] = {
    table.CHAT: {
        "model": "m",
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}", "detail": "low"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [CALL], "reasoning_content": "r"},
            {"role": "tool", "tool_call_id": "c", "content": "x"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}},
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "max_tokens": 5,
        "stop": ["x"],
        "user": "u",
        "prompt_cache_key": "k",
        "n": 1,
    },
    table.RESPONSES: {
        "model": "m",
        "instructions": "i",
        "input": [
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "t"}]},
            {"role": "user", "content": [{"type": "input_image", "image_url": f"data:image/png;base64,{PICTURE}"}]},
            {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}]},
            {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "t"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
            {"type": "function_call_output", "call_id": "c", "output": "x"},
            {"type": "custom_tool_call", "call_id": "d", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "d", "output": [{"type": "input_text", "text": "x"}]},
        ],
        "tools": [
            {"type": "function", **FUNCTION},
            {"type": "custom", "name": "g", "description": "d"},
            {"type": "namespace", "name": "n", "tools": [{"type": "function", **FUNCTION}]},
        ],
        "tool_choice": {"type": "function", "name": "f"},
        "text": {"format": {"type": "json_schema", "name": "a", "schema": {}}, "verbosity": "low"},
        "reasoning": {"effort": "low", "summary": "auto"},
        "stream": True,
        "max_output_tokens": 5,
        "include": ["reasoning.encrypted_content"],
        "metadata": {"a": "b"},
    },
    table.MESSAGES: {
        "model": "m",
        "max_tokens": 5,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}},
                    {"type": "document", "title": "d", "source": {"type": "text", "data": "x"}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "h", "signature": "s"},
                    {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "c", "content": "x", "is_error": True}],
            },
            {"role": "system", "content": "later"},
        ],
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}, "cache_control": {}}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": {}}},
        "stop_sequences": ["x"],
        "stream": True,
        "metadata": {"user_id": "u"},
    },
    table.OLLAMA_CHAT: {
        "model": "m",
        "messages": [
            {"role": "user", "content": "t", "images": [PICTURE]},
            {
                "role": "assistant",
                "content": "",
                "thinking": "h",
                "tool_calls": [{"function": {"name": "f", "arguments": {}}}],
            },
            {"role": "tool", "tool_name": "f", "content": "x"},
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "format": {"type": "object"},
        "options": {"temperature": 0.5, "num_predict": 5, "num_ctx": 100, "stop": ["x"], "mirostat": 1},
        "think": "high",
        "keep_alive": "5m",
        "stream": False,
    },
    table.OLLAMA_GENERATE: {
        "model": "m",
        "prompt": "t",
        "system": "s",
        "images": [PICTURE],
        "options": {"seed": 1},
        "stream": True,
    },
}
WRONG: tuple[Any, ...] = (None, True, -1, 1.5e300, "", "x", [], [None], [[]], [{}], {}, {"type": "x"}, {"a": {"b": []}})


@pytest.mark.parametrize("dialect", BODIES, ids=lambda dialect: dialect.name)
def test_a_wrong_value_anywhere_is_the_caller_s_fault(dialect: Dialect) -> None:
    """Each field, each kind of wrong value: it is read, or refused by an error of the 400 class; nothing else."""
    body = BODIES[dialect]
    dialect.read(json.dumps(body).encode(), {})
    for path in places(body):
        for wrong in WRONG:
            said = json.dumps(changed(body, path, wrong)).encode()
            try:
                question = dialect.read(said, {})
                for provider, speaks in (("claude", "messages"), ("openai", "responses"), ("ollama", ""), ("x", "")):
                    bound(question, "m", Taker(provider, speaks))
                dialect.writer(question, Naming("x", 0, "m")).end(0.1)
            except ConfigurationError:
                continue
            except Exception as error:
                raise AssertionError(f"{path} as {wrong!r}") from error
