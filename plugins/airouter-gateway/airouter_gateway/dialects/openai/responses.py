"""Bodies of ``/v1/responses``.

What the model said before comes back as items, one for each thought, message and call; here they become one turn of
the assistant again. Tools that are no functions (of a namespace, or free in their form) are offered as functions to
models elsewhere, under names that are made for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)

from ..fields import beneath, flag_of, given, kind_of, list_in, model_of, object_in, object_of, rest, text_of
from ..question import Question
from .allowed_tools import allowed_in, narrowed
from .responses_tools import OPENAI, OfferedTools, choice_of
from .responses_unread import unread_of

FORMAT = "responses"
PARAMETERS = ("temperature", "top_p", "max_output_tokens", "parallel_tool_calls", "top_logprobs")
READ = (
    *PARAMETERS,
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "stream",
    "store",
)
LIKELIHOODS = "message.output_text.logprobs"
"""What a client wants included, and other dialects have a parameter for."""
HELD = frozenset({"call_id", "name", "arguments", "input"})
CALLS = {"function_call": "arguments", "custom_tool_call": "input"}
RESULTS = ("function_call_output", "custom_tool_call_output")


def read_responses(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body.

    Raises:
        ParameterError: it is none, or refers to what only a server that keeps answers could know.
    """
    return question_of(object_of(body), headers)


def question_of(said: Mapping[str, Any], headers: Mapping[str, str]) -> Question:
    """:func:`read_responses`, of a body that was read already."""
    for field in ("previous_response_id", "conversation", "prompt"):
        if said.get(field) is not None:
            raise ParameterError(f"{field} is not found here: send the whole conversation")
    if said.get("background"):
        raise ParameterError("background must be false: this server answers at once")
    tools = OfferedTools(list_in(said, "tools"))
    messages, native_messages = _messages(said, tools.names_here)
    form = object_in(said, "text")
    reasoning = object_in(said, "reasoning")
    parameters = given(said, *PARAMETERS)
    if (effort := text_of(reasoning, "effort")) is not None:
        parameters["reasoning_effort"] = effort
    included = _included(said)
    ask = ask_of(
        model_of(said),
        messages,
        parameters={**parameters, "logprobs": True} if LIKELIHOODS in included else parameters,
        tools=tools.offered,
        tool_choice=choice_of(said.get("tool_choice"), tools),
        response_format=form.get("format"),
        stream=flag_of(said, "stream"),
        user=text_of(said, "user") or text_of(said, "safety_identifier"),
        session=text_of(said, "prompt_cache_key") or headers.get("session-id") or headers.get("x-session-id"),
    )
    own = rest(said, *READ)
    inner = {"reasoning": rest(reasoning, "effort"), "text": rest(form, "format")}
    own |= {name: kept for name, kept in inner.items() if kept}
    choice = said.get("tool_choice")
    allowed = allowed_in(choice)
    names_another = isinstance(choice, Mapping) and kind_of(choice) != "function"
    if names_another or (choice is not None and tools.others and not tools.offered):
        own["tool_choice"] = choice
    native: dict[str, Any] = {"messages": native_messages, "parameters": parameters}
    if allowed is not None:
        native["tools"] = ask.tools
    called = {
        "tools": (),
        "tool_choice": (),
        "include": tuple(f"include {name}" for name in included if name != LIKELIHOODS),
    }
    if tools.others:
        native["tools"] = tuple(tools.plain)
    return Question(
        ask=ask if allowed is None else narrowed(ask, allowed),
        native=FORMAT,
        own={**own, "tools": tools.others} if tools.others else own,
        called={**called, **{name: beneath(name, kept) for name, kept in inner.items()}},
        for_native=native,
        losses=unread_of(said),
        foreign_losses=tuple(tools.losses),
        tools=tools.names,
        said=said,
    )


def _included(said: Mapping[str, Any]) -> list[str]:
    names = said.get("include") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ParameterError("include must be a list of texts")
    return names


