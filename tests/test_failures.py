"""From what a provider says about a failure to the error that is raised."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airouter_core import errors
from airouter_core.dialects.chat_completions.errors import COMMON_CODES, failure_of, status_in
from airouter_core.dialects.chat_completions.wire import parse_error
from airouter_core.wire.failures import BODY_KEPT, ErrorTable, Failure, seconds_to_wait

TABLE = ErrorTable("p", {**COMMON_CODES, "own_code": errors.ContentFilteredError})


def error_of(*codes: str, status: int | None = 400, **known: Any) -> errors.ProviderError:
    return TABLE.error(Failure(message="said", codes=codes, **known), status=status)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.BadRequestError, False),
        (401, errors.AuthenticationError, False),
        (402, errors.QuotaExceededError, False),
        (403, errors.PermissionDeniedError, False),
        (404, errors.ModelNotFoundError, False),
        (408, errors.ServerError, True),
        (409, errors.ServerError, True),
        (413, errors.BadRequestError, False),
        (418, errors.BadRequestError, False),
        (422, errors.BadRequestError, False),
        (429, errors.RateLimitedError, True),
        (500, errors.ServerError, True),
        (501, errors.ServerError, False),
        (502, errors.ServerError, True),
        (503, errors.OverloadedError, True),
        (504, errors.ServerError, True),
        (505, errors.ServerError, False),
        (529, errors.OverloadedError, True),
        (304, errors.ProviderError, False),
        (None, errors.ProviderError, False),
    ],
)
def test_each_status_has_its_error(status: int | None, kind: type[errors.ProviderError], retryable: bool) -> None:
    """Without a code that is known the status decides, and what is retried is the promised list."""
    error = error_of("unheard_of", status=status)
    assert type(error) is kind
    assert error.retryable is retryable
    assert (error.status, error.error_type) == (status, "unheard_of")
    assert str(error).startswith("p: said")


@pytest.mark.parametrize(("retryable", "advised"), [(None, True), (True, True), (False, False)])
def test_nobody_is_advised_to_try_again_what_the_provider_calls_final(retryable: bool | None, advised: bool) -> None:
    """The usual next step of a failure gives way to what the provider says of this one."""
    error = ErrorTable("p").error(Failure(message="said", retryable=retryable), status=500)
    assert str(error).endswith("(try again in a while)") is advised
    assert error.retryable is advised


def test_a_code_outweighs_the_status() -> None:
    """A provider's own code says more than its status, and the first that is known counts."""
    assert type(error_of("own_code", status=500)) is errors.ContentFilteredError
    assert type(error_of("unheard_of", "own_code", "invalid_api_key")) is errors.ContentFilteredError


@pytest.mark.parametrize("status", [400, 429, 503, None])
def test_money_before_speed(status: int | None) -> None:
    """Quota comes with the codes of a rate limit; waiting would not help, so it wins in any order."""
    for codes in (("rate_limit_exceeded", "insufficient_quota"), ("insufficient_quota", "rate_limit_exceeded")):
        error = error_of(*codes, status=status)
        assert type(error) is errors.QuotaExceededError
        assert not error.retryable
        assert "trying again does not help" in str(error)


def test_context_length_before_bad_request() -> None:
    """A prompt that is too long is told as such."""
    table = ErrorTable("p", {**COMMON_CODES, "invalid_request_error": errors.BadRequestError})
    failure = Failure(message="too long", codes=("invalid_request_error", "context_length_exceeded"))
    assert type(table.error(failure, status=400)) is errors.ContextLengthError


def test_the_provider_may_say_whether_to_retry() -> None:
    """What the provider says about retrying is kept, in both directions, and how long to wait."""
    assert error_of(status=400, retryable=True).retryable
    error = error_of(status=503, retryable=False, retry_after=7.5, request_id="r")
    assert not error.retryable
    assert (error.retry_after, error.request_id) == (7.5, "r")


def test_an_error_inside_an_answer_has_the_status_200() -> None:
    """The status is that of the answer; the class is that of the code, which may itself be a status."""
    error = TABLE.error(Failure(message="m"), status=429, inside=True)
    assert type(error) is errors.RateLimitedError
    assert error.status == 200


@pytest.mark.parametrize("kind", sorted(set(COMMON_CODES.values()), key=lambda kind: kind.__name__))
def test_messages_name_the_next_step(kind: type[errors.ProviderError]) -> None:
    """Where there is something to do, the message says it after the provider's own words."""
    error = ErrorTable("p", {"c": kind}).error(Failure(message="said", codes=("c",)), status=400)
    assert str(error).startswith("p: said (") or kind is errors.ContentFilteredError


