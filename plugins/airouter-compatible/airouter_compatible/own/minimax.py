"""MiniMax: errors in an answer whose status is 200."""

from __future__ import annotations

from typing import Any

from airouter_core.wire.json import mapping

from .functions import Own


def received(chunk: dict[str, Any]) -> dict[str, Any]:
    """With what ``base_resp`` tells of a failure as an error (platform.minimax.io, page of error codes)."""
    outcome = mapping(chunk.get("base_resp"))
    code = outcome.get("status_code")
    if not code or chunk.get("error"):
        return chunk
    return {"error": {"code": str(code), "message": outcome.get("status_msg") or f"error {code}"}}


OWN = Own(received=received)
