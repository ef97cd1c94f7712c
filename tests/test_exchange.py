"""One exchange: retries, redirects, the deadline, and secrets, with a made-up transport and clock."""

from __future__ import annotations

import logging
import threading
import time
import types
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
import pytest

from airouter_core.config.http import HttpConfig
from airouter_core.dialects.chat_completions.errors import COMMON_CODES
from airouter_core.dialects.chat_completions.wire import parse_error
from airouter_core.errors import (
    BadRequestError,
    ConnectionFailedError,
    ExecutionError,
    OverloadedError,
    ProtocolError,
    ProviderError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TransportTimeoutError,
)
from airouter_core.flow.blocking import Driver
from airouter_core.flow.exchange import LONGEST_RETRY_AFTER, Exchange, Policy, Sign
from airouter_core.flow.steps import Flow, Open, ReadAll, ReadSome, Sleep, delegated
from airouter_core.wire.failures import ErrorTable
from airouter_core.wire.http import HttpRequest

SECRET = "sk-planted-0123456789"
REQUEST = HttpRequest("POST", "http://h/v1/chat?x=1", {"Authorization": f"Bearer {SECRET}"}, b'{"say": "prompt"}')
TABLE = ErrorTable("p", COMMON_CODES)


@attrs.frozen
class Answer:
    """The head of an answer, and the body or the failure that follows."""

    status: int
    body: bytes | ExecutionError = b"{}"
    headers: Mapping[str, str] = attrs.field(factory=dict)


class World:
    """Performs the steps of a flow with answers given beforehand, on a clock of its own."""

    def __init__(self, *answers: Answer | ExecutionError, each_takes: float = 0) -> None:
        self.now = 1000.0
        self.opened: list[Open] = []
        self.slept: list[float] = []
        self.patience: list[float] = []
        self._answers = list(answers)
        self._each_takes = each_takes
        self._body: bytes | ExecutionError = b""

    def exchange(self, request: HttpRequest = REQUEST, sign: Sign | None = None, **settings: Any) -> Exchange:
        config = HttpConfig(base_url="http://h", api_key=SECRET, **settings)
        policy = msgspec.structs.replace(Policy.of(config), now=lambda: self.now, chance=lambda: 1.0)

        def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
            return parse_error(TABLE, status, headers, body)

        return Exchange(request, read_error, policy, sign)

    def run(self, flow: Flow[Any]) -> Any:
        outcome: Any = None
        failure: ExecutionError | None = None
        while True:
            try:
                step = flow.send(outcome) if failure is None else flow.throw(failure)
            except StopIteration as end:
                return end.value
            outcome = failure = None
            done = self._perform(step)
            if isinstance(done, ExecutionError):
                failure = done
            else:
                outcome = done

    def _perform(self, step: Any) -> Any:
        if isinstance(step, Sleep):
            self.slept.append(step.seconds)
            self.now += step.seconds
            return None
        self.now += self._each_takes
        if isinstance(step, Open):
            self.opened.append(step)
            answer = self._answers.pop(0)
            if isinstance(answer, Answer):
                self._body = answer.body
            return answer
        assert isinstance(step, ReadAll | ReadSome)
        self.patience.append(step.timeout)
        body, self._body = self._body, b""
        return body


OK = Answer(200, b"ok")


@pytest.fixture(autouse=True)
def _no_real_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    here, sleep = threading.current_thread(), time.sleep

    def never(seconds: float) -> None:
        if threading.current_thread() is not here:
            sleep(seconds)  # what an earlier test has left to end by itself may
        else:
            raise AssertionError(f"slept for {seconds} s")

    monkeypatch.setattr(time, "sleep", never)


def failing(status: int, code: str | None = None, **headers: str) -> Answer:
    content = f'{{"error": {{"message": "m", "code": "{code}"}}}}' if code else '{"error": {"message": "m"}}'
    return Answer(status, content.encode(), {name.replace("_", "-"): value for name, value in headers.items()})


def test_an_answer_is_fetched_whole() -> None:
    """Head and body, once, with the timeouts of the configuration."""
    world = World(OK)
    response, body = world.run(world.exchange(timeout=7, connect_timeout=3).fetch(100))
    assert (response.status, body) == (200, b"ok")
    (opened,) = world.opened
    assert (opened.request, opened.connect_timeout, opened.read_timeout) == (REQUEST, 3, 7)
    assert world.patience == [7]
    assert world.slept == []


PASSING = [
    ConnectionFailedError("refused"),
    TransportTimeoutError("no connection", while_connecting=True),
    *(failing(status) for status in (408, 409, 429, 500, 502, 503, 504, 529)),
    Answer(200, ConnectionFailedError("broke in the middle")),
]


