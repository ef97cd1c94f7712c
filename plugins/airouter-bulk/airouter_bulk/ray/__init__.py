"""Runs on a Ray cluster: ``ray.run(spec, rows, "out")``. What is named here is imported when it is used.

The journal and everything that decides (whose turn it is, limits, the budget, retries, validation) is one actor on the
head, and is the engine of one process. What Ray adds is who makes the calls: workers on all nodes, that fetch booked
calls in batches and report how they ended. Ray repeats nothing by itself; the journal decides what is done.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data import map_batches as map_batches
    from .running import arun as arun
    from .running import run as run

_HOMES = {"run": "running", "arun": "running", "map_batches": "data"}
__all__ = ["arun", "map_batches", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
