"""ClaudeProvider: the Messages API, and what this vendor alone has beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

import msgspec

from airouter_core.errors import BadRequestError, TruncatedStreamError
from airouter_core.flow.exchange import Policy
from airouter_core.flow.steps import Emit, Flow, Sleep
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.asking import ask_of
from airouter_core.provider.both import both, both_iterators
from airouter_core.provider.counting import CountsRequests
from airouter_core.provider.http import HttpProvider
from airouter_core.values.batches import batch_requests
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import Wire

from .batches import (
    CANCEL_BATCH,
    CREATE_BATCH,
    GET_BATCH,
    LIST_BATCHES,
    Batch,
    BatchRequest,
    BatchResult,
    ResultsParser,
    build_results,
)
from .config import ClaudeConfig
from .counting import COUNTING_MODEL, embedded_files
from .models import ModelFacts, known_facts, successor_of, told_facts
from .wire import COUNT_TOKENS, MODEL_PAGE, messages_wire, model_of

FIRST_LOOK = 5.0
"""Seconds until a batch is asked for the first time; doubled each time."""
LONGEST_LOOK = 60.0


class ClaudeProvider(CountsRequests[ClaudeConfig], HttpProvider[ClaudeConfig]):
    """Claude models, at the vendor or at a server that speaks the same format."""

    counting_model = COUNTING_MODEL
    wire = messages_wire()

    def __init__(self, config: ClaudeConfig, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        super().__init__(config, info, plugins)
        self._told: Mapping[str, ModelFacts] = {}
        self._wire = self.wire

    def wire_for(self, request: Request) -> Wire:
        return self._wire

    def takes_field(self, field: str) -> bool:
        """Marks for the cache, which are the same in message dicts as in this API."""
        return field == "cache_control"

    def successor_of(self, model: str) -> str | None:
        """What to ask in place of a model that the vendor has retired; other servers may still have one of its name."""
        return successor_of(model) if self.config.is_vendor else None

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """List all models, page by page, and remember what they take: later calls go by it, and never ask for it."""
        entries: dict[str, Mapping[str, Any]] = {}
        after: str | None = None
        while True:
            page = yield from self.operate(MODEL_PAGE, after)
            fresh = {entry["id"]: entry for entry in page.entries if entry["id"] not in entries}
            entries.update(fresh)
            if page.next is None or not fresh:
                break
            after = page.next
        self._told = {identity: told_facts(entry) for identity, entry in entries.items()}
        self._wire = messages_wire(self._facts_of)
        return [model_of(entry) for entry in entries.values()]

    # Counting tokens.

    def counted_flow(self, request: Request) -> Flow[int]:
        """Ask how many tokens a request is; files by address are fetched first, without credentials."""
        # The endpoint takes no addresses, so what they name is fetched and sent along.
        messages = yield from embedded_files(request.messages, Policy.of(self.config))
        request = msgspec.structs.replace(request, messages=messages)
        return (yield from self.operate(COUNT_TOKENS, self._facts_of, request, model=request.model))

    # Message batches.

    def create_batch_flow(
        self, requests: Iterable[BatchRequest | Mapping[str, Any]], metadata: Mapping[str, str] | None = None
    ) -> Flow[Batch]:
        """Hand in many requests at once; they are answered within a day.

        Args:
            requests: values, or mappings with the same names: ``custom_id``, ``model``, ``messages``, ``parameters``, …
            metadata: not kept by this vendor; a batch is known again by the names of its requests.

        What was left out of the requests is in the batch's warnings.

        Raises:
            ConfigurationError: one of them is wrong; nothing was sent.
            ExecutionError: the provider was asked and failed.
        """
        prepared, warnings = [], []
        for one in batch_requests(requests):
            made = self.prepare(ask_of(**one.arguments))
            assert made.request is not None
            self.warn(made.cautions)
            prepared.append((one.custom_id, made.request))
            remarks = (*made.known["warnings"], *self._wire.notes(made.request, self.config))
            warnings += [f"{one.custom_id}: {remark}" for remark in remarks]
        batch = yield from self.operate(CREATE_BATCH, self._facts_of, prepared)
        return msgspec.structs.replace(batch, warnings=tuple(warnings))

    create_batch, acreate_batch = both(create_batch_flow, kind="batch", name="create_batch")

    def get_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """How a batch is doing."""
        return self.operate(GET_BATCH, batch_id)

    get_batch, aget_batch = both(get_batch_flow, kind="batch", name="get_batch")

    def list_batches_flow(self, limit: int = 20) -> Flow[list[Batch]]:
        """The newest batches of the workspace, at most ``limit`` (1 to 1000)."""
        return self.operate(LIST_BATCHES, limit)

    list_batches, alist_batches = both(list_batches_flow, kind="batch", name="list_batches")

    def cancel_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """Stop a batch; what was answered by then can be read once it has ended."""
        return self.operate(CANCEL_BATCH, batch_id)

    cancel_batch, acancel_batch = both(cancel_batch_flow, kind="batch", name="cancel_batch")

    def wait_for_batch_flow(self, batch_id: str, on_progress: Callable[[Batch], None] | None = None) -> Flow[Batch]:
        """Ask, ever less often, until a batch has ended; ``on_progress`` is given each answer."""
        pause = FIRST_LOOK
        while True:
            batch: Batch = yield from self.operation_flow("get_batch", batch_id)
            if on_progress is not None:
                on_progress(batch)
            if batch.ended:
                return batch
            yield Sleep(pause)
            pause = min(pause * 2, LONGEST_LOOK)

    wait_for_batch, await_batch = both(wait_for_batch_flow, name="wait_for_batch", awaited="await_batch")

    def batch_results_flow(self, batch_id: str) -> Flow[None]:
        """The results of a batch that has ended, one by one, in any order. Closing the iterator stops reading.

        Raises:
            BadRequestError: it has not ended.
            TruncatedStreamError: fewer results came than it has requests.
            ExecutionError: the provider was asked and failed.
        """
        batch = yield from self.operate(GET_BATCH, batch_id)
        if not batch.ended:
            raise BadRequestError(
                f"batch {batch_id} is {batch.status}; its results can be read when it has ended (wait_for_batch)",
                provider=self.info.name,
            )
        exchange = self.exchange(build_results(self.config, batch_id))
        response = yield from exchange.open()
        parser = ResultsParser()
        while data := (yield from exchange.read_some(response)):
            yield Emit(cast("Iterable[StreamEvent]", parser.feed(data)))
        yield Emit(cast("Iterable[StreamEvent]", parser.close()))
        if parser.seen < batch.counts.total:
            raise TruncatedStreamError(
                f"{parser.seen} of {batch.counts.total} results arrived; read them again with batch_results()"
            )

    batch_results, abatch_results = both_iterators(batch_results_flow, BatchResult, kind="batch", name="batch_results")

    def _facts_of(self, model: str) -> ModelFacts:
        return self._told.get(model) or known_facts(model)
