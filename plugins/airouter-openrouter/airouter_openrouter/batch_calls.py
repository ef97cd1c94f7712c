"""Batches, which are in beta: inline, one model each, with results in the batch itself once it is completed.

Source: OpenRouter's batch quickstart (2026-08). A batch that fails, expires or is cancelled has no results at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from airouter_core.dialects.chat_completions.batches import body_of, one_path, parse_batch, parse_batches, result_of
from airouter_core.errors import ParameterError
from airouter_core.flow.steps import Emit, Flow
from airouter_core.provider.batches import BatchOperations, TakesBatches
from airouter_core.values.batches import Batch
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import MEBIBYTE, HttpRequest, Operation, json_request
from airouter_core.wire.json import items, mapping

from .config import OpenRouterConfig
from .headers import headers

MOST_BYTES = 512 * MEBIBYTE
"""Of an answer: all results of a batch come in one."""


def _at(config: OpenRouterConfig, path: str) -> str:
    return f"{config.base_url.rstrip('/').removesuffix('/v1')}/beta/{path}"


def _request(config: OpenRouterConfig, method: str, path: str, payload: Any = None) -> HttpRequest:
    made = json_request(config, method, path, payload, headers=headers(config))
    return msgspec.structs.replace(made, url=_at(config, path))


def _build_create(
    config: OpenRouterConfig, path: str, model: str, entries: Iterable[tuple[str, Mapping[str, Any]]]
) -> HttpRequest:
    requests = [{"custom_id": name, "body": body} for name, body in entries]
    # In this order: the body is read as it comes, and refused where the requests are first.
    return _request(config, "POST", "batches", {"endpoint": f"/v1/{path}", "model": model, "requests": requests})


def _build_get(config: OpenRouterConfig, batch_id: str) -> HttpRequest:
    return _request(config, "GET", f"batches/{_checked(batch_id)}")


def _build_cancel(config: OpenRouterConfig, batch_id: str) -> HttpRequest:
    return _request(config, "POST", f"batches/{_checked(batch_id)}/cancel")


def _build_list(config: OpenRouterConfig, limit: int) -> HttpRequest:
    return _request(config, "GET", f"batches?limit={limit}")


def _checked(identity: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]+", identity):
        raise ParameterError(f"{identity!r} is no id of a batch; list_batches() shows them")
    return identity


CREATE_BATCH: Operation[Batch] = Operation(build=_build_create, parse=parse_batch, holds_error=True, once=True)
GET_BATCH: Operation[Batch] = Operation(build=_build_get, parse=parse_batch, max_bytes=MOST_BYTES, holds_error=True)
CANCEL_BATCH: Operation[Batch] = Operation(build=_build_cancel, parse=parse_batch, holds_error=True)
LIST_BATCHES: Operation[list[Batch]] = Operation(build=_build_list, parse=parse_batches, holds_error=True)


class BatchCalls(TakesBatches[OpenRouterConfig]):
    """Batches. A batch asks one model; what was answered before it was cancelled cannot be read."""

    batches = BatchOperations(get=GET_BATCH, cancel=CANCEL_BATCH, newest=LIST_BATCHES)

    def handed_in_flow(self, requests: Sequence[tuple[str, Request]], metadata: Mapping[str, str]) -> Flow[Batch]:
        entries, paths, models = [], [], set()
        for custom_id, request in requests:
            path, body = body_of(self.wire, request, self.config)
            models.add(body.pop("model"))
            entries.append((custom_id, body))
            paths.append(path)
        if len(models) > 1:
            raise ParameterError(f"a batch asks one model, not {' and '.join(sorted(models))}: make several")
        return self.operate(CREATE_BATCH, one_path(paths), models.pop(), entries)

    def results_of_flow(self, batch: Batch) -> Flow[None]:
        found = (result_of(mapping(entry), self.wire, self.info.name) for entry in items(batch.raw.get("results")))
        yield Emit(cast("Iterable[StreamEvent]", found))
