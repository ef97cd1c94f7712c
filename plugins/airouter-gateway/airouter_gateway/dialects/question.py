"""What a client asked, read from its dialect, and bound to the provider that is to answer.

A dialect reads a body without knowing who will answer. What only servers of the same dialect understand is kept apart
(``own``), and so is what the ask would be for such a server (``for_native``); :func:`bound` lays the two together for
a :class:`Taker`, and names every loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.unread import FORMAT as CHAT_COMPLETIONS
from airouter_core.errors import ParameterError, UnsupportedFeatureError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message, ToolResultPart
from airouter_core.values.tokens import estimate_tokens
from airouter_core.values.value import Value

from .histories import with_files_said, with_one_beginning

NOTHING: Mapping[str, Any] = {}
WITHHELD = frozenset(
    {
        *("api_base", "api_key", "api_url", "base_url", "custom_llm_provider", "endpoint", "proxies", "proxy", "url"),
        *("extra_headers", "headers", "provider_options"),
    }
)
"""Fields by which other gateways let a caller choose whom their keys go to. The server behind may be one of them."""
ROUTER = "router"
"""Whoever passes an ask on to others: they take what is theirs of it."""


class Question(Value, frozen=True, kw_only=True):
    """One body of a client, read.

    Attributes:
        ask: what is asked, for a server of any dialect; ``model`` is as the client named it.
        native: the format, or the one provider, whose servers speak this dialect.
        own: fields that only such a server understands.
        called: what of a field of ``own`` is lost elsewhere, as the client calls it; all of it unless said here.
        for_native: fields of the ask that differ for such a server.
        only_native: fields without which it would be another question, so that nobody else may be asked.
        losses: what nobody is told of it.
        foreign_losses: what a server of another dialect is not told.
        include_usage: whether a stream ends with its usage.
        shows_thoughts: whether the client reads thoughts.
        tools: for the names of tools that were made for the ask, what the client calls them: namespace, name, kind.
        said: the fields of the body, for what an answer repeats.
    """

    ask: Ask
    native: str | None = None
    own: Mapping[str, Any] = NOTHING
    called: Mapping[str, tuple[str, ...]] = NOTHING
    for_native: Mapping[str, Any] = NOTHING
    only_native: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    foreign_losses: tuple[str, ...] = ()
    include_usage: bool = True
    shows_thoughts: bool = True
    tools: Mapping[str, NamedTool] = NOTHING
    said: Mapping[str, Any] = NOTHING


class Taker(Value, frozen=True):
    """Who is to answer.

    Attributes:
        provider: its canonical name.
        speaks: the format of its server, where that is one that several speak.
        is_local: whether it runs models on this machine.
    """

    provider: str
    speaks: str = ""
    is_local: bool = False


class NamedTool(Value, frozen=True):
    """What a client calls a tool that is offered under a name of ours."""

    name: str
    namespace: str | None = None
    custom: bool = False


class Naming(Value, frozen=True):
    """What an answer is called: an id without its prefix, when it began in seconds since 1970, and the model."""

    id: str
    created: int
    model: str


def object_of(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is.

    Raises:
        ParameterError: it is none; the message says where it goes wrong.
    """
    try:
        said = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ParameterError(f"the body is no valid JSON: {error}") from error
    if not isinstance(said, dict):
        raise ParameterError("the body must be a JSON object")
    return said


def text_of(said: Mapping[str, Any], field: str) -> str | None:
    """A field that holds a text; ``None`` where it is missing, null or empty.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise ParameterError(f"{field} must be a string, not {type(value).__name__}")
    return value


def kind_of(said: Mapping[str, Any], usual: str = "") -> str:
    """The field ``type``, which tells what the rest is.

    Raises:
        ParameterError: it holds something else than a text.
    """
    return text_of(said, "type") or usual


def flag_of(said: Mapping[str, Any], field: str, *, usual: bool = False) -> bool:
    """A field that is true or false.

    Raises:
        ParameterError: it is neither.
    """
    value = said.get(field)
    if value is None:
        return usual
    if not isinstance(value, bool):
        raise ParameterError(f"{field} must be true or false, not {type(value).__name__}")
    return value


def object_in(said: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """A field that holds an object; empty where it is missing or null.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None:
        return NOTHING
    if not isinstance(value, Mapping):
        raise ParameterError(f"{field} must be an object, not {type(value).__name__}")
    return value


