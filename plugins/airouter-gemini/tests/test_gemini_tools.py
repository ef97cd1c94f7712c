"""Tools, calls and thoughts of Gemini: what is sent, what comes, and what goes back."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import (
    ParameterError,
    ProtocolError,
    UnsupportedParameterWarning,
)
from airouter_core.testing.halves import awaited
from airouter_core.testing.recordings import load_recordings
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.tools import Tool
from airouter_gemini.provider import GeminiProvider

from .google_server import HELLO, PNG, WEATHER, Google, answered, call, candidate, sent, streamed, weather

SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"


@pytest.mark.parametrize("awaiting", [False, True])
def test_thoughts_and_signatures_go_back_over_three_rounds(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider], awaiting: bool
) -> None:
    """Each turn is sent back as it came: thoughts, signatures where they were, and no id that was made here."""
    turns = [
        [{"text": "Zürich first.", "thought": True}, {**call("Zürich"), "thoughtSignature": "s1"}],
        [{"text": "Now two.", "thought": True, "thoughtSignature": "s2"}, call("Oslo"), call("Rome")],
        [{"text": "", "thoughtSignature": "s3"}, {**call("Bern"), "thoughtSignature": "s4"}],
    ]
    google.answers = [*(answered(*turn, responseId=f"r{number}") for number, turn in enumerate(turns)), HELLO]
    provider = make()
    if awaiting:
        run = awaited(provider, lambda one: one.arun_tools("gemini-3.6-flash", "Where is it clear?", [weather]))
    else:
        run = provider.run_tools("gemini-3.6-flash", "Where is it clear?", [weather])
    assert run.response.text == "Hello."
    said = sent(server)["contents"]
    results = [
        [{"functionResponse": {"name": "weather", "response": {"sky": "clear", "city": city}}} for city in cities]
        for cities in (["Zürich"], ["Oslo", "Rome"], ["Bern"])
    ]
    assert said == [
        {"role": "user", "parts": [{"text": "Where is it clear?"}]},
        {"role": "model", "parts": turns[0]},
        {"role": "user", "parts": results[0]},
        # The calls of this turn came without one: the first is vouched for, as a model would refuse it.
        {
            "role": "model",
            "parts": [
                turns[1][0],
                {**turns[1][1], "thoughtSignature": "skip_thought_signature_validator"},
                turns[1][2],
            ],
        },
        {"role": "user", "parts": results[1]},
        {"role": "model", "parts": turns[2]},
        {"role": "user", "parts": results[2]},
    ]


def test_ids_that_google_gives_are_sent_back(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """In the call, and in its result; the calls of one turn are answered in one."""
    google.answers = [answered(call("Oslo", id="a1"), call("Rome", id="b2")), HELLO]
    make().run_tools("gemini-2.5-flash", "?", [weather])
    model, results = sent(server)["contents"][1:]
    assert [part["functionCall"]["id"] for part in model["parts"]] == ["a1", "b2"]
    assert [part["functionResponse"]["id"] for part in results["parts"]] == ["a1", "b2"]


def recorded_first_turns() -> list[Any]:
    recordings = load_recordings(SHARED, "gemini-generate", "vertex-generate")
    return [one for one in recordings if one.is_answer and {"tool-calls", "thought-signature"} <= set(one.features)]


@pytest.mark.parametrize("recording", recorded_first_turns(), ids=lambda one: one.id)
def test_recorded_turns_are_sent_back_part_for_part(
    recording: Any, google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """What a real model thought, signed and called is what it gets back, followed by a result for each call."""
    google.answers = [recording.answer(), HELLO]
    provider = make()
    ask = provider.stream_chat if recording.stream else provider.chat
    made: Any = ask("gemini-3.6-flash", "?", tools=[WEATHER])
    response = made.read() if recording.stream else made
    results = [Message.tool(one.id, "[]") for one in response.tool_calls]
    provider.chat("gemini-3.6-flash", [Message.user("?"), response.message, *results], tools=[WEATHER])
    lines = recording.body.decode().splitlines()
    answers = [json.loads(line[5:]) for line in lines if line.startswith("data:")] if recording.stream else []
    parts = [
        part
        for answer in answers or [json.loads(recording.body)]
        for part in (answer["candidates"][0].get("content") or {}).get("parts", [])
    ]
    back = sent(server)["contents"]
    keys = ("functionCall", "thoughtSignature")
    assert [{key: part[key] for key in keys if key in part} for part in back[1]["parts"] if set(part) & set(keys)] == [
        {key: part[key] for key in keys if key in part} for part in parts if set(part) & set(keys)
    ]
    ids = [part["functionCall"].get("id") for part in parts if "functionCall" in part]
    assert [part["functionResponse"].get("id") for part in back[2]["parts"]] == ids


def test_calls_of_another_model_are_vouched_for_once(
    server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """Gemini 3 refuses calls without signatures; the first of a turn bears what stands for one; older need none."""
    history = [
        Message.user("?"),
        Message.assistant(ToolCallPart("c1", "weather", '{"city":"Oslo"}'), ToolCallPart("c2", "weather")),
        Message.tool("c1", "rain"),
        Message.tool("c2", "down", is_error=True),
    ]
    provider = make()
    response = provider.chat("gemini-3.6-flash", history)
    first, second = sent(server)["contents"][1]["parts"]
    assert first["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in second
    assert [part["functionResponse"]["response"] for part in sent(server)["contents"][2]["parts"]] == [
        {"result": "rain"},
        {"error": "down"},
    ]
    assert not response.warnings
    provider.chat("gemini-2.5-flash", history)
    assert all("thoughtSignature" not in part for part in sent(server)["contents"][1]["parts"])


def test_thoughts_of_another_model_are_left_out_and_told(
    server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A thought without Google's own mark is not sent."""
    thought = ReasoningPart("Hm.", {"claude": {"signature": "x"}})
    response = make().chat(
        "gemini-3.6-flash", [Message.user("?"), Message.assistant(thought, "No."), Message.user("!")]
    )
    assert sent(server)["contents"][1]["parts"] == [{"text": "No."}]
    assert any("thoughts of another model" in warning for warning in response.warnings)


