"""ClaudeProvider: the Messages API, and what this vendor alone has beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec

from airouter_core.errors import TruncatedStreamError
from airouter_core.flow.exchange import Policy
from airouter_core.flow.steps import Emit, Flow
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.batches import BatchOperations, TakesBatches
from airouter_core.provider.counting import CountsRequests
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
    ResultsParser,
    build_results,
)
from .config import ClaudeConfig
from .counting import COUNTING_MODEL, embedded_files
from .models import ModelFacts, known_facts, successor_of, told_facts
from .wire import COUNT_TOKENS, MODEL_PAGE, messages_wire, model_of


class ClaudeProvider(CountsRequests[ClaudeConfig], TakesBatches[ClaudeConfig]):
    """Claude models, at the vendor or at a server that speaks the same format."""

    counting_model = COUNTING_MODEL
    batches = BatchOperations(get=GET_BATCH, cancel=CANCEL_BATCH, newest=LIST_BATCHES)
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

    def handed_in_flow(self, requests: Sequence[tuple[str, Request]], metadata: Mapping[str, str]) -> Flow[Batch]:
        return self.operate(CREATE_BATCH, self._facts_of, requests)

    def results_of_flow(self, batch: Batch) -> Flow[None]:
        """Read them.

        Raises:
            TruncatedStreamError: fewer results came than it has requests.
        """
        exchange = self.exchange(build_results(self.config, batch.id))
        response = yield from exchange.open()
        parser = ResultsParser()
        while data := (yield from exchange.read_some(response)):
            yield Emit(cast("Iterable[StreamEvent]", parser.feed(data)))
        yield Emit(cast("Iterable[StreamEvent]", parser.close()))
        if parser.seen < batch.counts.total:
            raise TruncatedStreamError(
                f"{parser.seen} of {batch.counts.total} results arrived; read them again with batch_results()"
            )

    def _facts_of(self, model: str) -> ModelFacts:
        return self._told.get(model) or known_facts(model)
