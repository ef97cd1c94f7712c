"""How the bytes of a stream are made of frames: what the checks must know to cut and to change recorded streams.

Server-sent events and lines of JSON are known here. A provider whose streams are neither (binary frames with a
checksum, say) brings an object of its own as ``Subject.frames``: a change that a checksum betrays would prove nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from ..wire.http import EVENT_STREAM
from ..wire.json import begins_as_json

UNKNOWN = "x_kit_unknown"
"""A name that no provider knows."""


class Frames(Protocol):
    """The frames of one kind of stream."""

    def split(self, body: bytes) -> list[bytes]:
        """The frames of a stream, in order; joined they are the stream."""
        ...

    def data(self, frame: bytes) -> bytes | None:
        """What a frame carries; ``None`` when it carries nothing, as a comment does."""
        ...

    def with_data(self, frame: bytes, data: bytes) -> bytes:
        """The same frame carrying something else."""
        ...

    def unknown(self) -> bytes:
        """Frames that change nothing: of a kind that nobody knows, and whatever keeps a connection alive."""
        ...

    def idle(self) -> bytes:
        """The least that a server may send and mean nothing by it."""
        ...

    def begun(self) -> bytes:
        """The beginning of a frame that goes on for longer than any may."""
        ...


class SseFrames:
    """Server-sent events. A body that is no stream but JSON is one frame."""

    END = re.compile(rb"\r?\n\r?\n")

    def split(self, body: bytes) -> list[bytes]:
        ends = [match.end() for match in self.END.finditer(body)]
        return [] if not body else list(_parts(body, ends))

    def data(self, frame: bytes) -> bytes | None:
        if begins_as_json(frame):
            return frame
        lines = [line[5:].strip() for line in frame.splitlines() if line.startswith(b"data:")]
        return b"\n".join(lines) if lines else None

    def with_data(self, frame: bytes, data: bytes) -> bytes:
        if begins_as_json(frame):
            return data
        made, written = [], False
        for line in frame.splitlines(keepends=True):
            if not line.startswith(b"data:"):
                made.append(line)
            elif not written:
                written = True
                made.append(b"data: " + data + line[len(line.rstrip(b"\r\n")) :])
        return b"".join(made)

    def unknown(self) -> bytes:
        name = UNKNOWN.encode()
        return b': keep-alive\n\nevent: %s\ndata: {"type": "%s"}\n\n' % (name, name)

    def idle(self) -> bytes:
        return b": still here\n\n"

    def begun(self) -> bytes:
        return b'data: {"x": "'


class NdjsonFrames:
    """Lines of JSON."""

    def split(self, body: bytes) -> list[bytes]:
        return body.splitlines(keepends=True)

    def data(self, frame: bytes) -> bytes | None:
        return frame.strip() or None

    def with_data(self, frame: bytes, data: bytes) -> bytes:
        return data + frame[len(frame.rstrip(b"\r\n")) :]

    def unknown(self) -> bytes:
        return b'\n{"%s": 1}\n' % UNKNOWN.encode()

    def idle(self) -> bytes:
        return b"\n"

    def begun(self) -> bytes:
        return b'{"x": "'


def frames_of(stream_type: str) -> Frames:
    """The frames of streams of this content type, one of the two that the kit knows."""
    return SseFrames() if stream_type == EVENT_STREAM else NdjsonFrames()


def frame_ends(body: bytes, frames: Frames) -> list[int]:
    """Where the frames of a stream end, as offsets; the last one is the length of the body."""
    ends, end = [], 0
    for frame in frames.split(body):
        end += len(frame)
        ends.append(end)
    return ends


def _parts(body: bytes, ends: list[int]) -> Iterator[bytes]:
    start = 0
    for end in ends:
        yield body[start:end]
        start = end
    if start < len(body):
        yield body[start:]
