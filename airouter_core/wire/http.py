"""An HTTP request as a value, and the protocol that describes an API."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, BinaryIO, Generic, Protocol, TypeVar

import msgspec

from ..config.http import HttpConfig
from ..errors import ProviderError
from ..profile.declarations import ParameterSupport
from ..profile.losses import Loss
from ..values.events import StreamEvent
from ..values.request import Request
from ..values.value import Value, hiding
from ..version import VERSION
from .json import encoded

Result = TypeVar("Result")
Headers = Mapping[str, str]

EVENT_STREAM = "text/event-stream"
NDJSON = "application/x-ndjson"

MEBIBYTE = 1024 * 1024


class HttpRequest(Value, frozen=True):
    """What is to be sent. Headers and body are kept out of ``repr``: they may hold keys and prompts.

    Attributes:
        body: bytes, or an open file that is sent as it is read; give such a request its ``Content-Length``, and send
            it once.
    """

    method: str
    url: str
    headers: Headers = msgspec.field(default_factory=dict)
    body: bytes | BinaryIO | None = None

    __repr__ = hiding("headers", "body")


class StreamParser(Protocol):
    """Turns the bytes of one stream into events, however they are cut."""

    def feed(self, data: bytes) -> Iterable[StreamEvent]:
        """Take the next bytes; give the events that they complete.

        Raises:
            ProtocolError: they are not in the provider's format. Events before the fault are given first.
            ProviderError: the provider reports an error inside the stream.
        """
        ...

    def close(self) -> Iterable[StreamEvent]:
        """Take the end of the stream; give what only now is complete."""
        ...

    @property
    def done(self) -> bool:
        """Whether the stream's end marker has come, so that nothing need be waited for."""
        ...


def _no_support(request: Request, config: Any) -> Iterable[ParameterSupport] | None:
    return None


def unsigned(request: HttpRequest, config: Any, now: float) -> HttpRequest:
    """What is sent as it is."""
    return request


def _nothing_reported(body: bytes) -> Sequence[StreamEvent]:
    return ()


def _no_notes(request: Request, config: Any) -> Iterable[str]:
    return ()


class Wire(Value, frozen=True, kw_only=True):
    """What a provider's chat API looks like, as pure functions.

    Attributes:
        build_request: from a request and the configuration to what is sent; ``stream`` asks for a stream.
        parse_body: from a whole answer to events; raises ``ProviderError`` for an error inside an answer.
        open_stream: a fresh parser for one stream.
        parse_error: from status, headers and body of a failure to the error to raise.
        stream_type: content type of the provider's streams.
        request_id_headers: headers that may hold the request id, most telling first; lower case.
        support: which parameters are taken, where that depends on the model; ``None`` means as declared. A call that it
            refuses is refused before its first row: of a call without parameters no more is asked for.
        lacks: what of a conversation this API has no place for; the caller is told where one holds it.
        notes: what else the caller should know of how a request is said; each note is a warning of the response.
        sign: from what is about to be sent, the configuration and the time (seconds since the epoch) to what is sent
            in its place. Called for each attempt and for each redirect, with every other header in its place, since a
            signature holds for one address and a few minutes.
        speaks: the format, where several vendors speak it: whoever was asked in it may give the wire's servers fields
            that nobody here knows, in ``provider_options`` and ``provider_metadata`` under this name.
    """

    build_request: Callable[..., HttpRequest]
    parse_body: Callable[[bytes], Iterable[StreamEvent]]
    open_stream: Callable[[], StreamParser]
    parse_error: Callable[[int, Headers, bytes], ProviderError]
    stream_type: str = EVENT_STREAM
    request_id_headers: tuple[str, ...] = ("x-request-id", "request-id")
    support: Callable[[Request, Any], Iterable[ParameterSupport] | None] = _no_support
    lacks: frozenset[Loss] = frozenset()
    notes: Callable[[Request, Any], Iterable[str]] = _no_notes
    sign: Callable[[HttpRequest, Any, float], HttpRequest] = unsigned
    speaks: str = ""


class Operation(Value, Generic[Result], frozen=True, kw_only=True):
    """One further endpoint: how to ask, and how to read the answer. Run by :class:`HttpProvider` like a call.

    Attributes:
        build: from the configuration and the operation's own arguments to what is sent.
        parse: from the whole answer to the result.
        report: what the answer says beside its result, as events: usage, cost.
        max_bytes: the longest answer that is read.
        holds_error: whether an ``error`` in the answer is a part of it, and not the failure of this very request.
        once: never try again, since it may have been done though its answer was lost.
    """

    build: Callable[..., HttpRequest]
    parse: Callable[[bytes], Result]
    report: Callable[[bytes], Sequence[StreamEvent]] = _nothing_reported
    max_bytes: int = 64 * MEBIBYTE
    holds_error: bool = False
    once: bool = False


def completed(request: HttpRequest, config: HttpConfig) -> HttpRequest:
    """The request with what every one of a provider says: who asks, and the headers of its configuration."""
    headers = {"User-Agent": f"airouter/{VERSION}", **request.headers}
    if config.custom_headers:
        given = {name.lower() for name in config.custom_headers}
        headers = {name: value for name, value in headers.items() if name.lower() not in given}
        headers.update(config.custom_headers)
    return HttpRequest(request.method, request.url, headers, request.body)


def json_request(
    config: HttpConfig, method: str, path: str, payload: Any = None, *, headers: Headers | None = None
) -> HttpRequest:
    """A request with a JSON body (or none) to ``path`` below the configured ``base_url``.

    Raises:
        ParameterError: the payload holds something JSON cannot say.
    """
    if payload is None:
        return HttpRequest(method, config.url(path), {"Accept": "application/json", **(headers or {})})
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    return HttpRequest(method, config.url(path), sent, encoded(payload))


def bearer(config: HttpConfig) -> dict[str, str]:
    """The ``Authorization`` header for the configured key; empty without one."""
    return {"Authorization": f"Bearer {config.api_key}"} if config.api_key else {}