def test_a_failure_without_words() -> None:
    """An error that says nothing still says what is known."""
    assert str(TABLE.error(Failure(message=" "), status=418)) == "p: HTTP 418"
    assert str(TABLE.error(Failure(message=""), status=None)) == "p: an error without a message"


def test_only_the_start_of_a_body_is_kept() -> None:
    """A long body is cut, also where that cuts a character; an empty one is None."""
    error = TABLE.error(Failure(message="m"), status=500, body=("é" * 100_000).encode())
    assert error.body is not None
    assert len(error.body) == BODY_KEPT
    assert TABLE.error(Failure(message="m"), status=500).body is None
    assert TABLE.error(Failure(message="m"), status=500, body=b"\xff").body == "\ufffd"


BODIES: list[tuple[bytes, str, tuple[str, ...]]] = [
    (b'{"error": {"message": "m", "type": "t", "code": "c", "param": null}}', "m", ("c", "t")),
    (b'{"error": {"message": "m", "type": "t", "code": 400}}', "m", ("t",)),
    (b'{"error": {"message": "m", "code": 400, "metadata": {"error_type": "x"}}}', "m", ("x",)),
    (b'{"error": "m"}', "m", ()),
    (b'[{"error": {"message": "m"}}]', "m", ()),
    (b'{"message": "m", "type": "t"}', "m", ("t",)),
    (b'{"detail": "m"}', "m", ()),
    (b'{"detail": [{"loc": ["x"], "msg": "m"}]}', '[{"loc": ["x"], "msg": "m"}]', ()),
    (b'{"error": {}, "message": "m"}', "m", ()),
    (b'{"error": null, "message": "m"}', "m", ()),
    (b'\xef\xbb\xbf{"error": "m"}', "m", ()),
    (b'{"error": {"message": {"a": 1}}}', '{"a": 1}', ()),
    (b"{}", "{}", ()),
    (b"", "HTTP 500 with an empty body", ()),
    (b" \n", "HTTP 500 with an empty body", ()),
    (b"<html>\n<h1>502</h1></html>", "HTTP 500 with a web page: '<html> <h1>502</h1></html>'", ()),
    (b"upstream failed", "HTTP 500 with no JSON: 'upstream failed'", ()),
    (b"[]", "HTTP 500 with no JSON: '[]'", ()),
    (b"7", "HTTP 500 with no JSON: '7'", ()),
]


@pytest.mark.parametrize(("body", "message", "codes"), BODIES, ids=[str(row[0])[:50] for row in BODIES])
def test_bodies_of_failures(body: bytes, message: str, codes: tuple[str, ...]) -> None:
    """Every shape in which failures come is understood, also a proxy's page and nothing at all."""
    failure = failure_of(body, 500)
    assert (failure.message, failure.codes) == (message, codes)


@given(st.binary(max_size=20) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(json.dumps))
def test_any_body_is_a_failure_told(body: bytes | str) -> None:
    """Whatever comes with an error's status, it is an error with a message."""
    error = parse_error(TABLE, 500, {}, body if isinstance(body, bytes) else body.encode())
    assert type(error) is errors.ServerError
    assert len(str(error)) > 5


def test_the_request_id_comes_from_the_headers() -> None:
    """What the provider's support asks for is kept, the most telling header first."""
    read = {"x-request-id": "1", "request-id": "2"}
    names = ("request-id", "x-request-id")
    assert parse_error(TABLE, 500, read, b"{}", request_id_headers=names).request_id == "2"
    assert parse_error(TABLE, 500, {}, b"{}", request_id_headers=names).request_id is None


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 429}, 429),
        ({"code": "429"}, 429),
        ({"code": True, "status": 500}, 500),
        ({"code": "x", "http_status": 503}, 503),
        ({"code": 200}, None),
        ({"code": "99999999999999999999"}, None),
        ({"code": "²²²"}, None),
        ("x", None),
        (None, None),
    ],
)
def test_the_status_that_an_error_stands_for(error: Any, expected: int | None) -> None:
    """A code that is an HTTP status of a failure counts as one."""
    assert status_in(error) == expected


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, 0.0),
        ({"retry-after": "Tue, 14 Nov 2023 23:13:50 +0100"}, 30.0),
        ({"retry-after": "10s"}, 10.0),
        ({"retry-after-ms": "1500ms"}, 1.5),
        ({"retry-after": "3, 7"}, 7.0),
        ({"retry-after": "3, soon"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Tue, 14 Nov 99999 22:13:50 GMT"}, None),
    ],
    ids=str,
)
def test_how_long_to_wait(headers: dict[str, str], expected: float | None) -> None:
    """Seconds, thousandths of them, or a date; what is none of these is not known."""
    assert seconds_to_wait(headers, NOW) == expected


