"""One warm call, a streamed chunk, and the delay that is added to a chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from .laboratory import Laboratory, Worker, interleaved
from .tables import Bound, Rounds, Row, Table, middle, ratio

BLOCK = 200
"""Calls of one subject in one round."""
CHUNKS = 20_000
PEERS_OF = {"openai": ("openai", "litellm"), "anthropic": ("anthropic", "litellm"), "ollama": ("ollama", "litellm")}


def warm_calls(laboratory: Laboratory, shape: str) -> Table:
    """``execute``, one thread, the connection kept alive."""
    subjects = ("http.client", "requests pool", "requests", "airouter", *laboratory.peers_among(PEERS_OF[shape]))
    with _workers(laboratory, "call", subjects, shape, laboratory.near.base) as workers:
        for worker in workers.values():
            worker.do("calls", count=BLOCK)
        before = laboratory.near.stats()["connections"]
        measures = {name: lambda worker=worker: worker.do("calls", count=BLOCK) for name, worker in workers.items()}
        spent = interleaved(measures, laboratory.rounds(10))["cpu_us"]
        opened = laboratory.near.stats()["connections"] - before - 1
    notes = () if not opened else (f"{opened} connections were opened after the first calls",)
    return Table(
        f"call-{shape}",
        f"A warm call, {shape}'s format",
        ("CPU µs a call", "/ requests", "/ http.client"),
        tuple(_row(name, spent, ("requests", "http.client")) for name in subjects),
        "CPU µs a call",
        (Bound("airouter / requests.Session", (ratio(spent["airouter"], spent["requests"]),), 0.5),),
        0.5 * middle(spent["requests"]),
        notes,
    )


def streamed_chunks(laboratory: Laboratory, shape: str) -> Table:
    """A stream of 20,000 chunks, each an HTTP chunk of its own, as servers send them."""
    subjects = ("floor", "read1", "airouter", *laboratory.peers_among(PEERS_OF[shape]))
    base = f"{laboratory.far.base}/x-n{CHUNKS}"
    with _workers(laboratory, "stream", subjects, shape, base) as workers:
        for name, worker in workers.items():
            pieces = worker.do("stream")["pieces"]
            if pieces != CHUNKS:
                raise RuntimeError(f"{name} gave {pieces:.0f} pieces of {CHUNKS}")
        measures = {name: lambda worker=worker: worker.do("stream") for name, worker in workers.items()}
        spent = interleaved(measures, laboratory.rounds(5))["cpu_us"]
    return Table(
        f"stream-{shape}",
        f"A streamed chunk, {shape}'s format, text out",
        ("CPU µs a chunk", "/ read1", "/ floor"),
        tuple(_row(name, spent, ("read1", "floor")) for name in subjects),
        "CPU µs a chunk",
        (Bound("airouter / read1", (ratio(spent["airouter"], spent["read1"]),), 1.1),),
        1.1 * middle(spent["read1"]),
        (
            "read1: read what has arrived, holding nothing back in any framing, split into lines, json.loads.",
            "floor: the same by the cheapest way that holds nothing back in this framing.",
        ),
    )


def added_delay(laboratory: Laboratory, framed: bool) -> Table:
    """An event every 20 ms, each carrying the time it was sent."""
    subjects = ("read1", "airouter", *laboratory.peers_among(("openai", "litellm")))
    base = f"{laboratory.far.base}/x-n50-t20" + ("" if framed else "-c1")
    with _workers(laboratory, "stream", subjects, "openai", base) as workers:
        for worker in workers.values():
            worker.do("ticks")
        measures = {name: lambda worker=worker: worker.do("ticks") for name, worker in workers.items()}
        found = interleaved(measures, laboratory.rounds(5))
    delays = found["delay_us"]
    added = middle([mine - floor for mine, floor in zip(delays["airouter"], delays["read1"], strict=True)]) / 1000
    # A busy machine may stop anybody for 10 ms; what the way of reading holds back shows in every round.
    held = min(mine - floor for mine, floor in zip(found["late"]["airouter"], found["late"]["read1"], strict=True))
    rows = tuple(
        Row(
            name, (f"{middle(delays[name]) / 1000:.3f}", f"{sum(found['late'][name]):.0f}"), middle(delays[name]) / 1000
        )
        for name in subjects
    )
    framing = "with" if framed else "without"
    return Table(
        f"delay-{'chunked' if framed else 'unframed'}",
        f"Delay of a chunk that arrives every 20 ms, {framing} chunked framing",
        ("delay ms, median", "chunks more than 10 ms late, all rounds"),
        rows,
        "delay ms, median",
        (
            Bound("added to read1's delay", (added,), 0.1, "ms"),
            Bound("chunks held back in every round, beyond read1's", (max(held, 0),), 0, ""),
        ),
        middle(delays["read1"]) / 1000 + 0.1,
        ("The delay of read1 is the waking of an idle core and of Python; what is added to it counts.",),
    )


@contextmanager
def _workers(
    laboratory: Laboratory, kind: str, subjects: Sequence[str], shape: str, base: str
) -> Iterator[dict[str, Worker]]:
    with ExitStack() as stack:
        workers = {name: laboratory.worker(name) for name in subjects}
        for name, worker in workers.items():
            stack.callback(worker.close)
            worker.do("open", kind=kind, name=name, shape=shape, base=base)
        yield workers


def _row(name: str, spent: Rounds, references: Sequence[str]) -> Row:
    ratios = (f"{ratio(spent[name], spent[reference]):.2f}" for reference in references)
    cpu = middle(spent[name])
    return Row(name, (f"{cpu:.0f}" if cpu >= 100 else f"{cpu:.2f}", *ratios), cpu)
