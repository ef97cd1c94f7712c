"""A question as it goes into a batch, and what says that a vendor surely has none."""

from __future__ import annotations

from airouter_core.errors import AirouterError, ConfigurationError, ProviderError
from airouter_core.values.ask import Ask
from airouter_core.values.batches import BatchRequest

from .journal.records import Job


def name_of(token: str, job: Job, number: int) -> str:
    """The name of a request: of its batch, its item, and which attempt of that it is."""
    return f"{token}-{job.item}-{number}"


def request_of(token: str, job: Job, number: int, ask: Ask) -> BatchRequest:
    """The question of a job, in its n-th attempt."""
    return BatchRequest(
        custom_id=name_of(token, job, number),
        model=ask.model or "",
        messages=ask.messages,
        parameters=ask.parameters,
        tools=ask.tools or None,
        tool_choice=ask.tool_choice,
        response_format=ask.response_format,
        provider_options=ask.provider_options,
    )


def is_refusal(error: AirouterError) -> bool:
    """Whether the vendor surely has no batch. All else may have reached it."""
    if isinstance(error, ProviderError):
        return 400 <= (error.status or 0) < 500 and error.status != 408
    return isinstance(error, ConfigurationError)
