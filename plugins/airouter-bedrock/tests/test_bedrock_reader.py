"""What streams and answers become, where no recording shows it: exceptions, parts that interleave, odd endings."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from airouter_bedrock.errors import parse_error
from airouter_bedrock.eventstream import EventMessage, encoded
from airouter_bedrock.wire import CONVERSE
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.values.folding import fold
from airouter_core.values.messages import FilePart, ProviderPart, ReasoningPart, TextPart, ToolCallPart
from airouter_core.values.response import Response

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def event(name: str, content: Mapping[str, Any]) -> bytes:
    return encoded(EventMessage({":event-type": name, ":message-type": "event"}, json.dumps(content).encode()))


def delta(index: int, **said: Any) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": said, "p": "abc"})


def start(index: int, **said: Any) -> bytes:
    return event("contentBlockStart", {"contentBlockIndex": index, "start": said})


def stop(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


BEGIN = event("messageStart", {"role": "assistant"})
END = event("messageStop", {"stopReason": "end_turn"})
USAGE = event("metadata", {"usage": {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}})


def read(*frames: bytes) -> Response:
    parser = CONVERSE.open_stream()

    def events() -> Iterable[Any]:
        yield from parser.feed(b"".join(frames))
        yield from parser.close()

    return fold(events())


def whole(*blocks: Mapping[str, Any], reason: str = "end_turn", **more: Any) -> Response:
    message = {"role": "assistant", "content": list(blocks)}
    return fold(
        CONVERSE.parse_body(json.dumps({"output": {"message": message}, "stopReason": reason, **more}).encode())
    )


def exception(kind: str, content: Mapping[str, Any]) -> bytes:
    return encoded(EventMessage({":exception-type": kind, ":message-type": "exception"}, json.dumps(content).encode()))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("internalServerException", ServerError),
        ("modelStreamErrorException", ServerError),
        ("validationException", BadRequestError),
        ("throttlingException", RateLimitedError),
        ("serviceUnavailableException", OverloadedError),
        ("somethingNewException", ProviderError),
    ],
)
def test_an_exception_inside_a_stream(kind: str, expected: type[ProviderError]) -> None:
    """An exception after the beginning of an answer is an error with its name, and holds what had arrived."""
    with pytest.raises(expected, match="it broke") as caught:
        read(BEGIN, delta(0, text="half"), exception(kind, {"message": "it broke"}))
    assert caught.value.error_type == kind[0].upper() + kind[1:]
    assert caught.value.status == 200
    assert caught.value.partial is not None
    assert caught.value.partial.text == "half"


def test_an_exception_tells_what_the_model_said() -> None:
    """The model's own words count where the exception has none, and the input's length is known by them."""
    with pytest.raises(ContextLengthError, match="Input is too long"):
        read(BEGIN, exception("modelStreamErrorException", {"originalMessage": "Input is too long for this model"}))


def test_an_error_message_inside_a_stream() -> None:
    """An error that is no modelled exception says its code and its words in headers."""
    headers = {":message-type": "error", ":error-code": "InternalFailure", ":error-message": "it broke"}
    with pytest.raises(ServerError, match="it broke"):
        read(BEGIN, encoded(EventMessage(headers, b"")))


def test_usage_comes_after_the_end() -> None:
    """An answer is complete with its stop reason; its usage follows, and is waited for."""
    parser = CONVERSE.open_stream()
    list(parser.feed(BEGIN + delta(0, text="hi") + END))
    assert not parser.done
    assert parser.close() is not None
    list(parser.feed(USAGE))
    assert parser.done
    assert read(BEGIN, delta(0, text="hi"), END, USAGE).usage.output_tokens == 4


def test_usage_that_does_not_come_is_told() -> None:
    """A stream that ends cleanly between its stop reason and its usage is an answer with a warning."""
    response = read(BEGIN, delta(0, text="hi"), END)
    assert response.text == "hi"
    assert response.usage.input_tokens is None
    assert any("usage may be missing" in warning for warning in response.warnings)


def test_an_end_without_a_stop_reason_is_none() -> None:
    """Without messageStop nothing is complete, whatever blocks have closed; and nothing is said of usage."""
    with pytest.raises(TruncatedStreamError) as caught:
        read(BEGIN, delta(0, text="hi"), stop(0))
    assert caught.value.partial is not None
    assert caught.value.partial.warnings == ()


def test_an_error_in_place_of_an_answer() -> None:
    """An error object with status 200 is an error that says so, with the exception's name where it has one."""
    with pytest.raises(ProviderError, match="it broke") as caught:
        list(CONVERSE.parse_body(b'{"__type": "com.amazon#ThrottlingException", "message": "it broke"}'))
    assert (caught.value.status, caught.value.error_type) == (200, "ThrottlingException")
    assert isinstance(caught.value, RateLimitedError)


