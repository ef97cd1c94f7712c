"""What Google says about a failure, and what that means.

Sources: ``google/rpc/code.proto`` and ``error_details.proto`` for generateContent; for the Interactions API, whose
codes are words of their own, Google's page on API errors (2026-11).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

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
    ServerError,
)
from airouter_core.wire.failures import ErrorTable, Failure, failure_in_body
from airouter_core.wire.http import Headers
from airouter_core.wire.json import items, mapping, text

from .plugin import GEMINI

USED_UP = "(quota of the day, or none)"
TOO_LONG = "(prompt too long)"
BLOCKED = "(prompt blocked)"

ERRORS = ErrorTable(
    GEMINI.name,
    {
        USED_UP: QuotaExceededError,
        TOO_LONG: ContextLengthError,
        BLOCKED: ContentFilteredError,
        # A wrong key is a bad request to Google; the reason tells.
        "API_KEY_INVALID": AuthenticationError,
        "API_KEY_EXPIRED": AuthenticationError,
        "ACCESS_TOKEN_EXPIRED": AuthenticationError,
        "UNAUTHENTICATED": AuthenticationError,
        "PERMISSION_DENIED": PermissionDeniedError,
        "NOT_FOUND": ModelNotFoundError,
        "INVALID_ARGUMENT": BadRequestError,
        "FAILED_PRECONDITION": BadRequestError,
        "OUT_OF_RANGE": BadRequestError,
        "RESOURCE_EXHAUSTED": RateLimitedError,
        "UNAVAILABLE": OverloadedError,
        "INTERNAL": ServerError,
        "UNKNOWN": ServerError,
        "ABORTED": ServerError,
        "DEADLINE_EXCEEDED": ServerError,
        # The Interactions API.
        "invalid_request": BadRequestError,
        "parameter_unknown": BadRequestError,
        "authentication": AuthenticationError,
        "payment_required": QuotaExceededError,
        "permission_denied": PermissionDeniedError,
        "model_not_found": ModelNotFoundError,
        "rate_limit_exceeded": RateLimitedError,
        "quota_exceeded": QuotaExceededError,
        "content_blocked": ContentFilteredError,
        "internal_error": ServerError,
        "overloaded": OverloadedError,
    },
)

WITHOUT_A_CODE = (
    (re.compile(r"input token count .{0,40}exceeds the maximum", re.IGNORECASE), TOO_LONG),
    (re.compile(r"(prepay\w*|prepaid) credits? .{0,20}depleted", re.IGNORECASE), USED_UP),
)
"""Failures that have no code of their own. Should Google's words change, they are what their status says again."""
PAYMENT_REQUIRED = 402
"""Whatever the name beside it: ``FAILED_PRECONDITION`` says nothing."""
REQUEST_ID_HEADERS = ("x-request-id", "x-goog-request-id")
"""AI Studio names no request; gateways and Vertex AI may."""
SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def parse_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is one."""
    failure = failure_in_body(body, status, failure_in)
    if status == PAYMENT_REQUIRED:
        failure = msgspec.structs.replace(failure, codes=(USED_UP, *failure.codes))
    error = ERRORS.error(failure, status=status, body=body)
    error.request_id = next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
    return error


def error_inside(content: Mapping[str, Any]) -> ProviderError:
    """The error that an answer of status 200 holds, in a body or in a stream."""
    code = mapping(content.get("error")).get("code")
    status = code if isinstance(code, int) else None
    return ERRORS.error(failure_in(content), status=status, inside=True, body=json.dumps(dict(content)).encode())


def prompt_blocked(feedback: Mapping[str, Any], body: bytes = b"") -> ProviderError:
    """The error for a prompt that Google will not answer: why, and for which categories of harm."""
    reason = text(feedback.get("blockReason"))
    ratings = map(mapping, items(feedback.get("safetyRatings")))
    categories = [text(rating.get("category")) for rating in ratings if rating.get("blocked") is True]
    named = ", ".join(filter(None, (reason, *categories)))
    said = text(feedback.get("blockReasonMessage"))
    failure = Failure(
        message=f"the prompt was blocked ({named})" + (f": {said}" if said else ""),
        codes=(BLOCKED,),
        error_type=categories[0] if categories else reason,
    )
    return ERRORS.error(failure, status=None, inside=True, body=body)


def failure_in(content: Mapping[str, Any]) -> Failure:
    """Read an error object."""
    said = content.get("error", content)
    if isinstance(said, str):
        return Failure(message=said)
    error = mapping(said)
    message = error.get("message")
    message = message if isinstance(message, str) else json.dumps(dict(error))[:400]
    details = list(map(mapping, items(error.get("details"))))
    named = next((text(value) for value in (error.get("status"), error.get("code")) if text(value)), None)
    codes = (*_codes(message, details), *((named,) if named else ()))
    return Failure(message=message, codes=codes, error_type=named, retry_after=_wait(details))


def _codes(message: str, details: list[Mapping[str, Any]]) -> Iterator[str]:
    yield from (code for words, code in WITHOUT_A_CODE if words.search(message))
    for detail in details:
        if reason := text(detail.get("reason")):
            yield reason
        for violation in map(mapping, items(detail.get("violations"))):
            # What is used up for the day, or was never there, is not there again in a minute.
            if "PerDay" in text(violation.get("quotaId")) or violation.get("quotaValue") in ("0", 0):
                yield USED_UP


def _wait(details: list[Mapping[str, Any]]) -> float | None:
    delays = (SECONDS.fullmatch(text(detail.get("retryDelay"))) for detail in details)
    return next((float(delay.group(1)) for delay in delays if delay), None)
