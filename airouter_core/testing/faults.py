"""What can go wrong on the way, as one table: how it is played, and what the caller must get.

Each row is played on loopback against a provider, with one of the provider's own recorded answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import attrs
import pytest

from ..errors import AirouterError, ExecutionError
from ..flow.threads import at_once
from ..values.response import Response
from . import plays
from .checks.lifetime import soon
from .halves import Half
from .plays import Case, Play, elsewhere
from .recordings import Recording
from .server import Connection, LoopbackServer, ReceivedRequest
from .subject import Subject

ANSWER = "answer"
NOT_PLAYED = "not played"
SILENCE = 0.3
"""Seconds of silence that are too many, where a fault is about silence."""
LONG = 60.0
"""Seconds that no fault may take, however busy the machine is."""


@attrs.frozen
class Fault:
    """One row, for whole answers or for streams.

    Attributes:
        expected: ``"answer"``, or the name of the error's class (or of a class above it).
        or_else: another one that is as right, where that depends on how the bytes arrive.
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
    or_else: str | None = None

    @property
    def id(self) -> str:
        return f"{self.name} ({'stream' if self.stream else 'whole'})"


@attrs.frozen
class Outcome:
    """What a provider made of a fault."""

    said: str
    right: bool
    problems: tuple[str, ...]

    @property
    def was_played(self) -> bool:
        return self.said != NOT_PLAYED


def outcomes_of(fault: Fault, subject: Subject) -> dict[str, Outcome]:
    """What each half of the provider under test makes of one fault, by the name of the half."""

    def play(half: Half) -> Outcome:
        try:
            return outcome_of(fault, subject.by(half))
        except pytest.skip.Exception as skipped:
            return Outcome(NOT_PLAYED, False, (str(skipped),))

    # All at the same time, since most of a play is waiting.
    return dict(zip([half.name for half in subject.halves], at_once(play, subject.halves), strict=True))


def outcome_of(fault: Fault, subject: Subject) -> Outcome:
    """Play one fault against the provider under test, asked by the half whose turn it is."""
    if fault.stream and "stream" not in subject.info.capabilities:
        return Outcome("does not stream", True, ())
    recording = subject.good(stream=fault.stream)
    attempts = 0
    with LoopbackServer(elsewhere) as other:

        def behave(request: ReceivedRequest, connection: Connection) -> None:
            nonlocal attempts
            attempts += 1
            fault.play(Case(subject, recording, attempts, other.url), connection)

        with LoopbackServer(behave, greeting=fault.greet) as server:
            began = time.monotonic()
            result = _result(fault, subject, fault.address(server))
            seconds, secrets = time.monotonic() - began, subject.planted().values()
            soon(lambda: attempts >= (fault.requests or 0))  # who gave up may have done so before the server looked
            problems = list(_problems(fault, recording, result, attempts, seconds, secrets))
        if other.connections:
            problems.append("a redirect to another host was followed")
    names = [ANSWER] if isinstance(result, Response) else [kind.__name__ for kind in type(result).__mro__]
    expected = fault.expected in names or fault.or_else in names
    return Outcome(names[0], expected and not problems, tuple(problems))


def _result(fault: Fault, subject: Subject, address: str) -> Response | BaseException:
    settings = {"timeout": LONG / 2, "connect_timeout": LONG / 2, "max_retries": 0, **fault.settings}
    with subject.provider(address, **settings) as provider:
        try:
            return subject.ask(provider, stream=fault.stream)
        except Exception as error:  # whatever comes out is what is judged
            return error


