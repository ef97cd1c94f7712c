"""A run from its rows to its files: ``run(spec, rows, folder)``; the same again goes on where it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any

from airouter_core.errors import AirouterError
from airouter_core.manager import ProviderManager
from airouter_core.profile.prices import Prices
from airouter_core.provider.facade import Provider
from airouter_core.values.response import Response

from . import feed as feeds
from .engine import Engine
from .errors import SpecError
from .export import Exporter, files_in
from .journal import admission, attempts, batches
from .journal.admission import Run
from .journal.files import NAME, held, opened, transaction
from .journal.records import Call, unpacked
from .journal.writer import Writer
from .lane import Lane
from .making import engine_for
from .questions import Questions
from .reports import Summary
from .rows import Row, Rows, rows_of
from .spec import Spec
from .targets import target_of
from .tariff import Tariff
from .working import Working

Late = Iterable[tuple[Call, Response | AirouterError]]
Watch = Callable[[Working], contextlib.AbstractContextManager[None]]
Approve = Callable[[Working, int], Awaitable[bool]]
SpecLike = Spec | Mapping[str, Any] | str | os.PathLike[str]


def run(
    spec: SpecLike | None,
    rows: Rows | None,
    folder: str | os.PathLike[str],
    *,
    manager: ProviderManager | None = None,
    fork: bool = False,
    **more: Any,
) -> Summary:
    """Ask a prompt of every row, and write the answers into a folder. Called again, it goes on where it ended.

    Args:
        spec: a :class:`~airouter_bulk.spec.Spec`, its fields in a mapping, or the path of a TOML file; ``None`` is that
            of the run in the folder.
        rows: the path of a file of JSON lines or CSV, or an iterable of mappings; from the first row on, also when the
            run goes on. ``None`` when all of them were read before.
        folder: of the journal and of what comes out.
        manager: whose providers are asked; one is made of the environment unless given.
        fork: begin a new run in the folder, with another specification or other rows; answers to equal questions count.
        more: as for :func:`arun`.

    Raises:
        ConfigurationError: nobody could be asked so, or the run in the folder is another one.
        JournalError: the folder is in use, or cannot be written.
    """
    return asyncio.run(arun(spec, rows, folder, manager=manager, fork=fork, **more))


async def arun(
    spec: SpecLike | None,
    rows: Rows | None,
    folder: str | os.PathLike[str],
    *,
    manager: ProviderManager | None = None,
    fork: bool = False,
    provider: tuple[Provider[Any], str] | None = None,
    prices: Prices | None = None,
    watch: Watch | None = None,
    sample: int = 0,
    approve: Approve | None = None,
    late: Late = (),
    wait_to_look: Callable[[int], float] | None = None,
    **engine: Any,
) -> Summary:
    """:func:`run`, awaited.

    Args:
        provider: who answers, and by which model, in place of the address.
        prices: the user's own.
        watch: is entered with the engine while it works.
        sample: ask so many rows by chance first, and then ``approve`` whether to go on.
        late: answers to calls of an earlier process that are known all the same.
        wait_to_look: seconds before the n-th look at a batch; see :func:`airouter_bulk.lane.wait_to_look`.
        engine: as for :class:`~airouter_bulk.engine.Engine`.
    """
    place = os.fspath(folder)
    with held(place), opened(place) as connection:
        found = _chosen(connection, spec, place, fork=fork)
        async with _target(found.spec, manager, provider) as (answering, model):
            if answering.info.kind != "local":
                # What is paid for must survive a loss of power too.
                connection.execute("PRAGMA synchronous = FULL")
            questions = Questions(found.spec, model)
            given = None if rows is None else rows_of(rows)
            # Whoever gives the rows may wait for something on this event loop.
            read = None if given is None else await asyncio.to_thread(_checked, questions, answering, given)
            tariff = await asyncio.to_thread(Tariff, prices or Prices(), answering, model, found.spec)
            writer = Writer(connection, os.path.join(place, NAME))
            try:
                async with engine_for(found, answering, questions, tariff, writer, engine) as working:
                    with watch(working) if watch else contextlib.nullcontext():
                        for call, answer in late:
                            await working.take(call, answer)
                        lane = await _lane(working, found, answering, questions, tariff, writer, wait_to_look)
                        await _work(working, writer, connection, found, questions, read, sample, approve, lane)
            finally:
                await writer.aclose()
        return _ended(connection, found, working, place)


def _chosen(connection: sqlite3.Connection, spec: SpecLike | None, folder: str, *, fork: bool) -> Run:
    """The run that goes on, or a new one."""
    found = admission.latest_run(connection)
    if spec is None:
        if found is None:
            raise SpecError("there is no run here yet: give its specification and rows")
        wanted = found.spec
    else:
        wanted = Spec.of(spec)
    if found is None and (foreign := files_in(folder)):
        raise SpecError(
            f"{folder} holds {foreign[0]}, of which its journal knows nothing, and no file of others is overwritten: "
            f"choose another folder, move the file away, or bring its {NAME} back"
        )
    if found is not None and not fork and (wanted.answer, wanted.details) != (found.spec.answer, found.spec.details):
        taken = admission.field_in(connection, found.id, wanted.answer, wanted.details)
        if taken is not None:
            raise SpecError(f"the rows have a field {taken!r} of their own: name another with answer or details")
    if fork and found is not None and batches.not_ended(connection, found.id):
        raise SpecError(
            "batches of the run here are with the vendor, and a fork would pay for the same again: collect them first "
            "(airouter bulk resume), or stop them (airouter bulk cancel) and collect what they have answered by then"
        )
    # Of a run that has read no row yet, since its key was missing or its model misspelt, there is nothing to keep.
    blank = found is not None and not found.admitted
    if found is not None and not fork and not blank and (differing := wanted.differences(found.spec)):
        raise SpecError(
            f"the run here asks something else (it differs in {', '.join(differing)}): choose another folder, or fork "
            "it (--fork), which keeps the answers to questions that are equal"
        )
    with transaction(connection):
        if found is None or fork or (blank and wanted.differences(found.spec)):
            admission.begin_run(connection, wanted)
        else:
            admission.go_on(connection, found.id, wanted)
        chosen = admission.latest_run(connection)
        assert chosen is not None
        attempts.recover(connection, chosen.id, resend=chosen.spec.uncertain == "resend")
    return chosen


@contextlib.asynccontextmanager
async def _target(
    spec: Spec, manager: ProviderManager | None, provider: tuple[Provider[Any], str] | None
) -> AsyncIterator[tuple[Provider[Any], str]]:
    if provider is not None:
        yield provider
        return
    async with target_of(spec.target, manager) as found:
        yield found


def _checked(questions: Questions, provider: Provider[Any], rows: Iterator[Row]) -> Iterator[Row]:
    """The rows, once their first one could be asked: nothing is sent where every row would fail alike."""
    first, rows = feeds.first_problem(questions, rows)
    if first is not None and first.value is not None:
        provider.prepare(questions.ask(first.value))
    return rows


async def _work(
    working: Engine,
    writer: Writer,
    connection: sqlite3.Connection,
    found: Run,
    questions: Questions,
    rows: Iterator[Row] | None,
    sample: int,
    approve: Approve | None,
    lane: Lane | None,
) -> None:
    feed = await writer.aside(lambda: feeds.Feed(connection, found, questions, rows))
    for job, answer in await writer.aside(lambda: list(admission.answered(connection, found.id))):
        working.judge(job, unpacked(answer))
    if sample:
        await writer.aside(feed.admit_all)
        await working.run(feed, await writer.aside(lambda: admission.some_pending(connection, found.id, sample)))
        left = (await writer.do(lambda db: attempts.tally(db, found.id))).pending
        if left and approve is not None and working.state == "running" and not await approve(working, left):
            working.pause("paused", "ended after the sample; run it again to go on")
    if lane is not None:
        await lane.run(feed)
        if working.spec.rest == "batch" and working.spec.lane == "batch":
            await working.run(feed, ())  # only what is to be corrected is for calls
            return
    await working.run(feed)


async def _lane(
    working: Engine,
    found: Run,
    provider: Provider[Any],
    questions: Questions,
    tariff: Tariff,
    writer: Writer,
    wait: Callable[[int], float] | None,
) -> Lane | None:
    """The lane of batches, where it is wanted or an earlier process has used it."""
    if found.spec.lane != "batch" and not await writer.do(lambda db: batches.not_ended(db, found.id)):
        return None
    more = {} if wait is None else {"wait": wait}
    return Lane(working, found.id, provider, questions, tariff, writer, **more)


def _ended(connection: sqlite3.Connection, found: Run, working: Engine, place: str) -> Summary:
    state = "finished" if working.state == "running" else working.state
    admission.mark(connection, found.id, state, working.reason)
    return exported(connection, place)


def exported(connection: sqlite3.Connection, place: str) -> Summary:
    """Write the files of the run in a folder; the result is how it stands."""
    found = admission.latest_run(connection)
    if found is None:
        raise SpecError(f"{place} holds no run")
    Exporter(connection, found, place).write()
    return Summary.of(found, attempts.tally(connection, found.id))
