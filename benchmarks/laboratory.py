"""Where measurements are taken: the stubs, the environments, and the processes that are measured."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from .environments import NotAvailableError, airouter_python, peer_python
from .stub import Stub
from .tables import Rounds

INSIDE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "inside")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


@attrs.frozen
class Laboratory:
    """What a measurement needs.

    Attributes:
        near: a stub on the client's own core: for single calls, which the waking of an idle core would disturb.
        far: a stub on another core: for streams and calls in flight.
        core: the client's core, or ``None`` where there is no choice.
        effort: a factor for the number of rounds.
        peers: the peers to measure, each with its interpreter.
        missing: for each peer that cannot be measured, why.
    """

    near: Stub
    far: Stub
    core: int | None
    python: str
    effort: float
    peers: Mapping[str, str]
    missing: Mapping[str, str]

    def rounds(self, usual: int) -> int:
        """How many rounds to take."""
        return max(2, round(usual * self.effort))

    def python_of(self, subject: str) -> str:
        """The interpreter to run a subject with."""
        return self.peers.get(subject, self.python)

    def peers_among(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of these that can be measured here."""
        return tuple(name for name in names if name in self.peers)

    def worker(self, subject: str, **environ: str) -> Worker:
        """A process for one subject."""
        placed = {} if self.core is None else {"BENCHMARK_CORE": str(self.core)}
        return Worker(self.python_of(subject), {**placed, **environ})

    def cpu_of(self, subject: str, *arguments: str) -> float:
        """Milliseconds of processor time that a whole Python process takes, from its start to its end.

        Raises:
            RuntimeError: it failed.
        """
        environ = _environ({"BENCHMARK_BASE": self.near.base})
        process = subprocess.Popen(
            [self.python_of(subject), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environ,
        )
        assert process.stderr is not None
        said = process.stderr.read().decode(errors="replace")
        process.stderr.close()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"{subject}: {' '.join(arguments)[:60]} failed: {said[-300:]}")
        return (usage.ru_utime + usage.ru_stime) * 1000


@contextlib.contextmanager
def laboratory(peers: Iterable[str], effort: float) -> Iterator[Laboratory]:
    """Set everything up; stops the stubs at the end.

    Raises:
        NotAvailableError: not even airouter can be measured here.
    """
    ready: dict[str, str] = {}
    missing: dict[str, str] = {}
    for name in peers:
        try:
            ready[name] = peer_python(name)
        except NotAvailableError as error:
            missing[name] = str(error)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    here, there = (cores[0], cores[1]) if len(cores) > 1 else (None, None)
    python = airouter_python()
    with Stub(here) as near, Stub(there) as far:
        yield Laboratory(near, far, here, python, effort, ready, missing)


class Worker:
    """A process that holds one client; see ``inside/worker.py``."""

    def __init__(self, python: str, environ: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [python, os.path.join(INSIDE, "worker.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=_environ(environ),
        )

    def do(self, what: str, **details: Any) -> dict[str, float]:
        """Have it do something, and wait for the figures.

        Raises:
            RuntimeError: it failed.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": what, **details}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer: dict[str, Any] = json.loads(line) if line else {"error": "the process ended"}
        if "error" in answer:
            raise RuntimeError(f"{what}: {answer['error']}")
        return answer

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def interleaved(measures: Mapping[str, Callable[[], Mapping[str, float]]], rounds: int) -> dict[str, Rounds]:
    """Measure every subject once a round, so that what disturbs the machine disturbs all; figures by their names."""
    found: dict[str, dict[str, list[float]]] = {}
    for _ in range(rounds):
        for subject, measure in measures.items():
            for figure, value in measure().items():
                found.setdefault(figure, {}).setdefault(subject, []).append(value)
    return {figure: dict(subjects) for figure, subjects in found.items()}


def tell(text: str) -> None:
    """Say how far it is, to whoever waits."""
    print(text, file=sys.stderr, flush=True)


def _environ(more: Mapping[str, str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **more}
