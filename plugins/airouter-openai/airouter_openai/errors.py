"""What OpenAI's codes mean. Sources: the vendor's SDK 3.54.0 (``response_error.py``), answers recorded 2023-2026."""

from __future__ import annotations

from collections.abc import Mapping

from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    OverloadedError,
    QuotaExceededError,
)
from airouter_core.wire.failures import ErrorClass, ErrorTable

from .plugin import OPENAI

CODES: Mapping[str, ErrorClass] = {
    **COMMON_CODES,
    "account_deactivated": AuthenticationError,
    # Money that ran out comes as 429, like a call too many; the code tells them apart.
    "credit_balance_exhausted": QuotaExceededError,
    "billing_hard_limit_reached": QuotaExceededError,
    "billing_not_active": QuotaExceededError,
    "organization_spend_limit_exceeded": QuotaExceededError,
    "project_spend_limit_exceeded": QuotaExceededError,
    "organization_usage_limit_exceeded": QuotaExceededError,
    "service_unavailable_error": OverloadedError,
    "moderation_blocked": ContentFilteredError,
    "image_content_policy_violation": ContentFilteredError,
    "invalid_prompt": ContentFilteredError,
    # Of a failed response, which has no status to go by.
    "invalid_image": BadRequestError,
    "invalid_image_format": BadRequestError,
    "invalid_base64_image": BadRequestError,
    "invalid_image_url": BadRequestError,
    "image_too_large": BadRequestError,
    "image_too_small": BadRequestError,
    "image_parse_error": BadRequestError,
    "invalid_image_mode": BadRequestError,
    "image_file_too_large": BadRequestError,
    "unsupported_image_media_type": BadRequestError,
    "empty_image_file": BadRequestError,
    "failed_to_download_image": BadRequestError,
    "image_file_not_found": BadRequestError,
    # Of compatible servers: llama.cpp.
    "exceed_context_size_error": ContextLengthError,
    "not_supported_error": BadRequestError,
}

ERRORS = ErrorTable(OPENAI.name, CODES)
