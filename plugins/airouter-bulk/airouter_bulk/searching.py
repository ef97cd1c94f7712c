"""Looking for a batch of which nobody knows whether the vendor has it, in the vendor's own list."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import NamedTuple

from airouter_core.provider.batches import TakesBatches
from airouter_core.values.batches import Batch

from .journal.batches import Handed

METADATA = "airouter_bulk"
"""Under which a batch's token is, where the vendor keeps such words."""
LISTED = 100
EARLIER = 2 * 86_400.0
"""Seconds by which this machine's clock and the vendor's may differ."""


class Found(NamedTuple):
    """What a look into the vendor's list has shown.

    Attributes:
        batch: the one that is looked for.
        perhaps: another may turn out to be it, once it has ended.
        beyond: it may be older than all that is listed.
    """

    batch: Batch | None
    perhaps: bool = False
    beyond: bool = False


async def searched(provider: TakesBatches, handed: Handed, known: Collection[str]) -> Found:
    """Look for a batch.

    Args:
        known: ids that the journal has, so that they are other batches.

    Raises:
        ExecutionError: the vendor does not say.
    """
    newest = await provider.alist_batches(LISTED)
    listed = [batch for batch in newest if batch.id not in known]
    told = [batch for batch in listed if METADATA in batch.metadata]
    for batch in told:
        if batch.metadata[METADATA] == handed.token:
            return Found(batch)
    # Some vendors keep no words of ours, so that only the names of the results tell whose a batch is.
    perhaps = [batch for batch in listed if batch not in told and _may_be(batch, handed)]
    for batch in perhaps:
        if batch.ended and await _is_named(provider, batch, handed.token):
            return Found(batch)
    beyond = len(newest) >= LISTED and all(_created(batch) > handed.began - EARLIER for batch in newest)
    return Found(None, any(not batch.ended for batch in perhaps), beyond)


async def _is_named(provider: TakesBatches, batch: Batch, token: str) -> bool:
    results = provider.abatch_results(batch.id)
    try:
        async for result in results:
            return result.custom_id.startswith(f"{token}-")
    finally:
        close = getattr(results, "aclose", None)
        if close is not None:
            await close()
    return False


def _may_be(batch: Batch, handed: Handed) -> bool:
    """Whether a batch without words of ours may be this one."""
    return batch.counts.total in (0, handed.size) and _created(batch) > handed.began - EARLIER


def _created(batch: Batch) -> float:
    return batch.created_at.timestamp() if batch.created_at is not None else time.time()
