"""The Interactions API as pure functions."""

from __future__ import annotations

from collections.abc import Iterable

from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import EVENT_STREAM, HttpRequest, Wire, json_request
from airouter_core.wire.json import decoded_object
from airouter_core.wire.sse import SseDecoder
from airouter_core.wire.streams import framed_by

from ..config import GeminiConfig
from ..errors import REQUEST_ID_HEADERS, parse_error
from ..request import credentials
from .reader import InteractionReader
from .request import LACKS, interaction_body, notes, support


def _build_request(request: Request, config: GeminiConfig, *, stream: bool) -> HttpRequest:
    headers = credentials(config)
    if stream:
        headers["Accept"] = EVENT_STREAM
    body = interaction_body(request, config, stream=stream)
    return json_request(config, "POST", "interactions?alt=sse" if stream else "interactions", body, headers=headers)


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return InteractionReader().read_interaction(decoded_object(body))


INTERACTIONS = Wire(
    build_request=_build_request,
    parse_body=_parse_body,
    open_stream=framed_by(SseDecoder, InteractionReader),
    parse_error=parse_error,
    request_id_headers=REQUEST_ID_HEADERS,
    support=support,
    lacks=LACKS,
    notes=notes,
)
