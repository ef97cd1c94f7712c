"""What is particular to the Responses API: its events, its ends, its errors, and what goes back with a conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airouter_core.errors import (
    ContextLengthError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    ServerError,
    TruncatedStreamError,
    UnsupportedFeatureError,
)
from airouter_core.values.folding import fold
from airouter_core.values.messages import (
    FilePart,
    Message,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_openai.config import OpenAIConfig
from airouter_openai.request import input_items
from airouter_openai.wire import RESPONSES


def read(*events: Any) -> Response:
    """Fold a stream of these events."""
    parser = RESPONSES.open_stream()

    def everything() -> Any:
        for event in events:
            data = event if isinstance(event, str) else json.dumps(event)
            yield from parser.feed(f"data: {data}\n\n".encode())
        yield from parser.close()

    return fold(everything())


def body(*output: Any, **fields: Any) -> Response:
    answer = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": list(output)}
    return fold(RESPONSES.parse_body(json.dumps({**answer, **fields}).encode()))


def message(*content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "id": "msg_1", "role": "assistant", "content": list(content), **fields}


def said(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], **fields}


def delta(kind: str, text: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "delta": text, **fields}


def ended(*output: Any, kind: str = "completed", **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"id": "resp_1", "status": kind, "output": list(output), **fields}}


CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "weather", "arguments": '{"city":"Paris"}'}
THOUGHT = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "One"}, {"type": "summary_text", "text": "Two"}],
    "encrypted_content": "secret",
}


def test_a_body_and_a_stream_make_the_same_response() -> None:
    """Pieces, items and the whole answer at the end are one answer, said once."""
    text = said("Hello there", annotations=[{"type": "url_citation", "url": "https://example.com"}])
    output = [THOUGHT, message(text, phase="final_answer"), CALL]
    streamed = read(
        {"type": "response.created", "response": {"id": "resp_1", "model": "m", "status": "in_progress"}},
        {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs_1"}},
        delta("reasoning_summary_text", "O", output_index=0, summary_index=0),
        delta("reasoning_summary_text", "ne", output_index=0, summary_index=0),
        delta("reasoning_summary_text", "Two", output_index=0, summary_index=1),
        {"type": "response.output_item.done", "output_index": 0, "item": THOUGHT},
        {
            "type": "response.output_item.added",
            "output_index": 1,
            "item": {"type": "message", "id": "msg_1", "phase": "final_answer", "content": []},
        },
        delta("output_text", "Hello ", output_index=1, content_index=0),
        delta("output_text", "there", output_index=1, content_index=0),
        {"type": "response.content_part.done", "output_index": 1, "content_index": 0, "part": text},
        {"type": "response.output_item.done", "output_index": 1, "item": output[1]},
        {"type": "response.output_item.added", "output_index": 2, "item": {**CALL, "arguments": ""}},
        delta("function_call_arguments", '{"city":', output_index=2, item_id="fc_1"),
        delta("function_call_arguments", '"Paris"}', output_index=2, item_id="fc_1"),
        {"type": "response.output_item.done", "output_index": 2, "item": CALL},
        ended(*output, model="m"),
    )
    assert streamed == body(*output)
    assert streamed.reasoning == "One\nTwo"
    assert streamed.text == "Hello there"
    assert streamed.tool_calls[0].arguments == {"city": "Paris"}
    assert streamed.finish_reason == "tool_calls"
    assert streamed.provider_metadata["openai"]["annotations"][0]["url"] == "https://example.com"


def test_what_a_stream_left_out_is_taken_from_its_end() -> None:
    """A server that sends only some pieces, or none, still gives the whole answer."""
    output = [message(said("Hello there")), CALL]
    assert read(ended(*output)).text == "Hello there"
    partly = read(delta("output_text", "Hello", output_index=0, content_index=0), ended(*output))
    assert partly.text == "Hello there"
    assert partly.tool_calls[0].arguments_json == CALL["arguments"]


def test_items_are_told_apart_by_id_where_they_have_no_number() -> None:
    """As llama.cpp's server streams them."""
    response = read(
        {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress"}},
        {"type": "response.output_item.added", "item": {"type": "message", "id": "msg_1", "content": []}},
        delta("output_text", "Hi", item_id="msg_1"),
        {"type": "response.content_part.done", "item_id": "msg_1", "part": said("Hi")},
        {"type": "response.output_item.done", "item": message(said("Hi"))},
        {"type": "response.output_item.added", "item": {**CALL, "arguments": ""}},
        delta("function_call_arguments", CALL["arguments"], item_id="fc_1"),
        {"type": "response.output_item.done", "item": CALL},
        ended(message(said("Hi")), CALL, model="toy"),
    )
    assert (response.text, len(response.tool_calls), response.model) == ("Hi", 1, "toy")


def test_items_that_share_a_place_are_told_apart() -> None:
    """Some servers begin each item at place 0: two calls, and two texts, are never joined."""

    def begun(identity: str, **item: Any) -> dict[str, Any]:
        return {"type": "response.output_item.added", "output_index": 0, "item": {"id": identity, **item}}

    def more(kind: str, identity: str, text: str) -> dict[str, Any]:
        return {"type": f"response.{kind}.delta", "output_index": 0, "item_id": identity, "delta": text}

    arguments = "function_call_arguments"
    response = read(
        begun("m1", type="message"),
        more("output_text", "m1", "one "),
        begun("m2", type="message"),
        more("output_text", "m2", "two"),
        begun("f1", type="function_call", call_id="c1", name="f"),
        begun("f2", type="function_call", call_id="c2", name="f"),
        more(arguments, "f1", '{"x":'),
        more(arguments, "f2", '{"x":2}'),
        more(arguments, "f1", "1}"),
        {"type": "response.completed", "response": {"status": "completed", "output": [message(said("one "), id="m1")]}},
    )
    assert response.text == "one two"
    assert [(call.id, call.arguments) for call in response.tool_calls] == [("c1", {"x": 1}), ("c2", {"x": 2})]


def test_other_servers_write_texts_and_objects() -> None:
    """A content that is a text is one, and arguments that are an object are not lost."""
    assert body({"type": "message", "role": "assistant", "content": "Hi"}).text == "Hi"
    call = {"type": "function_call", "call_id": "a", "name": "f", "arguments": {"x": 1}}
    assert body(call).tool_calls[0].arguments == {"x": 1}
    with pytest.raises(ProtocolError, match="without output"):
        fold(RESPONSES.parse_body(b'{"status": "completed", "output": null}'))


def test_parallel_calls_may_interleave() -> None:
    """Fragments belong to the item that they name."""
    other = {**CALL, "id": "fc_2", "call_id": "call_2", "arguments": "{}"}
    response = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}},
        {"type": "response.output_item.added", "output_index": 1, "item": {**other, "arguments": ""}},
        delta("function_call_arguments", '{"city":', output_index=0),
        delta("function_call_arguments", "{}", output_index=1),
        delta("function_call_arguments", '"Paris"}', output_index=0),
        ended(CALL, other),
    )
    assert [call.arguments_json for call in response.tool_calls] == [CALL["arguments"], "{}"]
    assert [call.id for call in response.tool_calls] == ["call_1", "call_2"]


