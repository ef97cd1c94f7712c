"""The wire that a dialect makes."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from urllib.parse import quote

from ...config.http import HttpConfig
from ...errors import ProviderError
from ...values.events import StreamEvent
from ...values.request import Request
from ...wire.failures import ErrorTable
from ...wire.http import Headers, HttpRequest, Wire, json_request
from ...wire.json import decoded_object
from ...wire.sse import ServerSentEvent, SseDecoder
from ...wire.streams import FramedParser
from .dialect import ChatDialect
from .errors import ReadFailure, failure_in, failure_of
from .reader import ChatReader
from .request import chat_body
from .unread import FORMAT

MODEL = "{model}"
"""Where the path of a dialect has the model, if it does."""


def wire_of(dialect: ChatDialect) -> Wire:
    """The wire of a server that speaks so."""
    return Wire(
        build_request=functools.partial(_build_request, dialect),
        parse_body=functools.partial(_parse_body, dialect),
        open_stream=functools.partial(_open_stream, dialect),
        parse_error=functools.partial(
            parse_error, dialect.errors, read=dialect.read_failure, request_id_headers=dialect.request_id_headers
        ),
        support=dialect.support,
        lacks=dialect.lacks,
        request_id_headers=dialect.request_id_headers,
        speaks=FORMAT,
    )


def parse_error(
    table: ErrorTable,
    status: int,
    headers: Headers,
    body: bytes,
    *,
    read: ReadFailure = failure_in,
    request_id_headers: tuple[str, ...] = (),
) -> ProviderError:
    """The error of an answer whose status is one. Header names are in lower case."""
    error = table.error(failure_of(body, status, read), status=status, body=body)
    error.request_id = error.request_id or next(filter(None, map(headers.get, request_id_headers)), None)
    return error


def _build_request(dialect: ChatDialect, request: Request, config: HttpConfig, *, stream: bool) -> HttpRequest:
    body = dialect.adapt(chat_body(dialect, request, stream=stream), request, config)
    path = dialect.path
    if MODEL in path:
        path = path.replace(MODEL, quote(request.model, safe=""))
    return json_request(config, "POST", path, body, headers=dialect.headers(config))


def _parse_body(dialect: ChatDialect, body: bytes) -> Iterable[StreamEvent]:
    return ChatReader(dialect).read_answer(decoded_object(body))


def _open_stream(dialect: ChatDialect) -> FramedParser[ServerSentEvent]:
    return FramedParser(SseDecoder(), ChatReader(dialect))