def _messages(
    said: Mapping[str, Any], names: Mapping[tuple[str | None, str], str]
) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The conversation for everybody, and for a server of this dialect: there calls have the names that it knows."""
    given_input = said.get("input")
    items = [{"role": "user", "content": given_input}] if isinstance(given_input, str) else list_in(said, "input")
    instructions = text_of(said, "instructions")
    begin = (Message.system(instructions),) if instructions else ()
    made = [(*begin, *_turns(items, known)) for known in (names, {})]
    if not made[0]:
        raise ParameterError("input is empty: give a text, or items")
    return made[0], made[1]


def _turns(items: Iterable[Mapping[str, Any]], names: Mapping[tuple[str | None, str], str]) -> list[Message]:
    turns: list[Message] = []
    answer: list[Part] = []
    for place, item in enumerate(items):
        parts = _said(item, f"input[{place}]", names)
        if parts is not None:
            answer += parts
            continue
        if answer:
            turns.append(Message("assistant", tuple(answer)))
            answer = []
        turns.append(_heard(item, f"input[{place}]"))
    if answer:
        turns.append(Message("assistant", tuple(answer)))
    return turns


def _said(item: Mapping[str, Any], where: str, names: Mapping[tuple[str | None, str], str]) -> list[Part] | None:
    """What of an item the model said; ``None`` where it was told something."""
    kind = kind_of(item, "message")
    if kind == "message":
        return _message_parts(item, where) if item.get("role") == "assistant" else None
    if kind in RESULTS:
        return None
    if kind == "reasoning":
        text = "\n".join(str(part.get("text", "")) for part in list_in(item, "summary"))
        return [ReasoningPart(text, {OPENAI: dict(item)})]
    if kind in CALLS:
        return [_call(item, where, CALLS[kind], names)]
    if kind == "item_reference":
        raise ParameterError(f"{where}: the item is not found here: send it itself")
    return [ProviderPart(OPENAI, dict(item))]


def _call(item: Mapping[str, Any], where: str, field: str, names: Mapping[tuple[str | None, str], str]) -> Part:
    identity, name = text_of(item, "call_id"), text_of(item, "name")
    if identity is None or name is None:
        raise ParameterError(f"{where}: a call needs a call_id and a name")
    arguments = item.get(field) or ""
    if not isinstance(arguments, str):
        raise ParameterError(f"{where}: {field} must be a string")
    ours = names.get((text_of(item, "namespace"), name), name)
    if field == "input" and names:
        arguments = json.dumps({"input": arguments})
    kept = {key: value for key, value in item.items() if key not in HELD and value is not None}
    return ToolCallPart(identity, ours, arguments, {OPENAI: kept})


def _message_parts(item: Mapping[str, Any], where: str) -> list[Part]:
    (message,) = messages_from([{"role": "assistant", "content": item.get("content")}])
    own = {name: item[name] for name in ("type", "id", "phase") if item.get(name)}
    kept = {OPENAI: {"type": "message", **own}} if own.get("id") else {}
    parts: list[Part] = []
    for part in message.parts:
        if not isinstance(part, TextPart | RefusalPart):
            raise ParameterError(f"{where}: an answer holds texts and refusals")
        parts.append(TextPart(part.text, kept) if isinstance(part, TextPart) else part)
    return parts


def _heard(item: Mapping[str, Any], where: str) -> Message:
    if kind_of(item) in RESULTS:
        identity = text_of(item, "call_id")
        if identity is None:
            raise ParameterError(f"{where}: a result needs the call_id that it answers")
        output = item.get("output") or ""
        (read,) = messages_from([{"role": "user", "content": _parts(output, where)}])
        told = [part for part in read.parts if isinstance(part, TextPart | FilePart)]
        return Message("tool", (ToolResultPart(identity, told),))
    content = _parts(item.get("content"), where)
    try:
        (message,) = messages_from([{"role": item.get("role"), "content": content}])
    except ParameterError as error:
        raise ParameterError(f"{where}{str(error).removeprefix('messages[0]')}") from error
    return message


def _parts(content: Any, where: str) -> Any:
    """A content in the fields that messages have: files lie flat here."""
    if not isinstance(content, list):
        return content
    return [_part(part, where) for part in content]


def _part(part: Any, where: str) -> Any:
    if not isinstance(part, Mapping) or kind_of(part) not in ("input_file", "input_image"):
        return part
    if part.get("file_id"):
        raise ParameterError(f"{where}: this server keeps no files; send the bytes, or an address")
    if part["type"] == "input_image":
        return part
    data = part.get("file_data") or part.get("file_url")
    return {"type": "file", "file": {"file_data": data, **given(part, "filename")}}