def test_a_refusal_is_no_text() -> None:
    """It has a field of its own, in a stream and in a body."""
    refused = message({"type": "refusal", "refusal": "I cannot."})
    for response in body(refused), read(delta("refusal", "I can", output_index=0), ended(refused)):
        assert (response.refusal, response.text, response.finish_reason) == ("I cannot.", "", "stop")


@pytest.mark.parametrize(
    ("status", "reason", "finish"),
    [
        ("completed", None, "stop"),
        ("incomplete", "max_output_tokens", "length"),
        ("incomplete", "content_filter", "content_filter"),
        ("incomplete", "steered", "other"),
        ("cancelled", None, "other"),
        ("something_new", None, "other"),
    ],
)
def test_each_end_has_its_reason(status: str, reason: str | None, finish: str) -> None:
    """The status is the raw reason; why it is incomplete stands in the metadata."""
    details = {"reason": reason} if reason else None
    response = body(message(said("Hi")), status=status, incomplete_details=details)
    assert (response.finish_reason, response.raw_finish_reason) == (finish, status)
    if reason:
        assert response.provider_metadata["openai"]["incomplete_details"] == {"reason": reason}


def test_an_answer_made_in_the_background_says_so() -> None:
    """There is no text yet, and a warning tells why."""
    response = body(status="queued")
    assert (response.text, response.finish_reason, response.id) == ("", "other", "resp_1")
    assert "background" in response.warnings[0]


def test_usage_counts_cache_and_reasoning_inside() -> None:
    """Input holds what was cached, output what was thought; what is not said is None."""
    usage = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 80},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 40},
    }
    found = body(usage=usage).usage
    assert (found.input_tokens, found.cache_read_tokens, found.cache_write_tokens) == (100, 80, None)
    assert (found.output_tokens, found.reasoning_tokens, found.raw) == (50, 40, usage)
    assert body().usage.input_tokens is None


