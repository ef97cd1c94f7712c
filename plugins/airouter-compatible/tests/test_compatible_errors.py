"""What services say about failures, in the shapes and words that were seen, and what it means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
)
from airouter_core.values.folding import fold

KEY = "a-key-0123456789"
PLACES = {"azure": {"endpoint": "https://h"}, "cloudflare": {"account_id": "a"}, "databricks": {"host": "h"}}


def wire(name: str, **more: Any) -> Any:
    with create_provider(name, {"api_key": KEY, **PLACES.get(name, {}), **more}) as provider:
        return provider.wire


def error_of(name: str, status: int, body: Any, headers: dict[str, str] | None = None) -> ProviderError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    error: ProviderError = wire(name).parse_error(status, headers or {}, data)
    return error


@pytest.mark.parametrize(
    ("name", "status", "body", "kind", "said"),
    [
        ("cerebras", 401, {"message": "Wrong API Key", "code": "wrong_api_key"}, AuthenticationError, "Wrong API Key"),
        (
            "mistral",
            422,
            {"detail": [{"loc": ["body", "n"], "msg": "too small"}]},
            BadRequestError,
            "body.n: too small",
        ),
        ("mistral", 401, {"detail": "Unauthorized"}, AuthenticationError, "Unauthorized"),
        ("mistral", 400, {"message": "Invalid model: x", "code": "1500"}, ModelNotFoundError, "Invalid model"),
        ("xai", 400, {"code": "x", "error": "Incorrect API key provided: k"}, AuthenticationError, "Incorrect"),
        (
            "huggingface",
            402,
            {"error": "You have exceeded your monthly included credits"},
            QuotaExceededError,
            "credits",
        ),
        ("cloudflare", 401, {"errors": [{"code": 10000, "message": "no"}]}, AuthenticationError, "no"),
        ("cloudflare", 429, {"errors": [{"code": 3036, "message": "used up"}]}, QuotaExceededError, "used up"),
        ("databricks", 403, {"error_code": "PERMISSION_DENIED", "message": "no"}, PermissionDeniedError, "no"),
        ("zai", 429, {"error": {"code": "1113", "message": "Insufficient balance"}}, QuotaExceededError, "balance"),
        ("zai", 429, {"error": {"code": "1302", "message": "Too many"}}, RateLimitedError, "Too many"),
        ("deepseek", 402, {"error": {"message": "Insufficient Balance"}}, QuotaExceededError, "Balance"),
        ("alibaba", 400, {"error": {"code": "Arrearage", "message": "overdue"}}, QuotaExceededError, "overdue"),
        (
            "azure",
            400,
            {"error": {"code": "x", "message": "bad", "innererror": {"code": "ResponsibleAIPolicyViolation"}}},
            ContentFilteredError,
            "bad",
        ),
        ("vllm", 400, {"message": "This model's maximum context length is 9", "code": 400}, ContextLengthError, "9"),
        ("together", 404, {"error": {"code": "model_not_available", "message": "m"}}, ModelNotFoundError, "m"),
        ("tgi", 429, {"error": "Model is overloaded", "error_type": "overloaded"}, OverloadedError, "overloaded"),
        (
            "groq",
            400,
            {"error": {"code": "tool_use_failed", "message": "no call", "failed_generation": "maybe not"}},
            BadRequestError,
            "no call; maybe not",
        ),
    ],
)
def test_shapes_and_words(name: str, status: int, body: Any, kind: type[ProviderError], said: str) -> None:
    """Each shape is read, and the row's codes and phrases tell the class; money counts before speed."""
    error = error_of(name, status, body)
    assert type(error) is kind
    assert said in str(error)
    assert error.status == status


@pytest.mark.parametrize(
    "body", [b"", b"<html>no</html>", b"[]", b"null", b'"text"', b'{"error": null}', b'{"errors": []}']
)
def test_what_has_no_shape_is_an_error_by_its_status(body: bytes) -> None:
    """Nothing that comes in place of an error gets out as anything but one."""
    assert type(error_of("groq", 401, body)) is AuthenticationError


def test_limits_tell_how_long_to_wait() -> None:
    """Of the limit that was hit, where that is said; else of the first that is reset. Retry-After counts before."""
    resets = {"x-ratelimit-reset-requests": "2m59.5s", "x-ratelimit-reset-tokens": "7.66s"}
    assert error_of("groq", 429, {}, resets).retry_after == 7.66
    assert error_of("groq", 429, {}, {**resets, "x-ratelimit-remaining-requests": "0"}).retry_after == 179.5
    assert error_of("groq", 429, {}, {**resets, "retry-after": "3"}).retry_after is None
    assert error_of("groq", 400, {}, resets).retry_after is None
    assert error_of("groq", 429, {}, {"x-ratelimit-reset-tokens": "soon"}).retry_after is None


def test_an_error_of_minimax_inside_an_answer() -> None:
    """Its status is 200, and ``base_resp`` tells."""
    body = {"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}
    with pytest.raises(QuotaExceededError, match="insufficient balance"):
        fold(wire("minimax").parse_body(json.dumps(body).encode()))
    fine = {
        "choices": [{"index": 0, "message": {"content": "yes"}, "finish_reason": "stop"}],
        "base_resp": {"status_code": 0, "status_msg": ""},
    }
    assert fold(wire("minimax").parse_body(json.dumps(fine).encode())).text == "yes"


def test_words_of_ones_own() -> None:
    """A described server says what its codes and phrases mean, and how its answers end."""
    own = wire("compatible", base_url="http://h/v1", errors={"E42": "quota", "Slow Down": "rate_limit"})
    assert type(own.parse_error(400, {}, b'{"error": {"code": "E42", "message": "m"}}')) is QuotaExceededError
    assert type(own.parse_error(400, {}, b'{"error": "please slow down"}')) is RateLimitedError


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_object_that_is_the_answer_is_its_text(wrapped: bool) -> None:
    """Cloudflare gives an answer by a schema as the object, in the format of chat completions and in its own."""
    said = {"city": "Paris"}
    body = {"choices": [{"index": 0, "message": {"content": said}, "finish_reason": "stop"}]}
    own = {"result": {"response": said}, "success": True}
    response = fold(wire("cloudflare").parse_body(json.dumps(own if wrapped else body).encode()))
    assert json.loads(response.text) == said
