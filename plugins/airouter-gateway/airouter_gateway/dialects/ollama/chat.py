"""Bodies of ``/api/chat`` and ``/api/generate``. An answer is a stream unless told otherwise; ``""`` means nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.canonical import NAMES
from airouter_core.values.messages import (
    FilePart,
    Message,
    Part,
    ReasoningPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.tools import ResponseFormat, Tool

from ..fields import beneath, flag_of, given, list_in, model_of, object_in, object_of, rest, text_of
from ..question import Question

OLLAMA = "ollama"
OPTIONS = frozenset(
    {
        "temperature",
        "top_k",
        "top_p",
        "min_p",
        "typical_p",
        "seed",
        "num_predict",
        "num_ctx",
        "stop",
        "repeat_penalty",
        "repeat_last_n",
        "presence_penalty",
        "frequency_penalty",
    }
)
"""Options that are parameters of ours, under a name that we know."""
LIKELIHOODS = ("logprobs", "top_logprobs")
READ = (
    *LIKELIHOODS,
    *("model", "name", "messages", "prompt", "system", "images", "tools", "format", "options", "stream", "think"),
)
OF_MESSAGES = ("role", "content", "thinking", "images", "tool_calls", "tool_name", "name", "tool_call_id")
OF_TOOLS = ("type", "function")
OF_FUNCTIONS = ("name", "description", "parameters")
ROLES: dict[str, Role] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
UNLIMITED = (-1, -2)
"""As ``num_predict``: until it ends, or until the context is full."""


def read_chat(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body of ``/api/chat``.

    Raises:
        ParameterError: it is none.
    """
    said = object_of(body)
    return _question(said, _messages(list_in(said, "messages")))


def read_generate(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body of ``/api/generate``.

    Raises:
        ParameterError: it is none, or asks for what only the engine itself can do.
    """
    said = object_of(body)
    for field in ("suffix", "template", "raw"):
        if said.get(field):
            raise ParameterError(f"{field} is not understood here: this server sends messages, and no templates")
    system = text_of(said, "system")
    messages = (Message.system(system),) if system else ()
    user = Message.user(*_images(said), TextPart(text_of(said, "prompt") or ""))
    return _question(said, (*messages, user))


def is_load(body: bytes) -> bool:
    """Whether a body asks only to load the model, or to unload it: there is nothing to answer."""
    said = object_of(body)
    return not said.get("messages") and not said.get("prompt")


def unloads(body: bytes) -> bool:
    """Whether a body asks to unload the model: to keep it for no time."""
    kept = object_of(body).get("keep_alive")
    return kept == 0 or (isinstance(kept, str) and kept.rstrip("smh") in ("0", ""))


def _question(said: Mapping[str, Any], messages: tuple[Message, ...]) -> Question:
    options = object_in(said, "options")
    parameters: dict[str, Any] = {NAMES.get(name, name): options[name] for name in options if name in OPTIONS}
    parameters = {name: value for name, value in parameters.items() if value is not None}
    if parameters.get("max_tokens") in UNLIMITED:
        del parameters["max_tokens"]
    parameters |= {name: value for name, value in given(said, *LIKELIHOODS).items() if value}
    own = {name: value for name, value in rest(said, *READ).items() if value not in ("", [], {})}
    if unknown := rest(options, *OPTIONS):
        own["options"] = unknown
    called = {"options": beneath("options", unknown), "think": ("think",) if said.get("think") is True else ()}
    native = dict(parameters)
    if (think := said.get("think")) is not None:
        own["think"] = think
        parameters["reasoning_effort"] = think if isinstance(think, str) else "medium" if think is True else "none"
    if think is True:
        del parameters["reasoning_effort"]  # it is left to the model how much
    ask = ask_of(
        model_of(said),
        messages,
        parameters=parameters,
        tools=[_tool(entry) for entry in list_in(said, "tools")],
        response_format=_form(said.get("format")),
        stream=flag_of(said, "stream", usual=True),
    )
    return Question(
        ask=ask,
        native=OLLAMA,
        own=own,
        called=called,
        losses=_unread(said),
        for_native={"parameters": native},
        said=said,
    )


def _unread(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields of messages and tools that nobody is sent."""
    names = [
        f"{field}[{place}].{name}"
        for field, known in (("messages", OF_MESSAGES), ("tools", OF_TOOLS))
        for place, entry in enumerate(list_in(said, field))
        for name in rest(entry, *known)
    ]
    for place, entry in enumerate(list_in(said, "tools")):
        names += [f"tools[{place}].function.{name}" for name in rest(object_in(entry, "function"), *OF_FUNCTIONS)]
    return (f"fields were not sent: {', '.join(names)}",) if names else ()


def _messages(entries: list[Mapping[str, Any]]) -> tuple[Message, ...]:
    made: list[Message] = []
    waiting: list[ToolCallPart] = []
    for place, entry in enumerate(entries):
        role = ROLES.get(str(entry.get("role")))
        if role is None:
            raise ParameterError(f"messages[{place}].role must be one of {', '.join(ROLES)}, not {entry.get('role')!r}")
        if role == "tool":
            made.append(_result(entry, waiting))
            continue
        parts = _parts(entry, place)
        waiting = [part for part in parts if isinstance(part, ToolCallPart)] or waiting
        made.append(Message(role, tuple(parts)))
    return tuple(made)


def _parts(entry: Mapping[str, Any], place: int) -> list[Part]:
    parts: list[Part] = []
    if thinking := text_of(entry, "thinking"):
        parts.append(ReasoningPart(thinking))
    parts += _images(entry)
    if said := text_of(entry, "content"):
        parts.append(TextPart(said))
    for number, call in enumerate(list_in(entry, "tool_calls")):
        function = object_in(call, "function")
        name = text_of(function, "name")
        if name is None:
            raise ParameterError(f"messages[{place}].tool_calls[{number}] needs a function with a name")
        identity = text_of(call, "id") or f"call_{place}_{number}"
        parts.append(ToolCallPart(identity, name, json.dumps(object_in(function, "arguments"), ensure_ascii=False)))
    return parts


def _result(entry: Mapping[str, Any], waiting: list[ToolCallPart]) -> Message:
    """A result; whose it is, its name tells where no id does: of calls to one tool, the first that waits."""
    name = text_of(entry, "tool_name") or text_of(entry, "name")
    identity = text_of(entry, "tool_call_id")
    if identity is None:
        of_it = [call for call in waiting if name in (None, call.name)]
        identity = of_it[0].id if of_it else name or "call"
    waiting[:] = [call for call in waiting if call.id != identity]
    content: list[TextPart | FilePart] = [TextPart(text_of(entry, "content") or ""), *_images(entry)]
    return Message("tool", (ToolResultPart(identity, content, name=name),))


def _images(entry: Mapping[str, Any]) -> list[FilePart]:
    images = entry.get("images") or []
    if not isinstance(images, list) or not all(isinstance(image, str) for image in images):
        raise ParameterError("images must be a list of base64 texts")
    return [FilePart.from_data(image) for image in images]


def _tool(entry: Mapping[str, Any]) -> Tool:
    function = object_in(entry, "function")
    schema = object_in(function, "parameters")
    made = Tool(text_of(function, "name") or "", text_of(function, "description"))
    return msgspec.structs.replace(made, input_schema=schema) if schema else made


def _form(value: Any) -> ResponseFormat | None:
    if value in (None, ""):
        return None
    if value == "json":
        return ResponseFormat()
    if not isinstance(value, Mapping):
        raise ParameterError('format must be "json" or a JSON Schema')
    return ResponseFormat("json_schema", value)