@pytest.mark.parametrize("failure", PASSING, ids=str)
def test_passing_failures_are_tried_again(failure: Answer | ExecutionError) -> None:
    """Failures that may pass are tried again twice, with growing waits; nothing had been handed on."""
    world = World(failure, failure, OK)
    assert world.run(world.exchange().fetch(100))[1] == b"ok"
    assert world.slept == [0.5, 1.0]
    world = World(failure, failure, failure)
    with pytest.raises(ExecutionError):
        world.run(world.exchange().fetch(100))
    assert len(world.opened) == 3


FINAL = [
    TransportTimeoutError("silent"),
    ProtocolError("too long"),
    *(failing(status) for status in (400, 401, 402, 403, 404, 413, 422, 501, 505)),
    failing(429, "insufficient_quota"),
    failing(503, "insufficient_quota"),
    failing(400, "context_length_exceeded"),
    Answer(200, TransportTimeoutError("silent in the middle")),
]


@pytest.mark.parametrize("failure", FINAL, ids=str)
def test_other_failures_are_not(failure: Answer | ExecutionError) -> None:
    """A silent provider may be at work, and money does not come back by asking again."""
    world = World(failure, OK)
    with pytest.raises(ExecutionError):
        world.run(world.exchange().fetch(100))
    assert len(world.opened) == 1
    assert world.slept == []


def test_a_stream_is_opened_again_only_before_it_begins() -> None:
    """Opening is tried again; what fails while reading is the reader's."""
    world = World(failing(503), Answer(200, ConnectionFailedError("broke")), OK)
    exchange = world.exchange()
    response = world.run(exchange.open())
    assert response.status == 200
    with pytest.raises(ConnectionFailedError, match="broke"):
        world.run(exchange.read_some(response))
    assert len(world.opened) == 2


@pytest.mark.parametrize("retries", [0, 1, 5])
def test_as_many_retries_as_configured(retries: int) -> None:
    """``max_retries`` counts further attempts, and waits do not grow without end."""
    world = World(*[failing(503)] * (retries + 1))
    with pytest.raises(OverloadedError, match="m"):
        world.run(world.exchange(max_retries=retries).fetch(100))
    assert len(world.opened) == retries + 1
    assert world.slept == [0.5, 1.0, 2.0, 4.0, 8.0][:retries]


def test_waits_are_jittered() -> None:
    """The wait is between half of its length and all of it."""
    world = World(failing(503), OK)
    exchange = world.exchange()
    exchange._policy = msgspec.structs.replace(exchange._policy, chance=lambda: 0.0)
    world.run(exchange.fetch(100))
    assert world.slept == [0.25]


def test_the_provider_says_how_long_to_wait() -> None:
    """Retry-After is waited for, in seconds or thousandths; a shorter one than ours makes no haste."""
    world = World(failing(429, retry_after="7"), failing(503, retry_after_ms="10"), OK)
    world.run(world.exchange().fetch(100))
    assert world.slept == [7.0, 1.0]


def test_a_wait_that_is_too_long_is_the_callers_to_decide() -> None:
    """A provider that asks for more than two minutes is not waited for, and the error says how long."""
    world = World(failing(429, retry_after=str(LONGEST_RETRY_AFTER + 1)), OK)
    with pytest.raises(RateLimitedError) as caught:
        world.run(world.exchange().fetch(100))
    assert caught.value.retry_after == LONGEST_RETRY_AFTER + 1
    assert world.slept == []


def test_the_provider_has_the_last_word() -> None:
    """``x-should-retry`` outweighs the status; but nothing makes quota errors worth another try."""
    world = World(failing(400, x_should_retry="true"), OK)
    assert world.run(world.exchange().fetch(100))[1] == b"ok"
    world = World(failing(503, x_should_retry="false"), OK)
    with pytest.raises(OverloadedError):
        world.run(world.exchange().fetch(100))
    world = World(failing(429, "insufficient_quota", x_should_retry="true"), OK)
    with pytest.raises(QuotaExceededError) as caught:
        world.run(world.exchange().fetch(100))
    assert not caught.value.retryable
    assert len(world.opened) == 1


# Signing.


def signed(request: HttpRequest, now: float) -> HttpRequest:
    return msgspec.structs.replace(request, headers={**request.headers, "X-Signed": f"{request.url} at {now:g}"})


def test_what_is_sent_is_signed_at_the_last_moment() -> None:
    """Each attempt has the signature of its own time, each redirect that of its own address; none is signed twice."""
    world = World(failing(503), redirect(307, "/v2/chat"), failing(503), OK)
    world.run(world.exchange(sign=signed).fetch(100))
    signatures = [step.request.headers["X-Signed"] for step in world.opened]
    first, moved = REQUEST.url, "http://h/v2/chat"
    assert signatures == [f"{first} at 1000", f"{first} at 1000.5", f"{moved} at 1000.5", f"{first} at 1001.5"]
    assert all(step.request.body == REQUEST.body for step in world.opened)


