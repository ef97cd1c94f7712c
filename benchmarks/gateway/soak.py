"""Many streams for long, with clients that leave and an upstream that fails; and the end of a process at any moment."""

from __future__ import annotations

import asyncio
import random
import re
import signal
import sqlite3
import time
import urllib.request
from collections import Counter
from pathlib import Path

from ..stub import Stub
from .load import Line, request_of, streamed
from .subjects import BOOKED, Subject

FAILING = ("up-503/m", "up-cut/m", "up-broken/m", "up-reset/m")
LEAVES_AFTER = 5
BEFORE_THE_END = 1000
"""Answers that clients have before the server is killed."""


def soaked(streams: int, seconds: float) -> list[str]:
    """Run the soak; what was seen, as lines. Every number in it is counted."""
    with Stub(core=1) as stub, Subject(BOOKED, stub.base.removesuffix("/v1")) as subject:
        ended, samples = asyncio.run(_soak(subject, streams, seconds))
        asked = sum(ended.values())
        still = _settled(subject, stub)
        booked = _rows(subject.ledger)
        memory = f"{samples[0]:.0f} MB after a tenth of the time, {samples[-1]:.0f} MB at its end"
        log = Path(subject.folder, "log").read_text(errors="replace")
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(ended.items()))
    return [
        f"## {streams:,} streams at a time, for {seconds:.0f} s",
        "",
        "A tenth of the clients leave in the middle; a tenth ask an upstream that refuses, resets, or breaks off.",
        "",
        f"- {asked:,} streams: {told}.",
        f"- Booked in the ledger: {booked:,} of {asked:,}.",
        f"- Afterwards: {still[1]} requests under way, {still[0]} connections to the upstream in use.",
        f"- Memory: {memory}.",
        f"- Errors of the server's own (500, tracebacks in its log): {log.count('Traceback')}.",
        "",
    ]


def killed() -> list[str]:
    """Kill the server in the middle of many calls: what clients had an answer to must be in the ledger."""
    with Stub(core=1) as stub:
        upstream = stub.base.removesuffix("/v1")
        with Subject(BOOKED, upstream) as subject:
            answered = asyncio.run(_until_killed(subject))
            booked = _rows(subject.ledger)
            began = time.monotonic()
            check = sqlite3.connect(subject.ledger).execute("PRAGMA integrity_check").fetchone()[0]
            subject.__enter__()
            again = time.monotonic() - began
    return [
        "## Killed (`kill -9`) under load",
        "",
        f"- Calls that clients had an answer to: {answered:,}; booked: {booked:,}, those on their way among them.",
        f"- Lost: {max(0, answered - booked)}. The ledger's own check says: {check}.",
        f"- It answers again {again:.1f} s after it was started anew.",
        "",
    ]


async def _soak(subject: Subject, streams: int, seconds: float) -> tuple[Counter[str], list[float]]:
    ended: Counter[str] = Counter()
    samples: list[float] = []
    end = time.monotonic() + seconds
    chance = random.Random(7)

    async def client(number: int) -> None:
        await asyncio.sleep(number / streams * 2)
        while time.monotonic() < end:
            dice = chance.random()
            model = chance.choice(FAILING) if dice < 0.1 else "up-slow/m"
            leave = LEAVES_AFTER if 0.1 <= dice < 0.2 else None
            try:
                how, _ = await asyncio.wait_for(
                    streamed(subject.port, request_of(model, subject.headers, stream=True), leave_after=leave), 60
                )
            except TimeoutError:
                how = "stuck"
            except (OSError, asyncio.IncompleteReadError):
                how = "broken connection"
            ended[how] += 1

    async def watch() -> None:
        while time.monotonic() < end:
            await asyncio.sleep(seconds / 10)
            samples.append(subject.memory())

    await asyncio.gather(watch(), *(client(number) for number in range(streams)))
    return ended, samples


def _settled(subject: Subject, stub: Stub) -> tuple[int, int]:
    """What is still open once all clients have gone: given ten seconds."""
    deadline = time.monotonic() + 10
    while True:
        text = _metrics(subject)
        found = re.search(r"^airouter_inflight (\S+)", text, re.MULTILINE)
        under_way = int(float(found[1])) - 1 if found else -1  # the question about it is one
        with open(f"/proc/{subject.pid}/net/tcp") as file:
            port = f":{int(stub.base.rpartition(':')[2].partition('/')[0]):04X}"
            established = sum(line.split()[2].endswith(port) and line.split()[3] == "01" for line in list(file)[1:])
        busy = max(0, under_way)
        if not busy or time.monotonic() > deadline:
            return (established if busy else 0), under_way
        time.sleep(0.2)


def _metrics(subject: Subject) -> str:
    request = urllib.request.Request(f"http://127.0.0.1:{subject.port}/metrics", headers=subject.headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        text: str = answer.read().decode()
        return text


async def _until_killed(subject: Subject) -> int:
    answered = 0
    request = request_of("up/m", subject.headers)

    async def ask() -> None:
        nonlocal answered
        line = Line(subject.port)
        try:
            while True:
                assert await line.call(request) == 200
                answered += 1
        except (OSError, asyncio.IncompleteReadError):
            line.close()

    asking = [asyncio.create_task(ask()) for _ in range(64)]
    deadline = time.monotonic() + 60
    while answered < BEFORE_THE_END and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await asyncio.to_thread(subject.end, signal.SIGKILL)
    await asyncio.gather(*asking)
    return answered


def _rows(path: str) -> int:
    connection = sqlite3.connect(path)
    try:
        count: int = connection.execute("SELECT COUNT(*) FROM calls WHERE kind = 'chat'").fetchone()[0]
        return count
    finally:
        connection.close()
