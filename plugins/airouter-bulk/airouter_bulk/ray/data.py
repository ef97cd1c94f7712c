"""For those who live in Ray Data: a dataset in, a dataset with its answers out, by way of a run and its journal.

Ray Data's own stages repeat what has failed, without end by default, and pay for it each time. So nothing is asked
inside one: the rows go to a run, and what comes out is read back.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from airouter_core.errors import ConfigurationError, ExecutionError

from ..reports import SOME_FAILED
from ..running import SpecLike
from .cluster import connected
from .running import arun

if TYPE_CHECKING:
    import ray.data

INSTALL = "pip install 'ray[data]'"


def map_batches(
    dataset: ray.data.Dataset,
    spec: SpecLike,
    folder: str | os.PathLike[str],
    *,
    address: str | None = None,
    batch_size: int = 1000,
    cpus: float = 0,
    **options: Any,
) -> ray.data.Dataset:
    """Ask a prompt of every row of a dataset; the result is its rows with ``answer`` and ``airouter``.

    Called again with the same folder it goes on, and asks nothing that was answered. Rows that failed are in
    ``errors.jsonl`` of the folder, and not in the result.

    Args:
        folder: of the journal and of what comes out; on the head, and seen by all nodes.
        batch_size: rows that are drawn from the dataset at a time.
        cpus: that Ray reserves for each worker; none, since the dataset needs them at the same time.
        options: as for :func:`~airouter_bulk.ray.running.arun`.

    Raises:
        ConfigurationError: as there; or Ray Data is not installed.
        ExecutionError: the run is paused, or has reached its budget. Call it again to go on.
    """
    try:
        from ray import data
    except ImportError as error:
        raise ConfigurationError(f"datasets need Ray Data: {INSTALL} ({error})") from error
    place = os.path.abspath(os.fspath(folder))
    with connected(address):
        # A run that goes on must meet the same rows in the same order.
        data.DataContext.get_current().execution_options.preserve_order = True
        summary = asyncio.run(arun(spec, _Rows(dataset, batch_size), place, cpus=cpus, **options))
        if summary.exit_code > SOME_FAILED:
            raise ExecutionError(f"the run in {place} is not done: {summary}")
        names = sorted(name for name in os.listdir(place) if name.startswith("answers-") and name.endswith(".jsonl"))
        found: ray.data.Dataset = data.read_json([os.path.join(place, name) for name in names])
    return found


class _Rows:
    """The rows of a dataset, from the first one on as often as they are asked for."""

    def __init__(self, dataset: ray.data.Dataset, batch_size: int) -> None:
        self._dataset = dataset
        self._size = batch_size

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for batch in self._dataset.iter_batches(batch_size=self._size, batch_format="pyarrow"):
            yield from batch.to_pylist()
