"""Events as blocks, one open at a time: what both Responses and Messages want.

A provider may send the arguments of several calls mixed; here those of the second are held until the first is whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from airouter_core.values.events import (
    PartAdded,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallStart,
)
from airouter_core.values.messages import Metadata, Part
from airouter_core.values.value import metadata


class Block(msgspec.Struct, eq=False):
    """A part of an answer, on its way.

    Attributes:
        pieces: of its text, or of a call's arguments.
    """

    kind: Literal["text", "reasoning", "refusal", "call", "part"]
    id: str = ""
    name: str = ""
    pieces: list[str] = msgspec.field(default_factory=list)
    provider_metadata: Metadata = metadata()
    part: Part | None = None
    is_complete: bool = False
    written: int = 0

    @property
    def text(self) -> str:
        return "".join(self.pieces)


Step = tuple[Literal["open", "more", "close"], Block, str]

TEXTS: dict[type, Literal["text", "reasoning", "refusal"]] = {
    TextDelta: "text",
    ReasoningDelta: "reasoning",
    RefusalDelta: "refusal",
}


class Sequence:
    """Turns events into steps: a block opens, gets more text, closes."""

    def __init__(self) -> None:
        self._open: Block | None = None
        self._waiting: list[Block] = []
        self._calls: dict[int, Block] = {}
        self._unsaid = False

    def feed(self, event: StreamEvent) -> Iterator[Step]:
        """The steps of an event."""
        kind = TEXTS.get(type(event))
        if kind is not None:
            yield from self._text(kind, event.text)  # type: ignore[union-attr]  # the three deltas have a text
            return
        unsaid, self._unsaid = self._unsaid, False
        match event:
            case PartEnd():
                if unsaid and event.provider_metadata:
                    # A thought that is not shown goes back to its provider all the same.
                    yield from self._begin(Block("reasoning", provider_metadata=event.provider_metadata))
                    yield from self._close()
                elif self._open is not None and self._open.kind in TEXTS.values():
                    self._open.provider_metadata = event.provider_metadata
                    yield from self._close()
            case PartAdded():
                yield from self._begin(Block("part", part=event.part))
                yield from self._close()
            case ToolCallStart():
                yield from self._call(event)
            case ToolCallDelta() | ToolCallEnd() if (called := self._calls.get(event.index)) is not None:
                yield from self._more(called, event)

    def end(self) -> Iterator[Step]:
        """What is still open closes."""
        yield from self._close()
        while self._waiting:
            self._open = self._waiting.pop(0)
            yield "open", self._open, ""
            yield from self._flush()
            yield from self._close()

    def _call(self, event: ToolCallStart) -> Iterator[Step]:
        block = self._calls[event.index] = Block("call", event.id, event.name)
        if self._open is not None and self._open.kind == "call":
            self._waiting.append(block)
        else:
            yield from self._begin(block)

    def _more(self, called: Block, event: ToolCallDelta | ToolCallEnd) -> Iterator[Step]:
        if isinstance(event, ToolCallDelta):
            called.pieces.append(event.arguments_json)
            if called is self._open:
                yield from self._flush()
            return
        called.is_complete, called.provider_metadata = True, event.provider_metadata
        if called is self._open:
            yield from self._close()
            yield from self._next()

    def _text(self, kind: Literal["text", "reasoning", "refusal"], said: str) -> Iterator[Step]:
        other = self._open is None or self._open.kind != kind
        self._unsaid = not said and other and kind == "reasoning"
        if not said:
            return
        if other:
            yield from self._begin(Block(kind))
        assert self._open is not None
        self._open.pieces.append(said)
        self._open.written += 1
        yield "more", self._open, said

    def _begin(self, block: Block) -> Iterator[Step]:
        yield from self.end()
        self._open = block
        yield "open", block, ""

    def _flush(self) -> Iterator[Step]:
        block = self._open
        if block is not None and (said := "".join(block.pieces[block.written :])):
            block.written = len(block.pieces)
            yield "more", block, said

    def _close(self) -> Iterator[Step]:
        block, self._open = self._open, None
        if block is not None:
            yield "close", block, ""

    def _next(self) -> Iterator[Step]:
        while self._waiting and self._open is None:
            self._open = self._waiting.pop(0)
            yield "open", self._open, ""
            yield from self._flush()
            if self._open.is_complete:
                yield from self._close()
