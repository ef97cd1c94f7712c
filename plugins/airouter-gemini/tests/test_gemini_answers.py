"""Answers and failures of Gemini, as Google and others who speak so write them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from airouter_core.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.messages import FilePart, Message
from airouter_gemini.provider import GeminiProvider

from .google_server import HELLO, PNG, WEATHER, Google, answered, candidate, sent, streamed


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
