"""What can go wrong on the way, as one table: how it is played, and what the caller must get.

Each row is played on loopback against a provider, with one of the provider's own recorded answers.
"""

from __future__ import annotations

import functools
import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs

from ..errors import AirouterError, ExecutionError, ProtocolError, TruncatedStreamError
from ..values.response import Response
from ..wire.http import EVENT_STREAM
from .checks.reading import read
from .edits import frame_ends, with_broken_json
from .recordings import Recording
from .server import Answer, Connection, LoopbackServer, ReceivedRequest
from .subject import CANARY, SERVER_ERROR, Subject

ANSWER = "answer"
MEBIBYTE = 1024 * 1024
SILENCE = 0.3
"""Seconds of silence that are too many, where a fault is about silence."""
HTML = b"<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"


@attrs.frozen
class Case:
    """One play of a fault: what would have been the answer, and the provider it is for."""

    subject: Subject
    recording: Recording
    attempt: int = 1

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
    def unfinished(self) -> int:
        """A place inside the answer at which it is surely not complete, though something has arrived."""
        return _unfinished(self.subject, self.recording)


Play = Callable[[Case, Connection], None]


@attrs.frozen
class Fault:
    """One row, for whole answers or for streams.

    Attributes:
        expected: ``"answer"``, or the name of the error's class.
        settings: of the provider: waits, retries.
        requests: how many the server must see; ``None`` when that does not matter.
        address: the ``base_url`` for a server.
        greet: as :class:`~airouter_core.testing.server.LoopbackServer` takes it.
    """

    name: str
    stream: bool
    expected: str
    play: Play
    settings: Mapping[str, Any] = attrs.field(factory=dict)
    requests: int | None = 1
    address: Callable[[LoopbackServer], str] = lambda server: server.url
    greet: Callable[[Connection], None] | None = None
    retry_after: float | None = None

    @property
    def id(self) -> str:
        return f"{self.name} ({'stream' if self.stream else 'whole'})"


@attrs.frozen
class Outcome:
    """What a provider made of a fault."""

    said: str
    right: bool
    problems: tuple[str, ...]


def outcome_of(fault: Fault, subject: Subject) -> Outcome:
    """Play one fault against the provider under test."""
    if fault.stream and "stream" not in subject.info.capabilities:
        return Outcome("does not stream", True, ())
    recording = subject.good(stream=fault.stream)
    attempts = 0
    with LoopbackServer(_elsewhere) as other:

        def behave(request: ReceivedRequest, connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            fault.play(_RedirectingCase(subject, recording, attempts, other.url), connection)

        with LoopbackServer(behave, greeting=fault.greet) as server:
            began = time.monotonic()
            result = _result(fault, subject, fault.address(server))
            problems = list(_problems(fault, recording, result, attempts, time.monotonic() - began))
        if other.connections:
            problems.append("a redirect to another host was followed")
    said = ANSWER if isinstance(result, Response) else type(result).__name__
    return Outcome(said, said == fault.expected and not problems, tuple(problems))


@attrs.frozen
class _RedirectingCase(Case):
    other: str = ""


def _result(fault: Fault, subject: Subject, address: str) -> Response | BaseException:
    settings = {"timeout": 4.0, "connect_timeout": 4.0, "max_retries": 0, **fault.settings}
    with subject.provider(address, **settings) as provider:
        try:
            return subject.ask(provider, stream=fault.stream)
        except Exception as error:  # whatever comes out is what is judged
            return error


def _problems(
    fault: Fault, recording: Recording, result: Response | BaseException, attempts: int, seconds: float
) -> Iterator[str]:
    text = str((recording.expected or {}).get("text"))
    if isinstance(result, Response):
        if result.text != text:
            yield f"the answer is {result.text[:60]!r}"
    elif not isinstance(result, AirouterError):
        yield f"{result!r} is no error of the library"
    else:
        if len(str(result)) < 15:
            yield f"the message says too little: {result}"
        if CANARY in f"{result!r}{getattr(result, 'body', '')}":
            yield "the key is in the error"
        partial = result.partial if isinstance(result, ExecutionError) else None
        if partial is not None and not text.startswith(partial.text):
            yield f"the partial answer is {partial.text[:60]!r}"
        if fault.retry_after is not None and getattr(result, "retry_after", None) != fault.retry_after:
            yield f"retry_after is {getattr(result, 'retry_after', None)!r}, not {fault.retry_after}"
    if fault.requests is not None and attempts != fault.requests:
        yield f"{attempts} requests were made instead of {fault.requests}"
    if seconds > 8:
        yield f"it took {seconds:.1f} s"


# How the faults are played.


def _reset_at_once(case: Case, connection: Connection) -> None:
    connection.reset()


def _say_nothing(case: Case, connection: Connection) -> None:
    connection.close()


def _stall(case: Case, connection: Connection) -> None:
    connection.wait(10)


def _garbage(case: Case, connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.9\r\n")
    connection.close()


def _start(case: Case, connection: Connection) -> None:
    part = case.changed(case.body[: case.unfinished])
    connection.send(part.head + b"".join(part.frames()))


def _reset_inside(case: Case, connection: Connection) -> None:
    _start(case, connection)
    connection.wait(0.05)
    connection.reset()


def _stall_inside(case: Case, connection: Connection) -> None:
    _start(case, connection)
    connection.wait(10)


def _close_inside(case: Case, connection: Connection) -> None:
    whole = case.changed(case.body, framing="length")
    connection.send(whole.head + case.body[: case.unfinished])
    connection.close()


def _too_short_a_length(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: case.unfinished], framing="length"))
    connection.send(case.body[case.unfinished :])


