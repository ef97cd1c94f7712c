"""How the faults of the table are played: what the server does instead of answering.

Each play gets the answer that should have been given, and the connection to spoil it on.
"""

from __future__ import annotations

import functools
import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import attrs

from ..errors import ProtocolError
from .checks.reading import read
from .edits import with_broken_json
from .frames import Frames, frame_ends
from .recordings import Recording
from .server import Answer, Connection, LoopbackServer, ReceivedRequest
from .subject import Subject

MEBIBYTE = 1024 * 1024
BOMB = 80
"""Mebibytes of a gzip bomb: more than any answer may have."""
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


@attrs.frozen
class Case:
    """One play of a fault: what would have been the answer, and the provider it is for.

    Attributes:
        attempt: counts the requests, from 1.
        elsewhere: the address of another host.
    """

    subject: Subject
    recording: Recording
    attempt: int = 1
    elsewhere: str = ""

    @property
    def answer(self) -> Answer:
        return self.recording.answer()

    @property
    def body(self) -> bytes:
        return self.recording.body

    def changed(self, body: bytes, **changes: Any) -> Answer:
        """The answer with another body."""
        return attrs.evolve(self.answer, pieces=(body,), **changes)

    def labelled(self, **headers: str) -> Answer:
        """The answer with other headers."""
        more = {name.replace("_", "-"): value for name, value in headers.items()}
        return attrs.evolve(self.answer, headers={**self.answer.headers, **more})

    @property
    def frames(self) -> Frames:
        """How the provider's streams are made."""
        return self.subject.framing()

    @property
    def unfinished(self) -> int:
        """A place inside the answer at which it is surely not complete, though something has arrived."""
        return _unfinished(self.subject, self.recording)


Play = Callable[[Case, Connection], None]


def reset_at_once(case: Case, connection: Connection) -> None:
    connection.reset()


def say_nothing(case: Case, connection: Connection) -> None:
    connection.close()


def stall(case: Case, connection: Connection) -> None:
    connection.wait(10)


def garbage(case: Case, connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.9\r\n")
    connection.close()


def start(case: Case, connection: Connection) -> None:
    part = case.changed(case.body[: case.unfinished])
    connection.send(part.head + b"".join(part.frames()))


def reset_inside(case: Case, connection: Connection) -> None:
    start(case, connection)
    connection.wait(0.05)
    connection.reset()


def stall_inside(case: Case, connection: Connection) -> None:
    start(case, connection)
    connection.wait(10)


def close_inside(case: Case, connection: Connection) -> None:
    whole = case.changed(case.body, framing="length")
    connection.send(whole.head + case.body[: case.unfinished])
    connection.close()


def too_short_a_length(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: case.unfinished], framing="length"))
    connection.send(case.body[case.unfinished :])


def bad_chunk(case: Case, connection: Connection) -> None:
    start(case, connection)
    connection.wait(0.05)  # what comes with the head is read by other code than what comes later
    connection.send(b"zz\r\n")
    connection.close()


