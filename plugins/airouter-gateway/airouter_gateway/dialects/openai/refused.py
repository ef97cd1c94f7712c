"""Refusals as OpenAI writes them: ``{"error": {"message", "type", "param", "code"}}``."""

from __future__ import annotations

import msgspec

from ..refusals import Refusal

Headers = tuple[tuple[bytes, bytes], ...]

NAMES: dict[str, tuple[str, str | None]] = {
    "unauthorized": ("invalid_request_error", "invalid_api_key"),
    "forbidden": ("invalid_request_error", "permission_denied"),
    "no_model": ("invalid_request_error", "model_not_found"),
    "no_path": ("invalid_request_error", "unknown_url"),
    "no_method": ("invalid_request_error", "method_not_allowed"),
    "invalid": ("invalid_request_error", None),
    "unsupported": ("invalid_request_error", "unsupported_value"),
    "content": ("invalid_request_error", "content_filter"),
    "context_length": ("invalid_request_error", "context_length_exceeded"),
    "too_large": ("invalid_request_error", "request_too_large"),
    "too_slow": ("invalid_request_error", "request_timeout"),
    "rate_limit": ("rate_limit_error", "rate_limit_exceeded"),
    "quota": ("insufficient_quota", "insufficient_quota"),
    "upstream_credentials": ("server_error", "upstream_credentials"),
    "overloaded": ("server_error", "server_overloaded"),
    "timeout": ("server_error", "upstream_timeout"),
    "upstream": ("server_error", "upstream_error"),
}
PREVIOUS = "previous_response_id"


def error_of(refusal: Refusal) -> dict[str, str | None]:
    """The error object."""
    kind, code = NAMES[refusal.kind]
    if refusal.param == PREVIOUS:
        code = "previous_response_not_found"
    return {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}


def refused(refusal: Refusal, request_id: str) -> tuple[int, bytes, Headers]:
    """Status, body and headers."""
    return (
        refusal.status,
        msgspec.json.encode({"error": error_of(refusal)}),
        ((b"x-request-id", request_id.encode("latin-1", "replace")),),
    )
