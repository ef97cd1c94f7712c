"""Batches as OpenAI's format has them: lines with a ``custom_id`` go in, lines with it come back in any order.

Source: ``BatchRequestInput``, ``BatchRequestOutput`` and ``Batch`` of OpenAI's published description of its API. What a
line asks, and what an answer says, is what the chat API's own wire makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...config.http import HttpConfig
from ...errors import ParameterError, ProtocolError, ProviderError
from ...values.batches import Batch, BatchCounts, BatchResult
from ...values.folding import fold
from ...values.request import Request
from ...values.usage import count
from ...wire.http import Wire
from ...wire.json import decoded_object, items, mapping, text
from .endpoints import created_at

EXPIRED, CANCELED = "batch_expired", "batch_cancelled"


def body_of(wire: Wire, request: Request, config: HttpConfig) -> tuple[str, dict[str, Any]]:
    """The path below ``base_url`` that would be asked, and the body."""
    made = wire.build_request(request, config, stream=False)
    assert isinstance(made.body, bytes)
    body: dict[str, Any] = json.loads(made.body)
    body.pop("stream", None)
    return made.url.removeprefix(config.url("")), body


def one_path(paths: Iterable[str]) -> str:
    """The one path of all requests.

    Raises:
        ParameterError: they are of several.
    """
    found = sorted(set(paths))
    if len(found) != 1:
        raise ParameterError(f"the requests of a batch go to one endpoint, not to {' and '.join(found)}")
    return found[0]


def batch_of(entry: Mapping[str, Any]) -> Batch:
    """A batch from its JSON.

    Raises:
        ProtocolError: it has no id or no status.
    """
    identity, status = text(entry.get("id")), text(entry.get("status"))
    if not identity or not status:
        raise ProtocolError("the provider sent a batch without id or status")
    counts = mapping(entry.get("request_counts"))
    total, done, failed = (count(counts.get(name)) or 0 for name in ("total", "completed", "failed"))
    ended = next((entry[name] for name in ("completed_at", "finalized_at", "expired_at") if entry.get(name)), None)
    return Batch(
        id=identity,
        status=status,
        counts=BatchCounts(processing=max(0, total - done - failed), succeeded=done, errored=failed),
        created_at=created_at(entry.get("created_at")),
        expires_at=created_at(entry.get("expires_at")),
        ended_at=created_at(ended),
        metadata={name: str(value) for name, value in mapping(entry.get("metadata")).items()},
        error=_reason(entry),
        raw=dict(entry),
    )


def parse_batch(body: bytes) -> Batch:
    """A batch from the body that describes it."""
    return batch_of(decoded_object(body))


def parse_batches(body: bytes) -> list[Batch]:
    """The batches of a list.

    Raises:
        ProtocolError: it is none.
    """
    data = decoded_object(body).get("data")
    if not isinstance(data, list):
        raise ProtocolError("the provider sent a list of batches without data")
    return [batch_of(mapping(entry)) for entry in data]


def result_of(entry: Mapping[str, Any], wire: Wire, provider: str) -> BatchResult:
    """What became of one request.

    Raises:
        ProtocolError: it does not say of which.
    """
    name = entry.get("custom_id")
    if not isinstance(name, str):
        raise ProtocolError("the provider sent a result of a batch without custom_id")
    refusal = mapping(entry.get("error"))
    if refusal.get("code") in (EXPIRED, CANCELED):
        return BatchResult(custom_id=name, outcome="expired" if refusal["code"] == EXPIRED else "canceled")
    answer = mapping(entry.get("response"))
    status = answer.get("status_code")
    body = json.dumps(answer.get("body")).encode()
    headers = {"x-request-id": text(answer.get("request_id"))} if answer.get("request_id") else {}
    try:
        if not answer or refusal:
            raise ProviderError(f"{refusal.get('code')}: {refusal.get('message')}", body=json.dumps(refusal))
        if not isinstance(status, int) or not 200 <= status < 300:
            raise wire.parse_error(status if isinstance(status, int) else 500, headers, body)
        response = fold(wire.parse_body(body), provider=provider)
    except ProviderError as error:
        error.provider = error.provider or provider
        return BatchResult(custom_id=name, outcome="errored", error=error)
    return BatchResult(custom_id=name, outcome="succeeded", response=response)


def results_in(lines: Iterable[str], wire: Wire, provider: str) -> Iterator[BatchResult]:
    """The results of a file's lines."""
    for line in lines:
        yield result_of(decoded_object(line), wire, provider)


def _reason(entry: Mapping[str, Any]) -> str | None:
    told = [mapping(error) for error in items(mapping(entry.get("errors")).get("data"))] or [
        mapping(entry.get("error"))
    ]
    said = [": ".join(filter(None, (text(error.get("code")), text(error.get("message"))))) for error in told if error]
    return "; ".join(said[:3]) or None
