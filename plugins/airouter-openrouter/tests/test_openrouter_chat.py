"""What is OpenRouter's own in chat: routing, reasoning that goes back, errors of vendors behind it, costs."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider, validate_provider_config
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    MissingApiKeyError,
    ModelNotFoundError,
    OverloadedError,
    ParameterError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.testing.recordings import load_recordings, pieces, wire_events
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_core.values.folding import fold
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.request import Request
from airouter_openrouter.config import OpenRouterConfig
from airouter_openrouter.plugin import OPENROUTER, PARAMETERS
from airouter_openrouter.provider import OpenRouterProvider
from airouter_openrouter.wire import WIRE, support

RECORDINGS = Path(__file__).resolve().parents[3].parent / "shared" / "recordings"
KEY = "sk-or-0123456789"
CONFIG = OpenRouterConfig(api_key=KEY)
QUOTA = '{"error":{"code":"insufficient_quota"}}'
COMMENT = b": OPENROUTER PROCESSING\n\n"
ANSWER = {
    "id": "gen-1",
    "object": "chat.completion",
    "created": 1,
    "model": "a/b",
    "provider": "Acme",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "native_finish_reason": "END",
            "message": {"role": "assistant", "content": "Hi"},
        }
    ],
    "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 0.1},
}


def chunk(**delta: Any) -> bytes:
    """One event of a stream; ``delta`` is the delta."""
    return b"data: " + json.dumps({"id": "gen-1", "model": "a/b", "choices": [{"index": 0, "delta": delta}]}).encode()


STREAM = (
    COMMENT
    + chunk(content="Hi")
    + b"\n\n"
    + COMMENT
    + b'data: {"id":"gen-1","model":"a/b","provider":"Acme","choices":[{"index":0,"delta":{"content":""},'
    b'"finish_reason":"stop","native_finish_reason":"END"}]}\n\n'
    b'data: {"id":"gen-1","model":"a/b","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"cost":0.1}}\n\n'
    b"data: [DONE]\n\n"
)


def body_of(**known: Any) -> dict[str, Any]:
    """The body of a request for one question, unless ``messages`` say otherwise."""
    request = Request(**{"model": "a/b", "messages": (Message.user("Hello"),), "rows": PARAMETERS, **known})
    assert support(request, CONFIG) is None
    body: dict[str, Any] = json.loads(WIRE.build_request(request, CONFIG, stream=False).body or b"")
    return body


def sent(message: Message) -> dict[str, Any]:
    """A message as it is sent."""
    found: dict[str, Any] = body_of(messages=(message,))["messages"][0]
    return found


def error_of(status: int, error: Any, headers: Any = None, before: bytes = b"") -> ProviderError:
    return WIRE.parse_error(status, headers or {}, before + json.dumps({"error": error}).encode())


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    """Answers each chat at a price of ten cents."""

    def answer(request: Any, connection: Any) -> None:
        if request.json.get("stream"):
            connection.answer(Answer(200, {"content-type": "text/event-stream"}, tuple(pieces(STREAM, 50))))
        else:
            connection.answer(Answer.of_json(ANSWER, headers={"X-Generation-Id": "gen-1"}))

    with LoopbackServer(answer) as running:
        yield running


def provider_at(server: LoopbackServer, **config: Any) -> Any:
    return create_provider(
        "openrouter", {"api_key": KEY, "base_url": f"{server.url}/api/v1", "max_retries": 0, **config}
    )


# Routing and parameters.


def test_routing_may_be_given_directly_or_as_the_api_has_it() -> None:
    """Both spellings make the same object, and may be mixed; all other options stand where the API has them."""
    short = {"order": ["a", "b"], "only": "a", "sort": "price", "require_parameters": True, "models": ["c/d"]}
    body = body_of(provider_options=short)
    assert body["provider"] == {"order": ["a", "b"], "only": ["a"], "sort": "price", "require_parameters": True}
    assert body["models"] == ["c/d"]
    assert not {"order", "only", "sort", "require_parameters"} & set(body)
    nested = {"provider": {"order": ["a", "b"], "only": ["a"]}, "sort": "price", "require_parameters": True}
    assert body_of(provider_options={**nested, "models": ["c/d"]}) == body


def test_prices_in_routing_become_decimal_strings() -> None:
    """Numbers may be given; the API has strings, and no exponents."""
    body = body_of(provider_options={"max_price": {"prompt": 0.00001, "completion": 2, "image": "0.5"}})
    assert body["provider"]["max_price"] == {"prompt": "0.00001", "completion": "2", "image": "0.5"}


@pytest.mark.parametrize(
    "options",
    [
        {"order": ["a"], "provider": {"order": ["b"]}},
        {"provider": "anthropic"},
        {"max_price": 3},
        {"reasoning": {"effort": "low", "max_tokens": 5}},
    ],
)
def test_contradictory_options_are_errors(options: dict[str, Any]) -> None:
    """What is said twice with different values, or has the wrong shape, is refused before anything is sent."""
    with pytest.raises(ParameterError):
        body_of(provider_options=options)


def test_contradictions_are_told_when_a_stream_is_asked_for() -> None:
    """Not when it is first read: the call is wrong from the start, where no layer may answer it all the same."""
    with OpenRouterProvider(OpenRouterConfig(api_key=KEY), OPENROUTER) as provider:
        for parameters in ({"reasoning_effort": "low", "budget_tokens": 2000}, {"stop": ["1", "2", "3", "4", "5"]}):
            with pytest.raises(ParameterError):
                provider.stream_chat("a/b", "Hello", parameters=parameters)
        with pytest.raises(ParameterError, match="grammar"):
            provider.stream_chat("a/b", "Hello", parameters={"grammar": "root ::= x"}, response_format="json")


def test_reasoning_is_one_object() -> None:
    """Effort or budget from the parameters, and the rest from the options."""
    body = body_of(parameters={"reasoning_effort": "high"}, provider_options={"reasoning": {"exclude": True}})
    assert body["reasoning"] == {"effort": "high", "exclude": True}
    assert body_of(parameters={"reasoning_budget": 2000})["reasoning"] == {"max_tokens": 2000}


def test_a_grammar_is_a_response_format() -> None:
    """OpenRouter takes it there."""
    assert body_of(parameters={"grammar": "root ::= x"})["response_format"] == {
        "type": "grammar",
        "grammar": "root ::= x",
    }


def test_usage_is_not_asked_for() -> None:
    """It always comes, and the option for it has no effect."""
    assert "stream_options" not in json.loads(
        WIRE.build_request(Request(model="a/b", messages=(Message.user("x"),)), CONFIG, stream=True).body or b""
    )


def test_the_program_is_named_in_headers() -> None:
    """By name, address and kind; none is sent that was not given."""
    config = OpenRouterConfig(api_key=KEY, app_name="App", app_url="https://app.example", app_categories=["cli-agent"])
    headers = WIRE.build_request(Request(model="a/b", messages=(Message.user("x"),)), config, stream=False).headers
    assert headers["X-OpenRouter-Title"] == "App"
    assert headers["HTTP-Referer"] == "https://app.example"
    assert headers["X-OpenRouter-Categories"] == "cli-agent"
    bare = WIRE.build_request(Request(model="a/b", messages=(Message.user("x"),)), CONFIG, stream=False).headers
    assert not {"X-OpenRouter-Title", "HTTP-Referer", "X-OpenRouter-Categories"} & set(bare)


@pytest.mark.parametrize(
    "setting",
    [
        {"app_name": "two\nlines"},
        {"app_url": "https://ü.example"},
        {"app_categories": ["a", "b", "c"]},
        {"app_categories": "CLI Agent"},
        {"catalog_ttl": -1},
    ],
)
def test_a_wrong_setting_is_named(setting: dict[str, Any]) -> None:
    """What cannot be sent as a header is refused when the provider is made."""
    with pytest.raises(ConfigurationError, match=next(iter(setting))):
        create_provider("openrouter", {"api_key": KEY, **setting})


def test_a_key_is_needed_for_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider can be made without one; asking it, or validating its configuration, says what to set."""
    monkeypatch.delenv("OPENROUTER_API_KEY", raising=False)
    valid, problem = validate_provider_config("openrouter", {})
    assert not valid
    assert "OPENROUTER_API_KEY" in (problem or "")
    assert validate_provider_config("open-router", {"api_key": KEY}) == (True, None)
    with create_provider("openrouter") as provider, pytest.raises(MissingApiKeyError, match="OPENROUTER_API_KEY"):
        provider.execute("a/b", "Hello")


