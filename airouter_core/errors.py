"""Every error that leaves the library, and whose move it is.

::

    AirouterError
    ├── ConfigurationError (ValueError)        the installation, the configuration or the call is wrong
    │   ├── UnknownProviderError               no such provider: names what to install
    │   ├── MissingApiKeyError                 names the variable to set
    │   ├── ParameterError                     unknown, conflicting, of the wrong type, or out of range
    │   ├── UnsupportedFeatureError            this provider cannot do that; raised before anything is sent
    │   ├── PluginConflictError                two distributions claim one name
    │   └── PluginLoadError                    an installed plugin could not be loaded
    └── ExecutionError (RuntimeError)          the call was right, and failed
        ├── TransportError                     the network
        │   ├── ConnectionFailedError          refused, reset, TLS, DNS
        │   └── TransportTimeoutError          silence, or the deadline
        ├── ProviderError                      the provider said no
        │   ├── AuthenticationError            the key is missing, wrong or expired
        │   ├── PermissionDeniedError          the key may not do that
        │   ├── ModelNotFoundError             no such model, or no longer
        │   ├── BadRequestError                the provider found fault with the request
        │   │   └── ContextLengthError         prompt and answer do not fit the model
        │   ├── RateLimitedError               too fast: wait
        │   ├── QuotaExceededError             the money or the allowance is used up: waiting does not help
        │   ├── ContentFilteredError           refused because of what it says
        │   ├── OverloadedError                the provider has too much to do: try again
        │   └── ServerError                    the provider failed
        ├── ProtocolError                      the provider broke its own format
        │   └── TruncatedStreamError           the answer stopped before its end
        └── CallVetoedError                    a plugin refused the call
            └── BudgetExceededError            a budget does not cover it

``except ValueError`` and ``except RuntimeError`` split them as a caller would: mend the call, or handle the failure.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from .values.response import Attempt, Response


class FailureClass(enum.StrEnum):
    """Why a call failed, as far as the next step is concerned. Only the first two are ever retried."""

    TRANSIENT = "transient"
    RATE_LIMIT = "rate_limit"
    QUOTA = "quota"
    CREDENTIAL = "credential"
    MODEL_ACCESS = "model_access"
    MODEL_GONE = "model_gone"
    CALLER_FAULT = "caller_fault"
    CONTENT = "content"
    UNKNOWN = "unknown"


RETRYABLE = frozenset({FailureClass.TRANSIENT, FailureClass.RATE_LIMIT})


class AirouterError(Exception):
    """The base of everything this library raises on purpose."""


class ConfigurationError(AirouterError, ValueError):
    """The installation, the configuration or the call is wrong; nothing was sent."""


class UnknownProviderError(ConfigurationError):
    """No installed plugin declares a provider of this name."""


class MissingApiKeyError(ConfigurationError):
    """The provider needs a key, and neither the configuration nor the environment has one.

    Attributes:
        provider: the name under which ``airouter keys set`` stores one.
    """

    def __init__(self, message: str, *, provider: str | None = None) -> None:
        super().__init__(message)
        self.provider = provider


class ParameterError(ConfigurationError):
    """A parameter is unknown, contradicts another, has the wrong type, or is out of range."""


class UnsupportedFeatureError(ConfigurationError):
    """The provider lacks a capability that the call needs."""


class PluginConflictError(ConfigurationError):
    """Two distributions claim the same name."""


class PluginLoadError(ConfigurationError):
    """A plugin is installed and could not be loaded."""


class ExecutionError(AirouterError, RuntimeError):
    """A call was made and did not succeed."""

    failure_class: ClassVar[FailureClass] = FailureClass.UNKNOWN

    partial: Response | None = None
    """What had arrived when the call failed, or ``None`` when nothing had."""

    attempts: tuple[Attempt, ...] = ()
    """Whom a router asked before it gave up, in order; empty where nothing routes."""

    _retryable: bool | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same call may succeed later, unchanged: as was said of it, else by the class of the failure.

        Who has tried again as often as makes sense says that it may not, since whoever retries around it multiplies.
        """
        return self.failure_class in RETRYABLE if self._retryable is None else self._retryable

    @retryable.setter
    def retryable(self, value: bool) -> None:
        self._retryable = value


