"""What Cohere says about a failure, and what that means: ``{"id", "message"}``, and a type where a prompt is too long.

Source: Cohere's page on errors (2026-11), and recorded answers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from airouter_core.errors import (
    AuthenticationError,
    ContentFilteredError,
    ContextLengthError,
    ModelNotFoundError,
    ProviderError,
    QuotaExceededError,
    ServerError,
)
from airouter_core.wire.failures import ErrorTable, Failure, failure_in_body
from airouter_core.wire.http import Headers
from airouter_core.wire.json import text

from .plugin import COHERE

USED_UP = "(calls of the month)"
REQUEST_ID_HEADERS = ("x-debug-trace-id", "x-request-id")

ERRORS = ErrorTable(
    COHERE.name,
    {
        USED_UP: QuotaExceededError,
        "TOO_MANY_TOKENS": ContextLengthError,
        "(invalid token)": AuthenticationError,
        "(model not found)": ModelNotFoundError,
        "(content)": ContentFilteredError,
        "ERROR": ServerError,
        "TIMEOUT": ServerError,
    },
)

WITHOUT_A_CODE = (
    (re.compile(r"limited to [\d,]+ API calls / month", re.IGNORECASE), USED_UP),
    (re.compile(r"\btoo many tokens\b", re.IGNORECASE), "TOO_MANY_TOKENS"),
    (re.compile(r"invalid api token", re.IGNORECASE), "(invalid token)"),
    (re.compile(r"^model '.*' not found", re.IGNORECASE), "(model not found)"),
    (re.compile(r"blocked (output|input)", re.IGNORECASE), "(content)"),
)
"""Failures that are told by their words alone. Should these change, they are what their status says again."""


def parse_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is one."""
    error = ERRORS.error(failure_in_body(body, status, failure_in), status=status, body=body)
    traced = next((headers[name] for name in REQUEST_ID_HEADERS if headers.get(name)), None)
    error.request_id = traced or error.request_id
    return error


def error_inside(content: Mapping[str, Any]) -> ProviderError:
    """The error that an answer of status 200 holds, in a body or in a stream."""
    return ERRORS.error(failure_in(content), status=None, inside=True, body=json.dumps(dict(content)).encode())


def stopped(reason: str, said: str) -> ProviderError:
    """The error of an answer that was broken off."""
    return error_inside({"message": said or "the answer was broken off", "error_type": reason})


def failure_in(content: Mapping[str, Any]) -> Failure:
    """Read an error object; a gateway's may hold another in ``error``."""
    inner = content.get("error")
    if isinstance(inner, Mapping):
        content = inner
    message = text(content.get("message")) or text(inner) or json.dumps(dict(content))[:400]
    kind = text(content.get("error_type")) or text(content.get("code")) or text(content.get("type"))
    codes = (kind, *(code for words, code in WITHOUT_A_CODE if words.search(message)))
    return Failure(
        message=message,
        codes=tuple(filter(None, codes)),
        error_type=kind or None,
        request_id=text(content.get("id")) or None,
    )
