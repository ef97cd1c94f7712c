"""What becomes of an item when its call has ended: asked again, given up, or the whole run paused."""

from __future__ import annotations

from airouter_core.errors import (
    AirouterError,
    CallVetoedError,
    ConfigurationError,
    ExecutionError,
    FailureClass,
    MissingApiKeyError,
    ProviderError,
    TransportError,
    TruncatedStreamError,
    UnknownProviderError,
)
from airouter_core.values.characters import with_whole_characters
from airouter_core.values.response import Response

from .journal.records import Ended, Job, packed
from .spec import Spec
from .tariff import Tariff

VETOED = "vetoed"
PAUSING = frozenset(
    {FailureClass.QUOTA, FailureClass.CREDENTIAL, FailureClass.MODEL_ACCESS, FailureClass.MODEL_GONE, VETOED}
)
"""Failures that the next row would meet too: the run pauses and burns no rows."""
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds before a row is asked again, where nobody says when."""
CUT = ("length", "content_filter")
REFUSED = "refusal"
SHOWN = 2000
"""Characters of what is said of a failure."""


class NotSentError(AirouterError):
    """A call was booked and then not made: the run was paused in between, or its moment had passed."""


class LostError(AirouterError):
    """Whoever made a call is gone, so nobody knows whether it was answered."""


def class_of(error: AirouterError) -> str:
    """The class of a failure, as the journal and ``errors.jsonl`` have it."""
    if isinstance(error, CallVetoedError):
        return VETOED
    if isinstance(error, MissingApiKeyError | UnknownProviderError):
        return FailureClass.CREDENTIAL
    if isinstance(error, ConfigurationError):
        return FailureClass.CALLER_FAULT
    # An answer that was cut off may come whole the next time.
    if isinstance(error, TruncatedStreamError | LostError):
        return FailureClass.TRANSIENT
    return error.failure_class if isinstance(error, ExecutionError) else FailureClass.UNKNOWN


def words_of(said: object) -> str:
    """What is said of a failure, as the journal can keep it: a server may say anything, half a character too."""
    return with_whole_characters(str(said))[:SHOWN]


def may_pass(error: AirouterError) -> bool:
    """Whether the same question may be answered later. Silence too is tried again: a run has the time."""
    return isinstance(error, TransportError | TruncatedStreamError | LostError) or (
        isinstance(error, ExecutionError) and error.retryable
    )


def pauses(error: AirouterError) -> bool:
    """Whether the run is to begin no further call."""
    return class_of(error) in PAUSING


def was_sent(error: AirouterError) -> bool:
    """Whether anything went out."""
    return not isinstance(error, ConfigurationError | CallVetoedError | NotSentError)


def costs_nothing(error: AirouterError) -> bool:
    """Whether nobody is billed: nothing was sent, or the provider refused. All else may have been answered."""
    return not was_sent(error) or (isinstance(error, ProviderError) and (error.status or 0) >= 400)


def wait_before(tries: int, error: AirouterError, chance: float) -> float:
    """Seconds until a row is asked again.

    Args:
        tries: failures so far, this one included.
        chance: from 0 to 1, so that rows that failed together do not come back together.
    """
    said = error.retry_after if isinstance(error, ProviderError) else None
    grown: float = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(tries - 1, 10))
    return max(said or 0.0, grown * (0.5 + chance / 2))


def cut_short(response: Response) -> str | None:
    """Why an answer is not all that the model would have said, where that is so."""
    if response.refusal is not None:
        return REFUSED
    return response.finish_reason if response.finish_reason in CUT else None


def answered(job: Job, response: Response, tariff: Tariff, *, validates: bool) -> Ended:
    """What is kept of an answer: all of it, before anything is made of it."""
    cost, priced_by = tariff.cost(response)
    return Ended(
        "answered",
        "answered" if validates else "valid",
        job.tries,
        cost,
        priced_by,
        failure=cut_short(response),
        request_id=response.request_id,
        answer=packed(response),
    )


def failed(job: Job, error: AirouterError, tariff: Tariff, spec: Spec) -> Ended:
    """What is kept of a failure, and whether its item is asked again. One that pauses the run is no try of the item."""
    sent, lost = was_sent(error), isinstance(error, LostError)
    tries = job.tries + (sent and not pauses(error))
    again = pauses(error) or isinstance(error, NotSentError) or (may_pass(error) and tries <= spec.retries)
    if lost and spec.uncertain == "hold":
        return Ended("uncertain", "uncertain", tries, failure=class_of(error), error=words_of(error))
    partial = error.partial if isinstance(error, ExecutionError) else None
    cost, priced_by = (0, None) if costs_nothing(error) else tariff.cost(partial)
    return Ended(
        "uncertain" if lost else "failed" if sent else "unsent",
        "pending" if again else "failed",
        tries,
        cost,
        priced_by,
        failure=class_of(error),
        error=words_of(error),
        request_id=getattr(error, "request_id", None),
    )
