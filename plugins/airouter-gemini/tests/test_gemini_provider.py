"""The provider as its users hold it: tools, thoughts, failures, models, tokens, embeddings, images, Vertex AI."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    ExecutionError,
    MissingApiKeyError,
    ParameterError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    RetiredModelWarning,
    ServerError,
    UnsupportedParameterWarning,
)
from airouter_core.provider.asking import ask_of
from airouter_core.testing.halves import awaited
from airouter_core.testing.recordings import load_recordings
from airouter_core.testing.server import Answer, Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.tools import Tool
from airouter_gemini.provider import GeminiProvider

KEY = "test-key-0123456789"
SHARED = Path(__file__).parents[4] / "shared" / "recordings-more"
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


@pytest.fixture
def google() -> Google:
    return Google()


@pytest.fixture
def server(google: Google) -> Iterator[LoopbackServer]:
    with LoopbackServer(google) as running:
        yield running


@pytest.fixture
def make(server: LoopbackServer) -> Iterator[Callable[..., GeminiProvider]]:
    made: list[GeminiProvider] = []

    def provider(**config: Any) -> GeminiProvider:
        given = {"base_url": server.url, "api_key": KEY, "max_retries": 0, **config}
        found = create_provider("gemini", {name: value for name, value in given.items() if value is not None})
        assert isinstance(found, GeminiProvider)
        made.append(found)
        return found

    yield provider
    for one in made:
        one.close()


def sent(server: LoopbackServer, position: int = -1) -> Any:
    return server.requests[position].json


# Tools and thoughts.


def weather(city: str) -> dict[str, str]:
    """Tell the weather."""
    return {"sky": "clear", "city": city}


def call(city: str, **more: Any) -> dict[str, Any]:
    return {"functionCall": {"name": "weather", "args": {"city": city}, **more}}


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


# Thinking.


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


# Answers and failures.


def test_a_blocked_prompt_names_its_category(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """The error says why and which category of harm; what was counted is in its partial response."""
    ratings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"},
        {"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True},
    ]
    feedback = {"blockReason": "SAFETY", "safetyRatings": ratings}
    google.answers = [{"promptFeedback": feedback, "usageMetadata": {"promptTokenCount": 7}, "modelVersion": "m"}]
    for stream in (False, True):
        with pytest.raises(ContentFilteredError, match="SAFETY, HARM_CATEGORY_DANGEROUS_CONTENT") as caught:
            make().stream_chat("m", "?").read() if stream else make().chat("m", "?")
        assert caught.value.error_type == "HARM_CATEGORY_DANGEROUS_CONTENT"
        assert caught.value.status == 200
        assert caught.value.partial is not None
        assert caught.value.partial.usage.input_tokens == 7
        assert caught.value.partial.provider_metadata["gemini"]["promptFeedback"] == feedback


def test_a_blocked_answer_says_so(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """What had been said by then stays; the ratings are kept."""
    answer = answered({"text": "Take a"}, reason="SAFETY")
    ratings = [{"category": "HARM_CATEGORY_DANGEROUS_CONTENT", "probability": "HIGH", "blocked": True}]
    answer["candidates"][0]["safetyRatings"] = ratings
    google.answers = [answer]
    response = make().chat("m", "?")
    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("Take a", "content_filter", "SAFETY")
    assert response.provider_metadata["gemini"]["safetyRatings"] == ratings


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MISSING_THOUGHT_SIGNATURE", "TOO_MANY_TOOL_CALLS"])
def test_an_answer_that_came_to_nothing_is_an_error(
    google: Google, make: Callable[..., GeminiProvider], reason: str
) -> None:
    """Not an empty text; what was said before it goes wrong is kept as an answer that ended in an error."""
    failed = candidate(reason=reason)
    failed["candidates"][0]["finishMessage"] = "Malformed function call: f("
    google.answers = [Answer.of_json(failed), streamed(failed), streamed(candidate({"text": "Hm"}), failed)]
    for ask in (lambda: make().chat("m", "?"), lambda: make().stream_chat("m", "?").read()):
        with pytest.raises(ServerError, match=rf"{reason}.*Malformed function call: f\("):
            ask()
    response = make().stream_chat("m", "?").read()
    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("Hm", "error", reason)


def test_the_mark_of_another_format_at_the_end_says_nothing(
    google: Google, make: Callable[..., GeminiProvider]
) -> None:
    """Gateways put [DONE] behind the last answer."""
    body = f"data: {json.dumps(candidate({'text': 'Hi'}, reason='STOP'))}\n\ndata: [DONE]\n\n"
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    assert make().stream_chat("m", "?").read().text == "Hi"


def test_reasons_may_be_numbers(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """As Vertex AI sends them to those who ask for it."""
    google.answers = [answered({"text": "a"}, reason=2)]  # type: ignore[arg-type]  # on purpose
    response = make().chat("m", "?")
    assert (response.finish_reason, response.raw_finish_reason) == ("length", "MAX_TOKENS")


def test_several_answers_are_told_apart(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """The first one's index may be missing; in a stream they come in any order."""
    first = {"content": {"parts": [{"text": "one"}]}, "finishReason": "STOP"}
    second = {"content": {"parts": [{"text": "two"}]}, "finishReason": "STOP", "index": 1}
    google.answers = [{"candidates": [first, second]}]
    response = make().chat("m", "?", parameters={"n": 2})
    assert (response.text, [other.text for other in response.alternatives]) == ("one", ["two"])
    body = "".join(f"data: {json.dumps({'candidates': [one]})}\r\n\r\n" for one in (second, {**first, "index": 0}))
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    response = make().stream_chat("m", "?").read()
    assert (response.text, [other.text for other in response.alternatives]) == ("one", ["two"])


