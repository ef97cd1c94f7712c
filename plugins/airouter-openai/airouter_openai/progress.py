"""What has been said of one item of an answer, so that its whole adds only what is missing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from airouter_core.values.events import StreamEvent, ToolCallDelta
from airouter_core.wire.calls import CallStarts
from airouter_core.wire.json import text


class ItemProgress(msgspec.Struct, eq=False):
    """What was said of one item of the answer.

    Attributes:
        said: characters handed on, by field and index.
        closed: pieces of content that are complete.
        waits: whether arguments came before the name; the whole item then brings both.
    """

    number: int
    id: str = ""
    kind: str = ""
    phase: str | None = None
    said: dict[tuple[str, int], int] = msgspec.field(default_factory=dict)
    closed: set[int] = msgspec.field(default_factory=set)
    begun: bool = False
    ended: bool = False
    waits: bool = False

    def describe(self, item: Mapping[str, Any], identity: str) -> None:
        """Take what an event tells of the item itself."""
        self.kind = text(item.get("type")) or self.kind
        self.phase = text(item.get("phase")) or self.phase
        self.id = self.id or identity

    def saw(self, field: str, index: int, delta: str) -> None:
        """Note what is handed on."""
        key = (field, index)
        self.said[key] = self.said.get(key, 0) + len(delta)

    def rest(self, field: str, index: int, whole: Any) -> str:
        """What of the whole was not handed on."""
        said = json.dumps(whole, ensure_ascii=False) if isinstance(whole, dict) else text(whole)
        return said[self.said.get((field, index), 0) :]

    def begin_call(self, item: Mapping[str, Any], starts: CallStarts) -> Iterator[StreamEvent]:
        """Begin a call, once its name is known."""
        name = text(item.get("name"))
        if name and not self.begun:
            self.begun, self.waits = True, False
            yield starts.begin(item.get("call_id"), name, number=self.number, instead=self.id)

    def argue(self, delta: str) -> Iterator[StreamEvent]:
        """Take more of a call's arguments; before the name is known they wait for the whole item."""
        if self.begun and delta:
            self.saw("arguments", 0, delta)
            yield ToolCallDelta(self.number, delta)
        elif delta:
            self.waits = True