def test_a_stream_that_stops_early_is_an_error() -> None:
    """Without its last event it is truncated, whatever says that it is done; the text is kept."""
    for events in ((), ("[DONE]",)):
        with pytest.raises(TruncatedStreamError) as caught:
            read(delta("output_text", "Hel", output_index=0), *events)
        assert caught.value.partial is not None
        assert caught.value.partial.text == "Hel"


def test_nothing_is_read_after_the_end() -> None:
    """The last event ends it, and neither unknown events nor keep-alives disturb it."""
    response = read(
        {"type": "keepalive"},
        {"type": "response.brand_new", "output_index": 5},
        ended(message(said("Hi"))),
        delta("output_text", "more", output_index=0),
        "[DONE]",
    )
    assert response.text == "Hi"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "insufficient_quota", "message": "No money", "param": None},
        {"type": "error", "error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "No money"}},
        ended(kind="failed", error={"code": "insufficient_quota", "message": "No money"}),
    ],
)
def test_an_error_inside_a_stream_is_raised_with_what_had_come(event: Any) -> None:
    """Flat, nested, or as a failed response: the code decides, and money that ran out is not tried again."""
    with pytest.raises(QuotaExceededError, match="No money") as caught:
        read(delta("output_text", "Hel", output_index=0), event)
    assert caught.value.retryable is False
    assert caught.value.status == 200
    assert caught.value.partial is not None
    assert caught.value.partial.text == "Hel"


def test_a_body_may_fail_with_status_200() -> None:
    """The error is the response's; one without words is an error all the same."""
    with pytest.raises(ServerError, match="It broke"):
        body(status="failed", error={"code": "server_error", "message": "It broke"})
    with pytest.raises(ProviderError):
        body(status="failed", error=None)


@pytest.mark.parametrize(("content", "hint"), [(b"{}", "without output"), (b'{"choices":[]}', "set api to chat")])
def test_a_body_that_is_no_response_is_an_error(content: bytes, hint: str) -> None:
    """Never an empty answer."""
    with pytest.raises(ProtocolError, match=hint):
        fold(RESPONSES.parse_body(content))


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable"),
    [
        (400, {"message": "too long", "code": "context_length_exceeded"}, "ContextLengthError", False),
        (400, {"message": "This model's maximum context length is 2048 tokens."}, "ContextLengthError", False),
        (
            429,
            {"message": "m", "type": "insufficient_quota", "code": "credit_balance_exhausted"},
            "QuotaExceededError",
            False,
        ),
        (429, {"message": "m", "code": "organization_spend_limit_exceeded"}, "QuotaExceededError", False),
        (429, {"message": "m", "type": "requests", "code": "rate_limit_exceeded"}, "RateLimitedError", True),
        (429, {"message": "Request too large for m", "code": "rate_limit_exceeded"}, "RateLimitedError", False),
        (429, {"message": "m", "type": "rate_limit_error", "code": "slow_down"}, "OverloadedError", True),
        (503, {"message": "m", "type": "service_unavailable_error"}, "OverloadedError", True),
        (500, {"message": "m", "type": "server_error"}, "ServerError", True),
        (401, {"message": "m", "type": "invalid_request_error"}, "AuthenticationError", False),
        (403, {"message": "m", "code": "unsupported_country_region_territory"}, "PermissionDeniedError", False),
        (404, {"message": "m", "code": "model_not_found"}, "ModelNotFoundError", False),
        (400, {"message": "m", "code": "moderation_blocked"}, "ContentFilteredError", False),
        (409, {"message": "m"}, "ServerError", True),
        (422, {"message": "m"}, "BadRequestError", False),
    ],
)
def test_codes_decide_before_the_status(status: int, error: Any, kind: str, retryable: bool) -> None:
    """What a failure is, and whether it is tried again, is said by its code where it has one."""
    found = RESPONSES.parse_error(status, {}, json.dumps({"error": error}).encode())
    assert (type(found).__name__, found.retryable, found.status) == (kind, retryable, status)


def test_an_overflow_is_one_whatever_the_code() -> None:
    """A failed response has only its words."""
    with pytest.raises(ContextLengthError):
        body(status="failed", error={"code": "x", "message": "Your input exceeds the context window of this model."})


