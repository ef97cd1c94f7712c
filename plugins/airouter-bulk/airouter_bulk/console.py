"""What the commands do: a run with a bar and questions before it, and how one stands. Needs ``airouter-core[cli]``."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from typing import Any

import click
import msgspec

from airouter_core.cli.output import note, write, write_json
from airouter_core.cli.targets import current_settings, named_target, provider_table
from airouter_core.errors import AirouterError

from .engines import on_ray
from .errors import SpecError
from .forecast import forecast
from .journal import admission, attempts, batches
from .journal.files import opened
from .reports import Summary
from .rows import Rows, count_of
from .running import arun
from .spec import Spec
from .targets import check_named, made_for, prices_of
from .working import Working


def carried_out(
    spec: Spec | None,
    rows: Rows | None,
    folder: str,
    *,
    as_json: bool,
    sample: int = 0,
    yes: bool = True,
    fork: bool = False,
    engine: str = "local",
    workers: int | None = None,
    **cluster: Any,
) -> int:
    """Run, and show how the run stands; the result is the exit code."""
    if spec is None:
        with opened(folder, new=False) as connection:
            spec = run_in(connection, folder).spec
    if workers is not None:
        spec = msgspec.structs.replace(spec, workers=workers)
    if engine == "local" and (named := [f"--{name.replace('_', '-')}" for name, given in cluster.items() if given]):
        raise click.UsageError(f"{' and '.join(named)}: for --engine ray alone.")
    total, done = _size(rows, folder, fork=fork)
    name, model = named_target(None, spec.target)
    if model is None:
        raise SpecError(f"{spec.target!r} names no model: write PROVIDER/MODEL")
    check_named(spec.target, name, model)
    began = time.monotonic()

    async def approve(working: Working, left: int) -> bool:
        if working.counts.costs:
            seconds = time.monotonic() - began
            note(str(forecast(working.counts, seconds, left, working.spec)))
        return yes or agreed("Go on?")

    async def work() -> Summary:
        from .progress import Bar

        settings = current_settings()
        shown: dict[str, Any] = {"watch": Bar(total, done), "sample": sample, "approve": approve, "fork": fork}
        shown["prices"] = prices_of(settings)
        if engine == "ray":
            return await on_ray(spec, rows, folder, name, model, settings, **shown, **cluster)
        async with made_for(*provider_table(name)) as provider:
            return await arun(spec, rows, folder, provider=(provider, model), **shown)

    return show(asyncio.run(work()), as_json)


def _size(rows: Rows | None, folder: str, *, fork: bool) -> tuple[int | None, int]:
    """How many questions there are, about, and how many of them are answered."""
    there = None
    if not fork and os.path.isdir(folder):
        # Nothing there yet is nothing wrong; what is wrong is said by the run itself.
        with contextlib.suppress(AirouterError), opened(folder, new=False) as connection:
            there = attempts.tally(connection, run_in(connection, folder).id)
    counted = None if rows is None else count_of(rows)
    return counted or (there.rows if there else None), there.valid + there.failed if there else 0


def run_in(connection: Any, folder: str) -> admission.Run:
    """The run in a folder.

    Raises:
        SpecError: there is none.
    """
    found = admission.latest_run(connection)
    if found is None:
        raise SpecError(f"{folder} holds no run")
    return found


def stop_batches(spec: Spec, handed: list[batches.Handed]) -> None:
    """Stop batches at the vendor."""
    info, table = provider_table(named_target(None, spec.target)[0])
    with made_for(info, table) as provider:
        takes: Any = provider
        for batch in handed:
            if batch.vendor is not None:
                takes.cancel_batch(batch.vendor)
    note(f"{len(handed)} batches are stopped; airouter bulk resume fetches what they have answered")


def agree(question: str) -> None:
    """Ask whether to begin.

    Raises:
        ClickException: no.
        UsageError: nobody is there to say so.
    """
    if not sys.stdin.isatty():
        raise click.UsageError("Nobody is there to agree: give --yes.")
    if not agreed(question):
        raise click.ClickException("nothing was asked")


def agreed(question: str) -> bool:
    """Whether somebody is there and says yes."""
    # While somebody is asked, Ctrl-C means no.
    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return sys.stdin.isatty() and click.confirm(question, default=True, err=True)
    except click.Abort:
        return False
    finally:
        signal.signal(signal.SIGINT, earlier)


def show(summary: Summary, as_json: bool) -> int:
    """Print how a run stands; the result is its exit code."""
    if as_json:
        write_json({**summary, "exit_code": summary.exit_code})
    else:
        write(str(summary))
    return summary.exit_code