def test_files_in_results_stand_inside_or_behind_them(
    server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """Gemini 3 takes files in a result, older models behind it."""
    result = ToolResultPart("c1", (TextPart("see"), FilePart("image/png", data=PNG, name="a.png")))
    history = [Message.user("?"), Message.assistant(ToolCallPart("c1", "look")), Message("tool", result)]
    provider = make()
    provider.chat("gemini-3.6-flash", history)
    data = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    (part,) = sent(server)["contents"][2]["parts"]
    assert part["functionResponse"]["parts"] == [{"inlineData": {**data, "displayName": "a.png"}}]
    provider.chat("gemini-2.5-flash", history)
    first, second = sent(server)["contents"][2]["parts"]
    assert "parts" not in first["functionResponse"]
    assert second == {"inlineData": data}


def test_the_choice_of_a_tool_and_its_strictness(server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """A named tool is the only one allowed; a strict one makes Google hold calls to their schemas."""
    provider = make()
    provider.chat("m", "?", tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "weather"}})
    assert sent(server)["toolConfig"] == {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["weather"]}}
    provider.chat("m", "?", tools=[Tool("weather", strict=True)])
    assert sent(server)["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}
    provider.chat("m", "?", tools=[WEATHER])
    assert "toolConfig" not in sent(server)


def test_tools_of_google_stand_beside_ones_own(server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """``provider_options`` add to the tools of the call; all else of them is laid over the body."""
    options = {"tools": [{"googleSearch": {}}], "safetySettings": [{"category": "C", "threshold": "OFF"}]}
    make().chat("m", "?", tools=[WEATHER], provider_options={"gemini": options}, parameters={"temperature": 0.5})
    assert [list(tool) for tool in sent(server)["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert sent(server)["safetySettings"] == options["safetySettings"]
    assert sent(server)["generationConfig"] == {"temperature": 0.5}


def test_a_result_of_no_call_needs_a_name(server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """Google knows results by the names of their tools; without one nothing is sent."""
    with pytest.raises(ParameterError, match="give it the name of its tool"):
        make().chat("m", [Message.user("?"), Message.tool("c9", "rain")])
    assert not server.requests


def test_arguments_may_arrive_value_by_value(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """As Vertex AI streams them on request: texts grow, lists and objects are filled, an empty piece ends the call."""
    pieces = [
        {"functionCall": {"name": "weather", "willContinue": True}, "thoughtSignature": "s"},
        *(
            {"functionCall": {"partialArgs": [{"jsonPath": path, **value}], "willContinue": True}}
            for path, value in (
                ("$.city", {"stringValue": "Zü", "willContinue": True}),
                ("$.city", {"stringValue": "rich"}),
                ("$.days[0].name", {"stringValue": "Monday"}),
                ("$.days[1]['name']", {"stringValue": "Tuesday"}),
                ("$.hours", {"numberValue": 2}),
                ("$.rain", {"boolValue": False}),
                ("$.wind", {"nullValue": "NULL_VALUE"}),
            )
        ),
        {"functionCall": {}},
        {"functionCall": {"name": "other", "args": {"a": 1}}},
    ]
    answers = [{"candidates": [{"content": {"parts": [part]}}]} for part in pieces]
    answers.append({"candidates": [{"content": {}, "finishReason": "STOP"}]})
    body = "".join(f"data: {json.dumps(one)}\r\n\r\n" for one in answers)
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    response = make().stream_chat("m", "?", tools=[WEATHER]).read()
    first, second = response.tool_calls
    days = [{"name": "Monday"}, {"name": "Tuesday"}]
    assert (first.name, first.arguments) == (
        "weather",
        {"city": "Zürich", "days": days, "hours": 2, "rain": False, "wind": None},
    )
    assert first.provider_metadata["gemini"]["thoughtSignature"] == "s"
    assert (second.name, second.arguments) == ("other", {"a": 1})
    wrong = {"functionCall": {"partialArgs": [{"jsonPath": "$[7]", "numberValue": 1}]}}
    google.answers = [answered(wrong)]
    with pytest.raises(ProtocolError, match="cannot be"):
        make().chat("m", "?")


@pytest.mark.parametrize(
    ("model", "parameters", "thinking"),
    [
        ("gemini-3.6-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro-preview", {"reasoning_effort": "medium"}, {"thinkingLevel": "LOW"}),
        ("models/gemini-3.8-flash", {"reasoning_effort": "max"}, {"thinkingLevel": "HIGH"}),
        ("gemini-3.8-flash", {"reasoning_effort": "minimal"}, {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-flash", {"reasoning_effort": "high"}, {"thinkingBudget": 24_576}),
        ("gemini-2.5-pro", {"thinking_budget": 128}, {"thinkingBudget": 128}),
        ("gemini-3.6-flash", {"thinking_budget": 99}, {"thinkingBudget": 99}),
    ],
)
def test_how_much_a_model_thinks(
    server: LoopbackServer,
    make: Callable[..., GeminiProvider],
    model: str,
    parameters: dict[str, Any],
    thinking: dict[str, Any],
) -> None:
    """An effort is a level or a number of tokens, as the model takes it."""
    make().chat(model, "?", parameters=parameters)
    assert sent(server)["generationConfig"] == {"thinkingConfig": thinking}


@pytest.mark.parametrize(
    ("model", "parameters", "reason"),
    [
        ("gemini-3.6-flash", {"reasoning_effort": "none"}, '"minimal" is the least'),
        ("gemini-2.5-pro", {"reasoning_effort": "none"}, "always thinks"),
        ("gemma-3-27b-it", {"reasoning_effort": "low"}, "does not think"),
        ("gemma-3-27b-it", {"reasoning_budget": 512}, "does not think"),
        ("gemini-3.6-flash", {"top_logprobs": 2}, "logprobs=True"),
    ],
)
def test_what_a_model_cannot_be_told_is_left_out(
    server: LoopbackServer, make: Callable[..., GeminiProvider], model: str, parameters: dict[str, Any], reason: str
) -> None:
    """With the reason in the response."""
    with pytest.warns(UnsupportedParameterWarning):
        response = make().chat(model, "?", parameters=parameters)
    assert "generationConfig" not in sent(server)
    assert any(reason in warning for warning in response.warnings)


def test_a_level_and_a_budget_contradict_each_other(make: Callable[..., GeminiProvider]) -> None:
    """Google refuses both at once."""
    with pytest.raises(ParameterError, match="not both"):
        make().chat("gemini-2.5-flash", "?", parameters={"reasoning_effort": "low", "reasoning_budget": 5})


def test_thoughts_are_asked_for(google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """By the configuration, or for one call; they are no part of the text, and counted with the answer."""
    google.answers = [answered({"text": "Hm.", "thought": True}, {"text": "Yes."})]
    response = make(include_thoughts=True).chat("m", "?")
    assert sent(server)["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}
    assert (response.reasoning, response.text) == ("Hm.", "Yes.")
    assert (response.usage.output_tokens, response.usage.reasoning_tokens) == (9, 5)
    make().chat("m", "?", provider_options={"gemini": {"include_thoughts": True}})
    assert sent(server)["generationConfig"] == {"thinkingConfig": {"includeThoughts": True}}


def test_ids_of_calls_are_unique_over_a_conversation(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """Also where neither the call nor the answer has one."""
    called = streamed(candidate({"functionCall": {"name": "weather", "args": {}}}, reason="STOP"))
    google.answers = [called, called]
    provider = make()
    made = [provider.stream_chat("m", "?", tools=[WEATHER]).read().tool_calls[0].id for _ in range(2)]
    assert len(set(made)) == 2


def piece(identity: str, city: str, *, more: bool) -> dict[str, Any]:
    """A piece of a call."""
    arguments = [{"jsonPath": "$.city", "stringValue": city}]
    call = {"id": identity, "name": "weather", "partialArgs": arguments, "willContinue": more}
    return candidate({"functionCall": call})


def test_calls_in_pieces_are_never_joined(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """Each piece belongs to the call whose id it carries; a call that never ends is an error, not lost."""
    pieces = [piece("a", "Os", more=True), piece("b", "Ro", more=True), piece("a", "lo", more=False)]
    google.answers = [
        streamed(*pieces, piece("b", "me", more=False), candidate(reason="STOP")),
        streamed(*pieces, candidate(reason="STOP")),
    ]
    calls = make().stream_chat("m", "?", tools=[WEATHER]).read().tool_calls
    assert [(call.id, call.arguments["city"]) for call in calls] == [("a", "Oslo"), ("b", "Rome")]
    with pytest.raises(ProtocolError, match="in the middle"):
        make().stream_chat("m", "?", tools=[WEATHER]).read()
