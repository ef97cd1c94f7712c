"""What this API says about a failure, and what that means.

Sources: the vendor's error page, and ``_error_classes.py`` of its SDK (2.12.0) for the codes in ``details``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from airouter_core.wire.failures import ErrorTable, Failure, failure_in_body, wait_in
from airouter_core.wire.http import Headers
from airouter_core.wire.json import mapping, object_in, shown

from .plugin import CLAUDE

TOO_LONG = "(prompt too long)"
SPENT = "(own spend limit)"

ERRORS = ErrorTable(
    CLAUDE.name,
    {
        "enforced_spend_limit_reached": QuotaExceededError,
        "contract_spend_limit_reached": QuotaExceededError,
        "linked_organization_spend_limit_reached": QuotaExceededError,
        "linked_organization_billing_unavailable": QuotaExceededError,
        "storage_quota_exceeded": QuotaExceededError,
        SPENT: QuotaExceededError,
        TOO_LONG: ContextLengthError,
        "billing_error": QuotaExceededError,
        "rate_limit_error": RateLimitedError,
        "invalid_request_error": BadRequestError,
        "request_too_large": BadRequestError,
        "authentication_error": AuthenticationError,
        "permission_error": PermissionDeniedError,
        "not_found_error": ModelNotFoundError,
        "overloaded_error": OverloadedError,
        "api_error": ServerError,
        "timeout_error": ServerError,
        # llama.cpp answers with its own types on this path too.
        "exceed_context_size_error": ContextLengthError,
        "unavailable_error": OverloadedError,
        "server_error": ServerError,
    },
)

WITHOUT_A_CODE = (
    ("prompt is too long", TOO_LONG),
    ("input length and `max_tokens` exceed context limit", TOO_LONG),
    ("You have reached your specified API usage limits", SPENT),
)
"""Two failures that the vendor gives no code of their own. Should its words change, they are bad requests again."""


def parse_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is one."""
    error = ERRORS.error(failure_in_body(body, status, failure_in), status=status, body=body)
    if error.request_id is None:
        error.request_id = headers.get("request-id") or headers.get("x-request-id")
    return error


def error_inside(content: Mapping[str, Any]) -> ProviderError:
    """The error that an answer of status 200 holds: in a stream, a body, or a line of a batch's results."""
    return ERRORS.error(failure_in(content), status=None, inside=True, body=json.dumps(dict(content)).encode())


def error_named(data: str) -> ProviderError:
    """The error that an event of the name ``error`` is, whatever its data are."""
    content = object_in(data.encode("utf-8", "replace"))
    if content is not None:
        return error_inside(content)
    said = f"the stream broke off: {shown(data)}" if data.strip() else "the stream broke off, and does not say why"
    return ERRORS.error(Failure(message=said), status=500, inside=True)


def failure_in(content: Mapping[str, Any]) -> Failure:
    """Read an error object: inside ``{"type": "error", "error": …}``, or bare as llama.cpp streams it."""
    said = content.get("error", content)
    if isinstance(said, str):
        return Failure(message=said)
    error = mapping(said)
    kind = error.get("type")
    message = error.get("message") or error.get("detail") or content.get("message")
    message = message if isinstance(message, str) else json.dumps(dict(error))[:400]
    codes = (
        mapping(error.get("details")).get("error_code"),
        next((code for words, code in WITHOUT_A_CODE if message.startswith(words)), None),
        kind,
    )
    request_id = content.get("request_id")
    return Failure(
        message=message,
        codes=tuple(code for code in codes if isinstance(code, str)),
        error_type=kind if isinstance(kind, str) else None,
        request_id=request_id if isinstance(request_id, str) else None,
        retry_after=wait_in(error, content),
    )
