"""Schemas in strict mode, over both chat APIs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool
from airouter_openai.config import OpenAIConfig
from airouter_openai.wire import CHAT, RESPONSES

BOUNDED = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "pattern": "^a", "description": "Who."},
        "site": {"type": "string", "format": "uri"},
        "age": {"type": "integer", "minimum": 0},
    },
    "required": ["name", "site", "age"],
    "additionalProperties": False,
}
TAKEN = {
    **BOUNDED,
    "properties": {
        "name": {"type": "string", "pattern": "^a", "description": "Who. (minLength: 1)"},
        "site": {"type": "string", "description": '(format: "uri")'},
        "age": {"type": "integer", "minimum": 0},
    },
}


@pytest.mark.parametrize(("strict", "expected"), [(True, TAKEN), (False, BOUNDED), (None, BOUNDED)])
def test_what_strict_mode_refuses_is_told_in_words(strict: bool | None, expected: Any) -> None:
    """Bounds that the vendor answers with 400 stand in the description; without strict nothing is changed."""
    request = Request(
        model="gpt-5",
        messages=(Message.user("hi"),),
        tools=(Tool("f", input_schema=BOUNDED, strict=strict),),
        response_format=ResponseFormat("json_schema", BOUNDED, strict=strict),
    )
    config = OpenAIConfig(api_key="k")
    chat = json.loads(CHAT.build_request(request, config, stream=False).body or b"")
    assert chat["response_format"]["json_schema"]["schema"] == expected
    assert chat["tools"][0]["function"]["parameters"] == expected
    responses = json.loads(RESPONSES.build_request(request, config, stream=False).body or b"")
    assert responses["text"]["format"]["schema"] == expected
    assert responses["tools"][0]["parameters"] == expected
