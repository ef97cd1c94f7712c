"""``python -m benchmarks.soak``: calls and streams mixed with faults, for long.

Threads and an event loop use the same providers, made once, and meet the same faults. Memory, threads and sockets are
counted after each tenth of the calls. From the first on, when pools and caches are full, they must be flat; after
closing, nothing may be left. Ctrl-C ends it early, with everything closed.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from typing import Any

import attrs

from airouter_core import AirouterError, create_provider

from .laboratory import tell
from .stub import Stub

THREADS, TASKS = 8, 8
SHARES = 10
INTERRUPTED = 130
"""The exit code of what Ctrl-C has ended."""
MEMORY = 4.0
"""Megabytes that may be gained; the allocator's own unrest is about half of that."""
QUESTION = ("gpt-4o-mini", "Say hello.")
GREETING = "hello from the stub!"
STREAM = 20
"""Pieces of a stream."""


@attrs.frozen
class Kind:
    """One kind of call.

    Attributes:
        share: how often, of 100.
        options: what the stub is asked to do.
        expected: the error that must come, by name; ``None`` for an answer.
    """

    name: str
    share: int
    options: str
    stream: bool = False
    leave_early: bool = False
    expected: str | None = None


KINDS = (
    Kind("whole answer", 45, "n1"),
    Kind("stream", 25, f"n{STREAM}", stream=True),
    Kind("stream left early", 8, f"n{STREAM}-t1", stream=True, leave_early=True),
    Kind("stream without framing", 4, f"n{STREAM}-c1", stream=True),
    Kind("reset without an answer", 3, "f1", expected="ConnectionFailedError"),
    Kind("reset inside an answer", 2, "f2", expected="ConnectionFailedError"),
    Kind("reset inside a stream", 2, "n200-f2", stream=True, expected="ConnectionFailedError"),
    Kind("overloaded", 3, "f3", expected="OverloadedError"),
    Kind("limited", 2, "f4", expected="RateLimitedError"),
    Kind("web page", 2, "f5", expected="ProtocolError"),
    Kind("half an answer", 2, "f6", expected="ProtocolError"),
    Kind("stream without its end", 2, f"n{STREAM}-f6", stream=True, expected="TruncatedStreamError"),
)


@attrs.frozen
class State:
    """What is counted."""

    megabytes: float
    threads: int
    sockets: int

    @classmethod
    def now(cls) -> State:
        gc.collect()
        with open("/proc/self/statm") as file:
            pages = int(file.read().split()[1])
        places = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
        sockets = sum(os.path.islink(place) and os.readlink(place).startswith("socket:") for place in places)
        return cls(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, threading.active_count(), sockets)

    def __str__(self) -> str:
        return f"{self.megabytes:.1f} MB, {self.threads} threads, {self.sockets} sockets"


class Outcomes:
    """What came of the calls, and what should not have."""

    def __init__(self) -> None:
        self.blocking: Counter[str] = Counter()
        self.awaited: Counter[str] = Counter()
        self.wrong: Counter[str] = Counter()
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        return self.blocking.total() + self.awaited.total()

    def complain(self, about: object) -> None:
        """Count what no call is told: the complaints of event loops and destructors."""
        with self._lock:
            self.wrong[f"nobody was told: {about}"[:160]] += 1

    def note(self, counts: Counter[str], kind: Kind, text: str | None, error: AirouterError | None) -> None:
        """Compare with what is expected."""
        names = [] if error is None else [type_.__name__ for type_ in type(error).__mro__]
        right = kind.expected in names if kind.expected else error is None and _is_right(kind, text)
        with self._lock:
            counts[kind.name] += 1
            if not right:
                self.wrong[f"{kind.name}: {error or text!r}"[:160]] += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; the result is the exit code: 1 when something grew, or came out wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    calls = parser.parse_args(arguments).calls
    warnings.simplefilter("error")
    before = State.now()
    outcomes = Outcomes()
    sys.unraisablehook = lambda lost: outcomes.complain(lost.exc_value)
    try:
        with Stub() as stub:
            early, late = _soak(stub, calls, outcomes)
            left = State.now()
    except KeyboardInterrupt:
        tell(f"stopped after {outcomes.total} calls; before {before}, now {State.now()}")
        return INTERRUPTED
    problems = list(_problems(before, early, late, left, outcomes))
    tell("blocking  awaited")
    for kind in KINDS:
        tell(f"{outcomes.blocking[kind.name]:8} {outcomes.awaited[kind.name]:8} {kind.name}")
    tell(f"at the start {before}\nafter {calls // SHARES} {early}\nafter {calls} {late}\nclosed {left}")
    for problem in problems:
        tell(f"NOT FLAT: {problem}")
    return int(bool(problems))


