"""For those who live in Ray Data: a dataset in, a dataset with its answers out, by way of a run and its journal.

Ray Data's own stages repeat what has failed, without end by default, and pay for it each time. So nothing is asked
inside one: the rows go to a run, and what comes out is read back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

from airouter_core.errors import ConfigurationError, ExecutionError

from .. import parquet
from ..reports import SOME_FAILED
from ..running import SpecLike
from ..spec import Spec
from . import tables
from .cluster import connected
from .running import arun

if TYPE_CHECKING:
    import pyarrow
    import ray.data

Result = TypeVar("Result")

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
    ``errors.jsonl`` of the folder, and not in the result. Columns keep their types, where JSON can hold their values;
    one whose values are of no one type, as the answers to a schema may be, holds JSON.

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
    place, wanted = os.path.abspath(os.fspath(folder)), Spec.of(spec)
    rows = _Rows(dataset, batch_size)
    with connected(address), _in_order(dataset):
        summary = _ended(arun(wanted, rows, place, cpus=cpus, **options))
        if summary.exit_code > SOME_FAILED:
            raise ExecutionError(f"the run in {place} is not done: {summary}")
        shards = [os.path.join(place, name) for name in sorted(os.listdir(place)) if name.startswith("answers-")]
        if not shards:
            return data.from_items([])
        if wanted.format == "parquet":
            return data.read_parquet(shards)
        given = {name: found for name, found in rows.types.items() if name not in (wanted.answer, "airouter")}
        schema = tables.typed(parquet.schema_of(map(tables.lines_in, shards)), given)
        found: ray.data.Dataset = data.from_items(shards, override_num_blocks=len(shards)).map_batches(
            tables.read, fn_kwargs={"schema": schema}, batch_size=1, zero_copy_batch=True
        )
    return found


@contextlib.contextmanager
def _in_order(dataset: ray.data.Dataset) -> Iterator[None]:
    """A run that goes on must meet the same rows in the same order."""
    options = dataset.context.execution_options
    earlier, options.preserve_order = options.preserve_order, True
    try:
        yield
    finally:
        options.preserve_order = earlier


def _ended(work: Coroutine[Any, Any, Result]) -> Result:
    """Await it, also where an event loop runs already, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(work)
    begun: list[asyncio.Task[Any]] = []

    async def noted() -> Result:
        begun.extend(filter(None, [asyncio.current_task()]))
        return await work

    with ThreadPoolExecutor(1) as thread:
        ended = thread.submit(asyncio.run, noted())
        try:
            return ended.result()
        except KeyboardInterrupt:
            for task in begun:
                task.get_loop().call_soon_threadsafe(task.cancel)
            raise


class _Rows:
    """The rows of a dataset, from the first one on as often as they are asked for.

    Attributes:
        types: of its columns, as far as they were read.
    """

    def __init__(self, dataset: ray.data.Dataset, batch_size: int) -> None:
        self.types: dict[str, pyarrow.DataType] = {}
        self._dataset = dataset
        self._size = batch_size

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        for batch in self._dataset.iter_batches(batch_size=self._size, batch_format="pyarrow"):
            tables.add_types(self.types, batch.schema)
            for row in batch.to_pylist():
                yield {name: tables.plain(value) for name, value in row.items()}
