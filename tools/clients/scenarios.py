"""What each client must get through, and how we know that it did."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Self

import attrs

from airouter_core.testing.server import LoopbackServer

from .clients import SCENARIOS, Client
from .installing import command_of, programs_of, version_of
from .scripted import TEXT, Scripted

ROOT = Path(__file__).parents[2]
TOY = "llama-cpp/airouter-toy"
MODELS = {"error": "up/refuse", "cut": "up/cut", "silence": "up/silent", "killed": "up/endless", "model": TOY}
ASKED = {"error": "text", "cut": "stream", "silence": "stream", "killed": "stream", "model": "text"}
SAID = {"model": "Python library", "tool": "rain in Oslo", "form": "Oslo 7"}
SHELL, SAID_BY_SHELL = "up/shell", "hi-from-tool"
LIMIT = 180
"""Seconds for one scenario: the first start of a big client takes a minute or two on a busy machine."""
NO_SUCH = 3
MOST_CALLS = 3
"""Calls of the provider after an error: more is a storm."""
MOST_CALLS_OF_AGENTS = 12
"""Some agents try again for a minute, whatever they are told; the table says how often."""
QUIET = {
    "LANGSMITH_TRACING": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_TELEMETRY": "False",
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "AI_SDK_LOG_WARNINGS": "false",
    "CREWAI_DISABLE_TELEMETRY": "true",
    "OTEL_SDK_DISABLED": "true",
    "PYTHONDONTWRITEBYTECODE": "1",
}


@attrs.frozen
class Cell:
    """How one scenario went: ``yes``, ``no`` or ``-`` where a client has no such thing; and what was seen."""

    mark: str
    why: str = ""

    @property
    def is_wrong(self) -> bool:
        return self.mark == "no"


@attrs.frozen
class Row:
    """One client's."""

    client: Client
    version: str
    cells: dict[str, Cell]


class Laboratory:
    """A scripted provider, a server in front of it and of the toy model, and an empty home.

    Args:
        silence: seconds in the middle of an answer.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._home = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="airouter-clients-")))
        self._up = self._stack.enter_context(LoopbackServer(Scripted(self._silence)))
        settings = self._home / "airouter.toml"
        settings.write_text(
            f'[up]\nprovider = "openai"\nbase_url = "{self._up.url}/v1"\nmax_retries = 0\n\n'
            f'[llama-cpp]\nmode = "embedded"\nmodels_dir = "{ROOT / "models"}"\n\n'
            f"[gateway]\nping = {self._silence * 0.6}\nheaders_after = 2\n"
        )
        self._log = self._home / "log"
        with self._log.open("wb") as log:
            command = [sys.executable, "-c", "from airouter_core.cli import main; main()", "serve"]
            self._server = subprocess.Popen(
                [*command, "--config", str(settings), "--port", "0"],
                env={"PATH": os.environ["PATH"], "HOME": str(self._home), "OPENAI_API_KEY": "none", "LANG": "C.UTF-8"},
                stdout=log,
                stderr=log,
            )
        self._stack.callback(self._end)
        self._url = self._address()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def drive(self, client: Client) -> Row:
        """All scenarios of one client."""
        command = command_of(client.environment, client.driver)
        if command is None:
            missing = Cell("-", "could not be installed")
            return Row(client, "", dict.fromkeys(SCENARIOS, missing))
        cells: dict[str, Cell] = {}
        for name in SCENARIOS:
            cells[name] = self._cell(client, command, name) if name in client.scenarios else Cell("-")
        shown = " ".join(f"{name}={cell.mark}" for name, cell in cells.items())
        print(f"{client.name:34} {shown}", flush=True)
        return Row(client, version_of(client.environment, client.package), cells)

    def _cell(self, client: Client, command: list[str], name: str) -> Cell:
        asked = ASKED.get(name, name)
        if asked not in client.scenarios and name in client.scenarios:
            asked = name
        began, before = time.monotonic(), len(self._up.requests)
        model = SHELL if client.is_agent and name == "tool" else MODELS.get(name, "up/say")
        process = self._begin(client, [*command, asked], model)
        if name == "killed":
            return self._killed(process, before)
        try:
            out, err = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            _kill(process)
            return Cell("no", f"it hung for {LIMIT} s")
        if process.returncode == NO_SUCH and not out:
            return Cell("-")
        seen = Seen(out, err, process.returncode, time.monotonic() - began, len(self._up.requests) - before)
        return self._judged(client, name, seen)

    def _judged(self, client: Client, name: str, seen: Seen) -> Cell:
        if name == "error":
            told = re.search(r"429|rate.?limit|quota", seen.out + seen.err, re.IGNORECASE)
            most = MOST_CALLS_OF_AGENTS if client.is_agent else MOST_CALLS
            mark = "yes" if seen.calls <= MOST_CALLS else f"yes, {seen.calls} calls"
            return seen.cell(
                seen.code != 0 and told and seen.calls <= most, "the error was not told, or not once", mark
            )
        if name == "cut":
            return seen.cell(seen.code != 0 and "DONE" not in seen.out, "half an answer was taken for a whole one")
        said = SAID_BY_SHELL if client.is_agent and name == "tool" else SAID.get(name, "".join(TEXT))
        complete = seen.code == 0 and "DONE" in seen.out and said in seen.out
        if name in ("stream", "silence") and complete and "stream" in client.scenarios:
            pieces = re.search(r"PIECES (\d+)", seen.out)
            complete = pieces is not None and int(pieces[1]) > 1
        if name == "silence":
            complete = complete and seen.seconds >= self._silence
        return seen.cell(complete, "the answer is not there")

    def _killed(self, process: subprocess.Popen[str], before: int) -> Cell:
        self._up.left.clear()
        deadline = time.monotonic() + LIMIT
        while len(self._up.requests) == before and time.monotonic() < deadline and process.poll() is None:
            time.sleep(0.05)
        time.sleep(0.5)
        alive = process.poll() is None
        _kill(process)
        gone = self._up.left.wait(5)
        return Cell("yes") if alive and gone else Cell("no", "the provider went on for nobody")

    def _begin(self, client: Client, command: list[str], model: str) -> subprocess.Popen[str]:
        path = f"{programs_of(client.environment)}{os.pathsep}{os.environ['PATH']}"
        named = {"URL": self._url, "MODEL": model, "VARIANT": client.variant}
        return subprocess.Popen(
            command,
            cwd=self._home,
            env={"PATH": path, "HOME": str(self._home), "LANG": "C.UTF-8", **QUIET, **named},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def _address(self) -> str:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._server.poll() is None:
            if found := re.search(r"at (http://\S+)", self._log.read_text()):
                return found[1]
            time.sleep(0.1)
        raise SystemExit(self._log.read_text())

    def _end(self) -> None:
        self._server.terminate()
        self._server.wait(60)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a driver, and the program that it has started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@attrs.frozen
class Seen:
    """What was seen of one run of a driver."""

    out: str
    err: str
    code: int
    seconds: float
    calls: int

    def cell(self, is_right: object, why: str, mark: str = "yes") -> Cell:
        """The cell, with the last words of a driver that failed."""
        if is_right:
            return Cell(mark)
        words = (self.err.strip() or self.out.strip()).splitlines()
        return Cell("no", f"{why} (exit {self.code}, {self.calls} calls): {words[-1][:200] if words else 'no word'}")