def _soak(stub: Stub, calls: int, outcomes: Outcomes) -> tuple[State, State]:
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        runner.get_loop().set_exception_handler(lambda loop, context: outcomes.complain(context))
        providers: dict[str, Any] = {}
        stack.callback(lambda: runner.run(_close(providers)))
        for kind in KINDS:
            base = f"{stub.base}/x-{kind.options}/v1"
            config = {"api_key": "stub-key", "base_url": base, "max_retries": 0}
            providers[kind.name] = create_provider("openai", config)
        executor = stack.enter_context(ThreadPoolExecutor(THREADS))
        stopping = threading.Event()
        stack.callback(stopping.set)  # before the executor waits for its threads

        def block(kind: Kind) -> None:
            if not stopping.is_set():
                _blocking(providers[kind.name], kind, outcomes)

        states = []
        for number in range(SHARES):
            share = calls * (number + 1) // SHARES - calls * number // SHARES
            kinds = random.Random(number).choices(KINDS, [kind.share for kind in KINDS], k=share)
            half = len(kinds) // 2
            _work(executor, kinds[:half], block)
            runner.run(_all_awaited(providers, kinds[half:], outcomes))
            states.append(State.now())
            tell(f"{outcomes.total} of {calls} calls: {states[-1]}, {outcomes.wrong.total()} wrong")
    return states[0], states[-1]


async def _close(providers: dict[str, Any]) -> None:
    for provider in providers.values():
        await provider.aclose()
    await asyncio.sleep(0.1)  # closing connections are told so by the loop


def _work(executor: ThreadPoolExecutor, kinds: Sequence[Kind], do: Callable[[Kind], None]) -> None:
    def some(start: int) -> None:
        for kind in kinds[start::THREADS]:
            do(kind)

    for _ in executor.map(some, range(THREADS)):
        pass


def _blocking(provider: Any, kind: Kind, outcomes: Outcomes) -> None:
    text = ""
    try:
        if not kind.stream:
            text = provider.execute(*QUESTION)
        else:
            pieces = provider.stream_execute(*QUESTION)
            for piece in pieces:
                text += piece
                if kind.leave_early:
                    pieces.close()
                    break
    except AirouterError as error:
        outcomes.note(outcomes.blocking, kind, None, error)
    else:
        outcomes.note(outcomes.blocking, kind, text, None)


async def _all_awaited(providers: dict[str, Any], kinds: Sequence[Kind], outcomes: Outcomes) -> None:
    async def some(start: int) -> None:
        for kind in kinds[start::TASKS]:
            await _awaited(providers[kind.name], kind, outcomes)

    await asyncio.gather(*map(some, range(TASKS)))


async def _awaited(provider: Any, kind: Kind, outcomes: Outcomes) -> None:
    text = ""
    try:
        if not kind.stream:
            text = await provider.aexecute(*QUESTION)
        else:
            async with aclosing(provider.astream_execute(*QUESTION)) as pieces:
                async for piece in pieces:
                    text += piece
                    if kind.leave_early:
                        break
    except AirouterError as error:
        outcomes.note(outcomes.awaited, kind, None, error)
    else:
        outcomes.note(outcomes.awaited, kind, text, None)


def _is_right(kind: Kind, text: str | None) -> bool:
    if text is None:
        return False
    if not kind.stream:
        return text == GREETING
    return bool(text) if kind.leave_early else text.startswith(" one model") and text.count(" ") == STREAM


def _problems(before: State, early: State, late: State, left: State, outcomes: Outcomes) -> Iterator[str]:
    for wrong, count in outcomes.wrong.most_common(10):
        yield f"{count} times: {wrong}"
    if late.megabytes - early.megabytes > MEMORY:
        yield f"memory grew by {late.megabytes - early.megabytes:.1f} MB"
    if late.threads > before.threads + THREADS:
        yield f"{late.threads} threads"
    # Each provider keeps at most one connection for each thread and each task.
    if late.sockets > before.sockets + len(KINDS) * (THREADS + TASKS):
        yield f"{late.sockets} sockets"
    if (left.threads, left.sockets) != (before.threads, before.sockets):
        yield f"after closing: {left.threads} threads and {left.sockets} sockets; before, {before}"


if __name__ == "__main__":
    sys.exit(main())
