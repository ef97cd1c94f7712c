"""How answers in the chat-completions format end: whole, cut off, or with an error inside."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airouter_core.errors import (
    ModelNotFoundError,
    OverloadedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedStreamError,
)
from airouter_core.values.messages import FilePart

from .chat_answers import USAGE, WIRE, body, chunk, read_body, read_stream, sse

TEXT = chunk({"content": "hal"})


@pytest.mark.parametrize(
    "data", [sse(done=False), sse(TEXT, done=False), sse(TEXT, chunk(usage=USAGE), done=False), b""]
)
def test_a_stream_that_stops_is_truncated(data: bytes) -> None:
    """Without a finish reason and without [DONE] an answer is half an answer, and carries what came."""
    with pytest.raises(TruncatedStreamError) as caught:
        read_stream(data)
    assert caught.value.partial is not None
    assert caught.value.partial.text in ("hal", "")


def test_a_finish_reason_is_an_end() -> None:
    """Some servers send no [DONE]."""
    assert read_stream(sse(TEXT, chunk(None, "length"), done=False)).finish_reason == "length"


def test_done_is_an_end() -> None:
    """Some servers send no finish reason; what they meant is not known, and the caller is told."""
    response = read_stream(sse(TEXT))
    assert (response.text, response.finish_reason, response.raw_finish_reason) == ("hal", "other", None)
    assert "without saying why" in response.warnings[0]


def test_usage_lost_at_the_end_is_told() -> None:
    """A stream cut after its finish reason is whole, and the caller learns that its usage may have been lost."""
    cut = read_stream(sse(TEXT, chunk(None, "stop"), done=False))
    assert (cut.text, cut.finish_reason, len(cut.warnings)) == ("hal", "stop", 1)
    assert "usage" in cut.warnings[0]
    for whole in (sse(TEXT, chunk(None, "stop")), sse(TEXT, chunk(None, "stop", usage=USAGE), done=False)):
        assert read_stream(whole).warnings == ()


FOREIGN_ERRORS = [
    b'data: {"message": "Compute error.", "type": "server_error", "code": 500}',
    b'data: {"detail": "Compute error."}',
    b'data: {"object": "error", "message": "Compute error."}',
    b'data: {"type": "error", "error": {"message": "Compute error."}}',
    b'data: {"errors": [{"code": 3030, "message": "Compute error."}], "success": false}',
    b'event: error\ndata: {"message": "Compute error."}',
    b'event: error\ndata: {"error": {"message": "Compute error."}}',
    b"event: error\ndata: Compute error.",
    b"event: error\ndata",
]


@pytest.mark.parametrize("event", FOREIGN_ERRORS, ids=lambda event: event.decode())
def test_an_error_of_a_foreign_shape_is_an_error(event: bytes) -> None:
    """Half an answer, an error in whatever shape and [DONE] are an error with half an answer, never a whole one."""
    with pytest.raises(ProviderError, match=r"Compute error|does not say why") as caught:
        read_stream(sse(TEXT, done=False) + event + b"\n\ndata: [DONE]\n\n")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"


def test_an_error_of_a_foreign_shape_in_a_body() -> None:
    """The same in an answer that is no stream, under status 200."""
    with pytest.raises(RateLimitedError, match="slow down"):
        read_body(b'{"message": "slow down", "code": 429}')


def test_a_ping_says_nothing() -> None:
    """What only keeps the connection alive is no part of an answer that were to be told."""
    ping = b'event: ping\ndata: {"type": "ping"}\n\nevent: ping\ndata: 2026-11-30 12:00:01\n\ndata: : keepalive\n\n'
    response = read_stream(sse(TEXT, done=False) + ping + sse(chunk(None, "stop", usage=USAGE)))
    assert (response.text, response.warnings) == ("hal", ())


def test_what_is_no_part_of_an_answer_is_told() -> None:
    """A chunk of another format is passed over with a warning; those that belong to this one, without."""
    strange = {"response": "hi"}
    response = read_stream(
        sse(TEXT, strange, strange, {}, {"id": "i", "object": "chat.completion.chunk"}, chunk(None, "stop"))
    )
    assert (response.text, len(response.warnings)) == ("hal", 1)
    assert '"response"' in response.warnings[0]


@pytest.mark.parametrize("choice", [{"delta": "words"}, {"delta": [1]}, "words"])
def test_a_choice_that_cannot_be_read_is_an_error(choice: Any) -> None:
    """Words may stand in it, which must not be lost."""
    with pytest.raises(ProtocolError, match="no object"):
        read_stream(sse(TEXT, {"choices": [choice]}, chunk(None, "stop")))


def test_a_whole_message_adds_what_was_not_said() -> None:
    """A message in the chunk that ends the answer, or in each, is not said twice, and not lost either."""
    whole = {"role": "assistant", "content": "hallo", "reasoning": "hm"}
    last = {"choices": [{"index": 0, "delta": {}, "message": whole, "finish_reason": "stop"}]}
    for said in ([], [TEXT], [TEXT, chunk({"content": "lo"})]):
        assert read_stream(sse(*said, last)).text == "hallo"
    each = {"choices": [{"index": 0, "delta": {"content": "hal"}, "message": {"content": "hal"}}]}
    response = read_stream(sse(chunk({"reasoning": "hm"}), each, last))
    assert (response.text, response.reasoning) == ("hallo", "hm")
    assert read_stream(sse({"choices": [{"index": 0, "text": "hallo"}]}, chunk(None, "stop"))).text == "hallo"
    pieces_of_it = [{"choices": [{"index": 0, "message": {"content": piece}}]} for piece in ("hal", "lo")]
    assert read_stream(sse(*pieces_of_it, chunk(None, "stop"))).text == "hallo"
    other = read_stream(sse(chunk({"content": "quite another"}), last))
    assert other.text == "quite another"
    assert "differs" in other.warnings[0]


def test_thoughts_among_the_parts_of_a_content() -> None:
    """A content may be a list whose parts are thoughts, texts and pictures, or an object where JSON was asked for."""
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "so"}]},
        {"type": "text", "text": "hal"},
        "lo",
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "refusal", "refusal": "no"},
        {"type": "reference", "reference_ids": [1]},
    ]
    for response in (
        read_body(body({"content": parts})),
        read_stream(sse(*(chunk({"content": [part]}) for part in parts), chunk(None, "stop"))),
        read_stream(
            sse(chunk({"content": parts[:2]}), chunk({"content": "hal"}), chunk({"content": parts[3:]}, "stop"))
        ),
    ):
        assert (response.text, response.reasoning, response.refusal) == ("hallo", "hmso", "no")
        assert [part.url for part in response.message.parts if isinstance(part, FilePart)] == [
            "https://example.com/a.png"
        ]
        assert response.provider_metadata["p"]["content_parts"] == [{"type": "reference", "reference_ids": [1]}]
    assert read_body(body({"content": {"a": [1]}})).json() == {"a": [1]}


def test_done_without_any_choice_is_no_answer() -> None:
    """A stream that says it is done and has said nothing is an error, not an empty answer."""
    for data in (sse(), sse({**chunk(), "choices": []})):
        with pytest.raises(TruncatedStreamError):
            read_stream(data)


def test_the_parser_says_when_it_is_done() -> None:
    """After [DONE] nothing need be waited for, and nothing is read."""
    parser = WIRE.open_stream()
    list(parser.feed(sse(TEXT, done=False)))
    assert not parser.done
    list(parser.feed(b"data: [DONE]\n\n"))
    assert parser.done
    assert list(parser.feed(b"data: {broken\n\n")) == []


@pytest.mark.parametrize("rest", [b"<html>", b"<html>\n\n", b"data: {broken\n\n", b"\xff\n\n", b"data: {"])
def test_what_follows_the_end_does_not_matter(rest: bytes) -> None:
    """A complete answer stays one, whatever a proxy adds to it, and wherever the bytes are cut."""
    data = sse(TEXT, chunk(None, "stop"))
    for size in (None, 1, 7, len(data)):
        assert read_stream(data + rest, size=size).text == "hal"


def test_done_with_a_space_behind_is_done() -> None:
    """[DONE] is recognised also where spaces follow it."""
    assert read_stream(sse(TEXT, chunk(None, "stop"), done=False) + b"data: [DONE] \n\n").finish_reason == "stop"


def test_one_of_two_answers_that_stops_is_truncated() -> None:
    """Each answer must reach its end, not only the first."""
    data = sse(TEXT, chunk({"content": "x"}, index=1), chunk(None, "stop"), done=False)
    with pytest.raises(TruncatedStreamError):
        read_stream(data)


@pytest.mark.parametrize("message", [None, [], 7])
def test_a_body_without_a_message_is_an_error(message: Any) -> None:
    """A choice in which nobody says anything is no empty answer, unless a filter has taken it away."""
    with pytest.raises(ProtocolError, match="without a message"):
        read_body(body(message))
    assert read_body(body(None, "content_filter")).finish_reason == "content_filter"


@pytest.mark.parametrize(
    "content", [{"choices": []}, {"choices": None}, {}, {"id": "i", "model": "m"}, {"choices": {}}]
)
def test_a_body_without_choices_is_an_error(content: Any) -> None:
    """A body in which nobody answers is an error, not an empty answer."""
    with pytest.raises(ProtocolError, match="without choices"):
        read_body(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "an empty answer"),
        (b"  ", "an empty answer"),
        (b"<html><body>Bad gateway</body></html>", "a web page instead of JSON.*check base_url"),
        (b'{"choices": [', "no valid JSON"),
        (b"[1]", "no object"),
        (b"null", "no object"),
        (b"\xff\xfe", "no valid JSON"),
        (b"[" * 200_000, "no valid JSON"),
    ],
)
def test_a_body_that_is_none(data: bytes, message: str) -> None:
    """What is not in the format is a ProtocolError that shows how it begins."""
    with pytest.raises(ProtocolError, match=message) as caught:
        read_body(data)
    assert len(str(caught.value)) < 250


def test_broken_json_in_a_stream_keeps_what_came() -> None:
    """A chunk that is no JSON is a ProtocolError, with the text before it."""
    with pytest.raises(ProtocolError, match="no valid JSON") as caught:
        read_stream(sse(TEXT, done=False) + b"data: {broken\n\n")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"


ERRORS: list[tuple[Any, type[ProviderError], str | None]] = [
    ({"message": "no", "code": 429}, RateLimitedError, None),
    ({"message": "no", "code": "503"}, OverloadedError, "503"),
    (
        {"message": "no", "code": 502, "metadata": {"error_type": "overloaded_error"}},
        OverloadedError,
        "overloaded_error",
    ),
    ({"message": "no", "type": "server_error", "code": None}, ServerError, "server_error"),
    (
        {"message": "no", "type": "insufficient_quota", "code": "rate_limit_exceeded"},
        QuotaExceededError,
        "insufficient_quota",
    ),
    ({"message": "no", "code": "model_not_found"}, ModelNotFoundError, "model_not_found"),
    ("no", ProviderError, None),
    ({"detail": "no"}, ProviderError, None),
    ({}, ProviderError, None),
]


@pytest.mark.parametrize(("error", "kind", "error_type"), [row for row in ERRORS if row[0]], ids=str)
def test_errors_inside_an_answer(error: Any, kind: type[ProviderError], error_type: str | None) -> None:
    """An error object in a 200 is an error of the class that its code says, with what had come before it."""
    with pytest.raises(ProviderError, match="p: no") as caught:
        read_stream(sse(TEXT, {"error": error}))
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.error_type, caught.value.provider) == (200, error_type, "p")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"
    with pytest.raises(ProviderError, match="p: no") as caught:
        read_body(json.dumps({"error": error}).encode())
    assert type(caught.value) is kind


def test_an_error_inside_a_choice() -> None:
    """An error may stand in a choice, beside a finish reason."""
    choice = {
        "index": 0,
        "message": {"content": "hal"},
        "finish_reason": "error",
        "error": {"code": 503, "message": "no"},
    }
    with pytest.raises(OverloadedError) as caught:
        read_body(json.dumps({"id": "i", "model": "m", "choices": [choice]}).encode())
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hal"
    short = {"error": {"code": 503, "message": "no"}}
    with pytest.raises(OverloadedError):
        read_stream(sse({"choices": [short]}))


@pytest.mark.parametrize("rest", ["[done]", '"[DONE]"', "END", '{"id": "i", "usa'])
def test_what_cannot_be_read_behind_the_end_is_told(rest: str) -> None:
    """An answer whose reason to end has come is whole, whatever marks the end of its stream."""
    response = read_stream(sse(chunk({"content": "Hi"}, "stop"), done=False) + f"data: {rest}\n\n".encode())
    assert response.text == "Hi"
    assert any("behind the end" in warning for warning in response.warnings)
    with pytest.raises(ProtocolError):
        read_stream(sse(chunk({"content": "Hi"}), done=False) + f"data: {rest}\n\n".encode())
