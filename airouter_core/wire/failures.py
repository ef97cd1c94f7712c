"""From what a provider says about a failure to the error that is raised.

A provider names its codes; what they mean for the caller is decided here, in one order for all: its own codes first
(money before speed, since both come as 429), then the status.
"""

from __future__ import annotations

import email.utils
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from ..errors import (
    AuthenticationError,
    BadRequestError,
    ContextLengthError,
    FailureClass,
    ModelNotFoundError,
    OverloadedError,
    PermissionDeniedError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from ..values.value import Value
from .json import is_html, items, mapping, object_in, shown

ErrorClass = type[ProviderError]

BY_STATUS: Mapping[int, ErrorClass] = {
    400: BadRequestError,
    401: AuthenticationError,
    402: QuotaExceededError,
    403: PermissionDeniedError,
    404: ModelNotFoundError,
    408: ServerError,
    409: ServerError,
    413: BadRequestError,
    422: BadRequestError,
    429: RateLimitedError,
    503: OverloadedError,
    529: OverloadedError,
}

RETRIED_STATUSES = frozenset({408, 409, 429, 500, 502, 503, 504, 529})

NEXT_STEPS: Mapping[ErrorClass, str] = {
    AuthenticationError: "check the API key",
    PermissionDeniedError: "check what the key may do",
    ModelNotFoundError: "check the model's name against list_models()",
    ContextLengthError: "shorten the prompt, ask for fewer max_tokens, or take a model with a longer context",
    RateLimitedError: "wait, or send less at once",
    QuotaExceededError: "add credit or raise the limit with the provider; trying again does not help",
    OverloadedError: "try again in a while",
    ServerError: "try again in a while",
}

SAID_IN = ("message", "detail", "errors", "msg", "error_message", "error_msg", "error_description")
"""Fields that hold the words of an error, by how much they tell."""

# Expressions that are compiled by the first failure: a program whose call succeeds would pay for them too.
SPENT = (
    r"(?is)balance (?:is )?(?:too low|insufficient|depleted|exhausted)"
    r"|insufficient (?:account )?(?:balance|credits?|funds)"
    r"|(?:out of|not enough|requires more) credits?\b|credits? (?:are|(?:has|have) been) (?:depleted|exhausted|used up)"
    r"|billing hard limit|budget has been exceeded|specified api usage limits|included credits|余额不足"
    r"|exceeded your current quota(?!.*\b(?:retry|try again) in\b)"
)
"""How vendors say that the money is used up where no code does. Their words for limits of a minute are others."""
TOO_LONG = (
    r"(?i)maximum context length|exceeds? the (?:context window|available context size)|context size has been exceeded"
    r"|longer than the (?:maximum model length|model's context length)|(?:prompt|input) is too long"
    r"|context length of only|exceeds the maximum number of tokens"
)
"""How an overflow is worded where no code says it: by OpenAI, vLLM, SGLang, llama.cpp, LM Studio and their hosts."""
MAY_BE_TOO_LONG = (BadRequestError, ServerError, ProviderError)
NEVER_FITS = r"(?i)request too large"
"""How vendors say that one request alone is more than a minute allows. It comes as a rate limit, and never passes."""
MONEY_MAY_BE_MEANT = (BadRequestError, PermissionDeniedError, RateLimitedError, ProviderError)

WAIT_IN_WORDS = (
    r"(?i)\b(?:retry|try again) (?:in|after) (?:(\d{1,6})h)?(?:(\d{1,6})m(?!s))?(?:(\d{1,6}(?:\.\d{1,12})?) ?(m?s))?"
)
WAIT_FIELDS: Mapping[str, float] = {
    "retry_after_ms": 0.001,
    "retry_after": 1.0,
    "retry_after_seconds": 1.0,
    "retryAfter": 1.0,
    "retryDelay": 1.0,
}
"""Fields of a body that ask for a wait, and the unit of a bare number in seconds."""

BODY_KEPT = 4000
"""Characters of an error's body that are kept."""


class Failure(Value, frozen=True, kw_only=True):
    """What a provider says about a failure, apart from any meaning.

    Attributes:
        codes: its codes and types, most telling first.
        error_type: the one to show.
        retryable: as the provider says, if it does.
        retry_after: seconds, when the body says so; headers are read by the transport.
    """

    message: str
    codes: tuple[str, ...] = ()
    error_type: str | None = None
    request_id: str | None = None
    retryable: bool | None = None
    retry_after: float | None = None


class ErrorTable(Value, frozen=True):
    """A provider's codes, and the error class of each."""

    provider: str
    codes: Mapping[str, ErrorClass] = msgspec.field(default_factory=dict)

    def error(self, failure: Failure, *, status: int | None, body: bytes = b"", inside: bool = False) -> ProviderError:
        """The error to raise.

        Args:
            status: HTTP status, or the status that an error inside an answer stands for.
            inside: the error came inside an answer whose own status was 200.
        """
        error_class = self.class_of(failure.codes, status)
        if error_class in MAY_BE_TOO_LONG and re.search(TOO_LONG, failure.message):
            error_class = ContextLengthError
        elif error_class in MONEY_MAY_BE_MEANT and re.search(SPENT, failure.message):
            error_class = QuotaExceededError
        retryable = failure.retryable
        if error_class is RateLimitedError and re.match(NEVER_FITS, failure.message):
            retryable = False
        elif retryable is None and status is not None and status >= 400 and error_class in (ServerError, ProviderError):
            retryable = status in RETRIED_STATUSES
        return error_class(
            _message(self.provider, failure, error_class, status),
            provider=self.provider,
            status=200 if inside else status,
            error_type=failure.error_type or (failure.codes[0] if failure.codes else None),
            request_id=failure.request_id,
            retryable=retryable,
            retry_after=_wait_in_words(failure.message) if failure.retry_after is None else failure.retry_after,
            body=body[: BODY_KEPT * 4].decode("utf-8", "replace")[:BODY_KEPT] or None,
        )

    def class_of(self, codes: tuple[str, ...], status: int | None) -> ErrorClass:
        """The error class for these codes, else for this status."""
        known = [self.codes[code] for code in codes if code in self.codes]
        for preferred in (QuotaExceededError, ContextLengthError):
            if preferred in known:
                return preferred
        if known:
            return known[0]
        if status is None or status < 400:
            return ProviderError
        return BY_STATUS.get(status, ServerError if status >= 500 else BadRequestError)


def is_error(content: Mapping[str, Any]) -> bool:
    """Whether an object in which nobody says anything is an error that stands without its frame."""
    # A message that is an object is a turn of a conversation, as in the answer to one that only loads a model.
    said = any(content.get(field) and not isinstance(content[field], Mapping) for field in SAID_IN)
    return said or "error" in (content.get("object"), content.get("type"))


def failure_in_body(body: bytes, status: int | None, read: Callable[[Mapping[str, Any]], Failure]) -> Failure:
    """What the body of a failure says: ``read`` makes it of an object; a proxy's may be in any other form."""
    content = object_in(body)
    return text_failure(body, status) if content is None else read(content)


def text_failure(body: bytes, status: int | None) -> Failure:
    """What can be said of a body that is not in the provider's format, such as a proxy's web page."""
    answer = "an answer" if status is None else f"HTTP {status}"
    if not body.strip():
        return Failure(message=f"{answer} with an empty body")
    what = "a web page" if is_html(body) else "no JSON"
    return Failure(message=f"{answer} with {what}: {shown(body)}")


def wait_in(*said: Any) -> float | None:
    """The wait in seconds that an error object asks for: in a field of its own, or in one of its details.

    ``retryDelay`` is the one of ``google.rpc.RetryInfo``, a duration such as ``"29.5s"``.
    """
    for one in map(mapping, said):
        for place in (one, *map(mapping, items(one.get("details"))), mapping(one.get("metadata"))):
            for field, unit in WAIT_FIELDS.items():
                if (seconds := _duration(place.get(field), unit)) is not None:
                    return seconds
    return None


def seconds_to_wait(headers: Mapping[str, str], now: float) -> float | None:
    """The wait that ``Retry-After-Ms`` or ``Retry-After`` asks for (RFC 9110, section 10.2.3).

    Args:
        headers: names in lower case.
        now: seconds since the epoch.
    """
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is None:
            continue
        # Some write a unit, as in a body; and a header that stands twice is read as one, with a comma between.
        said = [_duration(part.strip(), unit) for part in value.split(",")]
        if (seconds := [one for one in said if one is not None]) and len(seconds) == len(said):
            return max(seconds)
        try:
            return max(email.utils.parsedate_to_datetime(value).timestamp() - now, 0.0)
        except (ValueError, TypeError, OverflowError):
            continue
    return None


def error_inside(body: bytes) -> bool:
    """Whether an answer of status 200 is a failure: an object, or a list of one, whose ``error`` says something."""
    if b'"error"' not in body:  # nearly always, and found out at the speed of memory
        return False
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    return isinstance(content, dict) and bool(content.get("error"))


def _message(provider: str, failure: Failure, error_class: ErrorClass, status: int | None) -> str:
    said = failure.message.strip() or (f"HTTP {status}" if status else "an error without a message")
    step = NEXT_STEPS.get(error_class)
    if status == 404 and error_class is ModelNotFoundError and not _names_a_model(said):
        step = None  # `told_of_address` says where it was looked for
    if failure.retryable is False and error_class.failure_class is FailureClass.TRANSIENT:
        step = None  # to try again is just what does not help
    return f"{provider}: {said}" + (f" ({step})" if step else "")


def told_of_address(error: ProviderError, asked: str) -> ProviderError:
    """With the address in the words of a 404 that speaks of no model: often ``base_url`` lacks a part of its path.

    Args:
        asked: method and address.
    """
    if error.status == 404 and isinstance(error, ModelNotFoundError) and not _names_a_model(str(error)):
        error.args = (f"{error} (it was asked {asked}: check base_url, and the model's name against list_models())",)
    return error


def _names_a_model(said: str) -> bool:
    return "model" in said.lower()


def _wait_in_words(message: str) -> float | None:
    found = re.search(WAIT_IN_WORDS, message)
    if found is None or not any(found.groups()):
        return None
    hours, minutes, rest, unit = found.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0) * (0.001 if unit == "ms" else 1)


def _duration(value: Any, unit: float) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and value.endswith("s"):
        value, unit = (value[:-2], 0.001) if value.endswith("ms") else (value[:-1], 1.0)
    number = _number(value)
    return None if number is None else number * unit


def _number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None