def test_thoughts_text_and_calls_are_told_apart() -> None:
    """Blocks have no start but those of tools; signatures come in pieces of their own; arguments may be missing."""
    response = read(
        BEGIN,
        delta(0, reasoningContent={"text": "hm, "}),
        delta(0, reasoningContent={"text": "so"}),
        delta(0, reasoningContent={"signature": "signed"}),
        stop(0),
        delta(1, text="I look."),
        stop(1),
        start(2, toolUse={"toolUseId": "a", "name": "look", "type": "tool_use"}),
        delta(2, toolUse={"input": '{"at": '}),
        start(3, toolUse={"toolUseId": "b", "name": "wait"}),
        delta(2, toolUse={"input": '"sky"}'}),
        stop(3),
        stop(2),
        event("messageStop", {"stopReason": "tool_use"}),
        USAGE,
    )
    assert response.message.parts == (
        ReasoningPart("hm, so", {"bedrock": {"signature": "signed"}}),
        TextPart("I look."),
        ToolCallPart("a", "look", '{"at": "sky"}'),
        ToolCallPart("b", "wait", "{}"),
    )
    assert (response.finish_reason, response.raw_finish_reason) == ("tool_calls", "tool_use")


def test_hidden_thoughts_are_kept() -> None:
    """What only the service can read is kept as it is, also in two pieces of base64."""
    pieces = [base64.b64encode(part).decode() for part in (b"a", b"bc")]
    joined = base64.b64encode(b"abc").decode()
    streamed = read(
        BEGIN, *(delta(0, reasoningContent={"redactedContent": piece}) for piece in pieces), stop(0), END, USAGE
    )
    expected = (ReasoningPart("", {"bedrock": {"redactedContent": joined}}),)
    assert streamed.message.parts == expected
    assert whole({"reasoningContent": {"redactedContent": joined}}).message.parts == expected


def test_cited_text_is_text() -> None:
    """Text inside citations is not lost, and its sources stand beside it; streamed and whole alike."""
    source = {"title": "a page", "location": {"web": {"url": "https://example.com"}}}
    streamed = read(BEGIN, delta(0, text="It is so."), delta(0, citation=source), stop(0), END, USAGE)
    answered = whole({"citationsContent": {"content": [{"text": "It is "}, {"text": "so."}], "citations": [source]}})
    assert streamed.message == answered.message
    assert answered.message.parts == (TextPart("It is so.", {"bedrock": {"citations": [source]}}),)


def test_tools_of_the_service_are_no_calls() -> None:
    """What the service ran itself is kept whole, in both forms, and nobody is asked to run it."""
    use = {"toolUseId": "a", "name": "nova_grounding", "type": "server_tool_use"}
    result = {"toolUseId": "a", "status": "success", "type": "nova_grounding_result"}
    streamed = read(
        BEGIN,
        start(0, toolUse=use),
        delta(0, toolUse={"input": '{"query": "x"}'}),
        stop(0),
        start(1, toolResult=result),
        delta(1, toolResult=[{"text": "found"}]),
        stop(1),
        delta(2, text="So."),
        stop(2),
        END,
        USAGE,
    )
    blocks = ({"toolUse": {**use, "input": {"query": "x"}}}, {"toolResult": {**result, "content": [{"text": "found"}]}})
    assert streamed.message.parts == (*(ProviderPart("bedrock", block) for block in blocks), TextPart("So."))
    assert whole(*blocks, {"text": "So."}).message == streamed.message
    assert streamed.tool_calls == ()


def test_pictures_are_files() -> None:
    """A picture in an answer is a file with its bytes, whole or in pieces."""
    block = {"format": "png", "source": {"bytes": PNG}}
    expected = (FilePart("image/png", data=b"\x89PNG\r\n\x1a\n"),)
    assert whole({"image": block}).message.parts == expected
    assert (
        read(BEGIN, start(0, image={"format": "png"}), delta(0, image=block), stop(0), END, USAGE).message.parts
        == expected
    )


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("malformed_tool_use", "error"),
        ("something_new", "other"),
    ],
)
def test_stop_reasons(said: str, meaning: str) -> None:
    """Each reason has its meaning, and the service's own word stands beside it."""
    response = whole({"text": "hi"}, reason=said)
    assert (response.finish_reason, response.raw_finish_reason) == (meaning, said)


def test_what_else_an_answer_says_is_kept() -> None:
    """The guardrail's trace, the tier, the latency and fields asked for are in the metadata, streamed and whole."""
    more = {"trace": {"guardrail": {"x": 1}}, "serviceTier": {"type": "flex"}, "metrics": {"latencyMs": 5}}
    asked = {"additionalModelResponseFields": {"/stop": "x"}}
    streamed = read(
        BEGIN, delta(0, text="hi"), event("messageStop", {"stopReason": "end_turn", **asked}), event("metadata", more)
    )
    assert streamed.provider_metadata == {"bedrock": {**more, **asked}}
    assert whole({"text": "hi"}, **more, **asked).provider_metadata == streamed.provider_metadata


def test_the_input_counts_what_the_cache_holds() -> None:
    """Tokens read from the cache and written to it are a part of what was sent."""
    said = {"inputTokens": 2, "outputTokens": 5, "cacheReadInputTokens": 1322, "cacheWriteInputTokens": 10}
    usage = whole({"text": "hi"}, usage=said).usage
    assert (usage.input_tokens, usage.cache_read_tokens, usage.cache_write_tokens) == (1334, 1322, 10)
    assert usage.raw == said


