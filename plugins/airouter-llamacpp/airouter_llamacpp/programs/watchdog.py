"""Runs one program and outlives nobody: when the process that started it ends, however it does, the program ends too.

Started as ``python -I -S watchdog.py RECORD GRACE COMMAND...`` with a pipe on standard input. The program is stopped
when the pipe ends (its other end closes with the process that holds it, also after ``kill -9``), when that process is
no longer the parent (a forked sibling may hold the pipe open), or when a file ``RECORD.stop`` appears. It gets a
request to end, then a second one, and after GRACE seconds none. On Linux it dies with this process as well.

RECORD is a JSON file that describes the program, or ``-``; ``RECORD.pid`` beside it tells process ids, and all of
these are removed at the end.
The exit code is the program's; 128 and the number of the signal that ended it; 126 when it could not be started.
Standard library only, and little of it: this starts with every program.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

POLL = 0.2
"""Seconds between looks at the parent and at the file."""
INSISTS_AFTER = 0.25
"""Seconds until it is asked again to end."""
NOT_STARTED = 126
PR_SET_PDEATHSIG = 1


def run(record: str, grace: float, command: list[str]) -> int:
    parent = os.getppid()
    try:
        # No thread runs yet, so something may be done between fork and exec.
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=_die_with_parent())  # noqa: S603, PLW1509  # a list of words, no shell
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error}\n")
        sys.stderr.flush()
        return NOT_STARTED
    asked = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: asked.set())
    if record != "-":
        _note_pid(record, child.pid)
    threading.Thread(target=_watch_pipe, args=(asked,), daemon=True).start()
    threading.Thread(target=_watch, args=(asked, parent, record, grace, child), daemon=True).start()
    code = child.wait()
    if record != "-":
        for path in (record, record + ".pid", record + ".stop"):
            with contextlib.suppress(OSError):
                os.remove(path)
    return code if code >= 0 else 128 - code


def _watch_pipe(asked: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 64):
            pass
    asked.set()


def _watch(asked: threading.Event, parent: int, record: str, grace: float, child: subprocess.Popen[bytes]) -> None:
    while not asked.wait(POLL):
        if os.getppid() != parent or (record != "-" and os.path.exists(record + ".stop")):
            break
    # A server that is answering waits for the answer's end at the first request, and no longer at the second.
    for patience in (min(INSISTS_AFTER, grace), grace) if grace > 0 else ():
        with contextlib.suppress(OSError):
            child.terminate()
        end = time.monotonic() + patience
        while child.poll() is None and time.monotonic() < end:
            time.sleep(0.01)
    with contextlib.suppress(OSError):
        child.kill()


def _die_with_parent() -> Callable[[], object] | None:
    if not sys.platform.startswith("linux"):
        return None
    try:
        import ctypes

        prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):
        return None
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _note_pid(record: str, pid: int) -> None:
    # A file of its own: the record's owner writes to that one, and two writers would undo each other.
    with contextlib.suppress(OSError):
        with open(record + ".new", "w", encoding="ascii") as file:
            file.write(f'{{"pid": {pid}, "supervisor": {os.getpid()}}}')
        os.replace(record + ".new", record + ".pid")


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], float(sys.argv[2]), sys.argv[3:]))
