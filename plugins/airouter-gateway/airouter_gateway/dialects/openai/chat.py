"""Bodies of ``/v1/chat/completions``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.message_dicts import DECLARED_FIELDS

from ..question import Question, flag_of, given, kind_of, list_in, model_of, object_in, object_of, rest, text_of

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
    "user",
    "safety_identifier",
    "prompt_cache_key",
)


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
    losses: list[str] = []
    tools = [tool for entry in list_in(said, "tools") if (tool := _tool(entry, losses)) is not None]
    stream = flag_of(said, "stream")
    if said.get("logprobs"):
        losses.append("log probabilities are not written into answers")
    ask = ask_of(
        model_of(said),
        said.get("messages") or (),
        parameters=given(said, *PARAMETERS),
        tools=tools,
        tool_choice=_choice(said, tools, losses),
        response_format=said.get("response_format"),
        stream=stream,
        user=text_of(said, "user") or text_of(said, "safety_identifier"),
        session=text_of(said, "prompt_cache_key") or headers.get("x-session-id") or headers.get("session-id"),
    )
    if own := rest(said, *READ):
        losses.append(f"fields that this server does not know were not sent: {', '.join(sorted(own))}")
    usage = stream and flag_of(object_in(said, "stream_options"), "include_usage")
    return Question(ask=ask, losses=tuple(losses), include_usage=usage, said=said)


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
    if isinstance(choice, Mapping):
        name = text_of(object_in(choice, "function"), "name") or text_of(choice, "name")
        offered = {text_of(tool["function"], "name") for tool in tools}
        if name not in offered and len(tools) < len(list_in(said, "tools")):
            losses.append("tool_choice was not sent: the tool that it names was left out")
            return None
    return choice
