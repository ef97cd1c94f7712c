"""The switch ``cache_prompt``: mark what stays the same between calls, so that the vendor can keep it.

The prompt is cached as a prefix in the order tools, system prompt, messages. Marked are the end of what never changes
and the end of the history, that is of all messages but the newest; the next call of a conversation finds both.
Source: the vendor's prompt caching page; at most four marks in a request.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Block = dict[str, Any]
MARK = "cache_control"
UNMARKED = frozenset({"thinking", "redacted_thinking"})
"""Blocks that cannot bear a mark."""


def mark_stable_prefix(body: dict[str, Any], ttl: str) -> None:
    """Put the marks into a body, unless the caller has put some of their own."""
    if MARK in body or any(MARK in block for block in _all_blocks(body)):
        return
    mark: Block = {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}
    system = body.get("system")
    if isinstance(system, str):
        system = body["system"] = [{"type": "text", "text": system}]
    mark_last(system or body.get("tools") or (), mark)
    for message in reversed(body["messages"][:-1]):
        if mark_last(message["content"], mark):
            return


def mark_last(blocks: Iterable[Block], mark: Mapping[str, Any]) -> bool:
    """Put a mark on the last block that can bear one; whether there was one."""
    markable = [block for block in blocks if block.get("type") not in UNMARKED]
    if not markable:
        return False
    markable[-1][MARK] = dict(mark)
    return True


def _all_blocks(body: Mapping[str, Any]) -> Iterable[Block]:
    system = body.get("system")
    yield from body.get("tools") or ()
    yield from system if isinstance(system, list) else ()
    for message in body["messages"]:
        for block in message["content"]:
            yield block
            content = block.get("content")
            yield from (item for item in content if isinstance(item, dict)) if isinstance(content, list) else ()
