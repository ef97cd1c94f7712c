"""The part of the provider that hands in batches, watches them, and reads what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import msgspec

from airouter_core.dialects.chat_completions.batches import body_of, one_path, results_in
from airouter_core.errors import BadRequestError
from airouter_core.flow.steps import Emit, Flow
from airouter_core.provider.asking import ask_of
from airouter_core.provider.both import both, both_iterators
from airouter_core.provider.http import HttpProvider
from airouter_core.values.batches import Batch, BatchRequest, BatchResult, batch_requests
from airouter_core.values.events import StreamEvent
from airouter_core.wire.http import Wire
from airouter_core.wire.ndjson import NdjsonDecoder

from .batches import (
    CANCEL_BATCH,
    CREATE_BATCH,
    GET_BATCH,
    LIST_BATCHES,
    UPLOAD,
    build_content,
    files_of,
    lines_of,
)
from .config import OpenAIConfig
from .wire import CHAT, RESPONSES


class BatchCalls(HttpProvider[OpenAIConfig]):
    """Batches. Each method is also awaited, under its name with an ``a``."""

    def create_batch_flow(
        self, requests: Iterable[BatchRequest | Mapping[str, Any]], metadata: Mapping[str, str] | None = None
    ) -> Flow[Batch]:
        """Hand in many requests at once; they are answered within a day, for half the price.

        Args:
            requests: values, or mappings with the same names: ``custom_id``, ``model``, ``messages``, ``parameters``, …
            metadata: up to 16 texts that are kept with the batch.

        What was left out of the requests is in the batch's warnings.

        Raises:
            ConfigurationError: one of them is wrong; nothing was sent.
            ExecutionError: the provider was asked and failed. Whether there is a batch then, ``list_batches`` shows.
        """
        entries, paths, warnings = [], [], []
        for one in batch_requests(requests):
            made = self.prepare(ask_of(**one.arguments))
            assert made.request is not None
            self.warn(made.cautions)
            wire = self.wire_for(made.request)
            path, body = body_of(wire, made.request, self.config)
            entries.append((one.custom_id, body))
            paths.append(path)
            remarks = (*made.known["warnings"], *wire.notes(made.request, self.config))
            warnings += [f"{one.custom_id}: {remark}" for remark in remarks]
        path = one_path(paths)
        file = yield from self.operate(UPLOAD, lines_of(entries, path))
        batch = yield from self.operate(CREATE_BATCH, file, path, metadata or {})
        return msgspec.structs.replace(batch, warnings=tuple(warnings))

    create_batch, acreate_batch = both(create_batch_flow, kind="batch", name="create_batch")

    def get_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """How a batch is doing."""
        return self.operate(GET_BATCH, batch_id)

    get_batch, aget_batch = both(get_batch_flow, kind="batch", name="get_batch")

    def list_batches_flow(self, limit: int = 20) -> Flow[list[Batch]]:
        """The newest batches of the project, at most ``limit`` (1 to 100)."""
        return self.operate(LIST_BATCHES, min(limit, 100))

    list_batches, alist_batches = both(list_batches_flow, kind="batch", name="list_batches")

    def cancel_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """Stop a batch; what was answered by then can be read once it has ended, and is paid for."""
        return self.operate(CANCEL_BATCH, batch_id)

    cancel_batch, acancel_batch = both(cancel_batch_flow, kind="batch", name="cancel_batch")

    def batch_results_flow(self, batch_id: str) -> Flow[None]:
        """The results of a batch that has ended, one by one, in any order. Closing the iterator stops reading.

        One that has expired or was cancelled has those of the requests that were answered; of the others it tells what
        became of them, or nothing.

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
        wire = RESPONSES if str(batch.raw.get("endpoint")).endswith("/responses") else CHAT
        for file in files_of(batch):
            yield from self._results_in(file, wire)

    batch_results, abatch_results = both_iterators(batch_results_flow, BatchResult, kind="batch", name="batch_results")

    def _results_in(self, file: str, wire: Wire) -> Flow[None]:
        exchange = self.exchange(build_content(self.config, file))
        response = yield from exchange.open()
        lines = NdjsonDecoder()
        while data := (yield from exchange.read_some(response)):
            yield Emit(cast("Iterable[StreamEvent]", results_in(lines.feed(data), wire, self.info.name)))
        yield Emit(cast("Iterable[StreamEvent]", results_in(lines.close(), wire, self.info.name)))
