"""What OpenAI's codes mean. Sources: the vendor's SDK 3.54.0 (``response_error.py``), answers recorded 2023-2026."""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ContentFilteredError,
    ContextLengthError,
    OverloadedError,
    ProviderError,
    QuotaExceededError,
)
from airouter_core.wire.failures import ErrorClass, ErrorTable, Failure

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

OVERFLOW = re.compile(r"maximum context length|exceeds the context window", re.IGNORECASE)
"""How an overflow is worded where no code says it: older models of OpenAI's, and vLLM."""


class OpenAIErrors(ErrorTable, frozen=True):
    """The table, and the case in which only the words tell what is meant."""

    def error(self, failure: Failure, *, status: int | None, body: bytes = b"", inside: bool = False) -> ProviderError:
        """The error to raise; see the base class."""
        if status in (None, 400, 413) and OVERFLOW.search(failure.message):
            failure = msgspec.structs.replace(failure, codes=(*failure.codes, "context_length_exceeded"))
        return super().error(failure, status=status, body=body, inside=inside)


ERRORS = OpenAIErrors(OPENAI.name, CODES)