def test_pictures_and_code_are_parts(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A picture is a file, one that was only thought of is not; what Google ran goes back as it came."""
    data = {"mimeType": "image/png", "data": base64.b64encode(PNG).decode()}
    parts = [
        {"inlineData": data, "thought": True},
        {"executableCode": {"language": "PYTHON", "code": "1+1"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "2"}},
        {"inlineData": data, "thoughtSignature": "s"},
    ]
    google.answers = [answered(*parts)]
    response = make().chat("m", "?")
    assert [part.data for part in response.message.parts if isinstance(part, FilePart)] == [PNG]
    make().chat("m", [Message.user("?"), response.message, Message.user("!")])
    assert sent(server)["contents"][1]["parts"] == parts


def quota(identity: str, *, wait: str = "48s") -> dict[str, Any]:
    details = [
        {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": identity}]},
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": wait},
    ]
    return {"code": 429, "message": "You exceeded it.", "status": "RESOURCE_EXHAUSTED", "details": details}


INVALID = {"code": 400, "status": "INVALID_ARGUMENT"}
TOO_LONG = "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576)."


@pytest.mark.parametrize(
    ("status", "error", "kind", "retry_after"),
    [
        (429, quota("GenerateContentPaidTierInputTokensPerModelPerMinute"), RateLimitedError, 48.0),
        (429, quota("GenerateRequestsPerDayPerProjectPerModel-FreeTier", wait="3.5s"), QuotaExceededError, 3.5),
        (429, {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "Try again later."}, RateLimitedError, None),
        (429, {"code": "quota_exceeded", "message": "Used up."}, QuotaExceededError, None),
        (429, {"code": "rate_limit_exceeded", "message": "Slow down."}, RateLimitedError, None),
        (400, {**INVALID, "message": "No key.", "details": [{"reason": "API_KEY_INVALID"}]}, AuthenticationError, None),
        (400, {**INVALID, "message": TOO_LONG}, ContextLengthError, None),
        (402, {"code": 402, "status": "FAILED_PRECONDITION", "message": "No."}, QuotaExceededError, None),
        (402, {"code": 402, "message": "Your prepayment credits are depleted."}, QuotaExceededError, None),
    ],
)
def test_failures_are_told_apart(
    google: Google,
    make: Callable[..., GeminiProvider],
    status: int,
    error: dict[str, Any],
    kind: type[ProviderError],
    retry_after: float | None,
) -> None:
    """By the codes and details that Google gives, and where it gives none by its words; also inside a list."""
    for body in ({"error": error}, [{"error": error}]):
        google.answers = [Answer.of_json(body, status=status)]
        with pytest.raises(kind) as caught:
            make().chat("m", "?")
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.retry_after) == (status, retry_after)


def test_an_error_inside_a_stream_is_raised(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """With what had arrived."""
    failure = {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}}
    text = {"candidates": [{"content": {"parts": [{"text": "Hel"}]}}]}
    body = "".join(f"data: {json.dumps(item)}\r\n\r\n" for item in (text, failure))
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))]
    with pytest.raises(ProviderError, match="overloaded") as caught:
        make().stream_chat("m", "?").read()
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"


# Models, tokens, embeddings, images.


def test_models_are_listed_page_by_page(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """With what the list says of each; a model that only embeds can do nothing else."""
    chats = {
        "name": "models/gemini-3.6-flash",
        "displayName": "Gemini 3.6 Flash",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
        "thinking": True,
    }
    embeds = {"name": "models/gemini-embedding-2", "supportedGenerationMethods": ["embedContent"]}
    google.answers = [{"models": [chats], "nextPageToken": "a/b"}, {"models": [embeds]}]
    first, second = make().list_models()
    assert (first.id, first.name, first.context_length, first.max_output_tokens) == (
        "models/gemini-3.6-flash",
        "Gemini 3.6 Flash",
        1_048_576,
        65_536,
    )
    assert first.capabilities is not None
    assert {"chat", "reasoning", "token_counting"} <= set(first.capabilities)
    assert "embeddings" not in first.capabilities
    assert second.capabilities == ("embeddings",)
    assert [request.path for request in server.requests] == [
        "/v1beta/models?pageSize=1000",
        "/v1beta/models?pageSize=1000&pageToken=a%2Fb",
    ]


def test_tokens_are_counted_for_all_that_a_call_sends(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A text alone, and a whole call inside a request; on Vertex AI beside each other."""
    google.answers = [{"totalTokens": 12}]
    assert make().count_tokens("Hello") == 12
    assert server.requests[-1].path == "/v1beta/models/gemini-flash-latest:countTokens"
    assert sent(server) == {"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}
    messages = [Message.system("Be brief."), Message.user("Hello")]
    assert make().count_request_tokens("gemini-3.6-flash", messages, tools=[WEATHER]) == 12
    whole = sent(server)["generateContentRequest"]
    assert whole["model"] == "models/gemini-3.6-flash"
    assert whole.keys() == {"model", "contents", "systemInstruction", "tools"}
    vertex = make(vertex=True)
    assert awaited(vertex, lambda it: it.acount_request_tokens("gemini-3.6-flash", messages, tools=[WEATHER])) == 12
    assert sent(server).keys() == {"contents", "systemInstruction", "tools"}
    google.answers = [{}]
    with pytest.raises(ProtocolError, match="totalTokens"):
        make().count_tokens("Hello")


def test_embeddings_are_made_in_batches(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """A hundred at once, in their order."""
    sizes = (100, 100, 50)
    google.answers = [{"embeddings": [{"values": [float(size), 0.5]}] * size} for size in sizes]
    vectors = make().create_embedding(["text"] * 250, dimensions=2, task="RETRIEVAL_QUERY")
    assert [vector[0] for vector in vectors] == [100.0] * 200 + [50.0] * 50
    assert [len(sent(server, position)["requests"]) for position in range(3)] == list(sizes)
    assert sent(server)["requests"][0] == {
        "model": "models/gemini-embedding-2",
        "content": {"parts": [{"text": "text"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 2,
    }
    google.answers = [{"embeddings": [{"values": [1.0]}]}]
    with pytest.raises(ProtocolError, match="1 embeddings for 2 texts"):
        make().create_embedding(["a", "b"])
    assert awaited(make(), lambda one: one.acreate_embedding("a")) == [1.0]


def test_vertex_embeds_by_other_methods(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider]
) -> None:
    """The newest models one text at a time, older ones by predict."""
    provider = make(vertex=True)
    google.answers = [{"embedding": {"values": [1.0]}}, {"embedding": {"values": [2.0]}}]
    assert provider.create_embedding(["a", "b"]) == [[1.0], [2.0]]
    assert server.requests[-1].path.endswith("/models/gemini-embedding-2:embedContent")
    google.answers = [{"predictions": [{"embeddings": {"values": [3.0]}}]}]
    assert provider.create_embedding(["a"], "text-embedding-005", dimensions=1, task="CLUSTERING") == [[3.0]]
    assert server.requests[-1].path.endswith("/models/text-embedding-005:predict")
    assert sent(server) == {
        "instances": [{"content": "a", "task_type": "CLUSTERING"}],
        "parameters": {"outputDimensionality": 1},
    }


def test_images_are_made_and_saved(
    google: Google, server: LoopbackServer, make: Callable[..., GeminiProvider], tmp_path: Path
) -> None:
    """By a model that answers with pictures; a refusal is an error that says why."""
    data = base64.b64encode(PNG).decode()
    google.answers = [answered({"inlineData": {"mimeType": "image/png", "data": data}})]
    made = make().create_image("A cat", size="16:9 2k", save_to=tmp_path / "cat.png")
    assert made == [f"data:image/png;base64,{data}"]
    assert (tmp_path / "cat.png").read_bytes() == PNG
    assert sent(server)["generationConfig"] == {
        "responseModalities": ["IMAGE"],
        "imageConfig": {"aspectRatio": "16:9", "imageSize": "2K"},
    }
    google.answers = [answered(reason="IMAGE_SAFETY")]
    with pytest.raises(ContentFilteredError, match="IMAGE_SAFETY"):
        make().create_image("A cat")
    google.answers = [answered({"text": "I cannot."}, reason="NO_IMAGE")]
    with pytest.raises(ProtocolError, match="I cannot"):
        awaited(make(), lambda one: one.acreate_image("A cat"))
    with pytest.raises(ParameterError, match="16:9"):
        make().create_image("A cat", size="1024x1024")


# Addresses and credentials.


@pytest.mark.parametrize(
    ("config", "address"),
    [
        ({"api_key": KEY}, "https://generativelanguage.googleapis.com/v1beta/models/m"),
        ({"api_key": KEY, "base_url": "https://gw.example/v1beta"}, "https://gw.example/v1beta/models/m"),
        ({"api_key": KEY, "vertex": True}, "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m"),
        (
            {"access_token": "t", "vertex": True, "project": "p", "location": "eu"},
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/p/locations/eu/publishers/google/models/m",
        ),
        (
            {"access_token": "t", "vertex": True, "project": "p", "location": "us-east5"},
            "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/p/locations/us-east5/publishers/google/models/m",
        ),
    ],
)
def test_addresses(config: dict[str, Any], address: str) -> None:
    """AI Studio, a gateway before it, Vertex AI with a key alone, and Vertex AI in a place."""
    with create_provider("gemini", config) as provider:
        assert provider.config.url(provider.config.resource("m")) == address


@pytest.mark.parametrize(
    ("vertex", "model", "path"),
    [
        (False, "tunedModels/x", "tunedModels/x"),
        (False, "models/x", "models/x"),
        (True, "models/x", "projects/p/locations/global/publishers/google/models/x"),
        (True, "meta/llama", "projects/p/locations/global/publishers/meta/models/llama"),
        (True, "publishers/a/models/b", "projects/p/locations/global/publishers/a/models/b"),
        (True, "projects/q/locations/l/endpoints/1", "projects/q/locations/l/endpoints/1"),
    ],
)
def test_names_of_models_may_say_where_they_lie(vertex: bool, model: str, path: str) -> None:
    """And are taken as they are then."""
    config = {"api_key": KEY, "vertex": vertex, "project": "p"}
    with create_provider("gemini", config) as provider:
        assert provider.config.resource(model) == path


def test_a_call_has_one_credential(server: LoopbackServer, make: Callable[..., GeminiProvider]) -> None:
    """A key, a token, or what the caller's own headers say; never in the address."""
    make().chat("m", "?")
    assert server.requests[-1].headers["x-goog-api-key"] == KEY
    assert KEY not in server.requests[-1].path
    make(vertex=True, project="p", access_token="token-0123").chat("m", "?")
    assert server.requests[-1].headers["authorization"] == "Bearer token-0123"
    assert "x-goog-api-key" not in server.requests[-1].headers
    make(custom_headers={"Authorization": "Bearer own-0123"}).chat("m", "?")
    assert server.requests[-1].headers["authorization"] == "Bearer own-0123"
    assert "x-goog-api-key" not in server.requests[-1].headers


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variable it is kept in; both of Google's variables are looked at."""
    for name in ("GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with create_provider("gemini", {}) as provider, pytest.raises(MissingApiKeyError, match="GEMINI_API_KEY"):
        provider.chat("m", "?")
    monkeypatch.setenv("GOOGLE_API_KEY", KEY)
    with create_provider("gemini", {}) as provider:
        assert provider.config.api_key == KEY


class Credentials:
    """What google-auth finds."""

    def __init__(self) -> None:
        self.token = ""
        self.refreshed = 0

    @property
    def valid(self) -> bool:
        return bool(self.token)

    def refresh(self, request: object) -> None:
        self.refreshed += 1
        self.token = f"found-token-{self.refreshed}"


@pytest.mark.parametrize("awaiting", [False, True])
def test_tokens_are_found_once_and_refreshed(
    server: LoopbackServer, make: Callable[..., GeminiProvider], monkeypatch: pytest.MonkeyPatch, awaiting: bool
) -> None:
    """By google-auth; the project may be the one that the credentials name."""
    auth = pytest.importorskip("google.auth", reason="google-auth is not installed")
    found = Credentials()
    monkeypatch.setattr(auth, "default", lambda scopes: (found, "found-project"))
    provider = make(vertex=True, api_key=None)
    provider.chat("m", "?")
    if awaiting:
        awaited(provider, lambda one: one.achat("m", "?"))
    else:
        provider.chat("m", "?")
    assert found.refreshed == 1
    assert server.requests[-1].headers["authorization"] == "Bearer found-token-1"
    assert "/projects/found-project/locations/global/" in server.requests[-1].path
    if not awaiting:
        found.token = ""
        provider.chat("m", "?")
        assert server.requests[-1].headers["authorization"] == "Bearer found-token-2"


def test_missing_credentials_say_what_to_do(
    make: Callable[..., GeminiProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without google-auth, without credentials, and with those that are refused."""
    exceptions = pytest.importorskip("google.auth.exceptions", reason="google-auth is not installed")
    import google.auth

    def fails(error: Exception) -> Callable[..., Any]:
        def default(scopes: object) -> Any:
            raise error

        return default

    monkeypatch.setattr(google.auth, "default", fails(exceptions.DefaultCredentialsError("none")))
    with pytest.raises(ConfigurationError, match="gcloud auth application-default login"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setattr(google.auth, "default", fails(exceptions.RefreshError("revoked")))
    with pytest.raises(AuthenticationError, match="revoked"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setattr(google.auth, "default", fails(exceptions.TransportError("no route")))
    with pytest.raises(ExecutionError, match="no route"):
        make(vertex=True, api_key=None).chat("m", "?")
    monkeypatch.setitem(sys.modules, "google.auth.exceptions", None)
    with pytest.raises(ConfigurationError, match=r"airouter-gemini\[vertex\]"):
        make(vertex=True, api_key=None).chat("m", "?")


def test_retired_models_stand_for_their_successors() -> None:
    """At Google; a gateway may still have one of that name."""
    with create_provider("gemini", {"api_key": KEY}) as provider:
        assert provider.successor_of("gemini-2.0-flash-001") == "gemini-3.6-flash"
        assert provider.successor_of("gemini-2.5-flash") is None
        with pytest.warns(RetiredModelWarning):
            provider.warn(provider.prepare(ask_of("gemini-1.5-flash", "?")).cautions)
    with create_provider("gemini", {"api_key": KEY, "base_url": "https://gw.example"}) as provider:
        assert provider.successor_of("gemini-2.0-flash") is None


# The Interactions API.


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


def streamed(*answers: Mapping[str, Any]) -> Answer:
    """A stream of answers."""
    body = "".join(f"data: {json.dumps(answer)}\n\n" for answer in answers)
    return Answer(200, {"content-type": "text/event-stream"}, (body.encode(),))


def candidate(*parts: Mapping[str, Any], reason: str | None = None) -> dict[str, Any]:
    """An answer without an id."""
    return {"candidates": [{"content": {"parts": list(parts)}, **({"finishReason": reason} if reason else {})}]}


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


def test_what_is_no_answer_in_a_stream_is_told(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """An error object of somebody else's is an error; anything else is told."""
    end = candidate({"text": "Hi."}, reason="STOP")
    google.answers = [streamed({"queue": 3}, end), streamed({"message": "no more", "code": 500}, end)]
    assert any("queue" in warning for warning in make().stream_chat("m", "?").read().warnings)
    with pytest.raises(ProviderError, match="no more"):
        make().stream_chat("m", "?").read()


@pytest.mark.parametrize("number", ["NaN", "1e400", "1" + "0" * 400, "true"])
def test_numbers_that_are_none(google: Google, make: Callable[..., GeminiProvider], number: str) -> None:
    """No vector holds them."""
    body = f'{{"embedding": {{"values": [{number}]}}, "embeddings": [{{"values": [{number}]}}]}}'
    google.answers = [Answer(200, {"content-type": "application/json"}, (body.encode(),))]
    with pytest.raises(ProtocolError):
        make().create_embedding("x", "m")


def test_answers_as_servers_of_others_write_them(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """Arguments that are JSON in a text, one id for two calls, which goes back with the first alone; a small reason."""
    provider = make()
    call = {"functionCall": {"id": "c", "name": "weather", "args": '{"city":"Oslo"}'}}
    google.answers = [answered(call, call, reason="stop"), HELLO]
    response = provider.chat("gemini-3.6-flash", "hi", tools=[WEATHER])
    first, second = response.tool_calls
    assert first.arguments == second.arguments == {"city": "Oslo"}
    assert (first.id, response.finish_reason) == ("c", "tool_calls")
    assert second.id != "c"
    google.answers = [answered({"functionCall": {"args": {}}})]
    with pytest.raises(ProtocolError, match="without a name"):
        provider.chat("gemini-3.6-flash", "hi", tools=[WEATHER])


def test_usage_may_come_in_pieces(google: Google, make: Callable[..., GeminiProvider]) -> None:
    """The prompt's count at the beginning of a stream alone, the answer's at its end."""
    begin = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}}], "usageMetadata": {"promptTokenCount": 3}}
    end = {"candidates": [{"finishReason": "STOP"}], "usageMetadata": {"candidatesTokenCount": 4}}
    pieces = tuple(f"data: {json.dumps(piece)}\n\n".encode() for piece in (begin, end))
    google.answers = [Answer(200, {"content-type": "text/event-stream"}, pieces)]
    usage = make().stream_chat("gemini-3.6-flash", "hi").read().usage
    assert (usage.input_tokens, usage.output_tokens) == (3, 4)
