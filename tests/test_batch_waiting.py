"""Waiting for a batch: it is looked at ever less often."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from airouter_core.flow.steps import Flow, Sleep
from airouter_core.provider import batches
from airouter_core.values.batches import Batch, BatchCounts


def test_a_batch_is_looked_at_ever_less_often() -> None:
    """Twice as long after each look, up to a bound; each look is reported, and the last one is the result."""
    looks = [Batch(id="b", status=status, counts=BatchCounts()) for status in (*["in_progress"] * 7, "ended")]
    left = iter(looks)
    seen: list[Batch] = []

    def looked(operation: str, batch_id: str) -> Flow[Batch]:
        yield from ()
        return next(left)

    asking: Any = SimpleNamespace(operation_flow=looked)
    ended: list[Batch] = []

    def waiting() -> Flow[None]:
        ended.append((yield from batches.TakesBatches.wait_for_batch_flow(asking, "b", seen.append)))

    slept = [step.seconds for step in waiting() if isinstance(step, Sleep)]
    assert ended == [looks[-1]]
    assert seen == looks
    bounded = [min(batches.FIRST_LOOK * 2**number, batches.LONGEST_LOOK) for number in range(7)]
    assert slept == bounded
    assert slept[-1] == batches.LONGEST_LOOK > slept[0]
