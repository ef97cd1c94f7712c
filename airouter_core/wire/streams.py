"""A stream parser from its two halves: a decoder of frames, and a reader of what is in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

from ..errors import ProtocolError, TruncatedStreamError
from ..values.characters import parted, with_whole_characters
from ..values.events import ReasoningDelta, RefusalDelta, StreamEvent, TextDelta, Warned
from .json import shown

Frame = TypeVar("Frame")
FrameIn = TypeVar("FrameIn", contravariant=True)  # noqa: PLC0105  # the two directions, told apart
FrameOut = TypeVar("FrameOut", covariant=True)  # noqa: PLC0105  # as above


SPOKEN = frozenset({TextDelta, ReasoningDelta, RefusalDelta})


def not_understood(content: Mapping[str, Any]) -> Warned:
    """Tell of what stood in a stream and is no event of its format: nothing that came is passed over in silence."""
    return Warned(f"the stream held what is no part of an answer: {shown(json.dumps(content))}")


class FrameDecoder(Protocol[FrameOut]):
    """Bytes, cut anywhere, to frames. One that passes things over may tell of them in a list ``notes``."""

    def feed(self, data: bytes) -> Iterable[FrameOut]: ...

    def close(self) -> Iterable[FrameOut]: ...


class FrameReader(Protocol[FrameIn]):
    """Frames to events; keeps what it must remember between frames."""

    @property
    def done(self) -> bool:
        """Whether the end marker has come."""
        ...

    def read(self, frame: FrameIn) -> Iterable[StreamEvent]:
        """The events of one frame."""
        ...

    def end(self) -> Iterable[StreamEvent]:
        """The events that only the end of the stream completes."""
        ...


def framed_by(
    decoder: Callable[[], FrameDecoder[Frame]], reader: Callable[[], FrameReader[Frame]]
) -> Callable[[], FramedParser[Frame]]:
    """The ``open_stream`` of a wire: a parser for each stream, of a new decoder and a new reader."""
    return lambda: FramedParser(decoder(), reader())


class FramedParser(Generic[Frame]):
    """A :class:`~airouter_core.wire.http.StreamParser` made of a decoder and a reader."""

    def __init__(self, decoder: FrameDecoder[Frame], reader: FrameReader[Frame]) -> None:
        self._decoder = decoder
        self._reader = reader
        self._half = ""
        self._kind: type[TextDelta | ReasoningDelta | RefusalDelta] = TextDelta

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        read: Callable[[Frame], Iterable[StreamEvent]] = self._reader.read
        # What follows the end is nobody's, and need not make sense.
        for frame in () if self._reader.done else self._decoder.feed(data):
            for event in read(frame):
                if self._half or (type(event) in SPOKEN and not event.text.isascii()):  # type: ignore[union-attr]  # as above
                    yield from self._with_whole_characters(event)
                else:
                    yield event
            if self._reader.done:
                return

    def close(self) -> Iterator[StreamEvent]:
        for event in self._rest():
            yield from self._with_whole_characters(event)
        if self._half:
            yield self._kind(with_whole_characters(self._half))
            self._half = ""

    def _with_whole_characters(self, event: StreamEvent) -> Iterator[StreamEvent]:
        """The event, with the half of a character that the one before it ended with, and without one at its end."""
        if not isinstance(event, TextDelta | ReasoningDelta | RefusalDelta):
            yield event
            return
        if self._half and type(event) is not self._kind:
            yield self._kind(with_whole_characters(self._half))
            self._half = ""
        said, self._half = parted(self._half + event.text)
        self._kind = type(event)
        yield self._kind(with_whole_characters(said))

    def _rest(self) -> Iterator[StreamEvent]:
        if not self._reader.done:
            yield from self._last_frame()
        yield from self._reader.end()
        yield from map(Warned, getattr(self._decoder, "notes", ()))

    def _last_frame(self) -> Iterator[StreamEvent]:
        try:
            for frame in self._decoder.close():
                yield from self._reader.read(frame)
        except ProtocolError as error:
            # A frame without its end was cut off; what there is of it need not make sense.
            raise TruncatedStreamError(f"the answer stopped in the middle of an event: {error}") from error
