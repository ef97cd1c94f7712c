"""What is OpenRouter's own in the chat-completions format. Sources: its OpenAPI document (2026-08-22), recordings."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeGuard

from airouter_core.dialects.chat_completions.dialect import LACKS, ChatDialect
from airouter_core.errors import ParameterError
from airouter_core.profile.declarations import ParameterSupport
from airouter_core.profile.losses import Loss
from airouter_core.values.message_dicts import ANY_PROVIDER
from airouter_core.values.messages import FilePart, Message, ReasoningPart, TextPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.wire.json import mapping

from .config import OpenRouterConfig
from .cost import cost_of
from .errors import ERRORS, read_failure
from .headers import headers_with_key
from .plugin import OPENROUTER
from .routing import preferences

NAME = OPENROUTER.name
MOST_STOPS = 4


def support(request: Request, config: OpenRouterConfig) -> Iterable[ParameterSupport] | None:
    """As declared; what does not go together is refused here, before anything is sent.

    Raises:
        ParameterError: two settings contradict each other, or there are too many stops.
    """
    reasoning_of(request)
    preferences(request.provider_options)
    stop = request.parameter("stop")
    if isinstance(stop, list | tuple) and len(stop) > MOST_STOPS:
        raise ParameterError(f"OpenRouter takes at most {MOST_STOPS} texts as stop, not {len(stop)}")
    if request.parameter("grammar") is not None and request.response_format is not None:
        raise ParameterError("grammar and response_format both prescribe the answer's form; give one of them")
    return None


def reasoning_of(request: Request) -> dict[str, Any]:
    """The object ``reasoning``: from the parameters, and from ``provider_options`` for what they do not say.

    Raises:
        ParameterError: effort and budget are both given, or one of them twice with different values.
    """
    given = {"effort": request.parameter("reasoning_effort"), "max_tokens": request.parameter("reasoning_budget")}
    known = {name: value for name, value in given.items() if value is not None}
    options = mapping(request.provider_options.get("reasoning"))
    if any(options.get(name, value) != value for name, value in known.items()):
        raise ParameterError(f"reasoning is given as a parameter ({known}) and otherwise in provider_options; give one")
    merged = {**options, **known}
    if merged.get("effort") is not None and merged.get("max_tokens") is not None:
        raise ParameterError("OpenRouter takes reasoning_effort or reasoning_budget, not both; give one of them")
    return merged


def adapt(body: dict[str, Any], request: Request, config: OpenRouterConfig) -> dict[str, Any]:
    """Say routing, reasoning and grammar as OpenRouter has them."""
    _add_marked_results(body, request)
    if "stream_options" not in request.provider_options:
        body.pop("stream_options", None)  # without effect there: usage always comes
    if reasoning := reasoning_of(request):
        body["reasoning"] = reasoning
    if request.parameter("grammar") is not None:
        body["response_format"]["type"] = "grammar"
    if request.parameter("top_logprobs") is not None:
        body.setdefault("logprobs", True)
    routing = preferences(request.provider_options)
    for name in routing:
        body.pop(name, None)
    return {**body, "provider": routing} if routing else body


def sent_message(sent: dict[str, Any], message: Message) -> dict[str, Any]:
    """Add what only OpenRouter understands: its reasoning, exactly as it came, and marks for the cache."""
    own = [part.provider_metadata.get(NAME, {}) for part in message.parts if hasattr(part, "provider_metadata")]
    around = {**message.provider_metadata.get(ANY_PROVIDER, {}), **message.provider_metadata.get(NAME, {})}
    if message.role == "assistant":
        details = [detail for metadata in own for detail in metadata.get("reasoning_details", ())]
        text = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
        if details:
            sent["reasoning_details"] = details
            sent.pop("reasoning", None)
        elif text and "reasoning_details" not in around:
            sent["reasoning"] = text  # the details hold the text too; sent twice, it would count twice
        texts = [part for part in message.parts if isinstance(part, TextPart)]
        if any(map(_extra, texts)):
            sent["content"] = _marked(texts)
        if "tool_calls" in sent:
            sent["content"] = sent["content"] or None  # as it came: the part that carries the details has no text
        if pictures := [part for part in message.parts if isinstance(part, FilePart) and part.is_image]:
            sent["images"] = [{"type": "image_url", "image_url": {"url": part.data_url}} for part in pictures]
    else:
        sent["content"] = _content(sent["content"], message)
    return {**around, **sent}


def _marked(texts: Iterable[TextPart]) -> list[dict[str, Any]]:
    return [{"type": "text", "text": part.text, **_extra(part)} for part in texts]


def _add_marked_results(body: dict[str, Any], request: Request) -> None:
    """Say results whose texts bear marks as lists of them, which the common format does not do."""
    parts = [part for message in request.messages if message.role == "tool" for part in message.parts]
    results = [part for part in parts if isinstance(part, ToolResultPart)]
    sent = [message for message in body["messages"] if message["role"] == "tool"] if results else []
    for message, result in zip(sent, results, strict=True):
        texts = [item for item in result.content if isinstance(item, TextPart)]
        if any(map(_extra, texts)):
            message["content"] = _marked(texts)


def _content(content: Any, message: Message) -> Any:
    """The content, with marks for the cache, and with videos as OpenRouter has them."""
    said = [part for part in message.parts if isinstance(part, TextPart | FilePart)]
    marks = [_extra(part) for part in said]
    if isinstance(content, str):
        if not any(marks):
            return content
        content = [{"type": "text", "text": content}]
    parts = [_video(part) if _is_video(part) else entry for entry, part in zip(content, said, strict=True)]
    return [{**part, **mark} for part, mark in zip(parts, marks, strict=True)]


def _extra(part: TextPart | FilePart) -> dict[str, Any]:
    """What stands beside a part: the fields that the common format does not know, and a mark for the cache."""
    mark = mapping(part.provider_metadata.get(NAME)).get("cache_control")
    return {**mapping(part.provider_metadata.get(ANY_PROVIDER)), **({"cache_control": mark} if mark else {})}


def _is_video(part: TextPart | FilePart) -> TypeGuard[FilePart]:
    return isinstance(part, FilePart) and part.media_type.startswith("video/")


def _video(part: FilePart) -> dict[str, Any]:
    return {"type": "video_url", "video_url": {"url": part.data_url}}


DIALECT = ChatDialect(
    provider=NAME,
    errors=ERRORS,
    read_failure=read_failure,
    headers=headers_with_key,
    sent_message=sent_message,
    adapt=adapt,
    support=support,
    cost=cost_of,
    metadata_fields=("provider", "system_fingerprint", "service_tier", "openrouter_metadata"),
    part_fields=("reasoning_details",),
    growing_fields=("text", "summary"),
    request_id_headers=("x-generation-id", "x-request-id"),
    lacks=LACKS - {Loss.THOUGHTS_OF_OTHERS, Loss.PICTURES_OF_ASSISTANT} | {Loss.SEALED_THOUGHTS},
)
WIRE = DIALECT.wire()
