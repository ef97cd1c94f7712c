"""A service as a row of facts, and the words in which rows are written. Values only: a listing imports this.

A row says how a service differs from the bare chat-completions format. What it does not mention is as in the format.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from airouter_core.profile.declarations import CHAT, Capability, ParameterSupport
from airouter_core.values.value import Value

if TYPE_CHECKING:
    from airouter_core.values.events import FinishReason

ErrorKind = Literal[
    "authentication",
    "permission",
    "model_not_found",
    "bad_request",
    "context_length",
    "rate_limit",
    "quota",
    "content_filter",
    "overloaded",
    "server",
]
EFFORT = "reasoning_effort"
EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")
"""The levels, without ``"none"``, which turns reasoning off."""

CALLS: tuple[Capability, ...] = (*CHAT, "tools", "tool_choice", "json")
"""What nearly every service can do."""


class Family(Value, frozen=True, kw_only=True):
    """Models of one service that differ from its others.

    Attributes:
        names: a regular expression that the whole name of a model matches; case does not matter.
        parameters: rows that hold in place of the service's.
        no_reasoning: in place of the service's.
        body: fields that are sent with each chat.
    """

    names: str
    parameters: tuple[ParameterSupport, ...] = ()
    no_reasoning: ParameterSupport | None = None
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Service(Value, frozen=True, kw_only=True):
    """One service.

    Attributes:
        name, aliases, kind, capabilities: as in :class:`~airouter_core.profile.declarations.ProviderInfo`.
        description: what it is, in a line.
        base_url: its address. ``{name}`` in it is a setting of that name, and ``settings`` says where it comes from.
        base_url_env: variables that hold the address by custom.
        settings: settings that the address and the query name, with the environment variables of each.
        query: what stands behind the ``?`` of each address; values may name settings.
        api_key_env: variables that hold the key by custom; empty where none is needed.
        key_header: the header of the key: ``Authorization`` takes it as ``Bearer``, others bare.
        path, models_path, embeddings_path: below the address; ``{model}`` in the first stands for the model.
        parameters: canonical parameters that it takes; see :func:`taken`. Those without a row are not sent.
        families: models that take others; the first whose names match holds.
        no_reasoning: the row of ``reasoning_effort`` for the value ``"none"``, where that is said otherwise.
        body: fields that are sent with each chat.
        tool_choices: words for a choice of tool that it says otherwise.
        forced_tools: whether a tool can be required: always, or only of a model that does not think.
        message_names: whether messages may have names.
        stream_usage: whether a stream must be asked for its usage; the others send it unasked.
        reasoning_fields: where the text of the reasoning stands, in order of preference; those in use, unless given.
        reasoning_sent: the field of a message in which reasoning goes back; empty: it is not sent.
        kept_fields: lists in an answer that go back as they came, and ``growing_fields`` of their items that a stream
            brings in pieces.
        finish_reasons: reasons to stop beyond those of the format.
        errors: codes, and phrases of messages in lower case, with what they mean. Money counts before speed.
        cost: where in the usage the US dollars stand, with dots.
        metadata_fields: fields of an answer that are kept as ``provider_metadata``.
        reset_headers: headers that say, on a 429, when the limits are reset: seconds, or like ``2m59.5s``.
        request_id_headers: headers that may hold the request id, most telling first; lower case.
        model_fields: for fields of ``ModelInfo`` (``id``, ``context_length``, ``max_output_tokens``), where they stand
            in the list of models, with dots; beside the spellings that are known anyway.
        models_at: the field of an answer that holds the list of models, where it is none of the usual.
        page_size: how many models a page of the list holds (``page`` and ``per_page`` of the query); 0: no pages.
        embeddings: whether vectors that come as base64 are 32-bit floats, as in the format, or signed bytes.
        own: ``"module:OWN"`` of the functions for what cannot be said here.
        sources: where the facts are from.
    """

    name: str
    description: str
    base_url: str = ""
    aliases: tuple[str, ...] = ()
    kind: Literal["local", "cloud"] = "cloud"
    base_url_env: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    query: Mapping[str, str] = msgspec.field(default_factory=dict)
    api_key_env: tuple[str, ...] = ()
    key_header: str = "Authorization"
    path: str = "chat/completions"
    models_path: str = "models"
    embeddings_path: str = "embeddings"
    capabilities: tuple[Capability, ...] = CALLS
    parameters: tuple[ParameterSupport, ...] = ()
    families: tuple[Family, ...] = ()
    no_reasoning: ParameterSupport | None = None
    body: Mapping[str, Any] = msgspec.field(default_factory=dict)
    tool_choices: Mapping[str, str] = msgspec.field(default_factory=dict)
    forced_tools: Literal["always", "without_thinking"] = "always"
    message_names: bool = True
    stream_usage: bool = True
    reasoning_fields: tuple[str, ...] = ()
    reasoning_sent: str = ""
    kept_fields: tuple[str, ...] = ()
    growing_fields: tuple[str, ...] = ()
    finish_reasons: Mapping[str, FinishReason] = msgspec.field(default_factory=dict)
    errors: Mapping[str, ErrorKind] = msgspec.field(default_factory=dict)
    cost: str = ""
    metadata_fields: tuple[str, ...] = ()
    reset_headers: tuple[str, ...] = ()
    request_id_headers: tuple[str, ...] = ("x-request-id", "request-id")
    model_fields: Mapping[str, str] = msgspec.field(default_factory=dict)
    models_at: str = ""
    page_size: int = 0
    embeddings: Literal["float32", "int8"] = "float32"
    own: str = ""
    sources: tuple[str, ...] = ()


# The words of a row.

LIMITS: Mapping[str, Mapping[str, Any]] = {
    "temperature": {"minimum": 0, "maximum": 2},
    "top_p": {"minimum": 0, "maximum": 1},
    "max_tokens": {"minimum": 1},
    "presence_penalty": {"minimum": -2, "maximum": 2},
    "frequency_penalty": {"minimum": -2, "maximum": 2},
    "top_logprobs": {"minimum": 0, "maximum": 20},
}
"""Ranges of the format, where nothing else is said."""

FIXED_CONTEXT = ParameterSupport("context", reason="the context belongs to the model, or to the start of the server")
NOT_KEPT = ParameterSupport("keep_alive", reason="models of a service need not be kept loaded")

Field = str | ParameterSupport


def taken(*names: str, **fields: Field) -> tuple[ParameterSupport, ...]:
    """The parameters of a service: those of ``names`` under their own names, those of ``fields`` as said there."""
    rows = {"context": FIXED_CONTEXT, "keep_alive": NOT_KEPT, **{name: _plain(name, name) for name in names}}
    for name, field in fields.items():
        rows[name] = _plain(name, field) if isinstance(field, str) else field
    return tuple(rows.values())


@functools.cache  # most services share most rows, and a listing makes them all
def _plain(name: str, field: str) -> ParameterSupport:
    return ParameterSupport(name, field, **LIMITS.get(name, {}))


def refused(name: str, reason: str) -> ParameterSupport:
    """A parameter that is not sent, and why."""
    return ParameterSupport(name, reason=reason)


def efforts(*levels: str, field: str = EFFORT) -> ParameterSupport:
    """The reasoning efforts that there are: each other level is said as the next above, or as the highest.

    Without ``"none"`` among them, reasoning cannot be turned off.
    """
    known = [level for level in ("none", *EFFORTS) if level in levels]
    said: dict[str | bool, str] = {"none": "none"} if "none" in levels else {}
    for level in EFFORTS:
        said[level] = next((to for to in known if _rank(to) >= _rank(level)), known[-1])
    return ParameterSupport(EFFORT, field, said_as=said)


def switch(field: str, on: Any, off: Any) -> ParameterSupport:
    """Reasoning that can be turned on and off, and has no levels."""
    return ParameterSupport(EFFORT, field, said_as={"none": off, **dict.fromkeys(EFFORTS, on)})


def _rank(level: str) -> int:
    return EFFORTS.index(level) if level in EFFORTS else -1
