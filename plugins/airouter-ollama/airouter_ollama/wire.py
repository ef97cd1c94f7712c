"""Ollama's chat API as pure functions: JSON out, newline-delimited JSON in."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

from airouter_core.errors import ParameterError, ProtocolError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import NDJSON, HttpRequest, Wire, json_request
from airouter_core.wire.json import decoded_object
from airouter_core.wire.ndjson import NdjsonDecoder
from airouter_core.wire.streams import FramedParser

from .config import OllamaConfig
from .errors import REQUEST_ID_HEADERS, parse_error
from .plugin import PARAMETERS
from .reader import AnswerReader
from .request import LACKS, chat_body, check_request


def headers_of(config: OllamaConfig) -> dict[str, str]:
    """The key, where there is one for this server."""
    return {"Authorization": f"Bearer {config.key}"} if config.key else {}


def support(request: Request, config: OllamaConfig) -> Iterable[ParameterSupport]:
    """Which parameters are taken: the same for all models, as far as can be known without asking.

    Raises:
        ConfigurationError: the request holds what the server would ignore.
    """
    check_request(request)
    return PARAMETERS


def build_request(request: Request, config: OllamaConfig, *, stream: bool) -> HttpRequest:
    """``POST /api/chat``. The context ``"auto"`` must have become a number before.

    Raises:
        ConfigurationError: the request holds what Ollama cannot take.
    """
    check_request(request)
    if request.parameter("context") == "auto":
        raise ParameterError('context="auto" is for providers that can ask the server; a wire takes a number')
    body = chat_body(request, config, stream=stream)
    return json_request(config, "POST", "api/chat", body, headers=headers_of(config))


def open_stream() -> FramedParser[str]:
    """A fresh parser for one answer."""
    return FramedParser(NdjsonDecoder(), AnswerReader())


def parse_body(body: bytes) -> Iterable[StreamEvent]:
    """A whole answer is a stream of one line; some gateways stream it nevertheless."""
    if not body.lstrip().startswith(b"{"):
        decoded_object(body)  # says what came instead of an answer
    decoder, reader = NdjsonDecoder(), AnswerReader()
    for line in chain(decoder.feed(body), decoder.close()):
        yield from reader.read(line)
    yield from reader.end()
    if not reader.begun:
        raise ProtocolError("ollama sent an empty object instead of an answer")


WIRE = Wire(
    build_request=build_request,
    parse_body=parse_body,
    open_stream=open_stream,
    parse_error=parse_error,
    stream_type=NDJSON,
    request_id_headers=REQUEST_ID_HEADERS,
    support=support,
    lacks=LACKS,
)
