"""The switch ``cache_prompt``: cache points after what stays the same between calls.

The prompt is cached as a prefix in the order tools, system prompt, messages. Points are put at the end of what never
changes and at the end of the history, that is of all messages but the newest; the next call of a conversation finds
both. Source: the service's prompt caching page; at most four points in a request.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

POINT = "cachePoint"


def mark_stable_prefix(body: dict[str, Any], ttl: str) -> None:
    """Put the points into a body, unless the caller has put some."""
    if any(POINT in block for block in _all_blocks(body)):
        return
    point = {POINT: {"type": "default"} if ttl == "5m" else {"type": "default", "ttl": ttl}}
    stable = body.get("system") or body.get("toolConfig", {}).get("tools")
    if stable:
        stable.append(point)
    if len(body["messages"]) > 1:
        body["messages"][-2]["content"].append(point)


def _all_blocks(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from body.get("toolConfig", {}).get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        yield from message["content"]
