"""What may differ between servers of one format, as a value; and the wire that it makes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from ...config.http import HttpConfig
from ...errors import ProviderError
from ...profile.declarations import ParameterSupport
from ...profile.losses import Loss
from ...values.events import FinishReason, StreamEvent
from ...values.messages import Message
from ...values.request import Request
from ...values.usage import Cost
from ...values.value import Value
from ...wire.failures import ErrorTable
from ...wire.http import Headers, HttpRequest, Wire, bearer, json_request
from ...wire.json import decoded_object
from ...wire.sse import ServerSentEvent, SseDecoder
from ...wire.streams import FramedParser
from .errors import ReadFailure, failure_in, failure_of
from .reader import FINISH_REASONS, ChatReader, Received
from .request import LACKS, Returned, chat_body
from .unread import FORMAT

Body = dict[str, Any]


def _as_is(body: Body, request: Request, config: Any) -> Body:
    return body


def _no_cost(usage: Mapping[str, Any]) -> Cost | None:
    return None


class ChatDialect(Value, frozen=True, kw_only=True):
    """One server's way of speaking the format.

    Attributes:
        provider: the key of its options and metadata.
        parameters: which parameters it takes, and under which names.
        errors: what its codes mean.
        path: below ``base_url``; ``{model}`` in it stands for the model.
        headers: from the configuration: the key, and who is asking.
        system_role: what a system message is called, by model.
        reasoning_fields: where the text of the reasoning stands, in order of preference.
        sent_message: a last change to each message sent, where history carries what only this server understands.
        adapt: a last change to the body.
        metadata_fields: fields of an answer that are kept as metadata.
        part_fields: lists in an answer whose items are collected and kept with the message, to be sent back.
        growing_fields: fields of these items that a stream brings in pieces; pieces of one type and index are joined.
        returned_fields: objects in an answer that are kept with the message and sent back with it.
        cost: what an answer cost, from its usage.
        read_failure: what an error object says, where it says more than the format.
        received: puts each chunk and each whole answer into this format, where the server's differs.
        finish_reasons: what its reasons to stop mean; others are ``"other"``.
        lacks: what of a conversation is not sent, ``sent_message`` and ``adapt`` included.
    """

    provider: str
    errors: ErrorTable
    parameters: tuple[ParameterSupport, ...] = ()
    path: str = "chat/completions"
    headers: Callable[[Any], Headers] = bearer
    system_role: Callable[[str], str] = lambda model: "system"
    reasoning_fields: tuple[str, ...] = ("reasoning_content", "reasoning")
    sent_message: Callable[[dict[str, Any], Message], dict[str, Any]] = lambda sent, message: sent
    adapt: Callable[[Body, Request, Any], Body] = _as_is
    metadata_fields: tuple[str, ...] = ("system_fingerprint", "service_tier", "timings")
    part_fields: tuple[str, ...] = ()
    growing_fields: tuple[str, ...] = ()
    returned_fields: tuple[str, ...] = ("extra_content",)
    cost: Callable[[Mapping[str, Any]], Cost | None] = _no_cost
    read_failure: ReadFailure = failure_in
    support: Callable[[Request, Any], Iterable[ParameterSupport] | None] = lambda request, config: None
    request_id_headers: tuple[str, ...] = ("x-request-id", "request-id")
    received: Received | None = None
    finish_reasons: Mapping[str, FinishReason] = msgspec.field(default_factory=lambda: FINISH_REASONS)
    lacks: frozenset[Loss] = LACKS

    def wire(self) -> Wire:
        """The wire of this server."""
        return Wire(
            build_request=functools.partial(_build_request, self),
            parse_body=functools.partial(_parse_body, self),
            open_stream=functools.partial(_open_stream, self),
            parse_error=functools.partial(
                parse_error, self.errors, read=self.read_failure, request_id_headers=self.request_id_headers
            ),
            support=self.support,
            lacks=self.lacks,
            request_id_headers=self.request_id_headers,
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
    rows = dialect.support(request, config) if request.parameters else ()
    body = chat_body(
        request,
        dialect.parameters if rows is None else rows,
        stream=stream,
        system_role=dialect.system_role(request.model),
        sent_message=dialect.sent_message,
        returned=Returned(dialect.provider, dialect.returned_fields),
    )
    body = dialect.adapt(body, request, config)
    path = dialect.path.replace("{model}", quote(request.model, safe=""))
    return json_request(config, "POST", path, body, headers=dialect.headers(config))


def _parse_body(dialect: ChatDialect, body: bytes) -> Iterable[StreamEvent]:
    return _reader(dialect).read_answer(decoded_object(body))


def _open_stream(dialect: ChatDialect) -> FramedParser[ServerSentEvent]:
    return FramedParser(SseDecoder(), _reader(dialect))


def _reader(dialect: ChatDialect) -> ChatReader:
    return ChatReader(
        dialect.provider,
        dialect.errors,
        reasoning_fields=dialect.reasoning_fields,
        metadata_fields=dialect.metadata_fields,
        part_fields=dialect.part_fields,
        growing_fields=dialect.growing_fields,
        returned_fields=dialect.returned_fields,
        cost=dialect.cost,
        read_failure=dialect.read_failure,
        received=dialect.received,
        finish_reasons=dialect.finish_reasons,
    )