# Deadlines, which are the driver's.


class Opened:
    """A transport, and the answer that it gives, for a driver on the clock of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._answer: Any = None
        self.headers: Mapping[str, str] = {}

    def open(self, request: HttpRequest, **seconds: Any) -> Opened:
        self._answer = self._world._perform(Open(request, **seconds))
        if isinstance(self._answer, ExecutionError):
            raise self._answer
        self.headers = self._answer.headers
        return self

    @property
    def status(self) -> int:
        status: int = self._answer.status
        return status

    def read_some(self, timeout: float) -> bytes:
        found: bytes | ExecutionError = self._world._perform(ReadSome(self, timeout))
        if isinstance(found, ExecutionError):
            raise found
        return found

    def close(self) -> None:
        """Nothing is open."""


def within(seconds: float, world: World, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> Any:
    """Drive an exchange that has so much time."""
    monkeypatch.setattr("airouter_core.flow.deadlines.time", types.SimpleNamespace(monotonic=lambda: world.now))
    flow = delegated(world.exchange(**settings).fetch(10), deadline=seconds)
    return Driver(flow, Opened(world)).run()  # type: ignore[arg-type]  # as much of a transport as is used


def test_the_deadline_shortens_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step may take what is left of the deadline, and no more than its own timeout."""
    world = World(OK, each_takes=4)
    within(10, world, monkeypatch, timeout=9, connect_timeout=30)
    (opened,) = world.opened
    assert (opened.connect_timeout, opened.read_timeout, opened.within) == (9, 9, 10)
    assert world.patience == [6, 2]


def test_a_deadline_that_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too late is an error that names the deadline, however the time went by."""
    world = World(OK, each_takes=6)
    with pytest.raises(TransportTimeoutError, match=r"deadline of 10 s; raise `deadline`"):
        within(10, world, monkeypatch)
    assert len(world.opened) == 1


def test_no_wait_goes_beyond_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the next attempt could only come too late, the failure is told at once."""
    world = World(failing(503, retry_after="8"), OK, each_takes=2)
    with pytest.raises(OverloadedError):
        within(10, world, monkeypatch)
    assert world.slept == []


def test_bytes_that_drip_in_do_not_outlast_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a deadline the body is read piece by piece, and still no longer than its limit."""
    with pytest.raises(ProtocolError, match="longer than 10 bytes"):
        within(10, World(Answer(200, b"x" * 11)), monkeypatch)


def test_silence_that_meets_the_deadline_is_told_as_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """When patience was cut by the deadline, ``timeout`` is not what to raise."""
    world = World(TransportTimeoutError("http://h sent nothing for 10 s; raise `timeout`"), each_takes=10)
    with pytest.raises(TransportTimeoutError, match="deadline of 10 s"):
        within(10, world, monkeypatch)


# Redirects.


def redirect(status: int, location: str) -> Answer:
    return Answer(status, b"moved", {"location": location})


def test_a_redirect_on_the_same_host_is_followed() -> None:
    """307 and 308 keep method and body; the key goes along, on the same host."""
    world = World(redirect(307, "/v2/chat"), redirect(308, "http://h/v3/chat?y=2"), OK)
    world.run(world.exchange().fetch(100))
    assert [step.request.url for step in world.opened] == [REQUEST.url, "http://h/v2/chat", "http://h/v3/chat?y=2"]
    assert all(step.request.body == REQUEST.body for step in world.opened)
    assert all(step.request.headers == REQUEST.headers for step in world.opened)


def test_a_redirect_to_tls_on_the_same_host_is_followed() -> None:
    """From http to https, key and prompt are only safer."""
    world = World(redirect(308, "https://h/v1/chat"), OK)
    world.run(world.exchange().fetch(100))
    assert world.opened[1].request.url == "https://h/v1/chat"


@pytest.mark.parametrize("status", [301, 302, 303])
def test_get_follows_every_redirect(status: int) -> None:
    """A request without a body loses nothing."""
    world = World(redirect(status, "other"), OK)
    world.run(world.exchange(HttpRequest("GET", "http://h/v1/models")).fetch(100))
    assert world.opened[1].request == HttpRequest("GET", "http://h/v1/other")


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_would_lose_the_request_is_an_error(status: int) -> None:
    """POST followed the old way becomes GET; the error says where to go instead."""
    world = World(redirect(status, "/v2/chat"))
    with pytest.raises(ProviderError, match="set base_url to the final address") as caught:
        world.run(world.exchange().fetch(100))
    assert caught.value.status == status


@pytest.mark.parametrize(
    "location", ["http://other/v1", "http://h:81/v1", "https://other/v1", "//other/v1", "ftp://h/"]
)
def test_no_redirect_leads_elsewhere(location: str) -> None:
    """Neither key nor prompt follows to another host, port or scheme; the error names it, and nothing is retried."""
    world = World(redirect(307, location), OK)
    with pytest.raises(ProviderError, match="neither key nor prompt was sent there"):
        world.run(world.exchange().fetch(100))
    assert len(world.opened) == 1


def test_https_is_not_left() -> None:
    """From https to http, anybody could read along."""
    world = World(redirect(307, "http://h/v1"))
    with pytest.raises(ProviderError, match="another address"):
        world.run(world.exchange(HttpRequest("GET", "https://h/v1")).fetch(100))


def test_redirects_without_end() -> None:
    """A circle of redirects is an error, and not tried again."""
    world = World(*[redirect(307, "/v1/chat?x=1")] * 6)
    with pytest.raises(ExecutionError, match="redirects more than 5 times") as caught:
        world.run(world.exchange().fetch(100))
    assert not caught.value.retryable
    assert len(world.opened) == 6


@pytest.mark.parametrize("location", ["http://[", "http://h:port/", "//["])
def test_a_redirect_to_nowhere(location: str) -> None:
    """An address that is none is the provider's fault."""
    world = World(redirect(307, location))
    with pytest.raises(ProviderError):
        world.run(world.exchange().fetch(100))


