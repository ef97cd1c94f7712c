"""Ctrl-C, as a run understands it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import threading
from collections.abc import Iterator

from .working import Working


@contextlib.contextmanager
def interrupts(working: Working) -> Iterator[None]:
    """Ctrl-C once ends what is under way and begins no more; twice ends at once."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    pressed = 0

    def interrupted(*_: object) -> None:
        nonlocal pressed
        pressed += 1
        if pressed == 1:
            loop.call_soon_threadsafe(working.pause, "paused", "interrupted; run it again to go on")
        else:
            loop.call_soon_threadsafe(working.stop)

    earlier = signal.signal(signal.SIGINT, interrupted)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, earlier)