def test_a_conversation_goes_back_as_it_was_said() -> None:
    """Reasoning with its encrypted content, message and call with their ids, the phase, and items unknown to us."""
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    thought = {**THOUGHT, "content": None}
    response = body(thought, search, message(said("I look."), phase="commentary"), {**CALL, "status": "completed"})
    assert input_items([response.message], True, stored=False) == [
        THOUGHT,
        search,
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "I look.", "annotations": []}],
            "phase": "commentary",
        },
        {**CALL, "status": "completed"},
    ]


def test_hidden_reasoning_is_kept_for_the_next_turn() -> None:
    """A thought that shows no text is a part all the same; without its content, and nothing stored, it is not sent."""
    hidden = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"}
    response = body(hidden, message(said("Hi")))
    assert isinstance(response.message.parts[0], ReasoningPart)
    assert input_items([response.message], True, stored=False)[0] == hidden
    bare = body({"type": "reasoning", "id": "rs_1", "summary": []}, message(said("Hi")))
    assert input_items([bare.message], True, stored=False) == [{"role": "assistant", "content": "Hi"}]
    assert [item["type"] for item in input_items([bare.message], True, stored=True)] == ["reasoning", "message"]


def test_custom_tools_answer_in_kind() -> None:
    """Their input is text, and so is their result's item."""
    custom = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "call_9", "name": "sql", "input": "SELECT 1"}
    streamed = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**custom, "input": ""}},
        delta("custom_tool_call_input", "SELECT", output_index=0),
        ended(custom),
    )
    assert streamed.tool_calls[0].arguments_json == "SELECT 1"
    history = [streamed.message, Message.tool("call_9", "1")]
    assert input_items(history, True, stored=False) == [
        custom,
        {"type": "custom_tool_call_output", "call_id": "call_9", "output": "1"},
    ]


def test_a_made_image_is_a_file_and_goes_back_as_it_came() -> None:
    """Its bytes are a part of the answer."""
    item = {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": "iVBORw0KGgo="}
    response = body(item)
    image = response.message.parts[0]
    assert isinstance(image, FilePart)
    assert image.media_type == "image/png"
    assert input_items([response.message], True, stored=False) == [item]


def test_parts_from_elsewhere_are_sent_plainly() -> None:
    """Texts and refusals as one message, calls without ids; other providers' thoughts and items stay with them."""
    history = [
        Message.system("Be brief."),
        Message(
            "assistant",
            (
                ReasoningPart("hm", {"claude": {"signature": "s"}}),
                TextPart("I "),
                TextPart("look.", {"claude": {}}),
                RefusalPart(" No."),
                ProviderPart("claude", {"type": "server_tool_use"}),
                ToolCallPart("call_1", "weather", ""),
            ),
        ),
        Message("tool", (ToolResultPart("call_1", (TextPart("See"), FilePart("image/png", data=b"x"))),)),
    ]
    assert input_items(history, False, stored=False) == [
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": "I look. No."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {
            "type": "function_call_output",
            "call_id": "call_1",
            "output": [
                {"type": "input_text", "text": "See"},
                {"type": "input_image", "detail": "auto", "image_url": "data:image/png;base64,eA=="},
            ],
        },
    ]


def test_an_item_of_the_users() -> None:
    """What only this API understands is an item of its own, whoever says it."""
    consent = {"type": "mcp_approval_response", "approval_request_id": "mcpr_1", "approve": True}
    alone, beside = Message.user(ProviderPart("openai", consent)), Message.user("Yes.", ProviderPart("openai", consent))
    assert input_items([alone, beside], True, stored=False) == [consent, {"role": "user", "content": "Yes."}, consent]


def test_files_are_sent_by_content_by_address_or_by_id() -> None:
    """Documents and images, each in the three ways that there are."""
    own = {"openai": {"file_id": "file-1"}}
    parts = (
        FilePart("application/pdf", data=b"%PDF-", name="a.pdf"),
        FilePart("application/pdf", url="https://example.com/a.pdf"),
        FilePart("application/pdf", detail="low", provider_metadata=own),
        FilePart("image/png", provider_metadata=own),
    )
    assert input_items([Message("user", parts)], True, stored=False)[0]["content"] == [
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_file", "file_url": "https://example.com/a.pdf"},
        {"type": "input_file", "detail": "low", "file_id": "file-1"},
        {"type": "input_image", "detail": "auto", "file_id": "file-1"},
    ]


