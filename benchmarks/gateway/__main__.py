"""``make bench-gateway``: what each gateway adds, interleaved in one run, and the soak; written to GATEWAY.md.

All gateways share one core, in turns; the stub and the clients have another. Ratios are of neighbours in one round, so
that a busy machine moves both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime
import os
import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from ..environments import NotAvailableError
from ..laboratory import tell
from ..stub import Stub
from . import load, soak
from .subjects import BOOKED, DIRECT, FLOOR, LITELLM, OURS, Subject

REPORT = Path(__file__).parents[1] / "GATEWAY.md"
PACED, PACED_EVENTS, BURST_EVENTS = 20, 200, 1000


@attrs.define
class Figures:
    """What was measured of one subject, a value for each round."""

    p50: list[float] = attrs.field(factory=list)
    p99: list[float] = attrs.field(factory=list)
    rate: list[float] = attrs.field(factory=list)
    cpu: list[float] = attrs.field(factory=list)
    burst: list[float] = attrs.field(factory=list)
    paced: list[float] = attrs.field(factory=list)
    start: float = 0.0
    memory: tuple[float, float] = (0.0, 0.0)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=2.0, help="of saturation, in each round")
    parser.add_argument(
        "--calls", type=int, default=10_000, help="until memory is looked at; 100000 for the whole story"
    )
    parser.add_argument("--no-litellm", action="store_true", help="do not install and measure LiteLLM's proxy")
    parser.add_argument("--streams", type=int, default=1000, help="of the soak, at a time")
    parser.add_argument("--soak", type=float, default=60.0, help="seconds of the soak; 0 leaves it out")
    parser.add_argument("--print", action="store_true", dest="only_print", help="write no page")
    parser.add_argument(
        "--only",
        choices=("soak", "killed", "memory"),
        help="one part alone, printed: memory is looked at after --calls",
    )
    given = parser.parse_args()
    names = [FLOOR, OURS, BOOKED, *([] if given.no_litellm else [LITELLM])]
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {1 % (os.cpu_count() or 1)})
    if given.only:
        tell("\n".join(_only(given, names)))
        return
    found, missing = measured(names, given.rounds, given.seconds, given.calls)
    lines = table(found, given.calls, missing)
    if given.soak:
        lines += soak.soaked(given.streams, given.soak)
        lines += soak.killed()
    text = "\n".join(lines)
    tell(text)
    if not given.only_print:
        REPORT.write_text(
            f"{HEAD.format(day=_today(), where=_machine(), rounds=given.rounds)}\n{text}\n", encoding="utf-8"
        )
        tell(f"written: {REPORT}")


def measured(
    names: Sequence[str], rounds: int, seconds: float, calls: int
) -> tuple[Mapping[str, Figures], Mapping[str, str]]:
    """The figures of all that can be had, and why others cannot."""
    found = {DIRECT: Figures()}
    missing: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        stub = stack.enter_context(Stub(core=1))
        upstream = stub.base.removesuffix("/v1")
        subjects: list[Subject] = []
        for name in names:
            try:
                subjects.append(stack.enter_context(Subject(name, upstream)))
            except NotAvailableError as error:
                missing[name] = str(error)
                tell(f"{name} is not measured: {error}")
                continue
            found[name] = Figures(start=subjects[-1].start_seconds)
        for number in range(rounds):
            asyncio.run(_direct(stub, found[DIRECT]))
            for subject in subjects:
                asyncio.run(_round(subject, found[subject.name], seconds))
            tell(f"round {number + 1} of {rounds}: load {os.getloadavg()[0]:.1f}")
        for subject in subjects:
            found[subject.name].memory = _memory(subject, calls)
    return found, missing


def _memory(subject: Subject, calls: int) -> tuple[float, float]:
    """Megabytes after some calls, and after many."""
    slow = subject.name == LITELLM
    request = load.request_of("up/m", subject.headers)
    asyncio.run(load.counted(subject.port, request, 100 if slow else 1000))
    early = subject.memory()
    asyncio.run(load.counted(subject.port, request, min(calls, 500) if slow else calls))
    return early, subject.memory()


def _only(given: argparse.Namespace, names: Sequence[str]) -> list[str]:
    """One part of the report."""
    if given.only == "soak":
        return soak.soaked(given.streams, given.soak)
    if given.only == "killed":
        return soak.killed()
    lines = []
    with Stub(core=1) as stub:
        for name in names:
            try:
                with Subject(name, stub.base.removesuffix("/v1")) as subject:
                    early, late = _memory(subject, given.calls)
            except NotAvailableError as error:
                lines.append(f"- {name} was not measured: {error}")
            else:
                lines.append(f"- {name}: {early:.0f} MB at first, {late:.0f} MB after {given.calls:,} calls more.")
    return lines


async def _direct(stub: Stub, figures: Figures) -> None:
    port = int(stub.base.rpartition(":")[2].partition("/")[0])
    _add_latencies(figures, await load.latencies(port, load.request_of("m", {}), 200))


async def _round(subject: Subject, figures: Figures, seconds: float) -> None:
    def ask(model: str, *, stream: bool = False) -> bytes:
        return load.request_of(f"up/{model}", subject.headers, stream=stream)

    _add_latencies(figures, await load.latencies(subject.port, ask("m"), 200))
    before = subject.cpu()
    count = await load.saturated(subject.port, ask("m"), seconds)
    figures.rate.append(count / seconds)
    figures.cpu.append((subject.cpu() - before) / count * 1e3)
    before = subject.cpu()
    for _ in range(3):
        ended, events = await load.streamed(subject.port, ask("burst", stream=True))
        assert (ended, events) >= ("done", BURST_EVENTS), (subject.name, ended, events)
    figures.burst.append((subject.cpu() - before) / (3 * BURST_EVENTS) * 1e6)
    before = subject.cpu()
    await asyncio.gather(*(load.streamed(subject.port, ask("paced", stream=True)) for _ in range(PACED)))
    figures.paced.append((subject.cpu() - before) / (PACED * PACED_EVENTS) * 1e6)


def _add_latencies(figures: Figures, seconds: Sequence[float]) -> None:
    ordered = sorted(seconds)
    figures.p50.append(statistics.median(ordered) * 1e6)
    figures.p99.append(ordered[int(len(ordered) * 0.99)] * 1e6)


BOUNDS: tuple[tuple[str, str, str, Callable[[Figures], Sequence[float]], float, bool], ...] = (
    ("requests a second", OURS, FLOOR, lambda figures: figures.rate, 0.45, False),
    ("requests a second, key and ledger", BOOKED, FLOOR, lambda figures: figures.rate, 0.45, False),
    ("requests a second, key and ledger", BOOKED, LITELLM, lambda figures: figures.rate, 15, False),
    ("CPU a request", OURS, FLOOR, lambda figures: figures.cpu, 2.2, True),
    ("CPU a request, key and ledger", BOOKED, FLOOR, lambda figures: figures.cpu, 2.2, True),
    ("CPU a request, key and ledger", BOOKED, LITELLM, lambda figures: figures.cpu, 0.06, True),
    ("CPU a request, key and ledger against off", BOOKED, OURS, lambda figures: figures.cpu, 1.25, True),
    ("CPU a chunk of a burst", OURS, LITELLM, lambda figures: figures.burst, 0.06, True),
    ("CPU a chunk, paced", OURS, LITELLM, lambda figures: figures.paced, 0.2, True),
)
"""What is compared with what, and the bound: at least, or at most."""


def table(found: Mapping[str, Figures], calls: int, missing: Mapping[str, str]) -> list[str]:
    """The figures and the bounds, as lines."""
    middle = statistics.median
    direct = found[DIRECT]
    columns = (
        *("added p50, µs", "added p99, µs", "requests/s", "CPU a request, ms", "burst, CPU µs/chunk"),
        *("paced, CPU µs/chunk", "start, s", "MB after 1,000", f"MB after {calls:,}"),
    )
    lines = ["## What each adds", "", f"| | {' | '.join(columns)} |", f"|---|{'---|' * len(columns)}"]
    for name, figures in found.items():
        if name == DIRECT:
            continue
        added = [middle([ours - theirs for ours, theirs in zip(a, b, strict=True)]) for a, b in (
            (figures.p50, direct.p50), (figures.p99, direct.p99))]  # fmt: skip
        lines.append(
            f"| {name} | {added[0]:.0f} | {added[1]:.0f} | {middle(figures.rate):,.0f} | {middle(figures.cpu):.2f} | "
            f"{middle(figures.burst):.0f} | {middle(figures.paced):.0f} | {figures.start:.1f} | "
            f"{figures.memory[0]:.0f} | {figures.memory[1]:.0f} |"
        )
    lines += ["", "| ratio in one round | measured | bound | |", "|---|---|---|---|"]
    for title, ours, theirs, values, bound, at_most in BOUNDS:
        if ours in found and theirs in found:
            pairs = zip(values(found[ours]), values(found[theirs]), strict=True)
            ratio = middle([one / other for one, other in pairs])
            met = ratio <= bound if at_most else ratio >= bound
            sign = "≤" if at_most else "≥"
            lines.append(
                f"| {title}: {ours} / {theirs} | {ratio:.2f} | {sign} {bound:g} | {'met' if met else '**not met**'} |"
            )
    lines += ["", *(f"{name} was not measured: {why}" for name, why in missing.items())] if missing else []
    return [*lines, ""]


HEAD = """# airouter serve, measured

Written by `make bench-gateway` on {day}: {where}, {rounds} rounds. Each gateway has one core, and the stub that answers
shares another with the clients; they are asked in turns. *Added* is what a call takes more than from the stub alone. A
burst is 1,000 events at once; paced are 20 streams with an event each 10 ms. LiteLLM's memory is looked at after 100
and 500 calls.
"""


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d")


def _machine() -> str:
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, load {os.getloadavg()[0]:.0f} at the end"


main()
