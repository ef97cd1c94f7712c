"""Cerebras: models of Z.ai's take their thoughts back in the text."""

from __future__ import annotations

from typing import Any

from airouter_core.wire.json import mapping

from .functions import Own


def adapt(body: dict[str, Any]) -> dict[str, Any]:
    """With the thoughts between tags in front of what was said (pydantic-ai 2026-08-22, ``providers/cerebras.py``)."""
    if not str(body.get("model")).rpartition("/")[2].startswith("zai-"):
        return body
    return {**body, "messages": [_tagged(mapping(message)) for message in body["messages"]]}


def _tagged(message: Any) -> dict[str, Any]:
    sent = dict(message)
    if thoughts := sent.pop("reasoning", None):
        sent["content"] = f"<think>{thoughts}</think>{sent.get('content') or ''}"
    return sent


OWN = Own(adapt=adapt)
