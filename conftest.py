"""What holds for every test of this repository, wherever it lies."""

from __future__ import annotations

import contextlib
import signal
import threading

with contextlib.suppress(ImportError):
    from hypothesis import settings

    # No clock and no chance: each run tries the same examples. Others are tried with --hypothesis-profile=default.
    settings.load_profile("ci")


def pytest_configure() -> None:
    """Let programs that tests start be interrupted: a shell that runs something behind it has it ignore Ctrl-C."""
    here = threading.current_thread() is threading.main_thread()
    if here and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
