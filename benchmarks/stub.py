"""Builds and runs the stub server (``stub.c``)."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import urllib.request
from types import TracebackType
from typing import Self

from .environments import NotAvailableError, cache_folder

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stub.c")


def build() -> str:
    """The path of the program; compiled when the source is new.

    Raises:
        NotAvailableError: there is no C compiler, or not this kind of system.
    """
    with open(SOURCE, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()[:16]
    program = os.path.join(cache_folder(), f"stub-{digest}")
    if os.path.exists(program):
        return program
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NotAvailableError("the stub server needs a C compiler: install gcc or clang")
    done = subprocess.run(
        [compiler, "-O2", "-o", f"{program}.new", SOURCE], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotAvailableError(f"the stub server cannot be compiled here (it needs Linux): {done.stderr[:300]}")
    os.replace(f"{program}.new", program)
    return program


class Stub:
    """A running stub server; a context manager.

    Args:
        core: the processor core to stay on; any, if ``None``.
    """

    def __init__(self, core: int | None = None) -> None:
        place = [] if core is None else [str(core)]
        # In a group of its own: Ctrl-C ends the measurement, whose end needs a server that still answers.
        self._process = subprocess.Popen([build(), "0", *place], stdout=subprocess.PIPE, text=True, process_group=0)
        assert self._process.stdout is not None
        self.base = f"http://127.0.0.1:{int(self._process.stdout.readline())}"

    def stats(self) -> dict[str, int]:
        """What was asked of it, and how many connections it accepted and holds."""
        with urllib.request.urlopen(f"{self.base}/stats") as answer:
            stats: dict[str, int] = json.load(answer)
        return stats

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
