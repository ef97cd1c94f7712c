"""What Bedrock says about a failure, and what that means.

Sources: the service model bedrock-runtime/2023-09-30 (botocore 1.44.8) for the exceptions of an answer and of a stream,
the AWS reference of common errors for those of credentials, and recorded answers for what only the message tells.
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
from airouter_core.wire.failures import ErrorTable, Failure, text_failure
from airouter_core.wire.http import Headers
from airouter_core.wire.json import mapping, object_in, text

from .eventstream import EventMessage
from .plugin import BEDROCK

TYPE_HEADER, REQUEST_ID = "x-amzn-errortype", "x-amzn-requestid"
TOO_LONG, NO_MODEL, SPENT = "(input too long)", "(no such model)", "(quota)"

ERRORS = ErrorTable(
    BEDROCK.name,
    {
        TOO_LONG: ContextLengthError,
        NO_MODEL: ModelNotFoundError,
        SPENT: QuotaExceededError,
        "ServiceQuotaExceededException": QuotaExceededError,
        "ValidationException": BadRequestError,
        "AccessDeniedException": PermissionDeniedError,
        "ResourceNotFoundException": ModelNotFoundError,
        "UnknownOperationException": BadRequestError,
        "ThrottlingException": RateLimitedError,
        "TooManyRequestsException": RateLimitedError,
        "ModelNotReadyException": OverloadedError,
        "ServiceUnavailableException": OverloadedError,
        "InternalServerException": ServerError,
        "InternalFailure": ServerError,
        "ModelTimeoutException": ServerError,
        "ModelErrorException": ServerError,
        "ModelStreamErrorException": ServerError,
        "UnrecognizedClientException": AuthenticationError,
        "InvalidClientTokenId": AuthenticationError,
        "ExpiredTokenException": AuthenticationError,
        "ExpiredToken": AuthenticationError,
        "InvalidSignatureException": AuthenticationError,
        "SignatureDoesNotMatch": AuthenticationError,
        "IncompleteSignature": AuthenticationError,
        "IncompleteSignatureException": AuthenticationError,
        "MissingAuthenticationToken": AuthenticationError,
        "MissingAuthenticationTokenException": AuthenticationError,
        "NotAuthorized": AuthenticationError,
    },
)

STATUSES: Mapping[str, int] = {
    "ValidationException": 400,
    "ModelStreamErrorException": 424,
    "ThrottlingException": 429,
    "InternalServerException": 500,
    "ServiceUnavailableException": 503,
}
"""What an exception inside a stream would have been as an answer."""

WITHOUT_A_CODE = (
    ("Input Tokens Exceeded", TOO_LONG),
    ("Input is too long", TOO_LONG),
    ("prompt is too long", TOO_LONG),
    ("exceed context limit", TOO_LONG),
    ("maximum context length", TOO_LONG),
    ("model identifier is invalid", NO_MODEL),
    ("tokens per day", SPENT),
)
"""Failures that share a code with others and are known by words inside their message."""

SKEWED = "Signature expired"
CLOCK = "the clock of this machine is wrong"


def parse_error(status: int, headers: Headers, body: bytes) -> ProviderError:
    """The error of an answer whose status is one."""
    failure = _failure(body, status, named=headers.get(TYPE_HEADER))
    error = ERRORS.error(failure, status=status, body=body)
    error.request_id = error.request_id or headers.get(REQUEST_ID)
    return error


def error_inside(content: Mapping[str, Any]) -> ProviderError:
    """The error that an answer of status 200 holds in place of a message."""
    body = json.dumps(dict(content)).encode()
    return ERRORS.error(_failure_in(content, None), status=None, inside=True, body=body)


def error_in_stream(message: EventMessage) -> ProviderError:
    """The error of a message of the type ``exception`` or ``error``."""
    named = message.headers.get(":exception-type") or message.headers.get(":error-code")
    said = message.headers.get(":error-message")
    failure = _named(named, said) if said else _failure(message.payload, 200, named=named)
    return ERRORS.error(failure, status=STATUSES.get(failure.error_type or ""), inside=True, body=message.payload)


def _failure(body: bytes, status: int, *, named: str | None) -> Failure:
    content = object_in(body)
    return _failure_in(content, named) if content is not None else _named(named, text_failure(body, status).message)


def _failure_in(content: Mapping[str, Any], named: str | None) -> Failure:
    """Read an error object: ``{"message": …}``, whose type stands in a header or beside it as ``__type``."""
    # A gateway in front may have a form of its own, and services behind the front door wrap theirs in Output.
    inner = mapping(content.get("Output")) or mapping(content.get("error")) or content
    message = text(inner.get("message")) or text(inner.get("Message")) or text(inner.get("originalMessage"))
    if not message:
        message = json.dumps(dict(content), ensure_ascii=False)[:400] if content else ""
    if SKEWED in message:
        message = f"{message} ({CLOCK})"
    return _named(named or text(inner.get("__type")) or text(inner.get("type")), message)


def _named(named: str | None, message: str) -> Failure:
    """A failure with what its message tells, and the exception's name without its address: ``ThrottlingException``."""
    name = (named or "").partition(":")[0].rpartition("#")[2].strip()
    if name.endswith("Exception"):
        name = name[:1].upper() + name[1:]  # a stream says throttlingException where an answer says ThrottlingException
    told = [code for words, code in WITHOUT_A_CODE if words in message]
    return Failure(message=message, codes=(*told, name) if name else tuple(told), error_type=name or None)
