"""What went wrong, as a server says it: whose move it is, in which status and with which headers.

Clients act on these: a 401 sends people to look at their own key, a 5xx is tried again, several layers deep. So a bad
key of ours is a 502, and what trying again cannot mend says so (``x-should-retry``).
"""

from __future__ import annotations

import math
import re
from typing import Literal

import msgspec

from airouter_core.errors import (
    AirouterError,
    AuthenticationError,
    BadRequestError,
    CallVetoedError,
    ConfigurationError,
    ContentFilteredError,
    ContextLengthError,
    MissingApiKeyError,
    ModelNotFoundError,
    OverloadedError,
    ParameterError,
    PermissionDeniedError,
    PluginConflictError,
    PluginLoadError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    TransportTimeoutError,
    UnknownProviderError,
    UnsupportedFeatureError,
)
from airouter_core.values.value import Value
from airouter_ledger.errors import LedgerError

Kind = Literal[
    "unauthorized",
    "forbidden",
    "no_model",
    "no_path",
    "no_method",
    "invalid",
    "context_length",
    "too_large",
    "too_slow",
    "rate_limit",
    "quota",
    "upstream_credentials",
    "overloaded",
    "timeout",
    "content",
    "unsupported",
    "upstream",
]

STATUS: dict[str, int] = {
    "unauthorized": 401,
    "forbidden": 403,
    "no_model": 404,
    "no_path": 404,
    "no_method": 405,
    "invalid": 400,
    "context_length": 400,
    "content": 400,
    "unsupported": 400,
    "too_large": 413,
    "too_slow": 408,
    "rate_limit": 429,
    "quota": 429,
    "upstream_credentials": 502,
    "overloaded": 503,
    "timeout": 504,
    "upstream": 502,
}

LONGEST_WAIT = 60
"""Seconds; a client was seen to wait for an hour when told to, without a word."""

KEY_LIKE = re.compile(
    r"(?i)\b(?:sk|pk|rk|xai|gsk|hf|ghp|air)[-_][\w*.-]{6,}|\bAIza[\w-]{10,}|\bAKIA\w{8,}|\bbearer\s+\S+|\bey[JK][\w-]{8,}\.[\w.-]+"
)
"""What may be a key, or the visible end of one, in somebody else's words."""


class Refusal(Value, frozen=True, kw_only=True):
    """An answer that is none.

    Attributes:
        retry_after: seconds to wait.
        param: the field at fault.
        should_retry: ``False`` where trying again would not help; ``None`` leaves it to the client.
    """

    kind: Kind
    message: str
    retry_after: float | None = None
    param: str | None = None
    should_retry: bool | None = None
    known_status: int | None = None

    @property
    def status(self) -> int:
        return self.known_status or STATUS[self.kind]

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Those that all clients understand."""
        found = []
        if self.retry_after is not None:
            seconds = min(LONGEST_WAIT, max(0, math.ceil(self.retry_after)))
            found.append((b"retry-after", str(seconds).encode()))
        if self.should_retry is not None:
            found.append((b"x-should-retry", b"true" if self.should_retry else b"false"))
        return tuple(found)


def refusal_of(error: BaseException) -> Refusal:
    """What to say of an error of the library's.

    What a provider says itself is repeated only where the caller can do something with it, and without what looks like
    a key.
    """
    for kinds, refusal in REPEATED:
        if isinstance(error, kinds):
            message = without_keys(str(error))
            param = _field(message) if isinstance(error, ParameterError) else None
            is_large = getattr(error, "status", None) == STATUS["too_large"]
            kind: Kind = "too_large" if is_large else refusal.kind
            return msgspec.structs.replace(refusal, kind=kind, message=message, param=param)
    for kinds, refusal in SAID:
        if isinstance(error, kinds):
            # Whoever routes has tried again already: a client that does so too multiplies the calls.
            wait = getattr(error, "retry_after", None) if refusal.retry_after is not None else None
            return msgspec.structs.replace(
                refusal,
                message=refusal.message or without_keys(str(error)),
                retry_after=refusal.retry_after if wait is None else wait,
            )
    if isinstance(error, RecursionError):
        return Refusal(kind="invalid", message="the request is nested too deeply", should_retry=False)
    return Refusal(kind="upstream", message="this server failed", should_retry=False, known_status=500)


def _known(kind: Kind, message: str = "", retry_after: float | None = None) -> Refusal:
    return Refusal(kind=kind, message=message, retry_after=retry_after, should_retry=None if not message else False)


REPEATED: tuple[tuple[tuple[type[AirouterError], ...], Refusal], ...] = (
    ((ContextLengthError,), _known("context_length")),
    ((ContentFilteredError,), _known("content")),
    ((ModelNotFoundError, UnknownProviderError), _known("no_model")),
    ((BadRequestError,), _known("invalid")),
    ((UnsupportedFeatureError,), _known("unsupported")),
    ((ParameterError,), _known("invalid")),
    (
        (CallVetoedError,),
        Refusal(kind="quota", message="", retry_after=LONGEST_WAIT, should_retry=False),
    ),
)
"""Errors whose message is for the caller, the nearest class first."""

SAID: tuple[tuple[tuple[type[AirouterError], ...], Refusal], ...] = (
    (
        (AuthenticationError, PermissionDeniedError, MissingApiKeyError),
        _known(
            "upstream_credentials", "the provider refused this server's own credentials: its operator must look at them"
        ),
    ),
    ((QuotaExceededError,), _known("quota", "the quota at the provider is used up", LONGEST_WAIT)),
    ((RateLimitedError,), _known("rate_limit", "the provider's rate limit is reached", 1.0)),
    ((OverloadedError,), _known("overloaded", "the provider has too much to do", 5.0)),
    ((TransportTimeoutError,), _known("timeout", "the provider did not answer in time")),
    ((ProviderError,), _known("upstream", "the provider failed")),
    (
        (LedgerError,),
        Refusal(
            kind="overloaded", message="this server cannot reach its database of keys and budgets now", retry_after=5.0
        ),
    ),
    ((PluginConflictError, PluginLoadError), _known("upstream", "this server is not set up rightly")),
    ((ConfigurationError,), Refusal(kind="invalid", message="", should_retry=False)),
    ((AirouterError,), _known("upstream", "the provider could not be reached, or broke off its answer")),
)
"""All others, in words of ours where they have some."""


def without_keys(message: str) -> str:
    """A message without what looks like a key."""
    return KEY_LIKE.sub("[key]", message)


def _field(message: str) -> str | None:
    """The field that a message begins with: ``messages[3]``, ``tools``; or the parameter that it names."""
    found = re.match(r"(?:parameter )?([a-z_]+(?:\[\d+\])?(?:\.[a-z_]+(?:\[\d+\])?)*)(?::| must| is )", message)
    return found[1] if found else None
