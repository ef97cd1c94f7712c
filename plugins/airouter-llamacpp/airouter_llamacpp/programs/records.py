"""Which servers run on this machine, for whoever asks: a small JSON file for each, removed by its watchdog.

The folder is the user's own. A record holds no key and no prompt. A server is asked to end by a file beside its record,
so no process is ever signalled by a number that may have become another's.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from typing import Any

from airouter_core.errors import ConfigurationError
from airouter_core.values.record import Record

KEPT_LOGS = 30
KEPT_SECONDS = 7 * 24 * 3600


class RunningServer(Record, frozen=True, kw_only=True):
    """A server, as its record describes it.

    Attributes:
        id: the record's name.
        pid: of the server; ``None`` while it is being started.
        owner: process id of the program that asked for it.
        started: seconds since the epoch.
        state: ``"ready"``, ``"loading"``, or ``"gone"`` when it left its record behind.
    """

    id: str
    model: str
    pid: int | None
    owner: int
    address: str | None
    started: float
    context: int
    program: str
    log: str
    state: str


def folder_of(configured: str | None) -> str:
    """The folder for logs and records, made if need be, for this user alone.

    Raises:
        ConfigurationError: it cannot be made.
    """
    path = os.path.expanduser(configured) if configured else os.path.join(_cache(), "airouter", "llama-cpp")
    try:
        os.makedirs(path, mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"the folder for server logs, {path!r}, cannot be made ({error.strerror}); set log_dir to another one"
        ) from error
    return path


def new_record(folder: str, name: str, described: dict[str, Any]) -> tuple[str, str]:
    """Describe a server that is about to be started; the paths of its record and its log."""
    _prune(folder)
    stem = os.path.join(folder, f"{os.getpid()}-{time.time_ns() % 10**12:012}-{name}")
    record, log = f"{stem}.json", f"{stem}.log"
    write_record(record, {**described, "owner": os.getpid(), "started": time.time(), "log": log, "address": None})
    return record, log


def write_record(record: str, described: dict[str, Any]) -> None:
    """Write a record whole, so that nobody reads half of one."""
    with open(f"{record}.mine", "w", encoding="utf-8") as file:
        json.dump(described, file)
    os.replace(f"{record}.mine", record)


def add_to_record(record: str, **more: Any) -> None:
    """Add to a record, if it is there still."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        write_record(record, {**_json(record), **more})


def running_servers(folder: str) -> list[RunningServer]:
    """The servers whose records lie in a folder, the oldest first."""
    return sorted(_read(folder), key=lambda server: server.started)


def ask_to_stop(folder: str, server: RunningServer) -> None:
    """Ask a server's watchdog to end it; one that is gone only loses its record."""
    record = os.path.join(folder, f"{server.id}.json")
    if server.state == "gone":
        for path in (record, f"{record}.pid"):
            with contextlib.suppress(OSError):
                os.remove(path)
        return
    with open(f"{record}.stop", "w", encoding="utf-8"):
        pass


def _read(folder: str) -> Iterator[RunningServer]:
    for name in os.listdir(folder) if os.path.isdir(folder) else ():
        if not name.endswith(".json"):
            continue
        try:
            path = os.path.join(folder, name)
            described = {**_json(path), **(_json(f"{path}.pid") if os.path.exists(f"{path}.pid") else {})}
            yield RunningServer(
                id=name.removesuffix(".json"),
                model=described["model"],
                pid=described.get("pid"),
                owner=described["owner"],
                address=described.get("address"),
                started=described["started"],
                context=described["context"],
                program=described["program"],
                log=described["log"],
                state=_state(described),
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # it was removed meanwhile, or is no record


def _json(path: str) -> dict[str, Any]:
    with open(path, encoding="utf-8") as file:
        content: dict[str, Any] = json.load(file)
    return content


def _state(described: dict[str, Any]) -> str:
    watched = described.get("supervisor")
    if watched is not None and not _runs(watched):
        return "gone"
    if described.get("address"):
        return "ready" if listens(described["address"]) else "gone"
    return "loading" if watched is not None or _runs(described["owner"]) else "gone"


def _runs(pid: int) -> bool:
    import psutil

    return bool(psutil.pid_exists(pid))


def listens(address: str) -> bool:
    """Whether somebody takes connections at an address such as ``http://127.0.0.1:8080``."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=0.5):
            return True
    except (OSError, ValueError):
        return False


def _prune(folder: str) -> None:
    """Remove logs that nobody will read: old ones, and all but the newest few, of servers that have ended."""
    logs = []
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            if name.endswith(".log") and not os.path.exists(path[:-4] + ".json"):
                with contextlib.suppress(OSError):
                    logs.append((os.path.getmtime(path), path))
    logs.sort(reverse=True)
    for index, (changed, path) in enumerate(logs):
        if index >= KEPT_LOGS or time.time() - changed > KEPT_SECONDS:
            with contextlib.suppress(OSError):
                os.remove(path)


def _cache() -> str:
    if sys.platform == "win32":
        return os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Caches")
    return os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
