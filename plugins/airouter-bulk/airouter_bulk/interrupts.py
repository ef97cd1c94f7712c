"""Ctrl-C, as a run understands it; and being told to end, which is the same."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

from .working import Working

LOGGER = logging.getLogger("airouter.bulk")
DRAINING = "no more calls begin, and those under way are awaited; Ctrl-C again stops at once"


@contextlib.contextmanager
def interrupts(working: Working) -> Iterator[None]:
    """Ctrl-C once ends what is under way and begins no more; twice ends at once.

    So does SIGTERM, by which containers and machines are told that they will end, unless the program has a handler of
    its own for it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    pressed = 0

    def drain() -> None:
        working.pause("paused", "interrupted; run it again to go on")
        LOGGER.warning(DRAINING)

    def interrupted(*_: object) -> None:
        nonlocal pressed
        pressed += 1
        loop.call_soon_threadsafe(drain if pressed == 1 else working.stop)

    numbers = [signal.SIGINT]
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        numbers.append(signal.SIGTERM)
    earlier = {number: signal.signal(number, interrupted) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