def slow(case: Case, connection: Connection) -> None:
    size = max(len(case.body) // 20, 1)
    parts = tuple(case.body[start : start + size] for start in range(0, len(case.body), size))
    connection.answer(attrs.evolve(case.answer, pieces=parts, pause=0.005))


def drip(case: Case, connection: Connection) -> None:
    piece = case.changed(case.frames.idle() if case.recording.stream else b"\n")
    connection.send(piece.head)
    while not connection.wait(0.02) and connection.send(b"".join(piece.frames())):
        pass


def drip_head(case: Case, connection: Connection) -> None:
    connection.send(b"HTTP/1.1 200 OK\r\nX-Kit: ")
    for _ in range(500):
        if connection.wait(0.02) or not connection.send(b"x"):
            return


def endless(mebibytes: int) -> Play:
    def play(case: Case, connection: Connection) -> None:
        piece = case.changed(b"x" * MEBIBYTE)
        frame = b"".join(piece.frames())
        if connection.send(piece.head):
            for _ in range(mebibytes):
                if not connection.send(frame):
                    return
            connection.send(b"0\r\n\r\n")

    return play


def status(status: int, **headers: str) -> Play:
    """Refuse, as any server may."""
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = Answer.of_json({"error": {"message": f"kit: refused with {status}"}}, status=status, headers=more)
    return lambda case, connection: connection.answer(answer)


def html(status: int) -> Play:
    """Answer as a proxy does that has lost the way."""
    return lambda case, connection: connection.answer(Answer(status, {"content-type": "text/html"}, (HTML,), "length"))


def body(body: bytes) -> Play:
    """Answer with another body."""
    return lambda case, connection: connection.answer(case.changed(body))


def quota(case: Case, connection: Connection) -> None:
    connection.answer(case.subject.quota_answer())


def error_inside(case: Case, connection: Connection) -> None:
    connection.answer(
        case.changed(json.dumps(case.subject.error_body()).encode(), headers={"content-type": "application/json"})
    )


def error_in_stream(case: Case, connection: Connection) -> None:
    place = frame_ends(case.body, case.frames)[0]
    connection.answer(case.changed(case.body[:place] + case.subject.error_event()))


def redirect(status: int) -> Play:
    def play(case: Case, connection: Connection) -> None:
        place = case.elsewhere.replace("127.0.0.1", "localhost") + "/v1"
        connection.answer(Answer(status, {"location": place}, (), "length"))

    return play


def _once(failure: Play) -> Play:
    def play(case: Case, connection: Connection) -> None:
        if case.attempt == 1:
            failure(case, connection)
        else:
            connection.answer(case.answer)

    return play


reset_once = _once(reset_at_once)
limited_once = _once(status(429, retry_after="0.05"))
overloaded_once = _once(status(503))


def refused_address(server: LoopbackServer) -> str:
    return server.refusing_url


def plain_greeting(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    connection.close()


def bomb(case: Case, connection: Connection) -> None:
    answer = attrs.evolve(case.labelled(content_encoding="gzip"), pieces=(_compressed_nothing(),))
    connection.answer(answer)


@functools.cache
def _compressed_nothing() -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    block = b"0" * MEBIBYTE
    return b"".join([*(packer.compress(block) for _ in range(BOMB)), packer.flush()])


def elsewhere(request: ReceivedRequest, connection: Connection) -> None:
    connection.answer(Answer.of_json({"error": {"message": "kit: nobody should ask here"}}, status=418))


def _unfinished(subject: Subject, recording: Recording) -> int:
    if not recording.stream:
        return len(recording.body) // 2
    wire = subject.wire()

    def incomplete(body: bytes) -> bool:
        return isinstance(read(wire, attrs.evolve(recording, body=body)), ProtocolError)

    ends = frame_ends(recording.body, subject.framing())
    return next((end for end in reversed(ends[:-1]) if incomplete(recording.body[:end])), len(recording.body) // 2)


def broken(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(with_broken_json(case.recording, case.frames).body))


def half(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: max(case.unfinished - 4, 1)]))


def no_end(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: case.unfinished]))


def empty_object(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(_first_with(case, b"{}") if case.recording.stream else b"{}\n"))


def _first_with(case: Case, data: bytes) -> bytes:
    frames = case.frames
    first = next(frame for frame in frames.split(case.body) if frames.data(frame) is not None)
    return frames.with_data(first, data)


def wrong_type(case: Case, connection: Connection) -> None:
    connection.answer(case.labelled(content_type="text/plain"))


def gzipped(case: Case, connection: Connection) -> None:
    answer = case.labelled(content_encoding="gzip")
    connection.answer(attrs.evolve(answer, pieces=(gzip.compress(case.body),)))


def mislabelled(coding: str) -> Play:
    def play(case: Case, connection: Connection) -> None:
        connection.answer(case.labelled(content_encoding=coding))

    return play


def invalid_utf8(case: Case, connection: Connection) -> None:
    first = str((case.recording.expected or {}).get("text")).encode()[:1]

    def damaged(data: bytes) -> bytes:
        return data.replace(b'"%s' % first, b'"\xff\xfe%s' % first)

    if not case.recording.stream:
        connection.answer(case.changed(damaged(case.body)))
        return
    frames = case.frames
    parts = ((frame, frames.data(frame)) for frame in frames.split(case.body))
    body = (frame if data is None else frames.with_data(frame, damaged(data)) for frame, data in parts)
    connection.answer(case.changed(b"".join(body)))


def huge_header(case: Case, connection: Connection) -> None:
    connection.answer(case.labelled(x_kit="x" * 200_000))


def many_headers(case: Case, connection: Connection) -> None:
    connection.answer(case.labelled(**{f"x_kit_{number}": "1" for number in range(1000)}))


def huge_line(case: Case, connection: Connection) -> None:
    answer = case.changed(case.frames.begun() if case.recording.stream else b'{"x": "')
    connection.send(answer.head + b"".join(answer.frames()))
    frame = b"".join(case.changed(b"x" * MEBIBYTE).frames())
    for _ in range(80):
        if not connection.send(frame):
            return
    connection.send(b"0\r\n\r\n")
