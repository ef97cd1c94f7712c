"""Refusals as Ollama writes them: ``{"error": "text"}``, where the text is all."""

from __future__ import annotations

import msgspec

from ..refusals import Refusal

Headers = tuple[tuple[bytes, bytes], ...]


def error_of(refusal: Refusal) -> dict[str, str]:
    """The error object."""
    return {"error": "unauthorized" if refusal.kind == "unauthorized" else refusal.message}


def refused(refusal: Refusal, request_id: str) -> tuple[int, bytes, Headers]:
    """Status, body and headers."""
    return (
        refusal.status,
        msgspec.json.encode(error_of(refusal)),
        ((b"x-request-id", request_id.encode("latin-1", "replace")),),
    )