def test_arguments_of_no_call_are_an_error() -> None:
    """Arguments before their call has begun belong to nobody."""
    with pytest.raises(ProtocolError, match="has not begun"):
        read(BEGIN, delta(0, toolUse={"input": "{}"}))


NAMED = "x-amzn-errortype"


@pytest.mark.parametrize(
    ("status", "name", "message", "expected"),
    [
        (
            403,
            "ExpiredTokenException:http://internal.amazon.com/",
            "The security token is expired",
            AuthenticationError,
        ),
        (403, "UnrecognizedClientException", "The security token is invalid.", AuthenticationError),
        (403, "AccessDeniedException", "You don't have access to the model", PermissionDeniedError),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelNotFoundError),
        (404, "ResourceNotFoundException", "This model version has reached the end of its life.", ModelNotFoundError),
        (400, "ValidationException", "Input is too long for requested model.", ContextLengthError),
        (
            400,
            "ValidationException",
            "The model returned the following errors: Input Tokens Exceeded: 9",
            ContextLengthError,
        ),
        (400, "ServiceQuotaExceededException", "quota", QuotaExceededError),
        (429, "ThrottlingException", "Too many requests, please wait", RateLimitedError),
        (429, "ThrottlingException", "Too many tokens per day, please wait", QuotaExceededError),
        (429, "ModelNotReadyException", "not ready", OverloadedError),
        (408, "ModelTimeoutException", "took too long", ServerError),
        (424, "ModelErrorException", "it failed", ServerError),
        (503, "", "busy", OverloadedError),
    ],
)
def test_failures(status: int, name: str, message: str, expected: type[ProviderError]) -> None:
    """Each exception has its class, whether a header, the body, or words tell it."""
    body = {"message": message}
    in_header = parse_error(status, {NAMED: name, "x-amzn-requestid": "r"}, json.dumps(body).encode())
    in_body = parse_error(
        status, {}, json.dumps({"__type": f"com.amazon#{name}" if name else "", "Message": message}).encode()
    )
    for error in (in_header, in_body):
        assert type(error) is expected
        assert message in str(error)
    assert in_header.request_id == "r"
    assert in_header.error_type == in_body.error_type == (name.partition(":")[0] or None)


def test_which_failures_are_tried_again() -> None:
    """A model that failed or timed out: the second may pass, the first is the model's."""
    timed_out = parse_error(408, {NAMED: "ModelTimeoutException"}, b"{}")
    failed = parse_error(424, {NAMED: "ModelErrorException"}, b"{}")
    assert (timed_out.retryable, failed.retryable) == (True, False)


def test_a_wrong_clock_is_named() -> None:
    """A signature that has expired already comes from a clock that is wrong."""
    said = {"message": "Signature expired: 20261130T000000Z is now earlier than 20261130T000500Z"}
    error = parse_error(403, {NAMED: "InvalidSignatureException"}, json.dumps(said).encode())
    assert "clock of this machine" in str(error)


def test_a_failure_in_no_form() -> None:
    """A proxy's page in place of a failure is told as such, with the name in the header if there is one."""
    assert "web page" in str(parse_error(502, {}, b"<html>bad gateway</html>"))
    assert isinstance(parse_error(400, {NAMED: "ThrottlingException"}, b""), RateLimitedError)


def test_a_call_that_nobody_ended_ends_with_the_next() -> None:
    """Where a block begins at the place of one that is still open, both are there; a missing id is made up."""
    response = read(
        BEGIN,
        start(0, toolUse={"toolUseId": "a", "name": "f"}),
        delta(0, toolUse={"input": '{"n":1}'}),
        start(0, toolUse={"name": "f"}),
        delta(0, toolUse={"input": '{"n":2}'}),
        END,
        USAGE,
    )
    assert [call.arguments for call in response.tool_calls] == [{"n": 1}, {"n": 2}]
    first, second = (call.id for call in response.tool_calls)
    assert first == "a"
    assert second


def test_calls_as_servers_of_others_write_them() -> None:
    """One id for two calls, and arguments that are JSON in a text."""
    call = {"toolUse": {"toolUseId": "t", "name": "look", "input": '{"at":1}'}}
    first, second = whole(call, call, reason="tool_use").tool_calls
    assert first.arguments == second.arguments == {"at": 1}
    assert (first.id, second.id != "t") == ("t", True)
    with pytest.raises(ProtocolError, match="without a name"):
        whole({"toolUse": {"toolUseId": "t", "input": {}}}, reason="tool_use")


def test_an_input_of_any_depth_is_kept() -> None:
    """What the service's own tool is given is read as far as it can be, and otherwise kept as it was written."""
    deep = '{"a":' * 100_000 + "1" + "}" * 100_000
    begun = start(0, toolUse={"toolUseId": "t", "name": "search", "type": "server_tool_use"})
    (part,) = read(BEGIN, begun, delta(0, toolUse={"input": deep}), stop(0), END, USAGE).message.parts
    assert isinstance(part, ProviderPart)
    assert part.value["toolUse"]["input"] == {"input": deep}
