"""A question bound to the provider that is to answer, and what is lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.dialects.chat_completions.unread import FORMAT as CHAT_COMPLETIONS
from airouter_core.errors import UnsupportedFeatureError
from airouter_core.values.ask import Ask
from airouter_core.values.messages import Message, ToolResultPart
from airouter_core.values.tokens import estimate_tokens

from .histories import with_files_said, with_one_beginning
from .question import NOTHING, Question, Taker

WITHHELD = frozenset(
    {
        *("api_base", "api_key", "api_url", "base_url", "custom_llm_provider", "endpoint", "proxies", "proxy", "url"),
        *("extra_headers", "headers", "provider_options"),
    }
)
"""Fields by which other gateways let a caller choose whom their keys go to. The server behind may be one of them."""
ROUTER = "router"
"""Whoever passes an ask on to others: they take what is theirs of it."""


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
