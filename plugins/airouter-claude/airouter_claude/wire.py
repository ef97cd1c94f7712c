"""The Messages API as pure functions, and the endpoints beside it."""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from airouter_core.errors import ProtocolError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import StreamEvent
from airouter_core.values.request import Request
from airouter_core.values.usage import count
from airouter_core.values.value import Value
from airouter_core.wire.http import HttpRequest, Operation, Wire, json_request
from airouter_core.wire.json import decoded_object, mapping, text
from airouter_core.wire.sse import SseDecoder
from airouter_core.wire.streams import framed_by

from .config import NEW_VERSION, ClaudeConfig
from .errors import parse_error
from .models import FactsOf, known_facts, line_of
from .plugin import CLAUDE
from .profile import support
from .reader import MessageReader
from .request import LACKS, common_headers, counted_body, message_body, notes, request_headers

MESSAGES = "v1/messages"
MODELS = "v1/models"
LARGEST_PAGE = 1000

CAPABILITIES = {
    "image_input": "vision",
    "pdf_input": "documents",
    "structured_outputs": "json_schema",
    "thinking": "reasoning",
    "batch": "batches",
}
"""What the vendor calls capabilities, in our words."""


def messages_wire(facts_of: FactsOf = known_facts) -> Wire:
    """The wire, with what is known of models."""
    return Wire(
        build_request=functools.partial(_build_request, facts_of),
        parse_body=_parse_body,
        open_stream=framed_by(SseDecoder, MessageReader),
        parse_error=parse_error,
        request_id_headers=("request-id", "x-request-id"),
        support=functools.partial(_support, facts_of),
        lacks=LACKS,
        notes=functools.partial(_notes, facts_of),
        speaks="messages",
    )


def _build_request(facts_of: FactsOf, request: Request, config: ClaudeConfig, *, stream: bool) -> HttpRequest:
    facts = facts_of(request.model)
    body = message_body(request, config, facts, stream=stream)
    return json_request(config, "POST", MESSAGES, body, headers=request_headers(request, config, facts))


def _support(facts_of: FactsOf, request: Request, config: ClaudeConfig) -> Iterable[ParameterSupport]:
    return support(request, config, facts_of(request.model))


def _notes(facts_of: FactsOf, request: Request, config: ClaudeConfig) -> Iterable[str]:
    return notes(request, facts_of(request.model))


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return MessageReader().read_message(decoded_object(body))


# Counting tokens.


def _build_count(config: ClaudeConfig, facts_of: FactsOf, request: Request) -> HttpRequest:
    facts = facts_of(request.model)
    body = counted_body(message_body(request, config, facts, stream=False))
    return json_request(
        config, "POST", f"{MESSAGES}/count_tokens", body, headers=request_headers(request, config, facts)
    )


def _parse_count(body: bytes) -> int:
    counted = count(decoded_object(body).get("input_tokens"))
    if counted is None:
        raise ProtocolError("the provider sent a count of tokens without input_tokens")
    return counted


COUNT_TOKENS: Operation[int] = Operation(build=_build_count, parse=_parse_count)


# Listing models.


class ModelPage(Value, frozen=True):
    """One page of the list of models; ``next`` is what to ask the next one after, or ``None``."""

    entries: tuple[Mapping[str, Any], ...]
    next: str | None


def _build_models(config: ClaudeConfig, after: str | None) -> HttpRequest:
    query = f"?limit={LARGEST_PAGE}" + (f"&after_id={quote(after)}" if after else "")
    return json_request(
        config, "GET", MODELS + query, headers=common_headers(config, config.api_version or NEW_VERSION)
    )


def _parse_models(body: bytes) -> ModelPage:
    page = decoded_object(body)
    data = page.get("data")
    if not isinstance(data, list):
        raise ProtocolError("the provider sent a list of models without data")
    entries = tuple(entry for entry in data if isinstance(entry, Mapping) and isinstance(entry.get("id"), str))
    last = page.get("last_id") or (entries[-1]["id"] if entries else None)
    return ModelPage(entries, last if page.get("has_more") is True and entries else None)


MODEL_PAGE: Operation[ModelPage] = Operation(build=_build_models, parse=_parse_models)


def model_of(entry: Mapping[str, Any]) -> ModelInfo:
    """A model as the list describes it. It names no prices."""
    said = mapping(entry.get("capabilities"))
    has = {ours for theirs, ours in CAPABILITIES.items() if mapping(said.get(theirs)).get("supported") is True}
    ours = tuple(name for name in CLAUDE.capabilities if name in has or name not in CAPABILITIES.values())
    reads = ("text", *(("image",) if "vision" in has else ()), *(("pdf",) if "documents" in has else ()))
    retired = entry.get("lifecycle") == "retired"
    return ModelInfo(
        id=entry["id"],
        name=text(entry.get("display_name")) or entry["id"],
        provider=CLAUDE.name,
        context_length=count(entry.get("max_input_tokens")),
        max_output_tokens=count(entry.get("max_tokens")),
        created=time_of(entry.get("created_at")),
        family=text(entry.get("line")) or line_of(entry["id"]),
        input_modalities=reads if said else None,
        output_modalities=("text",) if said else None,
        capabilities=ours if said else None,
        problem="the vendor has retired this model; calls that name it fail" if retired else None,
        raw=dict(entry),
    )


def time_of(value: Any) -> datetime.datetime | None:
    """A time from RFC 3339; ``None`` unless it is one, or when it is the epoch, which stands for "unknown"."""
    try:
        time = datetime.datetime.fromisoformat(text(value))
    except ValueError:
        return None
    return time if time.year > 1970 and time.tzinfo is not None else None
