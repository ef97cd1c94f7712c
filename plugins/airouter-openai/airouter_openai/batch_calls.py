"""The part of the provider that hands in batches, watches them, and reads what came of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from airouter_core.dialects.chat_completions.batches import body_of, one_path, results_in
from airouter_core.flow.steps import Emit, Flow
from airouter_core.provider.batches import BatchOperations, TakesBatches
from airouter_core.values.batches import Batch
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
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


class BatchCalls(TakesBatches[OpenAIConfig]):
    """Batches, each kept with up to 16 texts of the caller's."""

    batches = BatchOperations(get=GET_BATCH, cancel=CANCEL_BATCH, newest=LIST_BATCHES)

    def handed_in_flow(self, requests: Sequence[tuple[str, Request]], metadata: Mapping[str, str]) -> Flow[Batch]:
        entries, paths = [], []
        for custom_id, request in requests:
            path, body = body_of(self.wire_for(request), request, self.config)
            entries.append((custom_id, body))
            paths.append(path)
        path = one_path(paths)
        file = yield from self.operate(UPLOAD, lines_of(entries, path))
        return (yield from self.operate(CREATE_BATCH, file, path, metadata))

    def results_of_flow(self, batch: Batch) -> Flow[None]:
        wire = RESPONSES if str(batch.raw.get("endpoint")).endswith("/responses") else CHAT
        for file in files_of(batch):
            yield from self._results_in(file, wire)

    def _results_in(self, file: str, wire: Wire) -> Flow[None]:
        exchange = self.exchange(build_content(self.config, file))
        response = yield from exchange.open()
        lines = NdjsonDecoder()
        while data := (yield from exchange.read_some(response)):
            yield Emit(cast("Iterable[StreamEvent]", results_in(lines.feed(data), wire, self.info.name)))
        yield Emit(cast("Iterable[StreamEvent]", results_in(lines.close(), wire, self.info.name)))
