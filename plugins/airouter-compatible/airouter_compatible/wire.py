"""From the row of a service to its wire: the dialect, with what the row says in its places."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.dialect import FINISH_REASONS, LACKS, REASONING_FIELDS, ChatDialect
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid
from airouter_core.values.messages import Message, ReasoningPart
from airouter_core.values.request import Request
from airouter_core.values.usage import Cost
from airouter_core.wire.http import Headers, Wire, bearer
from airouter_core.wire.json import items, mapping

from .errors import ReadError, errors_of, read_failure
from .own.functions import Own
from .profile import family_finder, support_of
from .service import Service

Body = dict[str, Any]
METADATA = ("system_fingerprint", "service_tier")


def wire_of(service: Service) -> Wire:
    """The wire of a service."""
    own = own_of(service)
    wire = ChatDialect(
        provider=service.name,
        errors=errors_of(service),
        path=service.path,
        headers=headers_of(service),
        reasoning_fields=service.reasoning_fields or REASONING_FIELDS,
        sent_message=_sent_message_of(service, own),
        adapt=_adapt_of(service, own),
        metadata_fields=(*METADATA, *service.metadata_fields),
        part_fields=service.kept_fields,
        growing_fields=service.growing_fields,
        cost=_cost_of(service),
        read_failure=read_failure,
        support=support_of(service),
        request_id_headers=service.request_id_headers,
        received=own.received,
        finish_reasons={**FINISH_REASONS, **service.finish_reasons},
        lacks=_lacks_of(service, own),
    ).wire()
    return msgspec.structs.replace(wire, parse_error=ReadError(wire.parse_error, service.reset_headers))


@functools.cache
def _imported(target: str) -> Own:
    module, _, name = target.partition(":")
    own: Own = getattr(importlib.import_module(module), name)
    return own


def own_of(service: Service) -> Own:
    """The functions beside the row."""
    return _imported(service.own) if service.own else Own()


def headers_of(service: Service) -> Callable[[Any], Headers]:
    """What carries the key."""
    own = own_of(service)
    if own.headers is not None:
        return own.headers
    if service.key_header.lower() == "authorization":
        return bearer
    return lambda config: {service.key_header: config.api_key} if config.api_key else {}


def _lacks_of(service: Service, own: Own) -> frozenset[Loss]:
    lacks = LACKS if service.message_names else LACKS | {Loss.NAMES}
    sends_thoughts = bool(service.reasoning_sent) or own.thoughts
    return lacks - {Loss.THOUGHTS} | {Loss.SEALED_THOUGHTS} if sends_thoughts else lacks | {Loss.THOUGHTS}


def _sent_message_of(service: Service, own: Own) -> Callable[[Body, Message], Body]:
    def sent_message(sent: Body, message: Message) -> Body:
        if not service.message_names:
            sent.pop("name", None)
        if message.role == "assistant":
            _add_thoughts(sent, message, service)
        return sent if own.sent_message is None else own.sent_message(sent, message)

    return sent_message


def _add_thoughts(sent: Body, message: Message, service: Service) -> None:
    """Reasoning goes back where the row says, whoever thought it: the lists that were kept, else its text."""
    for field in service.reasoning_fields or REASONING_FIELDS:
        sent.pop(field, None)
    metadata = [mapping(getattr(part, "provider_metadata", None)).get(service.name) for part in message.parts]
    for field in service.kept_fields:
        if kept := [item for own in metadata for item in items(mapping(own).get(field))]:
            sent[field] = kept
    thoughts = "".join(part.text for part in message.parts if isinstance(part, ReasoningPart))
    if thoughts and service.reasoning_sent and not any(field in sent for field in service.kept_fields):
        sent[service.reasoning_sent] = thoughts


def _adapt_of(service: Service, own: Own) -> Callable[[Body, Request, Any], Body]:
    family_of = family_finder(service)

    def adapt(body: Body, request: Request, config: Any) -> Body:
        if not service.stream_usage and "stream_options" not in request.provider_options:
            body.pop("stream_options", None)
        choice = body.get("tool_choice")
        if isinstance(choice, str):
            body["tool_choice"] = service.tool_choices.get(choice, choice)
        if more := {**service.body, **family_of(request.model).body}:
            body = overlaid(more, body)
        if body.get("top_logprobs") is not None:
            body.setdefault("logprobs", True)
        return body if own.adapt is None else own.adapt(body)

    return adapt


def _cost_of(service: Service) -> Callable[[Mapping[str, Any]], Cost | None]:
    path = service.cost.split(".")

    def cost(usage: Mapping[str, Any]) -> Cost | None:
        amount: Any = usage
        for step in path:
            amount = mapping(amount).get(step)
        if isinstance(amount, bool) or not isinstance(amount, int | float | str):
            return None
        try:
            return Cost(Decimal(str(amount)), "provider")
        except ArithmeticError:
            return None

    return cost if service.cost else lambda usage: None
