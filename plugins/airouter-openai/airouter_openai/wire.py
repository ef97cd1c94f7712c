"""OpenAI's two chat APIs as wires, and its other endpoints but images and moderation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from airouter_core.dialects.chat_completions.dialect import ChatDialect
from airouter_core.dialects.chat_completions.endpoints import embeddings_operation
from airouter_core.errors import ProtocolError, UnsupportedFeatureError
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid
from airouter_core.values.events import StreamEvent
from airouter_core.values.folding import fold
from airouter_core.values.messages import FilePart, TextPart
from airouter_core.values.request import Request
from airouter_core.values.response import Response
from airouter_core.values.usage import count
from airouter_core.wire.http import HttpRequest, Operation, Wire, bearer, json_request
from airouter_core.wire.json import decoded_object, mapping
from airouter_core.wire.sse import SseDecoder
from airouter_core.wire.streams import framed_by

from .config import OpenAIConfig
from .errors import ERRORS
from .families import family_of
from .plugin import OPENAI
from .profile import chat_support, responses_support
from .reader import ResponseReader
from .request import JOINED, ends_in_thought, is_named_address, is_unsent_thought, responses_body, sent_id
from .strict import arguments_as_sent, as_sent

LONGEST_CHAT_ID = 40
"""Of a call; the vendor answers a longer one with 400."""


def headers(config: OpenAIConfig) -> dict[str, str]:
    """The key, and who is charged."""
    sent = bearer(config)
    if config.organization:
        sent["OpenAI-Organization"] = config.organization
    if config.project:
        sent["OpenAI-Project"] = config.project
    return sent


# Chat completions.


def _system_role(model: str) -> str:
    return "developer" if family_of(model).reasons else "system"


def _shorten_ids(messages: list[dict[str, Any]]) -> None:
    for sent in messages:
        for call in sent.get("tool_calls") or ():
            call["id"] = sent_id(call["id"], LONGEST_CHAT_ID)
        if "tool_call_id" in sent:
            sent["tool_call_id"] = sent_id(sent["tool_call_id"], LONGEST_CHAT_ID)


def _adapt(body: dict[str, Any], request: Request, config: OpenAIConfig) -> dict[str, Any]:
    if body.get("top_logprobs") is not None and "logprobs" not in body:
        body["logprobs"] = True
    if config.store and "store" not in body:
        body["store"] = True
    for tool in filter(None, (mapping(tool).get("function") for tool in body.get("tools", ()))):
        sent = arguments_as_sent(mapping(tool.get("parameters")), strict=tool.get("strict") is True)
        tool.update({name: value for name, value in sent.items() if name in tool})
    named = mapping(mapping(body.get("response_format")).get("json_schema"))
    if named.get("strict") is True:
        body["response_format"]["json_schema"]["schema"] = as_sent(named.get("schema"), strict=True)
    _shorten_ids(body["messages"])
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, FilePart) and part.url is not None and not part.is_image:
                raise UnsupportedFeatureError(
                    f"{OPENAI.name}: chat completions fetches images only; give {part.url!r} as a file that was read "
                    '(FilePart.from_path), or set api="responses"'
                )
    return body


DIALECT = ChatDialect(
    provider=OPENAI.name,
    errors=ERRORS,
    headers=headers,
    system_role=_system_role,
    adapt=_adapt,
    support=chat_support,
)
CHAT = DIALECT.wire()


# Responses.


def _build(request: Request, config: OpenAIConfig, *, stream: bool) -> HttpRequest:
    body = responses_body(
        request,
        reasons=family_of(request.model).reasons,
        store=config.store,
        summary=config.reasoning_summary,
    )
    if stream:
        body["stream"] = True
    body = overlaid(body, request.provider_options, joined=JOINED)
    return json_request(config, "POST", "responses", body, headers=headers(config))


LACKS = frozenset({Loss.NAMES, Loss.TOOL_NAMES, Loss.RESULT_NAMES, Loss.ERRORS, Loss.ARGUMENTS})
"""What the Responses API has no place for."""


def _notes(request: Request, config: OpenAIConfig) -> Iterable[str]:
    parts = [part for message in request.messages for part in message.parts if type(part) is not TextPart]
    if any(is_unsent_thought(part, stored=config.store) for part in parts):
        yield "thoughts in the history were not sent: OpenAI takes back only its own, with their encrypted content"
    if any(ends_in_thought(message, stored=config.store) for message in request.messages):
        yield "thoughts in the history that led to nothing were not sent: OpenAI takes them only with what followed"
    if any(isinstance(part, FilePart) and is_named_address(part) for part in parts):
        yield "names of documents that are given by address were not sent: OpenAI takes them from the address"


def _parse_body(body: bytes) -> Iterable[StreamEvent]:
    return ResponseReader().read_answer(decoded_object(body))


RESPONSES = Wire(
    build_request=_build,
    parse_body=_parse_body,
    open_stream=framed_by(SseDecoder, ResponseReader),
    parse_error=CHAT.parse_error,
    support=responses_support,
    lacks=LACKS,
    notes=_notes,
    speaks="responses",
)


# Other endpoints.


def _build_retrieval(config: OpenAIConfig, response_id: str) -> HttpRequest:
    return json_request(config, "GET", f"responses/{quote(response_id, safe='')}", headers=headers(config))


def _parse_retrieval(body: bytes) -> Response:
    return fold(_parse_body(body), provider=OPENAI.name)


RETRIEVAL = Operation(build=_build_retrieval, parse=_parse_retrieval, holds_error=True)

EMBEDDINGS = embeddings_operation(headers=headers)


def _build_count(config: OpenAIConfig, text: str, model: str) -> HttpRequest:
    return json_request(
        config, "POST", "responses/input_tokens", {"model": model, "input": text}, headers=headers(config)
    )


def _parse_count(body: bytes) -> int:
    tokens = count(decoded_object(body).get("input_tokens"))
    if tokens is None:
        raise ProtocolError("the provider counted tokens and sent no number")
    return tokens


INPUT_TOKENS = Operation(build=_build_count, parse=_parse_count)
