"""Work that nobody waits for."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable


def in_background(function: Callable[..., object], *arguments: object) -> None:
    """Call in a daemon thread.

    Does nothing when the interpreter is ending: a thread could not begin any more and its starter would wait for it
    for ever; what was to be done then is done by the watchdogs, since the process ends.
    """
    if not sys.is_finalizing():
        threading.Thread(target=function, args=arguments, name="airouter-llamacpp", daemon=True).start()
