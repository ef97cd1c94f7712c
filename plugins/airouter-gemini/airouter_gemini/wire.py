"""generateContent as pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import HttpRequest, Wire, json_request
from airouter_core.wire.sse import SseDecoder
from airouter_core.wire.streams import framed_by

from .config import GeminiConfig
from .errors import REQUEST_ID_HEADERS, parse_error
from .profile import support
from .reader import AnswerReader
from .request import LACKS, content_body, credentials, notes


def _build_request(request: Request, config: GeminiConfig, *, stream: bool) -> HttpRequest:
    method = "streamGenerateContent?alt=sse" if stream else "generateContent"
    path = f"{config.resource(request.model)}:{method}"
    return json_request(config, "POST", path, content_body(request, config), headers=credentials(config))


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return AnswerReader().read_body(body)


GENERATE = Wire(
    build_request=_build_request,
    parse_body=_parse_body,
    open_stream=framed_by(SseDecoder, AnswerReader),
    parse_error=parse_error,
    request_id_headers=REQUEST_ID_HEADERS,
    support=support,
    lacks=LACKS,
    notes=notes,
)
