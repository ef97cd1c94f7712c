"""What OpenRouter says about failures: its own, and those of the vendors behind it.

Sources: OpenRouter's errors-and-debugging and limits pages (2026-08-22), and recorded answers. A code is a number
there, the HTTP status; words stand in ``error_type``, in ``metadata.error_type`` or in ``availability.code``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.errors import COMMON_CODES, failure_in
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from airouter_core.wire.failures import ErrorTable, Failure, wait_in
from airouter_core.wire.json import items, mapping, text

from .plugin import OPENROUTER

NO_SUCH_MODEL = "model_not_found"
FLAGGED = "flagged_input"

ERRORS = ErrorTable(
    OPENROUTER.name,
    {
        **COMMON_CODES,
        "authentication": AuthenticationError,
        "payment_required": QuotaExceededError,
        "permission_denied": PermissionDeniedError,
        "region_restricted": PermissionDeniedError,
        "privacy_restricted": PermissionDeniedError,
        "invalid_request": BadRequestError,
        "invalid_prompt": BadRequestError,
        "wrong_endpoint": BadRequestError,
        "constraint_filtered": BadRequestError,
        "image_not_found": BadRequestError,
        "max_tokens_exceeded": ContextLengthError,
        "token_limit_exceeded": ContextLengthError,
        "refusal": ContentFilteredError,
        FLAGGED: ContentFilteredError,
        "not_found": ModelNotFoundError,
        NO_SUCH_MODEL: ModelNotFoundError,
        "no_endpoints": ModelNotFoundError,
        "model_deprecated": ModelNotFoundError,
        "model_unavailable_upstream": ModelNotFoundError,
        "free_variant_ended": ModelNotFoundError,
        "capacity_exhausted": RateLimitedError,
        "server": ServerError,
        "timeout": ServerError,
        "provider_unavailable": ServerError,
        "provider_overloaded": OverloadedError,
        "temporarily_unavailable": OverloadedError,
    },
)

# An unknown model comes as a bare 400 whose only sign is this sentence (recorded from chat and from embeddings).
UNKNOWN_MODEL = re.compile(r"\S+ is not a valid model ID|Model \S+ does not exist")

UPSTREAM_SHOWN = 300
"""Characters of a vendor's own message that are shown."""


def read_failure(error: Any, around: Mapping[str, Any] | None = None) -> Failure:
    """Read an error object; what the vendor behind OpenRouter said is added to the message and the codes."""
    said = failure_in(error, around)
    error = mapping(error)
    metadata = mapping(error.get("metadata"))
    availability = mapping(error.get("availability"))
    upstream = _upstream(metadata)
    codes = [*said.codes, text(availability.get("code")), *upstream.codes]
    if metadata.get(FLAGGED) or items(metadata.get("reasons")):
        codes.insert(0, FLAGGED)
    if UNKNOWN_MODEL.fullmatch(said.message):
        codes.append(NO_SUCH_MODEL)
    retryable = availability.get("retryable")
    number = error.get("code")
    own_type = said.error_type or text(availability.get("code")) or (str(number) if isinstance(number, int) else None)
    return msgspec.structs.replace(
        said,
        message="; ".join([said.message, *_details(metadata, availability, upstream)]),
        codes=tuple(code for code in codes if code),
        error_type=own_type,
        retryable=retryable if isinstance(retryable, bool) else None,
        retry_after=wait_in(availability) if said.retry_after is None else said.retry_after,
    )


def _upstream(metadata: Mapping[str, Any]) -> Failure:
    """What the vendor that made the answer said, which OpenRouter hands on as text."""
    raw = metadata.get("raw")
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except (ValueError, RecursionError):
            return Failure(message=raw)
    return failure_in(mapping(raw).get("error", raw)) if mapping(raw) else Failure(message="")


def _details(metadata: Mapping[str, Any], availability: Mapping[str, Any], upstream: Failure) -> list[str]:
    details = []
    if said := upstream.message.strip()[:UPSTREAM_SHOWN]:
        details.append(f"{text(metadata.get('provider_name')) or 'the vendor'} said: {said}")
    if reasons := [reason for reason in items(metadata.get("reasons")) if isinstance(reason, str)]:
        details.append(f"flagged for {', '.join(reasons)}")
    if others := [model for model in items(availability.get("fallback_models")) if isinstance(model, str)]:
        details.append(f"available instead: {', '.join(others)}")
    return details
