"""Several processes that serve one address, and the one that looks after them.

They accept from one socket, which the first process has bound, so that the port is taken once and a connection goes to
whoever is free. What they must agree on (keys, budgets, limits, kept answers) is in the ledger's database. Signals are
handed on: SIGHUP has all of them read the settings again, SIGTERM ends all of them, each with the streams it has under
way. One that dies is replaced.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from types import FrameType

from airouter_core.errors import ConfigurationError, ExecutionError

from .server.numbers import SHARED

LOGGER = logging.getLogger("airouter.gateway")
YOUNG = 5.0
"""Seconds within which the end of a process is taken for an end of all that would follow."""
KILLS = 5
"""Young processes in a row that may be killed by a signal: by somebody, or for want of memory, which may pass."""
PAUSE = 0.2
CODE = "import sys; from airouter_gateway.running import serve_here; serve_here(*sys.argv[1:])"


class Workers:
    """Processes that serve.

    Args:
        listening: what they accept from; it is theirs and this process's.
        count: how many.
        host: as it was bound.
        drain: seconds that they may take to end.
    """

    def __init__(self, listening: socket.socket, count: int, host: str, *, quiet: bool, drain: float) -> None:
        if sys.platform == "win32":
            raise ConfigurationError(
                "Windows hands no sockets on: serve with one worker, or several ports behind a proxy"
            )
        self._listening = listening
        self._count = count
        self._arguments = [host, "quiet" if quiet else ""]
        self._drain = drain
        self._running: dict[subprocess.Popen[bytes], float] = {}
        self._ending = False
        self._killed = 0
        self._numbers = tempfile.mkdtemp(prefix="airouter-numbers-")

    def run(self) -> None:
        """Look after them until a signal ends all.

        Raises:
            ExecutionError: one has ended as soon as it had begun; the others were ended too.
        """
        taken = {number: signal.signal(number, self._signalled) for number in _numbers()}
        try:
            while not self._ending:
                self._replace()
                time.sleep(PAUSE)
        finally:
            self._end()
            for number, before in taken.items():
                signal.signal(number, before)
            shutil.rmtree(self._numbers, ignore_errors=True)

    def _replace(self) -> None:
        """Have as many as there should be."""
        for process, began in list(self._running.items()):
            code = process.poll()
            if code is None:
                continue
            del self._running[process]
            _forget_numbers(process.pid, self._numbers)
            if self._ending:
                continue
            young = time.monotonic() - began < YOUNG
            self._killed = self._killed + 1 if young else 0
            if young and (code >= 0 or self._killed > KILLS):
                raise ExecutionError(
                    f"a worker ended with code {code} as soon as it had begun: see what it has said above"
                )
            LOGGER.error("worker %d ended with code %s and is replaced", process.pid, code)
        while not self._ending and len(self._running) < self._count:
            self._running[self._begin()] = time.monotonic()

    def _begin(self) -> subprocess.Popen[bytes]:
        handle = self._listening.fileno()
        return subprocess.Popen(  # noqa: S603  # this very program
            [sys.executable, "-c", CODE, str(handle), *self._arguments],
            pass_fds=[handle],
            env={**os.environ, SHARED: self._numbers},
            process_group=0,  # Ctrl-C at a terminal reaches this process alone, which tells the others once
        )

    def _signalled(self, number: int, frame: FrameType | None) -> None:
        if number != getattr(signal, "SIGHUP", None):
            self._ending = True
            number = signal.SIGTERM
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    def _end(self) -> None:
        """End those that are still there: kindly, then not."""
        self._ending = True
        deadline = time.monotonic() + self._drain + YOUNG
        for process in self._running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        for process in self._running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._running.clear()


def _numbers() -> list[int]:
    return [number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None]


def _forget_numbers(pid: int, folder: str) -> None:
    """What a dead process had under way is under way no more; what it has counted stays counted."""
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # theirs has no types