@given(st.text(max_size=30))
def test_any_wait_is_understood_or_unknown(value: str) -> None:
    """Whatever a header holds, it is a wait that is not negative, or none."""
    seconds = seconds_to_wait({"retry-after": value}, NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "Your credit balance is too low to access the API. Please go to Plans & Billing."),
        (403, "Insufficient balance"),
        (429, "Insufficient credits. Add more"),
        (None, "You are out of credits."),
        (429, "You exceeded your current quota, please check your plan and billing details."),
        (400, "You have reached your specified API usage limits. You will regain access on 2026-12-01."),
        (400, "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0"),
        (403, "This request requires more credits, or fewer max_tokens."),
        (429, "Your prepayment credits are depleted."),
        (400, "Billing hard limit has been reached"),
        (403, "用户余额不足"),
    ],
)
def test_money_that_is_used_up_is_told_by_words_where_no_code_does(status: int | None, said: str) -> None:
    """A call that costs more than there is left is a matter of money under whatever status, and not tried again."""
    error = TABLE.error(Failure(message=said), status=status)
    assert type(error) is errors.QuotaExceededError
    assert error.retryable is False


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens."),
        (500, "Context size has been exceeded."),
        (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (400, "The decoder prompt (length 9000) is longer than the maximum model length of 8192."),
        (400, "The input (9000 tokens) is longer than the model's context length (8192 tokens)."),
        (None, "The prompt is too long: 131073, model maximum context length: 131071"),
    ],
)
def test_a_prompt_that_is_too_long_is_told_by_words_where_no_code_does(status: int | None, said: str) -> None:
    """Servers say it under whatever status, 500 among them; it is the caller's, and not tried again."""
    error = TABLE.error(Failure(message=said), status=status)
    assert type(error) is errors.ContextLengthError
    assert error.retryable is False
    assert type(TABLE.error(Failure(message=said, codes=("model_not_found",)), status=400)) is errors.ModelNotFoundError


@pytest.mark.parametrize("said", ["You exceeded your current quota; retry in 3s", "credit where credit is due"])
def test_limits_of_a_minute_are_not_money(said: str) -> None:
    """What passes by itself is a rate limit, however close its words come to those for money."""
    assert type(TABLE.error(Failure(message=said), status=429)) is errors.RateLimitedError


def test_a_request_beyond_the_limit_of_a_minute_is_not_made_again() -> None:
    """Alone it is more than a minute allows: no wait makes it pass."""
    said = "Request too large for model m on tokens per minute (TPM): Limit 6000, Requested 9000"
    for status in (413, 429):
        error = TABLE.error(Failure(message=said, codes=("rate_limit_exceeded",)), status=status)
        assert type(error) is errors.RateLimitedError
        assert error.retryable is False


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        ({"message": "no", "details": [{"@type": "x"}, {"retryDelay": "29.5s"}]}, 29.5),
        ({"message": "no", "details": {"retryDelay": "29.5s"}}, None),
        ({"message": "no", "retry_after": 7}, 7.0),
        ({"message": "no", "retry_after_ms": "1500"}, 1.5),
        ({"message": "no", "metadata": {"retry_after_seconds": 3}}, 3.0),
        ({"message": "no", "retry_after": "250ms"}, 0.25),
        ({"message": "no", "retry_after": True}, None),
        ({"message": "no", "retry_after": "9" * 400}, None),
        ({"message": "Please try again in 1m2.5s."}, 62.5),
        ({"message": "Please retry in 48ms"}, 0.048),
        ({"message": "Please try again in 1h0m5s"}, 3605.0),
        ({"message": "Please retry after 59 seconds."}, 59.0),
        ({"message": "Please try again in 20 seconds"}, 20.0),
        ({"message": "Please try again in " + "9" * 400 + "s"}, None),
        ({"message": "Please try again in a while"}, None),
    ],
    ids=str,
)
def test_a_wait_is_read_wherever_it_stands(error: Any, seconds: float | None) -> None:
    """In a field of the error, in one of its details, or in its words."""
    made = parse_error(TABLE, 429, {}, json.dumps({"error": error}).encode())
    assert made.retry_after == seconds
