"""Message batches: many requests at once, answered within a day for less.

Source: the vendor's batch processing page, and ``resources/messages/batches.py`` of its SDK (2.12.0).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import msgspec

from airouter_core.errors import ParameterError, ProtocolError, ProviderError
from airouter_core.values.folding import fold
from airouter_core.values.record import Record
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.values.usage import count
from airouter_core.values.value import Value, hiding
from airouter_core.wire.http import HttpRequest, Operation, json_request
from airouter_core.wire.json import decoded_object, mapping, text
from airouter_core.wire.ndjson import NdjsonDecoder

from .config import NEW_VERSION, OLD_VERSION, ClaudeConfig
from .errors import error_inside
from .models import FactsOf
from .plugin import CLAUDE
from .profile import api_version
from .reader import MessageReader
from .request import common_headers, items_of, message_body
from .wire import MESSAGES, time_of

BATCHES = f"{MESSAGES}/batches"
CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
OUTCOMES = ("succeeded", "errored", "canceled", "expired")


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
        status: ``"in_progress"``, ``"canceling"`` or ``"ended"``.
        warnings: for a batch just made: what was left out of its requests, and why.
        raw: the vendor's own object.
    """

    id: str
    status: str
    counts: BatchCounts
    created_at: datetime.datetime | None = None
    expires_at: datetime.datetime | None = None
    ended_at: datetime.datetime | None = None
    warnings: tuple[str, ...] = ()
    raw: Mapping[str, Any] = msgspec.field(default_factory=dict)

    __repr__ = hiding("raw")

    @property
    def ended(self) -> bool:
        """Whether its results can be read."""
        return self.status == "ended"


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


def _build_create(config: ClaudeConfig, facts_of: FactsOf, requests: Iterable[tuple[str, Request]]) -> HttpRequest:
    entries: list[dict[str, Any]] = []
    versions: set[str] = set()
    betas: list[str] = []
    for custom_id, request in requests:
        facts = facts_of(request.model)
        entries.append({"custom_id": custom_id, "params": message_body(request, config, facts, stream=False)})
        versions.add(api_version(request, config, facts))
        betas += items_of(request.provider_options.get("betas"))
    # The version is one for the whole batch; the older one takes all that the newer one does.
    version = OLD_VERSION if OLD_VERSION in versions else versions.pop()
    return json_request(config, "POST", BATCHES, {"requests": entries}, headers=common_headers(config, version, betas))


def _build_get(config: ClaudeConfig, batch_id: str) -> HttpRequest:
    return json_request(config, "GET", _path(batch_id), headers=_headers(config))


def _build_cancel(config: ClaudeConfig, batch_id: str) -> HttpRequest:
    return json_request(config, "POST", f"{_path(batch_id)}/cancel", headers=_headers(config))


def _build_list(config: ClaudeConfig, limit: int) -> HttpRequest:
    return json_request(config, "GET", f"{BATCHES}?limit={limit}", headers=_headers(config))


def build_results(config: ClaudeConfig, batch_id: str) -> HttpRequest:
    """Ask for the results below ``base_url``, whatever address the batch names: the key goes nowhere else."""
    request = json_request(config, "GET", f"{_path(batch_id)}/results", headers=_headers(config))
    return msgspec.structs.replace(
        request, headers={**request.headers, "Accept": "application/x-jsonl, application/json"}
    )


def batch_of(entry: Mapping[str, Any]) -> Batch:
    """A batch from its JSON.

    Raises:
        ProtocolError: it has no id or no status.
    """
    identity, status = text(entry.get("id")), text(entry.get("processing_status"))
    if not identity or not status:
        raise ProtocolError("the provider sent a batch without id or processing_status")
    counts = mapping(entry.get("request_counts"))
    return Batch(
        id=identity,
        status=status,
        counts=BatchCounts(
            **{field.name: count(counts.get(field.name)) or 0 for field in msgspec.structs.fields(BatchCounts)}
        ),
        created_at=time_of(entry.get("created_at")),
        expires_at=time_of(entry.get("expires_at")),
        ended_at=time_of(entry.get("ended_at")),
        raw=dict(entry),
    )


def _parse_batch(body: bytes) -> Batch:
    return batch_of(decoded_object(body))


def _parse_batches(body: bytes) -> list[Batch]:
    data = decoded_object(body).get("data")
    if not isinstance(data, list):
        raise ProtocolError("the provider sent a list of batches without data")
    return [batch_of(mapping(entry)) for entry in data]


class ResultsParser:
    """Reads the lines of a batch's results, however their bytes are cut."""

    def __init__(self) -> None:
        self._lines = NdjsonDecoder()
        self.seen = 0

    def feed(self, data: bytes) -> Iterator[BatchResult]:
        """The results that ``data`` completes.

        Raises:
            ProtocolError: a line is no result.
        """
        return map(self._result, self._lines.feed(data))

    def close(self) -> Iterator[BatchResult]:
        """The last result, if no line end followed it."""
        return map(self._result, self._lines.close())

    def _result(self, line: str) -> BatchResult:
        entry = decoded_object(line)
        result = mapping(entry.get("result"))
        outcome, custom_id = result.get("type"), entry.get("custom_id")
        if outcome not in OUTCOMES or not isinstance(custom_id, str):
            raise ProtocolError(f"the provider sent a line that is no result of a batch: {line[:80]!r}")
        self.seen += 1
        if outcome == "succeeded":
            events = MessageReader().read_message(mapping(result.get("message")))
            return BatchResult(custom_id=custom_id, outcome=outcome, response=fold(events, provider=CLAUDE.name))
        error = error_inside(mapping(result.get("error"))) if outcome == "errored" else None
        return BatchResult(custom_id=custom_id, outcome=outcome, error=error)


def _path(batch_id: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", batch_id):
        raise ParameterError(f"{batch_id!r} is no id of a batch; list_batches() shows them")
    return f"{BATCHES}/{batch_id}"


def _headers(config: ClaudeConfig) -> dict[str, str]:
    return common_headers(config, config.api_version or NEW_VERSION)


CREATE_BATCH: Operation[Batch] = Operation(build=_build_create, parse=_parse_batch)
GET_BATCH: Operation[Batch] = Operation(build=_build_get, parse=_parse_batch)
CANCEL_BATCH: Operation[Batch] = Operation(build=_build_cancel, parse=_parse_batch)
LIST_BATCHES: Operation[list[Batch]] = Operation(build=_build_list, parse=_parse_batches)
