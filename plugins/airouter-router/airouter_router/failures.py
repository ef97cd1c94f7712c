"""What a failure means for a route: its class, in the words of ``on``."""

from __future__ import annotations

from airouter_core.errors import (
    AirouterError,
    BudgetExceededError,
    ContextLengthError,
    ExecutionError,
    FailureClass,
    MissingApiKeyError,
    ProtocolError,
    ProviderError,
)

from .routes import CONTEXT


def word_of(error: AirouterError) -> str:
    """The class of a failure. An answer that broke off, or was none, may be whole the next time."""
    if isinstance(error, ContextLengthError):
        return CONTEXT
    if isinstance(error, MissingApiKeyError):
        return FailureClass.CREDENTIAL.value
    if isinstance(error, BudgetExceededError):
        return FailureClass.QUOTA.value
    if isinstance(error, ProtocolError):
        return FailureClass.TRANSIENT.value
    if isinstance(error, ExecutionError):
        return error.failure_class.value
    return FailureClass.CALLER_FAULT.value


def retry_after(error: AirouterError) -> float | None:
    """Seconds that the provider asked to be left alone."""
    return error.retry_after if isinstance(error, ProviderError) else None


def can_be_repeated(error: AirouterError) -> bool:
    """Whether the same target may be asked the same again."""
    return isinstance(error, ProtocolError) or (isinstance(error, ExecutionError) and error.retryable)
