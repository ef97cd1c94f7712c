"""Batches: many questions handed in at once, answered within a day for less.

A provider that takes them (capability ``"batches"``) has these methods, each also awaited:
``create_batch(requests, metadata=None)``, ``get_batch(id)``, ``list_batches(limit)``, ``cancel_batch(id)`` and
``batch_results(id)``. Handing one in is never repeated by the library: a vendor would take it for another one.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from ..errors import ParameterError, ProviderError
from .record import Record
from .response import Response
from .value import Value, hiding

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ENDED = frozenset({"ended", "completed", "failed", "expired", "cancelled"})
"""What vendors call a batch that nothing more happens to."""


class BatchRequest(Value, frozen=True, kw_only=True):
    """One question of a batch: what :meth:`~airouter_core.provider.facade.Provider.chat` takes, and a name for it.

    Attributes:
        custom_id: up to 64 letters, digits, ``_`` and ``-``; results come in any order and are told apart by it.
    """

    custom_id: str
    model: str
    messages: Any
    parameters: Mapping[str, Any] | None = None
    tools: Any = None
    tool_choice: Any = None
    response_format: Any = None
    provider_options: Mapping[str, Mapping[str, Any]] | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the chat that it is."""
        return {name: getattr(self, name) for name in self.__struct_fields__ if name != "custom_id"}


class BatchCounts(Record, frozen=True, kw_only=True):
    """How many requests of a batch are in which state. All but ``processing`` stay 0 until the batch has ended."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class Batch(Record, frozen=True, kw_only=True):
    """A batch, as it was when it was asked for.

    Attributes:
        status: the vendor's word, such as ``"in_progress"``, ``"canceling"`` or ``"ended"``.
        metadata: what was handed in with it, where the vendor keeps that.
        error: why all of it failed.
        warnings: for a batch just made: what was left out of its requests, and why.
        raw: the vendor's own object.
    """

    id: str
    status: str
    counts: BatchCounts
    created_at: datetime.datetime | None = None
    expires_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    metadata: Mapping[str, str] = msgspec.field(default_factory=dict)
    error: str | None = None
    warnings: tuple[str, ...] = ()
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")

    @property
    def ended(self) -> bool:
        """Whether its results can be read."""
        return self.status in ENDED


class BatchResult(Record, frozen=True, kw_only=True):
    """What became of one request of a batch.

    Attributes:
        outcome: ``"succeeded"`` (there is a response), ``"errored"`` (there is an error), ``"canceled"`` or
            ``"expired"``.
    """

    custom_id: str
    outcome: Literal["succeeded", "errored", "canceled", "expired"]
    response: Response | None = None
    error: ProviderError | None = None


def batch_requests(given: Iterable[BatchRequest | Mapping[str, Any]]) -> tuple[BatchRequest, ...]:
    """Take requests as values or as mappings with the same names; one without a name is called by its position.

    Raises:
        ParameterError: there is none, one cannot be understood, or two have the same name.
    """
    requests = tuple(_batch_request(value, position) for position, value in enumerate(given))
    if not requests:
        raise ParameterError("a batch needs at least one request")
    names = [request.custom_id for request in requests]
    if doubled := {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else None:
        raise ParameterError(f"custom_id must be unique in a batch; used twice: {', '.join(sorted(doubled)[:5])}")
    return requests


def _batch_request(value: BatchRequest | Mapping[str, Any], position: int) -> BatchRequest:
    try:
        request = (
            value if isinstance(value, BatchRequest) else BatchRequest(**{"custom_id": f"request-{position}", **value})
        )
    except TypeError as error:
        raise ParameterError(f"requests[{position}] is no request of a batch: {error}") from error
    if not isinstance(request.custom_id, str) or not CUSTOM_ID.fullmatch(request.custom_id):
        raise ParameterError(
            f"requests[{position}]: custom_id takes up to 64 letters, digits, _ and -, not {request.custom_id!r}"
        )
    return request
