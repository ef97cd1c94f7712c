"""``python -m benchmarks``: measure, and write RESULTS.md with its plots."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Callable, Sequence

from . import calls, concurrency, startup
from .environments import PEERS, NotAvailableError, version_of
from .laboratory import Laboratory, laboratory, tell
from .report import write
from .tables import Table, merged

Measure = Callable[[Laboratory], Table]

MEASURES: dict[str, Measure] = {
    "install": startup.install,
    "import": startup.imports,
    "program": startup.whole_programs,
    **{f"call-{shape}": functools.partial(calls.warm_calls, shape=shape) for shape in calls.PEERS_OF},
    **{f"stream-{shape}": functools.partial(calls.streamed_chunks, shape=shape) for shape in calls.PEERS_OF},
    "delay-chunked": functools.partial(calls.added_delay, framed=True),
    "delay-unframed": functools.partial(calls.added_delay, framed=False),
    "async-64": functools.partial(concurrency.in_loop, flying=64),
    "async-256": functools.partial(concurrency.in_loop, flying=256),
    "threads-64": functools.partial(concurrency.in_threads, flying=64),
    "threads-256": functools.partial(concurrency.in_threads, flying=256),
    "memory": concurrency.memory,
}
ONCE = frozenset({"install", "memory"})
"""Counted, not timed: one run is as good as another."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the result is the exit code: 1 when a bound is not met."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--peers", default="openai", help=f"which to measure, of {' '.join(PEERS)}")
    parser.add_argument("--runs", type=int, default=3, help="a bound is met when it holds in more than half of them")
    parser.add_argument("--effort", type=float, default=1.0, help="a factor for the number of rounds in a run")
    parser.add_argument("--only", nargs="+", choices=MEASURES, help="measure these, print them, and write nothing")
    given = parser.parse_args(arguments)
    try:
        with laboratory(given.peers.split(), given.effort) as place:
            tables = [_table(place, name, given.runs) for name in given.only or MEASURES]
            versions = {"airouter-core": version_of(place.python, "airouter-core")}
            for name in ("requests", "aiohttp"):
                versions[name] = version_of(place.python, name)
            for name, python in place.peers.items():
                versions[name] = version_of(python, PEERS[name])
            for name, reason in place.missing.items():
                tell(f"{name} is not measured: {reason}")
            measured = [*place.peers]
    except NotAvailableError as error:
        tell(str(error))
        return 2
    if not given.only:
        how = f"{given.runs} runs" + ("" if given.effort == 1 else f" with {given.effort:g} of the usual rounds")
        tell(f"written: {write(tables, how, measured, versions)}")
    return int(not all(bound.met for table in tables for bound in table.bounds))


def _table(place: Laboratory, name: str, runs: int) -> Table:
    table = merged([MEASURES[name](place) for _ in range(1 if name in ONCE else runs)])
    tell(f"\n{table.title}")
    for row in table.rows:
        figures = "".join(f"{figure:>12} {column}" for figure, column in zip(row.figures, table.columns, strict=True))
        tell(f"  {row.subject:<32}{figures}")
    for bound in table.bounds:
        values = ", ".join(f"{value:.2f}" for value in bound.values)
        tell(f"  {'met' if bound.met else 'NOT MET'}: {bound.name}: {values} (at most {bound.limit:g})")
    return table


if __name__ == "__main__":
    sys.exit(main())
