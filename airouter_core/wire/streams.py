"""A stream parser from its two halves: a decoder of frames, and a reader of what is in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from ..errors import ProtocolError, TruncatedStreamError
from ..values.events import StreamEvent, Warned

Frame = TypeVar("Frame")
FrameIn = TypeVar("FrameIn", contravariant=True)  # noqa: PLC0105  # the two directions, told apart
FrameOut = TypeVar("FrameOut", covariant=True)  # noqa: PLC0105  # as above


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


class FramedParser(Generic[Frame]):
    """A :class:`~airouter_core.wire.http.StreamParser` made of a decoder and a reader."""

    def __init__(self, decoder: FrameDecoder[Frame], reader: FrameReader[Frame]) -> None:
        self._decoder = decoder
        self._reader = reader

    @property
    def done(self) -> bool:
        return self._reader.done

    def feed(self, data: bytes) -> Iterator[StreamEvent]:
        read: Callable[[Frame], Iterable[StreamEvent]] = self._reader.read
        for frame in self._decoder.feed(data):
            yield from read(frame)

    def close(self) -> Iterator[StreamEvent]:
        try:
            for frame in self._decoder.close():
                yield from self._reader.read(frame)
        except ProtocolError as error:
            # A frame without its end was cut off; what there is of it need not make sense.
            raise TruncatedStreamError(f"the answer stopped in the middle of an event: {error}") from error
        yield from self._reader.end()
        yield from map(Warned, getattr(self._decoder, "notes", ()))
