"""Refusals as Anthropic writes them: ``{"type": "error", "error": {"type", "message"}, "request_id"}``."""

from __future__ import annotations

import msgspec

from ..refusals import Refusal

Headers = tuple[tuple[bytes, bytes], ...]

TYPES: dict[str, str] = {
    "unauthorized": "authentication_error",
    "forbidden": "permission_error",
    "no_model": "not_found_error",
    "no_path": "not_found_error",
    "no_method": "invalid_request_error",
    "invalid": "invalid_request_error",
    "unsupported": "invalid_request_error",
    "content": "invalid_request_error",
    "context_length": "invalid_request_error",
    "too_large": "request_too_large",
    "too_slow": "timeout_error",
    "rate_limit": "rate_limit_error",
    "quota": "rate_limit_error",
    "overloaded": "overloaded_error",
    "upstream_credentials": "api_error",
    "timeout": "timeout_error",
    "upstream": "api_error",
}
OVERLOADED = 529
"""The status that this vendor alone has for it."""
QUOTA_USED_UP = (b"anthropic-ratelimit-unified-status", b"rejected")
"""Without it Claude Code tries again without end."""


def error_of(refusal: Refusal) -> dict[str, str]:
    """The error object."""
    message = refusal.message
    if refusal.kind == "context_length" and not message.startswith("prompt is too long"):
        message = f"prompt is too long: {message}"  # by which clients know to make it shorter
    return {"type": TYPES[refusal.kind], "message": message}


def refused(refusal: Refusal, request_id: str) -> tuple[int, bytes, Headers]:
    """Status, body and headers."""
    body = msgspec.json.encode({"type": "error", "error": error_of(refusal), "request_id": request_id})
    own: Headers = ((b"request-id", request_id.encode("latin-1", "replace")),)
    if refusal.kind == "quota":
        own = (*own, QUOTA_USED_UP)
    return OVERLOADED if refusal.kind == "overloaded" else refusal.status, body, own