def test_what_the_api_cannot_take_is_refused_before_it_is_sent() -> None:
    """Sound, and files that the model is said to have sent."""
    with pytest.raises(UnsupportedFeatureError, match="gpt-audio"):
        input_items([Message.user(FilePart("audio/wav", data=b"x"))], True, stored=False)
    with pytest.raises(UnsupportedFeatureError, match="user message"):
        input_items([Message("assistant", (FilePart("image/png", data=b"x"),))], True, stored=False)


def test_open_models_show_their_thoughts() -> None:
    """Their reasoning is content, not a summary; a stream and a body tell it alike."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]}
    streamed = read(
        {"type": "response.output_item.added", "output_index": 0, "item": {**thought, "content": []}},
        delta("reasoning_text", "H", output_index=0, content_index=0),
        delta("reasoning_text", "m", output_index=0, content_index=0),
        ended(thought),
    )
    assert streamed.message == body(thought).message
    assert streamed.reasoning == "Hm"


@pytest.mark.parametrize("item", [{"id": "x"}, {"type": "image_generation_call", "id": "ig_1", "result": "@@@"}])
def test_an_item_that_makes_no_sense_is_an_error_of_the_providers(item: Any) -> None:
    """Not an error of the caller's, and not nothing."""
    with pytest.raises(ProtocolError):
        body(item)


def test_log_probabilities_are_metadata() -> None:
    """Those of all texts, in their order."""
    tokens = [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]
    response = body(message(said("Hi", logprobs=tokens)))
    assert response.provider_metadata["openai"]["logprobs"] == tokens


@pytest.mark.parametrize(
    "event",
    [{"message": "upstream died", "code": 500}, {"error": "upstream died"}, {"detail": "upstream died"}],
    ids=str,
)
def test_an_error_of_a_foreign_shape_is_an_error(event: Any) -> None:
    """An error object of no type, between half an answer and its end, is an error with half an answer."""
    with pytest.raises(ProviderError, match="upstream died") as caught:
        read(delta("output_text", "hal"), event, ended(message(said("hal"))))
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"


def test_an_event_named_error_is_one_whatever_its_data() -> None:
    """Words, or nothing at all, under the name ``error``."""
    for data in (b"data: upstream died\n", b""):
        parser = RESPONSES.open_stream()
        with pytest.raises(ProviderError, match=r"upstream died|does not say why"):
            list(parser.feed(b"event: error\n" + data + b"\n"))


def test_what_is_no_part_of_an_answer_is_told() -> None:
    """An object of no type is told of; a stream of chat completions names the setting to change."""
    response = read({"response": "x"}, ended(message(said("hal"))))
    assert ['"response"' in warning for warning in response.warnings] == [True]
    with pytest.raises(ProtocolError, match="set api to chat"):
        read({"choices": [{"delta": {"content": "hal"}}]})


def test_events_that_name_no_item_belong_to_the_last_one() -> None:
    """Without a place and an id, what is said goes on with the item begun last."""
    events: list[dict[str, Any]] = []
    for number, city in enumerate(("Paris", "Rome")):
        call = {**CALL, "id": f"fc_{number}", "call_id": f"call_{number}", "arguments": ""}
        events.append({"type": "response.output_item.added", "output_index": number, "item": call})
        events.append(delta("function_call_arguments", '{"city":'))
        events.append(delta("function_call_arguments", f'"{city}"}}'))
    response = read(*events, ended(kind="completed"))
    assert [call.arguments for call in response.tool_calls] == [{"city": "Paris"}, {"city": "Rome"}]


def test_arguments_of_no_call_are_an_error() -> None:
    """Arguments for which no call ever came are not passed over."""
    with pytest.raises(ProtocolError, match="never began"):
        read(delta("function_call_arguments", "{}", item_id="fc_9"), ended(message(said("a"))))


OWN_THOUGHT = ReasoningPart("", {"openai": {"type": "reasoning", "id": "rs_1", "summary": []}})
OWN_TEXT = TextPart("Hi", {"openai": {"type": "message", "id": "msg_1", "phase": "final_answer"}})
OWN_CALL = ToolCallPart("c", "f", "{}", {"openai": {"type": "function_call", "id": "fc_1", "status": "completed"}})


