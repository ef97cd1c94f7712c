"""One request and its answer, with retries, redirects, and secrets kept: the flow every call is made of.

The one owner of retries. They happen only before anything of an answer has been handed on. Deadlines are the driver's:
it shortens each step, and refuses a wait that would end too late.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import quote, urljoin, urlsplit

import msgspec

from ..config.cleaning import Cleaner
from ..config.http import HttpConfig
from ..errors import (
    ExecutionError,
    FailureClass,
    ProtocolError,
    ProviderError,
    TransportError,
    TransportTimeoutError,
)
from ..values.events import StreamEvent, Warned
from ..values.value import Value, hiding
from ..wire.failures import seconds_to_wait, told_of_address
from ..wire.http import MEBIBYTE, HttpRequest
from .endpoints import HttpResponse
from .steps import Flow, Open, ReadAll, ReadSome, Sleep, given

Result = TypeVar("Result")

LOGGER = logging.getLogger("airouter.transport")

FIRST_DELAY = 0.5
"""Seconds before the first further attempt; doubled each time."""
LONGEST_DELAY = 8.0
LONGEST_RETRY_AFTER = 120.0
"""Seconds; a provider that asks for more is not waited for, and the caller is told."""
DRAIN = 0.25
"""Seconds to wait for the end of an answer that has said it is complete, so that its connection can be used again."""
ERROR_LIMIT = MEBIBYTE
MAX_REDIRECTS = 5
KEPT_METHOD = frozenset({307, 308})
ADDRESS_CHARACTERS = "%/:?#[]@!$&'()*+,;=~"
"""What may stand in an address beside letters, digits and ``-._`` (RFC 3986, section 2)."""

Follow = Callable[[HttpRequest, str], Flow[HttpRequest]]
ParseError = Callable[[int, Mapping[str, str], bytes], ProviderError]
Sign = Callable[[HttpRequest, float], HttpRequest]
"""From what is about to be sent, and the time in seconds since the epoch, to what is sent."""


class Policy(Value, frozen=True, kw_only=True):
    """How patient one exchange is, how often it is tried, and what must not be shown."""

    timeout: float
    connect_timeout: float
    max_retries: int
    secrets: tuple[str, ...]
    log_content: bool
    now: Callable[[], float] = time.time
    chance: Callable[[], float] = random.random

    __repr__ = hiding("secrets")

    @classmethod
    def of(cls, config: HttpConfig) -> Policy:
        return cls(
            timeout=config.timeout,
            connect_timeout=config.connect_timeout,
            max_retries=config.max_retries,
            secrets=config.secrets,
            log_content=config.log_content,
        )


# The order of one exchange: sign, send, follow redirects of the same host, read a failure's body and make an error of
# it, wait and send again if that may help. What `read` makes of the answer belongs to the attempt, so that an answer
# which fails before it has said anything is asked for again like a request that never arrived.


class Exchange:
    """One request under one policy.

    Args:
        sign: applied at the last moment before each sending, redirects included; nothing is changed without it.
        cleaner: learns what is sent, so that it can be hidden wherever it comes back.
        follow: what to ask for when the answer to a request leads elsewhere, by the header that says where. Without
            it, what goes out stays with its host, as prompts and keys must.

    Attributes:
        cleaner: the one given, or one of its own.
        logs_content: whether both the configuration and the log want what is said.
    """

    def __init__(
        self,
        request: HttpRequest,
        parse_error: ParseError,
        policy: Policy,
        sign: Sign | None = None,
        cleaner: Cleaner | None = None,
        follow: Follow | None = None,
    ) -> None:
        self._follow = follow
        self.cleaner = cleaner or Cleaner(policy.secrets)
        self._request = request
        self._sign = sign
        self._parse_error = parse_error
        self._policy = policy
        self._is_logged = LOGGER.isEnabledFor(logging.DEBUG)
        self.logs_content = policy.log_content and self._is_logged

    def begin(self, read: Callable[[HttpResponse], Flow[Result]]) -> Flow[tuple[HttpResponse, Result]]:
        """The answer, and what ``read`` made of its beginning, or of all of it.

        Nothing has been handed on before ``read`` is through, so a failure in it is tried again under the same rules as
        one of the request: a broken connection, or an overload that is told inside an answer of status 200.
        """
        # The first attempt and the further ones; the last failure is raised by `_delay`.
        for attempt in range(self._policy.max_retries + 1):
            response: HttpResponse | None = None
            try:
                response = yield from self._attempt(attempt)
                return response, (yield from read(response))
            except ExecutionError as failure:
                if response is not None and isinstance(failure, ProviderError):
                    _advise(failure, response, self._policy.now())
                delay = self._delay(failure, attempt)
                try:
                    yield Sleep(delay)
                except TransportTimeoutError:  # the next attempt could only come too late
                    raise failure from failure.__cause__
        raise AssertionError("the last attempt returns or raises")

    def fetch(self, limit: int) -> Flow[tuple[HttpResponse, bytes]]:
        """The whole answer; broken off in the middle, it is asked for again."""
        return (yield from self.begin(lambda response: self.read_all(response, limit)))

    def open(self) -> Flow[HttpResponse]:
        """The answer's head; the body is then read by :meth:`read_some`."""
        response, _ = yield from self.begin(lambda response: given(None))
        return response

    def read_all(self, response: HttpResponse, limit: int) -> Flow[bytes]:
        """The whole body."""
        body: bytes = yield ReadAll(response, self._policy.timeout, limit)
        self.log_content("answer", body)
        return body

    def read_some(self, response: HttpResponse) -> Flow[bytes]:
        """The next bytes; empty at the end."""
        data: bytes = yield self.piece_of(response)
        self.log_content("received", data)
        return data

    def piece_of(self, response: HttpResponse) -> ReadSome:
        """The step that gives the next bytes, as often as it is yielded."""
        return ReadSome(response, self._policy.timeout)

    def log_content(self, what: str, data: bytes) -> None:
        """Write what was said into the log, without secrets, where both the configuration and the log want it."""
        if self.logs_content:
            LOGGER.debug("%s: %s", what, self.cleaner.data(data).decode("utf-8", "replace"))

    def drain(self, response: HttpResponse) -> Flow[None]:
        """Read what follows the end of a complete answer, if it comes at once."""
        try:
            # Read to its end a connection goes back to its pool; left in the middle it must be closed, and the next
            # call pays for another handshake.
            while (yield ReadSome(response, DRAIN)):
                pass
        except TransportError:
            LOGGER.debug("the connection stayed open after the end of the answer; it is closed")

    def _attempt(self, attempt: int) -> Flow[HttpResponse]:
        # From the first request each time: a redirect that was good for one attempt need not be for the next.
        request = self._request
        for _ in range(MAX_REDIRECTS + 1):
            step, started = self._sending(request, attempt), self._policy.now()
            response: HttpResponse = yield step
            if self._is_logged:
                LOGGER.debug("%s after %.3f s", response.status, self._policy.now() - started)
            if 200 <= response.status < 300:
                return response
            if response.status < 200:
                raise ProtocolError(f"{_shown(request.url)} answered with status {response.status}, which is no answer")
            body = yield from self._read_failure(response)
            location = response.headers.get("location") if response.status < 400 else None
            if location is None:
                raise self._refused(request, response, body)
            if self._follow is None:
                request = self._redirected(request, response, location)
            else:
                request = yield from self._follow(request, location)
        raise ProviderError(f"{_shown(self._request.url)} redirects more than {MAX_REDIRECTS} times", retryable=False)

    def _sending(self, request: HttpRequest, attempt: int) -> Open:
        # At the last moment, since a signature holds for minutes and waits may have passed.
        if self._sign is not None:
            request = self._sign(request, self._policy.now())
        self.cleaner.learn(request.headers)
        if self._is_logged:
            body = request.body if isinstance(request.body, bytes) else b""  # a file is sent, not shown
            LOGGER.debug("%s %s, %d bytes", request.method, _shown(request.url), len(body))
            self.log_content("request", body)
        return Open(request, self._policy.connect_timeout, self._policy.timeout, is_retry=attempt > 0)

    def _read_failure(self, response: HttpResponse) -> Flow[bytes]:
        try:
            body: bytes = yield ReadAll(response, self._policy.timeout, ERROR_LIMIT)
        except ExecutionError as error:
            LOGGER.debug("the body of the failure cannot be read: %s", self.cleaner.text(str(error)))
            return b""  # the status says enough
        return body

    def _delay(self, failure: ExecutionError, attempt: int) -> float:
        """Seconds until the next attempt; raises the failure when there is to be none."""
        if attempt >= self._policy.max_retries or not failure.retryable:
            raise failure
        # Exponential, with half of it left to chance: many callers that failed together must not come back together.
        delay: float = min(FIRST_DELAY * 2**attempt, LONGEST_DELAY) * (0.5 + self._policy.chance() / 2)
        asked = failure.retry_after if isinstance(failure, ProviderError) else None
        if asked is not None:
            if asked > LONGEST_RETRY_AFTER:
                raise failure
            delay = max(delay, asked)
        LOGGER.debug("attempt %d failed (%s); again in %.2f s", attempt + 1, type(failure).__name__, delay)
        return delay

    def _refused(self, request: HttpRequest, response: HttpResponse, body: bytes) -> ProviderError:
        error = self._parse_error(response.status, response.headers, self.cleaner.data(body))
        error = told_of_address(error, f"{request.method} {_shown(request.url)}")
        _advise(error, response, self._policy.now())
        return error

    def _redirected(self, request: HttpRequest, response: HttpResponse, location: str) -> HttpRequest:
        try:
            # As both halves send it: an address may not hold all that servers write into this header.
            target = quote(urljoin(request.url, location), safe=ADDRESS_CHARACTERS)
            old, new = urlsplit(request.url), urlsplit(target)
        except ValueError as error:
            raise ProviderError(
                f"{_shown(request.url)} redirects to what is no address: {location[:80]!r}",
                status=response.status,
                retryable=False,
            ) from error
        # A redirect elsewhere is how prompts and keys are stolen. To the same host, and from http to https, is safe.
        upgraded = (old.scheme, new.scheme) == ("http", "https") and old.hostname == new.hostname
        if (old.scheme, old.netloc) != (new.scheme, new.netloc) and not upgraded:
            raise ProviderError(
                f"{_shown(request.url)} redirects to another address, {_shown(target)}; neither key nor prompt was "
                "sent there. If it is right, make it the base_url",
                status=response.status,
                retryable=False,
            )
        # Of the others clients have made a GET by custom: the question would be lost, and the answer be to another.
        if response.status in KEPT_METHOD or request.method in ("GET", "HEAD"):
            return msgspec.structs.replace(request, url=target)
        raise ProviderError(
            f"{_shown(request.url)} redirects to {_shown(target)} in a way that would lose the request; "
            "set base_url to the final address",
            status=response.status,
            retryable=False,
        )


def _advise(error: ProviderError, response: HttpResponse, now: float) -> None:
    """Add to an error what the headers say about trying again."""
    asked = [seconds for seconds in (error.retry_after, seconds_to_wait(response.headers, now)) if seconds is not None]
    error.retry_after = max(asked, default=None)
    # Some vendors say it outright, and know best; but nobody pays again for a spent budget by trying again.
    verdict = response.headers.get("x-should-retry")
    if error.failure_class is FailureClass.QUOTA:
        error.retryable = False
    elif verdict in ("true", "false"):
        error.retryable = verdict == "true"


def broke_after_the_end(error: TransportError) -> StreamEvent:
    """What is said of a connection that broke when the answer was already complete."""
    return Warned(f"the connection broke after the answer was complete ({error}); usage and cost may be missing")


def _shown(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
