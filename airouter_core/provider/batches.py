"""What a provider has that takes batches (capability ``"batches"``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any, Protocol

from ..values.ask import Ask
from ..values.batches import Batch, BatchRequest, BatchResult
from .preparation import Prepared


class TakesBatches(Protocol):
    """The operations of batches, awaited; see :mod:`airouter_core.values.batches`."""

    def prepare(self, ask: Ask) -> Prepared: ...

    async def acreate_batch(
        self, requests: Iterable[BatchRequest | Mapping[str, Any]], metadata: Mapping[str, str] | None = None
    ) -> Batch: ...

    async def aget_batch(self, batch_id: str) -> Batch: ...

    async def alist_batches(self, limit: int = 20) -> list[Batch]: ...

    async def acancel_batch(self, batch_id: str) -> Batch: ...

    def abatch_results(self, batch_id: str) -> AsyncIterator[BatchResult]: ...
