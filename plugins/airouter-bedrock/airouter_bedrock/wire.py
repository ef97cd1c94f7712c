"""The Converse API as pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.wire.http import HttpRequest, Wire, bearer, json_request
from airouter_core.wire.json import decoded_object
from airouter_core.wire.streams import framed_by

from .config import BedrockConfig
from .errors import REQUEST_ID, parse_error
from .eventstream import EVENT_STREAM, EventStreamDecoder
from .profile import support
from .reader import ConverseReader
from .request import LACKS, converse_body, notes
from .signing import sign


def model_path(model: str, operation: str) -> str:
    """The path of an operation of one model; an ARN is one segment of it, slashes and all."""
    return f"model/{quote(model, safe='')}/{operation}"


def _build_request(request: Request, config: BedrockConfig, *, stream: bool) -> HttpRequest:
    path = model_path(request.model, "converse-stream" if stream else "converse")
    headers = {"Accept": EVENT_STREAM if stream else "application/json", **bearer(config)}
    return json_request(config, "POST", path, converse_body(request, config), headers=headers)


def _support(request: Request, config: BedrockConfig) -> Iterable[ParameterSupport]:
    return support(request)


def _notes(request: Request, config: BedrockConfig) -> Iterable[str]:
    return notes(request)


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return ConverseReader().read_answer(decoded_object(body))


CONVERSE = Wire(
    build_request=_build_request,
    parse_body=_parse_body,
    open_stream=framed_by(EventStreamDecoder, ConverseReader),
    parse_error=parse_error,
    stream_type=EVENT_STREAM,
    request_id_headers=(REQUEST_ID,),
    support=_support,
    lacks=LACKS,
    notes=_notes,
    sign=sign,
)
