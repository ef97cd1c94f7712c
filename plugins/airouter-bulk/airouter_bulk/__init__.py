"""Prompts over a table: ``bulk.run(spec, rows, "out")``. What is named here is imported when it is used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .reports import Summary as Summary
    from .running import arun as arun
    from .running import run as run
    from .spec import Spec as Spec

_HOMES = {"run": "running", "arun": "running", "Spec": "spec", "Summary": "reports"}
__all__ = ["Spec", "Summary", "arun", "run"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