class TransportError(ExecutionError):
    """The network failed, not the provider."""

    failure_class = FailureClass.TRANSIENT


class ConnectionFailedError(TransportError):
    """The connection was refused, reset or closed, or TLS or DNS failed."""


class TransportTimeoutError(TransportError):
    """Nothing came for ``timeout`` seconds, or the whole call took longer than its ``deadline``."""

    def __init__(self, message: str, *, while_connecting: bool = False) -> None:
        super().__init__(message)
        self.while_connecting = while_connecting
        # A silent provider may still be working on the answer: only a connection that never came up is tried again.
        self._retryable = while_connecting


class ProviderError(ExecutionError):
    """The provider answered with an error.

    Attributes:
        provider: name of the provider, such as ``"openrouter"``.
        status: HTTP status; 200 when the error came inside an answer; ``None`` without HTTP.
        error_type: the provider's own type or code for it, verbatim.
        request_id: what the provider's support asks for.
        retry_after: seconds to wait, when the provider said so.
        body: the start of the answer, without secrets.
    """

    def __init__(
        self,
        message: str,
        *,
        provider: str | None = None,
        status: int | None = None,
        error_type: str | None = None,
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.provider = provider
        self.status = status
        self.error_type = error_type
        self.request_id = request_id
        self.retry_after = retry_after
        self.body = body
        self._retryable = retryable


class AuthenticationError(ProviderError):
    """The key is missing, wrong or expired."""

    failure_class = FailureClass.CREDENTIAL


class PermissionDeniedError(ProviderError):
    """The key is good, and may not do that."""

    failure_class = FailureClass.MODEL_ACCESS


class ModelNotFoundError(ProviderError):
    """The provider has no such model, or has it no longer."""

    failure_class = FailureClass.MODEL_GONE


class BadRequestError(ProviderError):
    """The provider found fault with the request."""

    failure_class = FailureClass.CALLER_FAULT


class ContextLengthError(BadRequestError):
    """The prompt, or the prompt with its answer, does not fit the model's context."""


class RateLimitedError(ProviderError):
    """Too many requests or tokens for now."""

    failure_class = FailureClass.RATE_LIMIT


class QuotaExceededError(ProviderError):
    """Credit, budget or allowance is used up; never retried."""

    failure_class = FailureClass.QUOTA


class ContentFilteredError(ProviderError):
    """The provider refuses the content of the request or of its own answer."""

    failure_class = FailureClass.CONTENT


class OverloadedError(ProviderError):
    """The provider has too much to do at the moment."""

    failure_class = FailureClass.TRANSIENT


class ServerError(ProviderError):
    """The provider failed."""

    failure_class = FailureClass.TRANSIENT


class ProtocolError(ExecutionError):
    """The provider's answer is not in the provider's own format."""


class TruncatedStreamError(ProtocolError):
    """The answer stopped before the provider said that it was complete; ``partial`` holds what arrived."""


class CallVetoedError(ExecutionError):
    """A plugin refused the call before it was made: a budget, a policy."""


class BudgetExceededError(CallVetoedError):
    """A budget does not cover the call, so nothing was sent.

    Attributes:
        budget: the budget's name.
        retry_after: seconds until it covers calls again, or ``None`` when it does not by itself.
    """

    def __init__(self, message: str, *, budget: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.budget = budget
        self.retry_after = retry_after


class UnsupportedParameterWarning(UserWarning):
    """A known parameter was left out because this provider or model does not take it."""


class RetiredModelWarning(UserWarning):
    """The provider has retired a model; its successor was asked in its place."""


class ExposedSecretWarning(UserWarning):
    """A file that holds keys may be read by others on this machine."""


class InsecureConnectionWarning(UserWarning):
    """Certificates are not verified (``verify_ssl=False``)."""
