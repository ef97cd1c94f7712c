"""The gateways that are measured, each a process on a core of its own."""

from __future__ import annotations

import contextlib
import glob
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from ..environments import NotAvailableError, peer_python

KEY = "sk-of-nobody"
HERE = Path(__file__).parent
DIRECT, FLOOR, OURS, BOOKED, LITELLM = (
    "stub alone",
    "aiohttp proxy",
    "airouter",
    "airouter, key and ledger",
    "LiteLLM proxy",
)
BEHAVIOURS = {"m": "", "burst": "/x-n1000", "paced": "/x-n200-t10"}


class Subject:
    """One gateway, started and stopped.

    Args:
        upstream: the stub's address, without ``/v1``.
        core: it is bound to this one.
    """

    def __init__(self, name: str, upstream: str, core: int | None = 0) -> None:
        self.name = name
        self.port = _free_port()
        self.headers: dict[str, str] = {}
        self._upstream = upstream
        self._core = core
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = tempfile.mkdtemp(prefix="airouter-gateway-")

    def __enter__(self) -> Self:
        began = time.monotonic()
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                cwd=self.folder,
                env=self._environment(),
                stdout=log,
                stderr=log,
            )
        if self._core is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.pid, {self._core % (os.cpu_count() or 1)})
        self._wait()
        self.start_seconds = time.monotonic() - began
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def ledger(self) -> str:
        """The file of the ledger, of those who have one."""
        return os.path.join(self.folder, "ledger.db")

    def end(self, sign: int = signal.SIGTERM) -> None:
        """End it."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(sign)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def cpu(self) -> float:
        """Seconds that it has computed, all threads and children."""
        nanoseconds = 0
        for pid in _tree(self.pid):
            for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
                with contextlib.suppress(OSError):
                    nanoseconds += int(Path(path).read_text().split()[0])
        return nanoseconds / 1e9

    def memory(self) -> float:
        """Megabytes in memory."""
        pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _tree(self.pid))
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def _command(self) -> Sequence[str]:
        if self.name == FLOOR:
            return [sys.executable, str(HERE / "proxy.py"), str(self.port), self._upstream]
        if self.name == LITELLM:
            return self._litellm()
        return self._airouter()

    def _airouter(self) -> Sequence[str]:
        settings = Path(self.folder, "airouter.toml")
        tables = [
            f'["{name}"]\nprovider = "openai"\nbase_url = "{self._upstream}{path}/v1"\nmax_retries = 0\napi = "chat"\n'
            for name, path in [
                ("up", ""),
                *((f"up-{name}", path) for name, path in BEHAVIOURS.items() if path),
                *FAULTS,
            ]
        ]
        names = "".join(f'"up/{name}" = "up-{name}/m"\n' for name, path in BEHAVIOURS.items() if path)
        booked = self.name == BOOKED
        ledger = f'[ledger]\npath = "{self.ledger}"\non = {str(booked).lower()}\n'
        prices = '[prices]\n"openai/m" = { input = 1, output = 1 }\n'
        settings.write_text("\n".join([*tables, ledger, prices, "[gateway.models]", names]))
        program = [sys.executable, "-c", "from airouter_core.cli import main; main()"]
        if booked and not self.headers:
            made = subprocess.run(
                [*program, "gateway", "create", "bench"],
                env=self._environment(),
                capture_output=True,
                text=True,
                check=True,
            )
            self.headers = {"authorization": f"Bearer {made.stdout.strip()}"}
        return [*program, "serve", "--config", str(settings), "--port", str(self.port), "--quiet"]

    def _litellm(self) -> Sequence[str]:
        python = peer_python("litellm-proxy")
        self.headers = {"authorization": f"Bearer {KEY}"}
        entries = "".join(
            f"  - model_name: up/{name}\n    litellm_params: "
            f'{{model: openai/m, api_base: "{self._upstream}{path}/v1", api_key: none}}\n'
            for name, path in BEHAVIOURS.items()
        )
        settings = Path(self.folder, "litellm.yaml")
        settings.write_text(f"model_list:\n{entries}litellm_settings:\n  telemetry: false\n")
        program = os.path.join(os.path.dirname(python), "litellm")
        options = ["--config", str(settings), "--port", str(self.port), "--host", "127.0.0.1", "--num_workers", "1"]
        return [program, *options]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": self.folder,
            "LANG": "C.UTF-8",
            "OPENAI_API_KEY": KEY,
            "AIROUTER_CONFIG": os.path.join(self.folder, "airouter.toml"),
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_MASTER_KEY": KEY,  # without one it does not start
        }

    def _wait(self) -> None:
        path = "/health/liveliness" if self.name == LITELLM else "/health/live"
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
                connection.request("GET", path)
                if connection.getresponse().status == 200:
                    return
            time.sleep(0.02)
        log = Path(self.folder, "log").read_text(errors="replace")
        raise NotAvailableError(f"{self.name} did not start: {log[-500:]}")


FAULTS = [
    ("up-slow", "/x-n40-t50"),
    ("up-503", "/x-f3"),
    ("up-cut", "/x-n40-t20-f6"),
    ("up-broken", "/x-n40-t20-f2"),
    ("up-reset", "/x-f1"),
]
"""Further behaviours of the stub, for the soak: streams of two seconds, and upstreams that fail in four ways."""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _tree(pid: int) -> list[int]:
    found = [pid]
    for path in glob.glob(f"/proc/{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            for child in Path(path).read_text().split():
                found += _tree(int(child))
    return found
