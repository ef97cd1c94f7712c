"""What may differ between servers of one format, as a value: what reads, writes and fails is made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ...profile.declarations import ParameterSupport
from ...profile.losses import Loss
from ...values.events import FinishReason
from ...values.messages import Message
from ...values.request import Request
from ...values.usage import Cost
from ...values.value import Value
from ...wire.failures import ErrorTable
from ...wire.http import Headers, Wire, bearer
from .errors import ReadFailure, failure_in

Body = dict[str, Any]

FINISH_REASONS: Mapping[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_calls": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
    "safety": "content_filter",
    "error": "error",
}
"""What its reasons to stop mean wherever they were seen, also those that a gateway hands on from another format."""
REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thought")
"""Where servers put what the model thinks."""
NO_REASONS = frozenset({"null", "none"})
"""Words that some servers write into each chunk as long as the answer goes on."""
LACKS = frozenset(Loss) - {Loss.NAMES, Loss.THOUGHTS, Loss.SEALED_THOUGHTS, Loss.PICTURE_DETAIL}
"""What the format has no place for."""

Received = Callable[[dict[str, Any]], dict[str, Any]]
"""A chunk or a whole answer, as a server sends it, put into this format."""


def _as_is(body: Body, request: Request, config: Any) -> Body:
    return body


def _no_cost(usage: Mapping[str, Any]) -> Cost | None:
    return None


class ChatDialect(Value, frozen=True, kw_only=True):
    """One server's way of speaking the format.

    Attributes:
        provider: the key of its options and metadata.
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
        support: which parameters this request can have; ``None`` for those that the provider declares.
        read_failure: what an error object says, where it says more than the format.
        received: puts each chunk and each whole answer into this format, where the server's differs.
        finish_reasons: what its reasons to stop mean; others are ``"other"``.
        lacks: what of a conversation is not sent, ``sent_message`` and ``adapt`` included.
    """

    provider: str
    errors: ErrorTable
    path: str = "chat/completions"
    headers: Callable[[Any], Headers] = bearer
    system_role: Callable[[str], str] = lambda model: "system"
    reasoning_fields: tuple[str, ...] = REASONING_FIELDS
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
        from .wire import wire_of

        return wire_of(self)
