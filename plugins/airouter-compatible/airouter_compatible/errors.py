"""What a service says about a failure, in any of the shapes that were seen, and what it means by the row.

Shapes, each recorded from at least one service: ``{"error": {…}}``, the same flat, ``{"error": "text", "code": …}``,
``{"detail": "text"}`` and ``{"detail": [{"msg": …}]}``, ``{"errors": [{…}]}``, ``{"error_code": …, "message": …}``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from airouter_core.values.value import Value
from airouter_core.wire.failures import ErrorClass, ErrorTable, Failure
from airouter_core.wire.http import Headers
from airouter_core.wire.json import items, mapping
from airouter_core.wire.rate_limits import seconds_of

from .service import Service

KINDS: Mapping[str, ErrorClass] = {
    "authentication": AuthenticationError,
    "permission": PermissionDeniedError,
    "model_not_found": ModelNotFoundError,
    "bad_request": BadRequestError,
    "context_length": ContextLengthError,
    "rate_limit": RateLimitedError,
    "quota": QuotaExceededError,
    "content_filter": ContentFilteredError,
    "overloaded": OverloadedError,
    "server": ServerError,
}
ANYWHERE: Mapping[str, ErrorClass] = {
    "exceed_context_size_error": ContextLengthError,
    "responsibleaipolicyviolation": ContentFilteredError,
}
"""Codes and phrases that mean the same wherever they were seen."""

CODE_FIELDS = ("code", "type", "error_code", "status_code", "reason")
MESSAGE_FIELDS = ("message", "detail", "msg", "error_message", "error_msg", "status_msg", "error")
SHOWN = 300
"""Characters of an explanation beside the message that are shown."""


class ServiceErrors(ErrorTable, frozen=True):
    """The table of a row, whose phrases are looked for in messages too."""

    phrases: tuple[str, ...] = ()

    def error(self, failure: Failure, *, status: int | None, body: bytes = b"", inside: bool = False) -> ProviderError:
        """The error to raise; see the base class."""
        said = failure.message.lower()
        codes = [code for given in failure.codes for code in (given, given.lower())]
        codes += [phrase for phrase in self.phrases if phrase in said]
        return super().error(
            msgspec.structs.replace(failure, codes=tuple(codes)), status=status, body=body, inside=inside
        )


def errors_of(service: Service) -> ServiceErrors:
    """The table of a row."""
    own = {**ANYWHERE, **{code.lower(): KINDS[kind] for code, kind in service.errors.items()}}
    phrases = tuple(code for code in own if not code.isdecimal())
    return ServiceErrors(service.name, {**COMMON_CODES, **own}, phrases)


def read_failure(error: Any, around: Mapping[str, Any] | None = None) -> Failure:
    """Read an error object, in whichever shape."""
    around = around or {}
    if (several := items(mapping(error).get("errors"))) and not mapping(error).get("message"):
        error = several[0]
    said = failure_in(error, around)
    codes = (*said.codes, *_numbers(mapping(error)), *(_numbers(around) if isinstance(error, str) else ()))
    return msgspec.structs.replace(
        said, message=_message(mapping(error), said.message), codes=tuple(dict.fromkeys(codes))
    )


def _numbers(error: Mapping[str, Any]) -> Iterator[str]:
    """Codes by any name, numbers among them, and those of the error inside."""
    for field in CODE_FIELDS:
        if isinstance(code := error.get(field), str | int) and not isinstance(code, bool) and code != "":
            yield str(code)
    if inner := mapping(error.get("innererror")):
        yield from _numbers(inner)


def _message(error: Mapping[str, Any], message: str) -> str:
    if not isinstance(error.get("message"), str):
        found = (error.get(field) for field in MESSAGE_FIELDS)
        message = next((text for said in found if (text := _text(said))), message)
    # Some explain themselves elsewhere: what the model wrote in vain, or a sentence where a name is expected.
    for field in ("failed_generation", "param"):
        more = error.get(field)
        if isinstance(more, str) and " " in more.strip() and more not in message:
            message = f"{message}; {more.strip()[:SHOWN]}"
    return message


def _text(said: Any) -> str:
    if isinstance(said, str):
        return said
    details = [mapping(item) for item in items(said)]
    return "; ".join(f"{'.'.join(map(str, items(item.get('loc'))))}: {item.get('msg')}" for item in details if item)


class ReadError(Value, frozen=True):
    """Errors of answers, with the wait that their headers tell. Callable as a wire's ``parse_error``."""

    parse: Any
    reset_headers: tuple[str, ...]

    def __call__(self, status: int, headers: Headers, body: bytes) -> ProviderError:
        error: ProviderError = self.parse(status, headers, body)
        if status == 429 and error.retry_after is None and not {"retry-after", "retry-after-ms"} & set(headers):
            error.retry_after = _wait(self.reset_headers, headers)
        return error


def _wait(names: tuple[str, ...], headers: Headers) -> float | None:
    """Until the limit that was hit is reset; where it is not said which that was, until the first one is."""
    waits = {name: wait for name in names if (wait := seconds_of(headers.get(name, ""))) is not None}
    hit = [wait for name, wait in waits.items() if headers.get(name.replace("reset", "remaining")) in ("0", "0.0")]
    return max(hit) if hit else min(waits.values(), default=None)
