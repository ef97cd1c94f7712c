"""Bodies of ``/v1/chat/completions``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.dialects.chat_completions.unread import FORMAT, kept_as_it_came
from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.message_dicts import PART_FIELDS, messages_from
from airouter_core.values.messages import ProviderPart
from airouter_core.values.tools import DECLARED_FIELDS

from ..fields import beneath, flag_of, given, kind_of, list_in, model_of, object_in, object_of, rest, text_of
from ..question import Question
from .allowed_tools import allowed_in, narrowed

PARAMETERS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "repeat_penalty",
    "repetition_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "parallel_tool_calls",
    "reasoning_effort",
    "grammar",
)
"""Fields that are parameters of ours, under a name that we know."""
READ = (
    *PARAMETERS,
    "model",
    "messages",
    "tools",
    "tool_choice",
    "response_format",
    "stream",
    "stream_options",
    "n",
)
FORMS = ("text", "json_object", "json_schema")
"""Kinds of answers that go to every model."""
PARTS = frozenset({*PART_FIELDS, "refusal"})
"""Kinds of parts that are read; others go on as they came."""


def read_chat(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body.

    Raises:
        ParameterError: it is none, or asks for more than one answer.
    """
    said = object_of(body)
    if said.get("n") not in (None, 1):
        raise ParameterError("n must be 1: this server gives one answer to a question")
    if said.get("functions") is not None:
        raise ParameterError("functions is the old form, which this server does not read: give tools")
    own = rest(said, *READ)
    foreign_losses: list[str] = []
    entries = list_in(said, "tools")
    tools = [tool for entry in entries if (tool := _tool(entry, foreign_losses)) is not None]
    if foreign_losses:
        own["tools"] = entries
    choice = _choice(said, tools, foreign_losses)
    if choice is None and tools != entries and said.get("tool_choice") is not None:
        own["tool_choice"] = said["tool_choice"]
    allowed = allowed_in(said.get("tool_choice"))
    if allowed is not None:
        own["tool_choice"] = said["tool_choice"]
    form = said.get("response_format")
    if isinstance(form, Mapping) and kind_of(form) not in FORMS:
        own["response_format"], form = form, None
    options = object_in(said, "stream_options")
    if more := rest(options, "include_usage"):
        own["stream_options"] = more
    # Of tools the losses tell one by one; those that are allowed are the only ones on offer elsewhere.
    called = {"tools": (), "tool_choice": (), "stream_options": beneath("stream_options", more)}
    stream = flag_of(said, "stream")
    ask = ask_of(
        model_of(said),
        _messages(said.get("messages") or ()),
        parameters=given(said, *PARAMETERS),
        tools=tools,
        tool_choice=choice,
        response_format=form,
        stream=stream,
        user=text_of(said, "user") or text_of(said, "safety_identifier"),
        session=text_of(said, "prompt_cache_key") or headers.get("x-session-id") or headers.get("session-id"),
    )
    return Question(
        ask=ask if allowed is None else narrowed(ask, allowed),
        native=FORMAT,
        own=own,
        called=called,
        for_native={} if allowed is None else {"tools": ask.tools, "tool_choice": None},
        foreign_losses=tuple(foreign_losses),
        include_usage=stream and flag_of(options, "include_usage"),
        said=said,
    )


def _messages(entries: Any) -> Any:
    """The messages; what of them nobody reads is kept for servers of this format."""
    if not isinstance(entries, list):
        return entries
    return tuple(map(kept_as_it_came, messages_from([_with_parts(entry) for entry in entries])))


def _with_parts(entry: Any) -> Any:
    content = entry.get("content") if isinstance(entry, Mapping) else None
    if not isinstance(content, list) or entry.get("role") == "tool":
        return entry
    return {**entry, "content": [_part(item) for item in content]}


def _part(item: Any) -> Any:
    if isinstance(item, Mapping) and (kind := text_of(item, "type")) is not None and kind not in PARTS:
        return ProviderPart(FORMAT, dict(item))
    return item


def _tool(entry: Mapping[str, Any], losses: list[str]) -> Mapping[str, Any] | None:
    """A tool in the fields that are known of one; a kind that is not known is left out, and told."""
    kind = kind_of(entry, "function")
    if kind != "function":
        losses.append(f"a tool of type {kind} was left out: only functions go to every model")
        return None
    function = object_in(entry, "function")
    unknown: Iterable[str] = sorted(set(function) - DECLARED_FIELDS | set(entry) - {"type", "function"})
    if unknown:
        losses.append(f"fields of tool {function.get('name')!r} were not sent: {', '.join(unknown)}")
    return {
        "type": "function",
        "function": {name: value for name, value in function.items() if name in DECLARED_FIELDS},
    }


def _choice(said: Mapping[str, Any], tools: list[Mapping[str, Any]], losses: list[str]) -> Any:
    choice = said.get("tool_choice")
    if choice is None or (not tools and choice in ("auto", "none")):
        return None
    if allowed_in(choice) is not None:
        return None
    if isinstance(choice, Mapping):
        name = text_of(object_in(choice, "function"), "name") or text_of(choice, "name")
        offered = {text_of(tool["function"], "name") for tool in tools}
        if name not in offered and len(tools) < len(list_in(said, "tools")):
            losses.append("tool_choice was not sent: the tool that it names was left out")
            return None
    return choice