def test_a_redirect_without_an_address_is_a_failure() -> None:
    """304 and the like are no answers."""
    world = World(Answer(304, b""))
    with pytest.raises(ProviderError) as caught:
        world.run(world.exchange().fetch(100))
    assert caught.value.status == 304


# What failures say.


def test_a_failures_status_counts_although_its_body_cannot_be_read() -> None:
    """An error whose body is too long or breaks off is still that error."""
    for trouble in (ProtocolError("too long"), ConnectionFailedError("broke")):
        world = World(Answer(400, trouble))
        with pytest.raises(BadRequestError):
            world.run(world.exchange().fetch(100))


def test_secrets_are_hidden_in_what_a_provider_says() -> None:
    """A provider that repeats the key in its error does not bring it into ours."""
    said = f'{{"error": {{"message": "bad key {SECRET}"}}}}'.encode()
    world = World(Answer(500, said), Answer(500, said), Answer(500, said))
    with pytest.raises(ServerError) as caught:
        world.run(world.exchange().fetch(100))
    assert "bad key ***" in str(caught.value)
    assert SECRET not in str(caught.value) + str(caught.value.body)
    assert SECRET not in repr(world.exchange()._policy)


# Logging.


def test_the_log_has_no_content_unless_asked(caplog: pytest.LogCaptureFixture) -> None:
    """DEBUG shows what goes on, without query, key, prompt or answer."""
    caplog.set_level(logging.DEBUG, logger="airouter.transport")
    world = World(failing(503), Answer(200, b"the answer"))
    world.run(world.exchange().fetch(100))
    assert [record.levelname for record in caplog.records] == ["DEBUG"] * len(caplog.records)
    assert "POST http://h/v1/chat, 17 bytes" in caplog.text
    assert "503 after 0.000 s" in caplog.text
    assert "attempt 1 failed (OverloadedError); again in 0.50 s" in caplog.text
    for word in ("x=1", SECRET, "prompt", "the answer"):
        assert word not in caplog.text


def test_the_log_has_content_without_secrets_when_asked(caplog: pytest.LogCaptureFixture) -> None:
    """With ``log_content`` prompts and answers are written, secrets still hidden."""
    caplog.set_level(logging.DEBUG, logger="airouter.transport")
    world = World(Answer(200, f"the answer with {SECRET} and \xff".encode("latin-1")), OK)
    world.run(world.exchange(log_content=True).fetch(100))
    exchange = world.exchange(log_content=True)
    response = world.run(exchange.open())
    assert world.run(exchange.read_some(response)) == b"ok"
    assert 'request: {"say": "prompt"}' in caplog.text
    assert "answer: the answer with *** and" in caplog.text
    assert "received: ok" in caplog.text
    assert SECRET not in caplog.text


def test_nothing_is_written_above_debug(caplog: pytest.LogCaptureFixture) -> None:
    """A program that has not asked for DEBUG sees nothing of this."""
    caplog.set_level(logging.INFO, logger="airouter.transport")
    world = World(failing(503), OK)
    world.run(world.exchange(log_content=True).fetch(100))
    assert caplog.records == []


def test_draining_waits_briefly() -> None:
    """What follows a complete answer is read if it comes at once; else the connection is given up, in silence."""
    world = World(Answer(200, b"rest"), Answer(200, TransportTimeoutError("open")))
    exchange = world.exchange()
    world.run(exchange.drain(world.run(exchange.open())))
    world.run(exchange.drain(world.run(exchange.open())))
    assert set(world.patience) == {0.25}
