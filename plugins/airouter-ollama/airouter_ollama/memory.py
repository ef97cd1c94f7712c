"""How much memory this machine has left, where it says so."""

from __future__ import annotations

MEMINFO = "/proc/meminfo"


def available_memory(path: str = MEMINFO) -> int | None:
    """Bytes that can be had without swapping (Linux: ``MemAvailable``); ``None`` where that is not told."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        return None
    return None