def _problems(
    fault: Fault,
    recording: Recording,
    result: Response | BaseException,
    attempts: int,
    seconds: float,
    secrets: Collection[str],
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
        if any(secret in f"{result!r}{getattr(result, 'body', '')}" for secret in secrets):
            yield "a secret is in the error"
        partial = result.partial if isinstance(result, ExecutionError) else None
        if partial is not None and not text.startswith(partial.text):
            yield f"the partial answer is {partial.text[:60]!r}"
        if fault.retry_after is not None and getattr(result, "retry_after", None) != fault.retry_after:
            yield f"retry_after is {getattr(result, 'retry_after', None)!r}, not {fault.retry_after}"
    if fault.requests is not None and attempts != fault.requests:
        yield f"{attempts} requests were made instead of {fault.requests}"
    if seconds > LONG:
        yield f"it took {seconds:.1f} s"


def _both(name: str, whole: str, streamed: str, play: Play, **more: Any) -> Iterator[Fault]:
    yield Fault(name, False, whole, play, **more)
    yield Fault(name, True, streamed, play, **more)


def _same(name: str, expected: str, play: Play, **more: Any) -> Iterator[Fault]:
    return _both(name, expected, expected, play, **more)


FAILED, TIMEOUT, PROTOCOL, TRUNCATED = (
    "ConnectionFailedError",
    "TransportTimeoutError",
    "ProtocolError",
    "TruncatedStreamError",
)
QUICK = {"timeout": SILENCE}
RETRIED = {"max_retries": 2}
LATE: dict[str, Any] = {"settings": {"deadline": 0.5}, "requests": None}
"""A deadline counts from the beginning, so a busy machine may come to it before it has sent anything."""


def _of_the_network() -> Iterator[Fault]:
    yield from _same("refused", FAILED, plays.stall, address=plays.refused_address, requests=0)
    yield from _same(
        "TLS: no TLS on the other side",
        FAILED,
        plays.stall,
        address=lambda server: server.url.replace("http:", "https:"),
        greet=plays.plain_greeting,
        requests=0,
    )
    yield from _same("reset before the headers", FAILED, plays.reset_at_once)
    yield from _same("reset once, with retries left", ANSWER, plays.reset_once, settings=RETRIED, requests=2)
    yield from _same("closed without a word", FAILED, plays.say_nothing)
    yield from _same("something that is no HTTP", FAILED, plays.garbage)
    yield from _same("reset inside the answer", FAILED, plays.reset_inside)
    yield Fault("reset inside the answer, with retries left", True, FAILED, plays.reset_inside, RETRIED)
    yield from _same("closed before the length that was announced", FAILED, plays.close_inside)
    # A client that reads on sees that what follows the answer is no HTTP.
    yield from _both("a length that is too short", PROTOCOL, TRUNCATED, plays.too_short_a_length, or_else=FAILED)
    yield from _same("a chunk without a size", FAILED, plays.bad_chunk)
    yield from _same("a huge header", FAILED, plays.huge_header)
    yield from _same("a thousand headers", FAILED, plays.many_headers)
    yield from _same("silence before the headers", TIMEOUT, plays.stall, settings=QUICK)
    yield from _same("silence inside the answer", TIMEOUT, plays.stall_inside, settings=QUICK)
    yield from _same("a drip that outlasts the deadline", TIMEOUT, plays.drip, **LATE)
    yield from _same("headers that outlast the deadline", TIMEOUT, plays.drip_head, **LATE)
    yield from _same("slow bytes", ANSWER, plays.slow)


def _of_the_status() -> Iterator[Fault]:
    yield from _same("redirect 302 to another host", "ProviderError", plays.redirect(302))
    yield from _same("redirect 307 to another host", "ProviderError", plays.redirect(307))
    yield from _same("400", "BadRequestError", plays.status(400))
    yield from _same("401", "AuthenticationError", plays.status(401))
    yield from _same("400, with retries left", "BadRequestError", plays.status(400), settings=RETRIED)
    yield from _same("401, with retries left", "AuthenticationError", plays.status(401), settings=RETRIED)
    yield from _same("403", "PermissionDeniedError", plays.status(403))
    yield from _same("404", "ModelNotFoundError", plays.status(404))
    yield from _same("429 with Retry-After", "RateLimitedError", plays.status(429, retry_after="7"), retry_after=7.0)
    yield from _same("429 without Retry-After", "RateLimitedError", plays.status(429))
    yield from _same("429 once, with retries left", ANSWER, plays.limited_once, settings=RETRIED, requests=2)
    yield from _same("quota used up, with retries left", "QuotaExceededError", plays.quota, settings=RETRIED)
    yield from _same("500", "ServerError", plays.status(500))
    yield from _same("502 with HTML", "ServerError", plays.html(502))
    yield from _same("503", "OverloadedError", plays.status(503))
    yield from _same("503 once, with retries left", ANSWER, plays.overloaded_once, settings=RETRIED, requests=2)


def _of_the_content() -> Iterator[Fault]:
    yield from _same("HTML with status 200", PROTOCOL, plays.html(200))
    yield from _same("an error inside a 200", "ProviderError", plays.error_inside)
    yield Fault("an error event inside a stream", True, "ProviderError", plays.error_in_stream)
    yield from _same("JSON that is broken", PROTOCOL, plays.broken)
    yield from _both("half of the JSON", PROTOCOL, TRUNCATED, plays.half)
    yield Fault("a stream that ends in good order before its end mark", True, TRUNCATED, plays.no_end)
    yield from _both("an empty body", PROTOCOL, TRUNCATED, plays.body(b""))
    yield from _both("an empty object", PROTOCOL, TRUNCATED, plays.empty_object)
    yield from _same("no choices", PROTOCOL, plays.body(b'{"choices": []}'))
    yield from _same("a wrong content type", ANSWER, plays.wrong_type)
    yield from _same("gzip", ANSWER, plays.gzipped)
    yield from _same(
        "plain bytes that are labelled gzip, with retries left", PROTOCOL, plays.mislabelled("gzip"), settings=RETRIED
    )
    yield from _same(
        "a coding that nobody asked for, with retries left", PROTOCOL, plays.mislabelled("br"), settings=RETRIED
    )
    yield from _same("a gzip bomb", PROTOCOL, plays.bomb)
    yield from _same("a body of 100 MB", PROTOCOL, plays.endless(100))
    yield from _same("a body without end", PROTOCOL, plays.endless(10_000))
    yield Fault("a huge line", True, PROTOCOL, plays.huge_line)
    yield from _same("invalid UTF-8", PROTOCOL, plays.invalid_utf8)


FAULTS: tuple[Fault, ...] = (*_of_the_network(), *_of_the_status(), *_of_the_content())
"""The table."""
