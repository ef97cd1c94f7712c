"""What a chat-completions server says about a failure, in the several shapes that are in use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import (
    AuthenticationError,
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
from ...wire.failures import SAID_IN, ErrorClass, ErrorTable, Failure, failure_in_body, wait_in
from ...wire.json import mapping, object_in, shown

COMMON_CODES: Mapping[str, ErrorClass] = {
    "authentication_error": AuthenticationError,
    "invalid_api_key": AuthenticationError,
    "permission_error": PermissionDeniedError,
    "model_not_found": ModelNotFoundError,
    "context_length_exceeded": ContextLengthError,
    "insufficient_quota": QuotaExceededError,
    "billing_hard_limit_reached": QuotaExceededError,
    "billing_not_active": QuotaExceededError,
    "budget_exceeded": QuotaExceededError,
    "rate_limit_exceeded": RateLimitedError,
    "rate_limit_error": RateLimitedError,
    "content_filter": ContentFilteredError,
    "content_policy_violation": ContentFilteredError,
    "server_error": ServerError,
    "overloaded_error": OverloadedError,
    "server_is_overloaded": OverloadedError,
    "slow_down": OverloadedError,
}
"""Codes that mean the same wherever they were seen."""

ReadFailure = Callable[[Any, Mapping[str, Any] | None], Failure]
"""From an error object, and the object around it, to what the provider says."""


def failure_of(body: bytes, status: int | None, read: ReadFailure | None = None) -> Failure:
    """Read the body of a failure: an error object, an error text, ``{"detail": ...}``, or something else.

    Args:
        read: what reads the error object; :func:`failure_in` unless given.
    """
    return failure_in_body(body, status, lambda content: _read_around(content, read or failure_in))


def error_named(table: ErrorTable, data: str, read: ReadFailure) -> ProviderError:
    """The error that an event of the name ``error`` is, whatever its data are."""
    content = object_in(data.encode("utf-8", "replace"))
    if content is None:
        said = f"the stream broke off: {shown(data)}" if data.strip() else "the stream broke off, and does not say why"
        return table.error(Failure(message=said), status=500, inside=True)
    return table.error(_read_around(content, read), status=status_in(content.get("error", content)), inside=True)


def _read_around(content: Mapping[str, Any], read: ReadFailure) -> Failure:
    return read(content.get("error") or content, content)


def failure_in(error: Any, around: Mapping[str, Any] | None = None) -> Failure:
    """Read an error object, wherever it stands."""
    if isinstance(error, str):
        return Failure(message=error)
    error = mapping(error)
    metadata = mapping(error.get("metadata"))
    codes = [
        error.get("code"),
        error.get("type"),
        error.get("error_type"),
        metadata.get("error_type"),
    ]
    named = tuple(code for code in codes if isinstance(code, str) and code)
    message = next((said for said in map(error.get, SAID_IN) if said), None) or (around or {}).get("message")
    if isinstance(message, list) and len(message) == 1:
        message = mapping(message[0]).get("message") or message
    return Failure(
        message=message if isinstance(message, str) else json.dumps(message or dict(error))[:400],
        codes=named,
        error_type=next((code for code in (error.get("type"), *named) if isinstance(code, str)), None),
        retry_after=wait_in(error, around),
    )


def status_in(error: Any) -> int | None:
    """The status that an error inside an answer stands for, where its code is one."""
    error = mapping(error)
    for value in (error.get("code"), error.get("http_status"), error.get("status")):
        if isinstance(value, int) and not isinstance(value, bool) and 400 <= value < 600:
            return value
        if isinstance(value, str) and len(value) == 3 and value.isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return None
