"""Batches, which are in beta: inline, one model each, with results in the batch itself once it is completed.

Source: OpenRouter's batch quickstart (2026-08). A batch that fails, expires or is cancelled has no results at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from airouter_core.dialects.chat_completions.batches import body_of, one_path, parse_batch, parse_batches, result_of
from airouter_core.errors import BadRequestError, ParameterError
from airouter_core.flow.steps import Emit, Flow
from airouter_core.provider.asking import ask_of
from airouter_core.provider.both import both, both_iterators
from airouter_core.provider.http import HttpProvider
from airouter_core.values.batches import Batch, BatchRequest, BatchResult, batch_requests
from airouter_core.values.events import StreamEvent
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


class BatchCalls(HttpProvider[OpenRouterConfig]):
    """Batches. Each method is also awaited, under its name with an ``a``."""

    def create_batch_flow(
        self, requests: Iterable[BatchRequest | Mapping[str, Any]], metadata: Mapping[str, str] | None = None
    ) -> Flow[Batch]:
        """Hand in many requests of one model at once; they are answered within a day, mostly for half the price.

        Args:
            requests: values, or mappings with the same names: ``custom_id``, ``model``, ``messages``, ``parameters``, …
            metadata: not kept by this vendor; a batch is known again by the names of its requests.

        Raises:
            ConfigurationError: one of them is wrong; nothing was sent.
            ExecutionError: the provider was asked and failed. Whether there is a batch then, ``list_batches`` shows.
        """
        entries, paths, models, warnings = [], [], set(), []
        for one in batch_requests(requests):
            made = self.prepare(ask_of(**one.arguments))
            assert made.request is not None
            self.warn(made.cautions)
            path, body = body_of(self.wire, made.request, self.config)
            models.add(body.pop("model"))
            entries.append((one.custom_id, body))
            paths.append(path)
            warnings += [f"{one.custom_id}: {remark}" for remark in made.known["warnings"]]
        if len(models) > 1:
            raise ParameterError(f"a batch asks one model, not {' and '.join(sorted(models))}: make several")
        batch = yield from self.operate(CREATE_BATCH, one_path(paths), models.pop(), entries)
        return msgspec.structs.replace(batch, warnings=tuple(warnings))

    create_batch, acreate_batch = both(create_batch_flow, kind="batch", name="create_batch")

    def get_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """How a batch is doing."""
        return self.operate(GET_BATCH, batch_id)

    get_batch, aget_batch = both(get_batch_flow, kind="batch", name="get_batch")

    def list_batches_flow(self, limit: int = 20) -> Flow[list[Batch]]:
        """The newest batches of the workspace."""
        return self.operate(LIST_BATCHES, limit)

    list_batches, alist_batches = both(list_batches_flow, kind="batch", name="list_batches")

    def cancel_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """Stop a batch; what was answered by then cannot be read."""
        return self.operate(CANCEL_BATCH, batch_id)

    cancel_batch, acancel_batch = both(cancel_batch_flow, kind="batch", name="cancel_batch")

    def batch_results_flow(self, batch_id: str) -> Flow[None]:
        """The results of a batch that has ended, one by one, in any order.

        Raises:
            BadRequestError: it has not ended.
            ExecutionError: the provider was asked and failed.
        """
        batch = yield from self.operate(GET_BATCH, batch_id)
        if not batch.ended:
            raise BadRequestError(
                f"batch {batch_id} is {batch.status}; its results can be read when it has ended",
                provider=self.info.name,
            )
        found = (result_of(mapping(entry), self.wire, self.info.name) for entry in items(batch.raw.get("results")))
        yield Emit(cast("Iterable[StreamEvent]", found))

    batch_results, abatch_results = both_iterators(batch_results_flow, BatchResult, kind="batch", name="batch_results")
