"""How much memory this machine has left, where it says so."""

from __future__ import annotations


def available_memory() -> int | None:
    """Bytes that can be had without swapping; ``None`` where that is not told."""
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError, KeyError):  # a system that hides it
        return None
