"""The errors that end a call of a route: the last one of a target, with all that was tried, or that nobody is left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airouter_core.errors import (
    AirouterError,
    ConfigurationError,
    ExecutionError,
    ProviderError,
    RateLimitedError,
    UnsupportedFeatureError,
)
from airouter_core.values.response import Attempt

from .routes import Target


def ended(error: AirouterError, route: str, trail: Sequence[Attempt]) -> AirouterError:
    """An error that ends the call, with all that was tried before."""
    if isinstance(error, ExecutionError):
        error.attempts = (*trail, *error.attempts)
        error.retryable = False  # whoever retries around a route multiplies its attempts
        if len(trail) > 1:
            told = "; ".join(f"{attempt.target}: {attempt.failure or attempt.reason}" for attempt in trail)
            error.args = (f"{error} (route {route!r} asked {told})", *error.args[1:])
    return error


def no_candidate(route: str, trail: Sequence[Attempt], refused: ConfigurationError | None = None) -> AirouterError:
    """Nobody of the route may be asked this.

    Args:
        refused: what was wrong for the first who was to be asked.
    """
    reasons = "; ".join(f"{attempt.target}: {attempt.reason}" for attempt in trail)
    if refused is not None:
        if len(trail) > 1:
            refused.args = (f"{refused} (route {route!r} could ask nobody: {reasons})", *refused.args[1:])
        return refused
    return UnsupportedFeatureError(
        f"route {route!r} has nobody who may be asked this: {reasons or 'it has no targets'}"
    )


def all_limited(route: str, trail: Sequence[Attempt], aside: Sequence[Attempt], wait: float) -> AirouterError:
    """Nobody can be asked for so many seconds, which is longer than there are.

    Args:
        aside: who is waited for, and why.
    """
    reasons = "; ".join(f"{attempt.target}: {attempt.reason}" for attempt in aside)
    error = RateLimitedError(
        f"route {route!r}: nobody can be asked for {wait:.1f} s ({reasons}); "
        "try again then, raise a limit, or add a target",
        retry_after=wait,
    )
    error.attempts = (*trail, *aside)
    return error


def failed_attempt(target: Target, error: ExecutionError, word: str, seconds: float, cost: Any) -> Attempt:
    """A failed attempt, for the trail."""
    status = error.status if isinstance(error, ProviderError) else None
    request_id = error.request_id if isinstance(error, ProviderError) else None
    # The class of the error, not its text: that may repeat what was asked.
    return Attempt(target.address, "failed", type(error).__name__, word, status, request_id, seconds, cost)
