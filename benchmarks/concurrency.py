"""Many calls in flight, and memory."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

from .laboratory import Laboratory, interleaved
from .tables import Bound, Row, Table, middle, ratio

SUSTAINED = 10
"""After the burst: so many calls for each in flight."""
FIRST, LAST = 1_000, 20_000


def in_loop(laboratory: Laboratory, flying: int) -> Table:
    """One event loop, answers that take 200 ms."""
    found = _measured(laboratory, "in_loop", flying, ("aiohttp", "airouter", *_peers(laboratory)))
    cpu, burst = found["cpu_us"], found["burst_ms"]
    bounds = [Bound("airouter / aiohttp, CPU a call", (ratio(cpu["airouter"], cpu["aiohttp"]),), 2)]
    if flying == 256:
        bounds.append(Bound("airouter / aiohttp, a burst", (ratio(burst["airouter"], burst["aiohttp"]),), 1.15))
    return _table(f"async-{flying}", f"{flying} calls in flight, async", found, "aiohttp", bounds, 2)


def in_threads(laboratory: Laboratory, flying: int) -> Table:
    """A thread for each call, one provider for all."""
    found = _measured(laboratory, "in_threads", flying, ("requests pool", "airouter", *_peers(laboratory)))
    cpu = found["cpu_us"]
    bound = Bound("airouter / requests' pool, CPU a call", (ratio(cpu["airouter"], cpu["requests pool"]),), 1.5)
    return _table(f"threads-{flying}", f"{flying} calls in flight, threads", found, "requests pool", [bound], 1.5)


def memory(laboratory: Laboratory) -> Table:
    """Resident memory over 20,000 calls."""
    rows: list[Row] = []
    bounds: tuple[Bound, ...] = ()
    for name in ("requests", "airouter", *_peers(laboratory)):
        worker = laboratory.worker(name)
        worker.do("open", kind="call", name=name, shape="openai", base=laboratory.near.base)
        early = worker.do("calls", count=FIRST)["rss_mb"]
        late = worker.do("calls", count=LAST - FIRST)["rss_mb"]
        worker.close()
        rows.append(Row(name, (f"{early:.1f}", f"{late:.1f}", f"{late - early:+.2f}"), late))
        if name == "airouter":
            bounds = (
                Bound("MB after 20,000 calls", (late,), 38, "MB"),
                Bound("growth since the 1,000th", (late - early,), 0.3, "MB"),
            )
    columns = ("MB after 1,000 calls", "MB after 20,000", "growth")
    return Table("memory", "Memory", columns, tuple(rows), "MB after 20,000 calls", bounds, 38)


def _peers(laboratory: Laboratory) -> tuple[str, ...]:
    return laboratory.peers_among(("openai", "litellm"))


def _measured(
    laboratory: Laboratory, kind: str, flying: int, subjects: Sequence[str]
) -> Mapping[str, Mapping[str, Sequence[float]]]:
    base = f"{laboratory.far.base}/x-d200"

    def measure(name: str) -> dict[str, float]:
        # A fresh process each time: a burst opens its connections.
        worker = laboratory.worker(name, BENCHMARK_POOL=str(flying))
        try:
            return worker.do(kind, name=name, base=base, flying=flying, rounds=SUSTAINED)
        finally:
            worker.close()

    return interleaved({name: functools.partial(measure, name) for name in subjects}, laboratory.rounds(3))


def _table(
    name: str,
    title: str,
    found: Mapping[str, Mapping[str, Sequence[float]]],
    reference: str,
    bounds: Sequence[Bound],
    limit: float,
) -> Table:
    cpu = found["cpu_us"]
    rows = tuple(
        Row(
            subject,
            (
                f"{middle(cpu[subject]):.0f}",
                f"{ratio(cpu[subject], cpu[reference]):.2f}",
                f"{middle(found['burst_ms'][subject]):.0f}",
                f"{middle(found['growth_mb'][subject]):+.1f}",
                f"{middle(found['threads'][subject]):.0f}",
            ),
            middle(cpu[subject]),
        )
        for subject in cpu
    )
    columns = ("CPU µs a call", f"/ {reference}", "burst ms", "growth MB", "threads")
    line = limit * middle(cpu[reference])
    return Table(name, f"{title}, answers after 200 ms", columns, rows, "CPU µs a call", tuple(bounds), line)
