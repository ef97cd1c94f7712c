"""A program under its watchdog: it ends when it is told to, and when this process ends, however that happens."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO

from airouter_core.errors import ConfigurationError

from .background import in_background

WATCHDOG = os.path.join(os.path.dirname(__file__), "watchdog.py")
GRACE = 2.0
"""Seconds that a program has to end by itself."""


class Process:
    """A running program.

    Args:
        command: the program and its arguments, handed over word by word; no shell sees them.
        record: path of a JSON file that describes the program for others, or ``None``.
        grace: seconds between the request to end and the end without request; 0 asks nothing.

    Raises:
        ConfigurationError: there is no Python to run the watchdog with.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdout: IO[bytes] | int,
        stderr: IO[bytes] | int,
        environment: Mapping[str, str] | None = None,
        record: str | None = None,
        grace: float = GRACE,
    ) -> None:
        if not sys.executable or getattr(sys, "frozen", False):
            raise ConfigurationError(
                "this Python cannot start a second one to watch over llama.cpp's programs, as they must not be left "
                "behind; use mode embedded, or run llama-server yourself and set base_url"
            )
        self._grace = grace
        self._popen = subprocess.Popen(  # noqa: S603  # a list of words, no shell
            [sys.executable, "-I", "-S", WATCHDOG, record or "-", str(grace), *command],
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env=None if environment is None else dict(environment),
            # Ctrl-C at the terminal is for the program that asks, not for what it has started.
            start_new_session=True,
        )

    @property
    def stdout(self) -> IO[bytes]:
        """Where its output is read, if that was asked for."""
        if self._popen.stdout is None:
            raise TypeError("the output of this process goes elsewhere")
        return self._popen.stdout

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs; 128 and the number of the signal, when one ended it."""
        return self._popen.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait for the end; the exit code, or ``None`` if it runs still."""
        try:
            return self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def let_go(self) -> None:
        """Ask it to end, and do not wait."""
        if self._popen.stdin is not None and not self._popen.stdin.closed:
            self._popen.stdin.close()

    def stop(self) -> None:
        """End it, and wait until it has."""
        self.let_go()
        if self.wait(self._grace + 3) is None:
            self._popen.kill()  # the program dies with its watchdog
            self._popen.wait()

    def stop_soon(self) -> None:
        """End it; the waiting is done elsewhere."""
        self.let_go()
        in_background(self.stop)


def how_it_ended(code: int | None) -> str:
    """An exit code in words."""
    if code is None:
        return "runs still"
    return f"was ended by signal {code - 128}" if code > 128 else f"ended with exit code {code}"
