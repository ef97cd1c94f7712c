"""The chat API, version 2, as pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import HttpRequest, Wire, json_request
from airouter_core.wire.json import decoded_object
from airouter_core.wire.sse import SseDecoder
from airouter_core.wire.streams import framed_by

from .config import CohereConfig
from .errors import REQUEST_ID_HEADERS, parse_error
from .profile import support
from .reader import MessageReader
from .request import LACKS, chat_body, credentials, notes


def _build_request(request: Request, config: CohereConfig, *, stream: bool) -> HttpRequest:
    body = chat_body(request, config, stream=stream)
    return json_request(config, "POST", "v2/chat", body, headers=credentials(config))


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return MessageReader().read_message(decoded_object(body))


CHAT = Wire(
    build_request=_build_request,
    parse_body=_parse_body,
    open_stream=framed_by(SseDecoder, MessageReader),
    parse_error=parse_error,
    request_id_headers=REQUEST_ID_HEADERS,
    support=support,
    lacks=LACKS,
    notes=notes,
)