def test_where_a_thought_is_left_out_its_ids_are_too() -> None:
    """The vendor refuses an item without the thought that its id is tied to; without the id it is taken."""
    messages = [Message.user("hi"), Message.assistant(OWN_THOUGHT, OWN_TEXT, OWN_CALL)]
    kept = input_items(messages, True, stored=True)
    assert [item.get("id") for item in kept] == [None, "rs_1", "msg_1", "fc_1"]
    assert input_items(messages, True, stored=False)[1:] == [
        {"role": "assistant", "content": "Hi", "phase": "final_answer"},
        {"type": "function_call", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"},
    ]
    alone = [Message.assistant(OWN_TEXT), Message.assistant(OWN_THOUGHT, OWN_TEXT)]
    assert [item.get("id") for item in input_items(alone, True, stored=False)] == ["msg_1", None]


@pytest.mark.parametrize("after", [[], [Message.user("go on")], [Message.tool("c", "x")]])
def test_a_thought_that_led_to_nothing_is_left_out(after: list[Message]) -> None:
    """As where all of the limit was thought: the vendor takes a thought only with what followed it."""
    items = input_items([Message.user("hi"), Message.assistant(OWN_THOUGHT), *after], True, stored=True)
    assert "reasoning" not in [item.get("type") for item in items]
    followed = input_items([Message.assistant(OWN_THOUGHT), Message.assistant(OWN_TEXT), *after], True, stored=True)
    assert followed[0]["type"] == "reasoning"


def test_arguments_go_back_as_an_object() -> None:
    """Those that are none stand in one; the text of a custom tool is its own form."""
    custom = ToolCallPart("c", "f", "SELECT 1", {"openai": {"type": "custom_tool_call", "id": "ctc_1"}})
    sent = input_items(
        [Message.assistant(ToolCallPart("a", "f", "null"), ToolCallPart("b", "f", "{"), custom)], True, stored=True
    )
    assert [item.get("arguments", item.get("input")) for item in sent] == ["{}", '{"INVALID_JSON": "{"}', "SELECT 1"]


def test_no_thought_is_missed_where_there_was_none() -> None:
    """A history with a call and without a thought brings no note that thoughts were not sent."""
    request = Request(model="gpt-5", messages=(Message.user("hi"), Message.assistant(OWN_CALL), Message.tool("c", "x")))
    assert list(RESPONSES.notes(request, OpenAIConfig(api_key="k"))) == []


@pytest.mark.parametrize(("kind", "reason"), [("completed", "stop"), ("incomplete", "length")])
def test_an_ending_event_tells_the_status_that_its_response_lacks(kind: str, reason: str) -> None:
    """Where the response has no status of its own, the type of the event is it."""
    details = {"incomplete_details": {"reason": "max_output_tokens"}} if kind == "incomplete" else {}
    event = {"type": f"response.{kind}", "response": {"id": "r", "output": [message(said("Hi"))], **details}}
    response = read(event)
    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("Hi", reason, kind)


def test_nothing_is_read_after_the_mark_of_the_end() -> None:
    """Whatever follows the mark of the end belongs to no answer; without the answer's own end it is no whole one."""
    parser = RESPONSES.open_stream()
    late = json.dumps(ended(message(said("Hi"))))
    events = list(parser.feed(f"data: [DONE]\n\ndata: {late}\n\n".encode()))
    assert (events, parser.done) == ([], True)


def test_what_is_said_whole_alone_is_said() -> None:
    """Servers leave out the pieces, or the items at the end; a word or an argument is lost with neither."""
    added = {"type": "response.output_item.added", "output_index": 0, "item": {**CALL, "arguments": ""}}
    whole = {"type": "response.function_call_arguments.done", "item_id": "fc_1", "arguments": CALL["arguments"]}
    (call,) = read(added, whole, ended()).tool_calls
    assert call.arguments == {"city": "Paris"}
    text = {"type": "response.output_text.done", "item_id": "msg_1", "content_index": 0, "text": "Hi."}
    assert read(text, ended()).text == "Hi."
    assert read(delta("output_text", "Hi", item_id="msg_1"), text, ended(message(said("Hi.")))).text == "Hi."
    refusal = {"type": "response.refusal.done", "item_id": "msg_1", "content_index": 0, "refusal": "No."}
    assert read(refusal, ended()).refusal == "No."
    thought = {"type": "response.reasoning_text.done", "item_id": "rs_1", "content_index": 0, "text": "Hm."}
    assert read(thought, text, ended()).reasoning == "Hm."


def test_an_item_may_be_spoken_of_by_its_pieces_alone() -> None:
    """Until the end says what it was."""
    response = read(delta("output_text", "H", item_id="msg_1", output_index=0), ended(message(said("Hi."))))
    assert response.text == "Hi."


def test_two_calls_have_two_ids() -> None:
    """Also where the server gives them one."""
    first, second = body(CALL, {**CALL, "id": "fc_2"}).tool_calls
    assert (first.id, second.id) == ("call_1", "fc_2")
