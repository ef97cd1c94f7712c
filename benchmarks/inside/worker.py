"""Runs in a client's environment: one JSON command a line comes in, one JSON line goes out. Started by the drivers.

Times are of the processor, user and system, over all threads of this process, unless a name says otherwise.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clients import AWAITED, CALLS, STREAMS

MICROSECOND, MILLISECOND = 1_000, 1_000_000
LATE = 10 * MILLISECOND
GREETING = "hello from the stub!"


def resident() -> float:
    """Memory of this process in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def threads() -> int:
    return len(os.listdir("/proc/self/task"))


class Worker:
    """Holds the client that was opened, and measures it."""

    def __init__(self) -> None:
        self._client: Callable[[], Any] = lambda: None

    def open(self, *, kind: str, name: str, shape: str, base: str) -> dict[str, float]:
        tables: dict[str, Any] = {"call": CALLS, "stream": STREAMS}
        self._client = tables[kind][name](shape, base)
        return {}

    def calls(self, *, count: int) -> dict[str, float]:
        """Ask one after the other."""
        call = self._client
        began = time.process_time_ns()
        for _ in range(count):
            text = call()
        spent = time.process_time_ns() - began
        if text != GREETING:
            raise ValueError(f"the client made {text!r} of the answer")
        return {"cpu_us": spent / count / MICROSECOND, "rss_mb": resident()}

    def stream(self) -> dict[str, float]:
        """Read one stream."""
        pieces = 0
        began = time.process_time_ns()
        for piece in self._client():
            if piece:
                pieces += 1
        spent = time.process_time_ns() - began
        return {"pieces": pieces, "cpu_us": spent / max(pieces, 1) / MICROSECOND, "rss_mb": resident()}

    def ticks(self) -> dict[str, float]:
        """Read a slow stream, each piece of which says when it was sent. Times are of the clock."""
        delays: list[int] = []
        for piece in self._client():
            if piece:
                arrived = time.monotonic_ns()
                delays.extend(arrived - int(sent) for sent in piece.split("t")[1:])
        delays.sort()
        return {
            "pieces": len(delays),
            "delay_us": delays[len(delays) // 2] / MICROSECOND,
            "late": sum(delay > LATE for delay in delays),
        }

    def in_threads(self, *, name: str, base: str, flying: int, rounds: int) -> dict[str, float]:
        """``flying`` calls at once: first a burst, then ``rounds`` times as many, never more at a time."""
        call = CALLS[name]("openai", base)
        call()
        with ThreadPoolExecutor(flying) as executor:

            def batch(count: int) -> None:
                texts = set(executor.map(lambda _: call(), range(count)))
                if texts != {GREETING}:
                    raise ValueError(f"the client made {texts!r} of the answers")

            return _concurrent(lambda: batch(flying), lambda: batch(flying * rounds), flying * rounds)

    def in_loop(self, *, name: str, base: str, flying: int, rounds: int) -> dict[str, float]:
        """As :meth:`in_threads`, in one event loop."""
        loop = asyncio.new_event_loop()
        call = AWAITED[name]("openai", base)

        async def one_after_the_other(count: int) -> None:
            for _ in range(count):
                text = await call()
                if text != GREETING:
                    raise ValueError(f"the client made {text!r} of the answer")

        async def batch(each: int) -> None:
            await asyncio.gather(*(one_after_the_other(each) for _ in range(flying)))

        loop.run_until_complete(one_after_the_other(1))
        return _concurrent(
            lambda: loop.run_until_complete(batch(1)), lambda: loop.run_until_complete(batch(rounds)), flying * rounds
        )


def _concurrent(burst: Callable[[], None], sustained: Callable[[], None], calls: int) -> dict[str, float]:
    before, began = resident(), time.monotonic_ns()
    burst()
    burst_time = time.monotonic_ns() - began
    began = time.process_time_ns()
    sustained()
    spent = time.process_time_ns() - began
    return {
        "burst_ms": burst_time / MILLISECOND,
        "cpu_us": spent / calls / MICROSECOND,
        "growth_mb": resident() - before,
        "threads": threads(),
    }


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints is no answer
    core = os.environ.get("BENCHMARK_CORE")
    if core:
        os.sched_setaffinity(0, {int(core)})
    worker = Worker()
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(worker, command.pop("do"))(**command)
        except Exception as error:  # whatever a client raises is the answer, and the driver's to judge
            answer = {"error": f"{type(error).__name__}: {error}"[:300]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
