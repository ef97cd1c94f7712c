"""Message batches: many requests at once, answered within a day for less.

Source: the vendor's batch processing page, and ``resources/messages/batches.py`` of its SDK (2.12.0).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.values.batches import Batch, BatchCounts, BatchRequest, BatchResult
from airouter_core.values.folding import fold
from airouter_core.values.request import Request
from airouter_core.values.usage import count
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

__all__ = ["Batch", "BatchCounts", "BatchRequest", "BatchResult"]

BATCHES = f"{MESSAGES}/batches"
OUTCOMES = ("succeeded", "errored", "canceled", "expired")


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


CREATE_BATCH: Operation[Batch] = Operation(build=_build_create, parse=_parse_batch, once=True)
GET_BATCH: Operation[Batch] = Operation(build=_build_get, parse=_parse_batch)
CANCEL_BATCH: Operation[Batch] = Operation(build=_build_cancel, parse=_parse_batch)
LIST_BATCHES: Operation[list[Batch]] = Operation(build=_build_list, parse=_parse_batches)