def list_in(said: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    """A field that holds a list of objects; empty where it is missing or null.

    Raises:
        ParameterError: it holds something else.
    """
    value = said.get(field)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ParameterError(f"{field} must be a list of objects")
    return value


def model_of(said: Mapping[str, Any], *fields: str) -> str:
    """The model that is named, by the first of some fields that says one.

    Raises:
        ParameterError: none does.
    """
    for field in fields or ("model",):
        if (name := text_of(said, field)) is not None:
            return name
    raise ParameterError("model is required: name an address (PROVIDER/MODEL) or a model of this server")


def given(said: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Those of some fields that are there and not null."""
    return {name: said[name] for name in names if said.get(name) is not None}


def rest(said: Mapping[str, Any], *known: str) -> dict[str, Any]:
    """All other fields that say something."""
    return {name: value for name, value in said.items() if name not in known and value is not None}


def beneath(field: str, kept: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of fields in a field."""
    return tuple(f"{field}.{name}" for name in kept)


def is_native(question: Question, taker: Taker) -> bool:
    """Whether the server that is to answer speaks the client's own dialect."""
    return question.native in (taker.provider, taker.speaks)


def bound(
    question: Question, model: str, taker: Taker, tags: Mapping[str, str] = NOTHING
) -> tuple[Ask, tuple[str, ...]]:
    """The ask for a provider's model, and what the client should know of what was lost.

    Args:
        tags: for layers.

    Raises:
        UnsupportedFeatureError: it would be another question without what the provider cannot take.
    """
    changes: dict[str, Any] = {"model": model}
    if tags:
        changes["tags"] = {**question.ask.tags, **tags}
    lost = list(question.losses)
    native = question.native if is_native(question, taker) else None
    if question.only_native and not native:
        raise UnsupportedFeatureError(f"{taker.provider} is not known to take {', '.join(question.only_native)}")
    if native:
        changes |= question.for_native
    else:
        lost += question.foreign_losses
    changes["messages"], moved = _fitting(changes.get("messages", question.ask.messages), taker, native)
    lost += moved
    own = {name: value for name, value in question.own.items() if name not in WITHHELD}
    if len(own) < len(question.own):
        lost.append(
            f"never sent on, since whom to ask is for this server to say: {', '.join(WITHHELD & question.own.keys())}"
        )
    if own and question.native and (native or taker.provider == ROUTER):
        changes["provider_options"] = {question.native: own}
    elif names := [name for field in sorted(own) for name in question.called.get(field, (field,))]:
        lost.append(f"not sent, since {taker.provider} is not known to take it: {', '.join(names)}")
    return msgspec.structs.replace(question.ask, **changes), tuple(lost)


def _fitting(messages: tuple[Message, ...], taker: Taker, native: str | None) -> tuple[tuple[Message, ...], list[str]]:
    """The conversation as the server takes it, and what was moved in it."""
    told: list[str] = []
    if not native or (taker.is_local and native == taker.speaks):
        # Templates of local models refuse what servers elsewhere take.
        messages, moved = with_one_beginning(messages)
        if moved:
            told.append("system messages were put into one, at the beginning: most models take no other")
    if not native and taker.speaks == CHAT_COMPLETIONS:
        messages, moved = with_files_said(messages)
        if moved:
            told.append("files in results of tools were put into the user's next message: this format takes text there")
    return messages, told


def words_of(ask: Ask) -> list[str]:
    """All words of an ask: of its messages, calls and tools."""
    texts = [message.text for message in ask.messages]
    texts += [
        f"{tool.name}{tool.description or ''}{msgspec.json.encode(tool.input_schema).decode()}" for tool in ask.tools
    ]
    texts += [call.arguments_json for message in ask.messages for call in message.tool_calls]
    texts += [part.text for message in ask.messages for part in message.parts if isinstance(part, ToolResultPart)]
    return texts


def estimated_input(ask: Ask) -> int:
    """About how many tokens an ask is, for those who must be told before anybody has counted."""
    return max(1, sum(map(estimate_tokens, words_of(ask))))
