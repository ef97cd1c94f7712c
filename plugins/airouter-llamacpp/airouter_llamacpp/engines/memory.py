"""Whether a model fits into memory, before anybody waits for it to be loaded."""

from __future__ import annotations

import os

from ..settings import EngineSettings

# Bytes for 32 weights of each type: the blocks of GGML.
CACHE_BYTES = {
    "f32": 128, "f16": 64, "bf16": 64, "q8_0": 34, "q5_1": 24, "q5_0": 22, "q4_1": 20, "q4_0": 18, "iq4_nl": 18,
}  # fmt: skip
WORKING = 64 * 1024 * 1024
"""Bytes for the program itself and for computing; large models take more, which the mapped file makes up for."""
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""Limit and use of a container's memory, in the two forms of Linux."""
GIBIBYTE = 1 << 30


def shortage(settings: EngineSettings, *, free: int | None = None) -> str | None:
    """Why a model does not fit into the memory that is free, with what to do; ``None`` when it does.

    What a GPU is to hold is not counted, since nobody here can ask it; where the free memory is unknown, all fits.

    Args:
        free: bytes; asked of the system unless given.
    """
    if settings.gpu_layers not in (None, 0):
        return None
    free = free_memory() if free is None else free
    needed = needed_memory(settings)
    if free is None or needed <= free:
        return None
    return (
        f"{settings.id!r} needs about {needed / GIBIBYTE:.1f} GiB of memory ({settings.size / GIBIBYTE:.1f} for the "
        f"model, the rest for a context of {settings.context:,} tokens) and {free / GIBIBYTE:.1f} are free: take a "
        "smaller model or quantization, lower default_context or parallel, choose a quantized cache_type_k and "
        "cache_type_v, close other programs, or set check_memory to false to try all the same"
    )


def needed_memory(settings: EngineSettings) -> int:
    """Bytes for the weights, for the cache of the whole context, and for working."""
    types = (settings.cache_type_k or "f16", settings.cache_type_v or "f16")
    a_token = sum(settings.cache_row // 2 * CACHE_BYTES[kind] // 32 for kind in types)
    return settings.size + a_token * settings.context + WORKING


def free_memory() -> int | None:
    """Bytes that could be had now, with what a container allows; ``None`` where that cannot be told."""
    known = [value for value in (_system_free(), _container_free()) if value is not None]
    return min(known) if known else None


def _system_free() -> int | None:
    import psutil

    try:
        return int(psutil.virtual_memory().available)
    except (OSError, RuntimeError, NotImplementedError, KeyError):  # a system that hides it
        return None


def _container_free() -> int | None:
    for limit_path, use_path in CGROUPS:
        try:
            with open(limit_path, encoding="ascii") as limit, open(use_path, encoding="ascii") as use:
                return max(0, int(limit.read()) - int(use.read()) + _reclaimable(os.path.dirname(use_path)))
        except (OSError, ValueError):  # no such files, or "max"
            continue
    return None


def _reclaimable(folder: str) -> int:
    """Bytes of cached files, which count as used and give way."""
    try:
        with open(os.path.join(folder, "memory.stat"), encoding="ascii") as file:
            rows = dict(line.split() for line in file)
        return int(rows.get("inactive_file", rows.get("total_inactive_file", 0)))
    except (OSError, ValueError):
        return 0