def _bad_chunk(case: Case, connection: Connection) -> None:
    _start(case, connection)
    connection.send(b"zz\r\n")
    connection.close()


def _slow(case: Case, connection: Connection) -> None:
    size = max(len(case.body) // 20, 1)
    parts = tuple(case.body[start : start + size] for start in range(0, len(case.body), size))
    connection.answer(attrs.evolve(case.answer, pieces=parts, pause=0.005))


def _drip(case: Case, connection: Connection) -> None:
    piece = case.changed(b": still here\n\n" if _is_sse(case) else b"\n")
    connection.send(piece.head)
    while not connection.wait(0.02) and connection.send(b"".join(piece.frames())):
        pass


def _endless(size: int, filling: bytes = b"x") -> Play:
    def play(case: Case, connection: Connection) -> None:
        piece = case.changed(filling * (MEBIBYTE // len(filling)))
        frame = b"".join(piece.frames())
        if connection.send(piece.head):
            for _ in range(size):
                if not connection.send(frame):
                    return
            connection.send(b"0\r\n\r\n")

    return play


def _answers(make: Callable[[Case], Answer]) -> Play:
    return lambda case, connection: connection.answer(make(case))


def _status(status: int, body: Any = None, **headers: str) -> Play:
    content = {"error": SERVER_ERROR} if body is None else body
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return _answers(lambda case: Answer.of_json(content, status=status, headers=more))


def _html(status: int) -> Play:
    return _answers(lambda case: Answer(status, {"content-type": "text/html"}, (HTML,), "length"))


def _body(body: bytes) -> Play:
    return _answers(lambda case: case.changed(body))


def _quota(case: Case, connection: Connection) -> None:
    connection.answer(case.subject.quota_answer())


def _error_inside(case: Case, connection: Connection) -> None:
    connection.answer(
        case.changed(json.dumps(case.subject.error_body()).encode(), headers={"content-type": "application/json"})
    )


def _error_in_stream(case: Case, connection: Connection) -> None:
    place = frame_ends(case.recording, case.subject.wire())[0]
    connection.answer(case.changed(case.body[:place] + case.subject.error_event()))


def _redirect(status: int) -> Play:
    def play(case: Case, connection: Connection) -> None:
        assert isinstance(case, _RedirectingCase)
        connection.answer(
            Answer(status, {"location": case.other.replace("127.0.0.1", "localhost") + "/v1"}, (), "length")
        )

    return play


def _after(failure: Play, times: int = 1) -> Play:
    def play(case: Case, connection: Connection) -> None:
        if case.attempt <= times:
            failure(case, connection)
        else:
            connection.answer(case.answer)

    return play


def _refused_address(server: LoopbackServer) -> str:
    with LoopbackServer(_elsewhere) as closed:
        return closed.url


def _plain_greeting(connection: Connection) -> None:
    connection.send(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
    connection.close()


def _bomb(case: Case, connection: Connection) -> None:
    answer = attrs.evolve(case.labelled(content_encoding="gzip"), pieces=(bomb(),))
    connection.answer(answer)


@functools.cache
def bomb() -> bytes:
    """A quarter of a gibibyte of nothing, compressed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = b"0" * MEBIBYTE
    return b"".join([*(packer.compress(block) for _ in range(256)), packer.flush()])


def _elsewhere(request: ReceivedRequest, connection: Connection) -> None:
    connection.answer(Answer.of_json({"error": {"message": "kit: nobody should ask here"}}, status=418))


def _is_sse(case: Case) -> bool:
    return case.recording.stream and case.subject.wire().stream_type == EVENT_STREAM


def _unfinished(subject: Subject, recording: Recording) -> int:
    if not recording.stream:
        return len(recording.body) // 2
    wire = subject.wire()

    def incomplete(body: bytes) -> bool:
        return isinstance(read(wire, attrs.evolve(recording, body=body)), TruncatedStreamError | ProtocolError)

    ends = frame_ends(recording, wire)
    return next((end for end in reversed(ends[:-1]) if incomplete(recording.body[:end])), len(recording.body) // 2)


def _rows() -> Iterable[Fault]:
    quick = {"timeout": SILENCE, "connect_timeout": 2.0}
    retried = {"max_retries": 2}

    def both(name: str, whole: str, streamed: str, play: Play, **more: Any) -> Iterator[Fault]:
        yield Fault(name, False, whole, play, **more)
        yield Fault(name, True, streamed, play, **more)

    def same(name: str, expected: str, play: Play, **more: Any) -> Iterator[Fault]:
        return both(name, expected, expected, play, **more)

    failed, timeout, protocol = "ConnectionFailedError", "TransportTimeoutError", "ProtocolError"
    yield from same("refused", failed, _stall, address=_refused_address, requests=0)
    yield from same(
        "TLS: no TLS on the other side",
        failed,
        _stall,
        address=lambda server: server.url.replace("http:", "https:"),
        greet=_plain_greeting,
        requests=0,
    )
    yield from same("reset before the headers", failed, _reset_at_once)
    yield from same("closed without a word", failed, _say_nothing)
    yield from same("something that is no HTTP", failed, _garbage)
    yield from same("reset inside the answer", failed, _reset_inside)
    yield Fault("reset inside the answer, with retries left", True, failed, _reset_inside, retried)
    yield from same("closed before the length that was announced", failed, _close_inside)
    yield from same("a chunk without a size", failed, _bad_chunk)
    yield from both("a length that is too short", protocol, "TruncatedStreamError", _too_short_a_length)
    yield from same("silence before the headers", timeout, _stall, settings=quick)
    yield from same("silence inside the answer", timeout, _stall_inside, settings=quick)
    yield from same("a drip that outlasts the deadline", timeout, _drip, settings={"deadline": 0.5})
    yield from same("slow bytes", ANSWER, _slow)
    yield from same("redirect 302 to another host", "ProviderError", _redirect(302))
    yield from same("redirect 307 to another host", "ProviderError", _redirect(307))
    yield from same("400", "BadRequestError", _status(400, {"error": {"message": "kit: cannot do that"}}))
    yield from same("401", "AuthenticationError", _status(401, {"error": {"message": "kit: who are you"}}))
    yield from same("403", "PermissionDeniedError", _status(403, {"error": {"message": "kit: not you"}}))
    yield from same("404", "ModelNotFoundError", _status(404, {"error": {"message": "kit: no such model"}}))
    limited = _status(429, {"error": {"message": "kit: too fast"}})
    waiting = _status(429, {"error": {"message": "kit: too fast"}}, retry_after="7")
    yield from same("429 with Retry-After", "RateLimitedError", waiting, retry_after=7.0)
    yield from same("429 without Retry-After", "RateLimitedError", limited)
    yield from same("429 once", ANSWER, _after(_status(429, retry_after="0.05")), settings=retried, requests=2)
    yield from same("quota used up, with retries left", "QuotaExceededError", _quota, settings=retried)
    yield from same("500", "ServerError", _status(500))
    yield from same("503 once", ANSWER, _after(_status(503)), settings=retried, requests=2)
    yield from same("reset once", ANSWER, _after(_reset_at_once), settings=retried, requests=2)
    yield from same("502 with HTML", "ServerError", _html(502))
    yield from same("HTML with status 200", protocol, _html(200))
    yield from same("an error inside a 200", "ServerError", _error_inside)
    yield Fault("an error event inside a stream", True, "ServerError", _error_in_stream)
    yield from same("JSON that is broken", protocol, _broken)
    yield from both("half of the JSON", protocol, "TruncatedStreamError", _half)
    yield from both("an empty body", protocol, "TruncatedStreamError", _body(b""))
    yield from both("an empty object", protocol, "TruncatedStreamError", _empty_object)
    yield from same("no choices", protocol, _body(b'{"choices": []}'))
    yield Fault("a stream that ends in good order before its end mark", True, "TruncatedStreamError", _no_end)
    yield from same("a wrong content type", ANSWER, _answers(lambda case: case.labelled(content_type="text/plain")))
    yield from same("gzip", ANSWER, _answers(_gzipped))
    yield from same("a body of 100 MB", protocol, _endless(100))
    yield from same("a body without end", protocol, _endless(10_000))
    yield from same("a gzip bomb", protocol, _bomb)
    yield from same("invalid UTF-8", protocol, _answers(_invalid_utf8))
    yield from same("a huge header", failed, _answers(lambda case: case.labelled(x_kit="x" * 200_000)))
    yield from same("a thousand headers", failed, _answers(_many_headers))
    yield Fault("a huge line", True, protocol, _huge_line)


def _broken(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(with_broken_json(case.recording, case.subject.wire()).body))


def _half(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: max(case.unfinished - 4, 1)]))


def _no_end(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(case.body[: case.unfinished]))


def _empty_object(case: Case, connection: Connection) -> None:
    connection.answer(case.changed(b"data: {}\n\n" if _is_sse(case) else b"{}\n"))


def _gzipped(case: Case) -> Answer:
    return attrs.evolve(case.labelled(content_encoding="gzip"), pieces=(gzip.compress(case.body),))


def _invalid_utf8(case: Case) -> Answer:
    text = str((case.recording.expected or {}).get("text")).encode()[:1]
    return case.changed(case.body.replace(b'"%s' % text, b'"\xff\xfe%s' % text))


def _many_headers(case: Case) -> Answer:
    return case.labelled(**{f"x_kit_{number}": "1" for number in range(1000)})


def _huge_line(case: Case, connection: Connection) -> None:
    answer = case.changed(b'data: {"x": "' if _is_sse(case) else b'{"x": "')
    connection.send(answer.head + b"".join(answer.frames()))
    frame = b"".join(case.changed(b"x" * MEBIBYTE).frames())
    for _ in range(80):
        if not connection.send(frame):
            return
    connection.send(b"0\r\n\r\n")


FAULTS: tuple[Fault, ...] = tuple(_rows())
"""The table."""
