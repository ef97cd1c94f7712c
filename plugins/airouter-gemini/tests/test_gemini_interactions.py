"""The Interactions API: steps in place of turns."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.errors import (
    ParameterError,
    QuotaExceededError,
)
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart
from airouter_gemini.provider import GeminiProvider

from .google_server import HELLO, PNG, Google, answered, sent, weather


def test_an_interaction_is_chosen_by_setting_or_call(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """And is kept by Google only where that was asked for."""
    step = {"type": "model_output", "content": [{"type": "text", "text": "Hello."}]}
    google.answers = [{"id": "v1_a", "status": "completed", "steps": [step], "usage": {"total_input_tokens": 2}}]
    assert make(api="interactions").chat("m", "?").text == "Hello."
    assert server.requests[-1].path == "/v1beta/interactions"
    assert sent(server) == {
        "model": "m",
        "input": [{"type": "user_input", "content": [{"type": "text", "text": "?"}]}],
        "store": False,
    }
    make(store=True).chat("m", "?", provider_options={"gemini": {"api": "interactions"}})
    assert sent(server)["store"] is True
    with pytest.raises(ParameterError, match="generate, interactions"):
        make().chat("m", "?", provider_options={"gemini": {"api": "chat"}})


def test_steps_go_back_over_three_rounds(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """Thoughts with their signatures, calls and results, in the order in which they came."""

    def turn(number: int) -> list[dict[str, Any]]:
        return [
            {"type": "thought", "signature": f"s{number}", "summary": [{"type": "text", "text": f"Hm {number}."}]},
            {"type": "google_search_call", "id": f"g{number}", "arguments": {"queries": ["x"]}},
            {"type": "function_call", "id": f"f{number}", "name": "weather", "arguments": {"city": "Oslo"}},
        ]

    done = [
        {"type": "thought", "signature": "s9"},
        {"type": "model_output", "content": [{"type": "text", "text": "!"}]},
    ]
    google.answers = [
        *({"id": f"i{number}", "status": "requires_action", "steps": turn(number)} for number in range(3)),
        {"id": "i3", "status": "completed", "steps": done},
    ]
    run = make(api="interactions").run_tools("gemini-3.6-flash", "?", [weather])
    assert (run.response.text, run.response.finish_reason) == ("!", "stop")
    result = {"type": "function_result", "name": "weather", "result": {"sky": "clear", "city": "Oslo"}}
    expected: list[Any] = [{"type": "user_input", "content": [{"type": "text", "text": "?"}]}]
    for number in range(3):
        expected += [*turn(number), {**result, "call_id": f"f{number}"}]
    assert sent(server)["input"] == expected


def test_files_arguments_and_annotations_arrive_in_pieces(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """Of a stream: each is whole when its step stops."""
    halves = [base64.b64encode(half).decode() for half in (PNG[:3], PNG[3:])]
    events = [
        {"event_type": "interaction.created", "interaction": {"id": "i", "model": "m", "status": "in_progress"}},
        {"event_type": "step.start", "index": 0, "step": {"type": "thought"}},
        {
            "event_type": "step.delta",
            "index": 0,
            "delta": {"type": "thought_summary", "content": {"type": "text", "text": "Hm."}},
        },
        {"event_type": "step.delta", "index": 0, "delta": {"type": "thought_signature", "signature": "s"}},
        {"event_type": "step.stop", "index": 0},
        {"event_type": "step.start", "index": 1, "step": {"type": "model_output"}},
        {"event_type": "step.delta", "index": 1, "delta": {"type": "text", "text": "See"}},
        {
            "event_type": "step.delta",
            "index": 1,
            "delta": {"type": "text_annotation_delta", "annotations": [{"url": "https://a.example"}]},
        },
        *(
            {"event_type": "step.delta", "index": 1, "delta": {"type": "image", "data": half, "mime_type": "image/png"}}
            for half in halves
        ),
        {"event_type": "step.stop", "index": 1},
        {
            "event_type": "step.start",
            "index": 2,
            "step": {"type": "function_call", "id": "f", "name": "w", "arguments": {}},
        },
        *(
            {"event_type": "step.delta", "index": 2, "delta": {"type": "arguments_delta", "arguments": piece}}
            for piece in ('{"a"', ":1}")
        ),
        {"event_type": "step.stop", "index": 2},
        {
            "event_type": "interaction.completed",
            "interaction": {
                "id": "i",
                "status": "requires_action",
                "usage": {"total_input_tokens": 2, "total_output_tokens": 3, "total_thought_tokens": 4},
            },
        },
    ]
    body = "".join(f"event: {one['event_type']}\ndata: {json.dumps(one)}\n\n" for one in events) + "data: [DONE]\n\n"
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    response = make(api="interactions").stream_chat("m", "?").read()
    thought, text, picture, called = response.message.parts
    assert thought == ReasoningPart("Hm.", {"gemini": {"step": {"signature": "s"}}})
    assert text == TextPart("See", {"gemini": {"step": {"annotations": [{"url": "https://a.example"}]}}})
    assert picture == FilePart("image/png", data=PNG)
    assert isinstance(called, ToolCallPart)
    assert called.arguments == {"a": 1}
    assert (response.finish_reason, response.usage.output_tokens) == ("tool_calls", 7)


def test_a_failed_interaction_is_an_error(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """With what it says of itself."""
    errors = [{"code": "quota_exceeded", "message": "The quota is used up."}]
    google.answers = [{"id": "i", "status": "failed", "steps": [], "errors": errors}]
    with pytest.raises(QuotaExceededError, match="used up"):
        make(api="interactions").chat("m", "?")


def test_what_one_api_made_is_not_sent_to_the_other(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """Words and calls are; thoughts and parts that only the other understands are left out, and told."""
    google.answers = [
        answered({"text": "Hm.", "thought": True}, {"executableCode": {"code": "1"}}, {"text": "A."}),
        {
            "id": "i",
            "status": "completed",
            "steps": [{"type": "thought", "signature": "s"}, {"type": "text", "text": "B"}],
        },
    ]
    first = make().chat("m", "?")
    told = make(api="interactions").chat("m", [Message.user("?"), first.message, Message.user("!")])
    assert [step["type"] for step in sent(server)["input"]] == ["user_input", "model_output", "user_input"]
    assert len(told.warnings) == 2
    google.answers = [HELLO]
    again = make().chat("m", [Message.user("?"), told.message, Message.user("!")])
    assert sent(server)["contents"][1]["parts"] == [{"text": "B"}]
    assert len(again.warnings) == 1