# Reasoning that goes back.


def test_recorded_reasoning_goes_back_as_it_came() -> None:
    """Details in a dict message are sent verbatim, as recorded programs sent them."""
    found = 0
    for recording in load_recordings(RECORDINGS, "openrouter-chat"):
        for said in (recording.request.get("json") or {}).get("messages", ()):
            if said.get("reasoning_details"):
                found += 1
                message = sent(messages_from([said])[0])
                assert message["reasoning_details"] == said["reasoning_details"], recording.id
                assert [call["id"] for call in message["tool_calls"]] == [call["id"] for call in said["tool_calls"]]
    if not found:
        pytest.skip(f"no recorded requests with reasoning in {RECORDINGS}")


def test_every_recorded_reasoning_can_go_back() -> None:
    """Out of a body or out of a stream, by way of a Message value: whole, once, and not as text beside it."""
    found = 0
    for recording in load_recordings(RECORDINGS, "openrouter-chat"):
        if not recording.is_answer or b"reasoning_details" not in recording.body:
            continue
        response = fold(wire_events(WIRE, recording, lambda data: pieces(data, 7)))
        details = response.provider_metadata.get("openrouter", {}).get("reasoning_details")
        if details is None:
            continue
        found += 1
        message = sent(response.message)
        assert message["reasoning_details"] == details, recording.id
        assert "reasoning" not in message, recording.id
        if not recording.stream:
            assert details == json.loads(recording.body)["choices"][0]["message"]["reasoning_details"], recording.id
        kinds = [(item["type"], item["index"]) for item in details if item["type"] != "reasoning.encrypted"]
        assert len(kinds) == len(set(kinds)), recording.id
    if not found:
        pytest.skip(f"no recorded answers with reasoning in {RECORDINGS}")


