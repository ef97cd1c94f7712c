"""Providers that take batches (capability ``"batches"``): many requests at once, answered within hours.

What every vendor's batches have in common is here; the vendor's own is how they are handed in and how results are read.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic

import msgspec

from ..errors import BadRequestError
from ..flow.steps import Flow, Sleep
from ..values.batches import Batch, BatchRequest, BatchResult, batch_requests
from ..values.request import Request
from ..values.value import Value
from ..wire.http import Operation
from .asking import ask_of
from .both import both, both_iterators
from .http import HttpConfigT, HttpProvider

FIRST_LOOK = 5.0
"""Seconds until a batch is asked for the first time; doubled each time."""
LONGEST_LOOK = 60.0


class BatchOperations(Value, frozen=True, kw_only=True):
    """How a vendor is asked for its batches."""

    get: Operation[Batch]
    cancel: Operation[Batch]
    newest: Operation[list[Batch]]


class TakesBatches(HttpProvider[HttpConfigT], Generic[HttpConfigT]):
    """A provider that takes batches. Each method is also awaited, under its name with an ``a``.

    Attributes:
        batches: how they are asked for; ``newest`` takes how many are wanted.
    """

    batches: ClassVar[BatchOperations]

    @abstractmethod
    def handed_in_flow(self, requests: Sequence[tuple[str, Request]], metadata: Mapping[str, str]) -> Flow[Batch]:
        """Hand in requests, each with the name by which its result is known again."""

    @abstractmethod
    def results_of_flow(self, batch: Batch) -> Flow[None]:
        """Emit the results of a batch that has ended, one by one, in any order."""

    def create_batch_flow(
        self, requests: Iterable[BatchRequest | Mapping[str, object]], metadata: Mapping[str, str] | None = None
    ) -> Flow[Batch]:
        """Hand in many requests at once; they are answered within a day, mostly for half the price.

        Args:
            requests: values, or mappings with the same names: ``custom_id``, ``model``, ``messages``, ``parameters``, …
            metadata: texts to keep with the batch, where the vendor keeps any; it is known again by the names of its
                requests.

        What was left out of the requests is in the batch's warnings.

        Raises:
            ConfigurationError: one of them is wrong; nothing was sent.
            ExecutionError: the provider was asked and failed. Whether there is a batch then, ``list_batches`` shows.
        """
        prepared: list[tuple[str, Request]] = []
        warnings: list[str] = []
        for one in batch_requests(requests):
            made = self.prepare(ask_of(**one.arguments))
            assert made.request is not None
            self.warn(made.cautions)
            prepared.append((one.custom_id, made.request))
            remarks = (*made.known["warnings"], *self.wire_for(made.request).notes(made.request, self.config))
            warnings += [f"{one.custom_id}: {remark}" for remark in remarks]
        batch = yield from self.handed_in_flow(prepared, metadata or {})
        return msgspec.structs.replace(batch, warnings=tuple(warnings))

    create_batch, acreate_batch = both(create_batch_flow, kind="batch", name="create_batch")

    def get_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """How a batch is doing."""
        return self.operate(self.batches.get, batch_id)

    get_batch, aget_batch = both(get_batch_flow, kind="batch", name="get_batch")

    def list_batches_flow(self, limit: int = 20) -> Flow[list[Batch]]:
        """The newest batches, at most ``limit``."""
        return self.operate(self.batches.newest, limit)

    list_batches, alist_batches = both(list_batches_flow, kind="batch", name="list_batches")

    def cancel_batch_flow(self, batch_id: str) -> Flow[Batch]:
        """Stop a batch. What was answered by then is paid for; most vendors let it be read once the batch has ended."""
        return self.operate(self.batches.cancel, batch_id)

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

        One that has expired or was cancelled has those of the requests that were answered; of the others it tells what
        became of them, or nothing.

        Raises:
            BadRequestError: it has not ended.
            ExecutionError: the provider was asked and failed.
        """
        batch = yield from self.operate(self.batches.get, batch_id)
        if not batch.ended:
            raise BadRequestError(
                f"batch {batch_id} is {batch.status}; its results can be read when it has ended (wait_for_batch)",
                provider=self.info.name,
            )
        yield from self.results_of_flow(batch)

    batch_results, abatch_results = both_iterators(batch_results_flow, BatchResult, kind="batch", name="batch_results")
