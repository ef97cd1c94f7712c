"""Groq: usage in an object of its own."""

from __future__ import annotations

from typing import Any

from airouter_core.wire.json import mapping

from .functions import Own


def received(chunk: dict[str, Any]) -> dict[str, Any]:
    """With the usage, and its parts by model, in their usual places; recorded of ``groq/compound-mini``."""
    inside = mapping(chunk.get("x_groq"))
    moved = {name: inside[name] for name in ("usage", "usage_breakdown") if inside.get(name) and not chunk.get(name)}
    return {**chunk, **moved} if moved else chunk


OWN = Own(received=received)