def test_what_one_recording_answers_another_sends_back() -> None:
    """A stream's fragments add up to the very details that a program sent in its next turn."""
    recorded = load_recordings(RECORDINGS, "openrouter-chat")
    answers = {
        response.tool_calls[0].id: response
        for recording in recorded
        if recording.is_answer
        for response in [fold(wire_events(WIRE, recording))]
        if response.tool_calls
    }
    if not answers:
        pytest.skip(f"no recorded tool calls in {RECORDINGS}")
    equal = 0
    for recording in recorded:
        for said in (recording.request.get("json") or {}).get("messages", ()):
            if not said.get("reasoning_details") or said["tool_calls"][0]["id"] not in answers:
                continue
            details = sent(answers[said["tool_calls"][0]["id"]].message)["reasoning_details"]
            # One program had left out what is encrypted, and renamed the rest.
            if any(item["format"].startswith("xai") for item in details):
                continue
            assert details == said["reasoning_details"], recording.id
            equal += 1
    assert equal >= 3


def test_the_fragments_of_a_stream_become_whole() -> None:
    """Text grows, the signature comes last, what is encrypted stays apart, though it has the same index."""
    fragments: list[dict[str, Any]] = [
        {"type": "reasoning.text", "index": 0, "text": "I ", "format": "f", "signature": None},
        {"type": "reasoning.text", "index": 0, "text": "think", "format": "f"},
        {"type": "reasoning.text", "index": 0, "signature": "S"},
        {"type": "reasoning.encrypted", "index": 0, "data": "A", "id": "1"},
        {"type": "reasoning.encrypted", "index": 0, "data": "B", "id": "2"},
        {"type": "reasoning.text", "index": 1, "text": "more"},
    ]
    parser = WIRE.open_stream()
    events = [
        event
        for fragment in fragments
        for event in parser.feed(chunk(reasoning=fragment.get("text"), reasoning_details=[fragment]) + b"\n\n")
    ]
    events += parser.feed(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')
    events += parser.close()
    response = fold(events)
    assert response.reasoning == "I thinkmore"
    assert sent(response.message)["reasoning_details"] == [
        {"type": "reasoning.text", "index": 0, "text": "I think", "format": "f", "signature": "S"},
        fragments[3],
        fragments[4],
        fragments[5],
    ]


def test_reasoning_of_another_provider_goes_as_text() -> None:
    """Where there are no details, the text is what there is."""
    assert sent(Message.assistant(ReasoningPart("hm"), "Hi"))["reasoning"] == "hm"
    assert "reasoning" not in sent(Message.assistant("Hi"))


def test_pictures_that_were_made_go_back() -> None:
    """An assistant's pictures stand where OpenRouter has them, so that the next turn may change them."""
    message = sent(Message.assistant("Here", FilePart("image/png", data=b"x")))
    assert message["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}]


def test_videos_are_named_as_such() -> None:
    """By address or by content; the rest of the message stays as it is."""
    message = sent(
        Message.user(FilePart.from_url("https://example.com/a.mp4"), FilePart("video/webm", data=b"x"), "Hi")
    )
    assert message["content"] == [
        {"type": "video_url", "video_url": {"url": "https://example.com/a.mp4"}},
        {"type": "video_url", "video_url": {"url": "data:video/webm;base64,eA=="}},
        {"type": "text", "text": "Hi"},
    ]


def test_what_came_from_openrouter_goes_to_no_other_provider() -> None:
    """Metadata is keyed by provider: another's is not sent."""
    part = TextPart("Hi", {"claude": {"reasoning_details": [1], "cache_control": {}}})
    assert sent(Message.assistant(part)) == {"role": "assistant", "content": "Hi"}
    assert sent(Message("user", part)) == {"role": "user", "content": "Hi"}


def test_fields_of_a_dict_message_are_not_dropped() -> None:
    """What the format does not know goes to the vendor, which may."""
    message = sent(messages_from([{"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}])[0])
    assert message == {"role": "user", "content": "Hi", "cache_control": {"type": "ephemeral"}}


def test_marks_of_texts_reach_the_vendor() -> None:
    """In answers and in results of tools too, whose texts become lists for it."""
    mark = {"cache_control": {"type": "ephemeral"}}
    text = {"type": "text", "text": "Hi", **mark}
    messages = [
        {"role": "assistant", "content": [text]},
        {"role": "tool", "tool_call_id": "plain", "content": "x"},
        {"role": "tool", "tool_call_id": "marked", "content": [text, {"type": "text", "text": "x"}]},
    ]
    assert body_of(messages=messages_from(messages))["messages"] == [
        {"role": "assistant", "content": [text]},
        {"role": "tool", "tool_call_id": "plain", "content": "x"},
        {"role": "tool", "tool_call_id": "marked", "content": [text, {"type": "text", "text": "x"}]},
    ]


# Errors.


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        (400, {"code": 400, "message": "x/y is not a valid model ID"}, ModelNotFoundError),
        (400, {"code": 400, "message": "Bad"}, BadRequestError),
        (400, {"code": 400, "message": "x", "metadata": {"error_type": "context_length_exceeded"}}, ContextLengthError),
        (400, {"code": 400, "message": "x", "metadata": {"error_type": "refusal"}}, ContentFilteredError),
        (401, {"code": 401, "message": "No cookie auth credentials found"}, AuthenticationError),
        (402, {"code": 402, "message": "Insufficient credits"}, QuotaExceededError),
        (403, {"code": 403, "message": "x", "metadata": {"reasons": ["violence"]}}, ContentFilteredError),
        (404, {"code": 404, "message": "No endpoints found for x/y"}, ModelNotFoundError),
        (404, {"message": "x", "error_type": "not_found", "http_status": 404}, ModelNotFoundError),
        (429, {"code": 429, "message": "slow down"}, RateLimitedError),
        (429, {"code": 429, "message": "x", "metadata": {"raw": QUOTA}}, QuotaExceededError),
        (502, {"code": 502, "message": "Upstream"}, ServerError),
        (503, {"code": 503, "message": "x", "metadata": {"error_type": "provider_overloaded"}}, OverloadedError),
        (529, {"code": 529, "message": "x"}, OverloadedError),
    ],
)  # fmt: skip
def test_each_failure_has_its_class(status: int, error: dict[str, Any], expected: type[ProviderError]) -> None:
    """By OpenRouter's own words first, then by those of the vendor behind it, then by the status."""
    found = error_of(status, error)
    assert type(found) is expected
    assert found.status == status
    inside = {"error": {**error, "code": status}, "choices": []}
    with pytest.raises(expected) as caught:
        list(WIRE.parse_body(json.dumps(inside).encode()))
    assert caught.value.status == 200


def test_the_vendors_own_words_are_shown() -> None:
    """OpenRouter's "Provider returned error" alone would leave the caller with nothing."""
    raw = json.dumps({"error": {"message": "Invalid schema for function 'f'", "code": "invalid_function_parameters"}})
    error = error_of(
        400,
        {"code": 400, "message": "Provider returned error", "metadata": {"raw": raw, "provider_name": "OpenAI"}},
        {"x-generation-id": "gen-9"},
    )
    assert "Provider returned error; OpenAI said: Invalid schema for function 'f'" in str(error)
    assert (error.error_type, error.request_id) == ("400", "gen-9")


def test_availability_decides_about_another_attempt() -> None:
    """OpenRouter says itself whether trying again helps, and when, and what there is instead."""
    found = error_of(
        404,
        {
            "message": "Not now",
            "http_status": 404,
            "availability": {
                "code": "model_unavailable_upstream",
                "retryable": True,
                "retry_after": 7,
                "fallback_models": ["c/d"],
            },
        },
    )
    assert isinstance(found, ModelNotFoundError)
    assert (found.retryable, found.retry_after, found.error_type) == (True, 7.0, "model_unavailable_upstream")
    assert "c/d" in str(found)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_comments_may_come_before_json(size: int) -> None:
    """An error that follows keep-alive comments is an error, with a status of its own or without, however it is cut."""
    error = b'{"error":{"code":502,"message":"Upstream died"}}'
    assert isinstance(error_of(502, {"code": 502, "message": "Upstream died"}, before=COMMENT * 3), ServerError)
    with pytest.raises(ServerError, match="Upstream died"):
        list(WIRE.parse_body(COMMENT * 3 + error))

    def answer(request: Any, connection: Any) -> None:
        body = COMMENT * 3 + error
        connection.answer(Answer(200, {"content-type": "text/event-stream"}, tuple(pieces(body, size))))

    with LoopbackServer(answer) as server, provider_at(server) as provider:
        for ask in (provider.chat, lambda *given: provider.stream_chat(*given).read()):
            with pytest.raises(ServerError, match="Upstream died") as caught:
                ask("a/b", "Hello")
            assert caught.value.status == 200


def test_an_error_in_a_choice_is_raised_with_what_had_come() -> None:
    """Once an answer has begun the status is 200, and the error stands in it."""
    failed = {"code": 502, "message": "Died", "metadata": {"error_type": "provider_unavailable"}}
    choice = {"index": 0, "finish_reason": "error", "message": {"role": "assistant", "content": "Ha"}, "error": failed}
    with pytest.raises(ServerError) as caught:
        fold(WIRE.parse_body(json.dumps({**ANSWER, "choices": [choice]}).encode()))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Ha"
    parser = WIRE.open_stream()
    events = [*parser.feed(chunk(content="Ha") + b"\n\n")]
    with pytest.raises(ServerError):
        events += parser.feed(
            b"data: "
            + json.dumps(
                {"error": failed, "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}]}
            ).encode()
            + b"\n\n"
        )


def test_comments_alone_are_a_cut_answer() -> None:
    """A connection that was kept alive and then closed gave nothing."""

    def answer(request: Any, connection: Any) -> None:
        connection.answer(Answer(200, {"content-type": "text/event-stream"}, (COMMENT, COMMENT)))

    with LoopbackServer(answer) as server, provider_at(server) as provider, pytest.raises(TruncatedStreamError):
        provider.stream_chat("a/b", "Hello").read()


# Costs.


def test_costs_add_up(server: LoopbackServer) -> None:
    """Over bodies and streams, exactly, and from many threads at once; each answer has its own."""
    with provider_at(server) as provider:
        assert provider.total_cost == 0
        response = provider.chat("a/b", "Hello")
        assert (response.cost.amount, response.cost.source, response.cost.currency) == (
            Decimal("0.1"),
            "provider",
            "USD",
        )
        assert response.request_id == "gen-1"
        assert response.provider_metadata["openrouter"] == {"provider": "Acme", "native_finish_reason": "END"}

        def ask() -> None:
            for number in range(6):
                if number % 2:
                    assert "".join(provider.stream_execute("a/b", "Hello")) == "Hi"
                else:
                    provider.execute("a/b", "Hello")

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert provider.total_cost == Decimal("4.9")
        assert provider.details()["total_cost"] == Decimal("4.9")


def test_a_stream_that_is_left_costs_what_was_reported(server: LoopbackServer) -> None:
    """The cost comes last: whoever leaves before it does not learn it."""
    with provider_at(server) as provider:
        with provider.stream_chat("a/b", "Hello") as stream:
            next(stream)
        assert provider.total_cost == 0


def test_awaited_answers_are_counted_too(server: LoopbackServer) -> None:
    """The total does not depend on how a call was made."""
    pytest.importorskip("aiohttp", reason="awaiting needs the extra [async]")

    async def ask() -> Decimal:
        async with provider_at(server) as provider:
            await provider.achat("a/b", "Hello")
            async for _ in provider.astream_execute("a/b", "Hello"):
                pass
            total: Decimal = provider.total_cost
            return total

    assert asyncio.run(ask()) == Decimal("0.2")


def test_calls_keep_their_form(server: LoopbackServer) -> None:
    """An assistant's call without text goes back with no content, as it came."""
    message = sent(Message.assistant(ToolCallPart("c", "f", "{}")))
    assert message["content"] is None


def test_a_sound_of_the_assistant_is_no_picture() -> None:
    """Only pictures go back among the images of an answer."""
    said = Message.assistant("a", FilePart("audio/wav", data=b"x"), FilePart("image/png", data=b"y"))
    request = Request(model="m", messages=(Message.user("hi"), said))
    body = json.loads(WIRE.build_request(request, OpenRouterConfig(api_key="k"), stream=False).body or b"")
    assert [image["image_url"]["url"][:14] for image in body["messages"][1]["images"]] == ["data:image/png"]
