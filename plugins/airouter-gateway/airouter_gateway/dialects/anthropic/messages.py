"""Bodies of ``/v1/messages`` and ``/v1/messages/count_tokens``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from airouter_core.dialects.content_blocks import BlockReader
from airouter_core.errors import ParameterError
from airouter_core.provider.asking import ask_of
from airouter_core.values.messages import Message, Part, ProviderPart, ToolResultPart
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_core.wire.json import mapping

from ..fields import beneath, flag_of, given, kind_of, list_in, model_of, object_in, object_of, rest, text_of
from ..question import Question

CLAUDE = "claude"
"""The provider under whose name the blocks keep what only its servers understand."""
FORMAT = "messages"
PARAMETERS = ("max_tokens", "temperature", "top_p", "top_k")
READ = (*PARAMETERS, "model", "messages", "system", "tools", "tool_choice", "stop_sequences", "stream", "thinking")
TOOL_FIELDS = ("name", "description", "input_schema", "strict")
OF_CHOICES = ("type", "name", "disable_parallel_tool_use")
MODES = {"auto": "auto", "any": "required", "none": "none", "tool": "tool"}
BILLING = "x-anthropic-billing-header:"
"""How a system block of Claude Code's begins that is for its vendor, and changes with each request: as a part of the
prompt it would make every cache useless."""
POINTER = "tool_reference"
"""A block that points at a tool that was held back; elsewhere all tools are on offer from the beginning."""
SESSION_HEADER = "x-claude-code-session-id"
BLOCKS = BlockReader(CLAUDE)


def read_messages(body: bytes, headers: Mapping[str, str]) -> Question:
    """A question from a body.

    Raises:
        ParameterError: it is none.
    """
    said = object_of(body)
    tools, own_tools, losses = _tools(said)
    turns = _turns(said)
    system = BLOCKS.parts_of(said.get("system"))
    for_claude = Message("system", tuple(system)) if system else None
    kept = [part for part in system if not getattr(part, "text", "").startswith(BILLING)]
    for_all = Message("system", tuple(kept)) if kept else None
    thinking = object_in(said, "thinking")
    output = object_in(said, "output_config")
    parameters = given(said, *PARAMETERS)
    if (stop := said.get("stop_sequences")) is not None:
        parameters["stop"] = stop
    choice, parallel = _choice(object_in(said, "tool_choice"), tools)
    if parallel is not None:
        parameters["parallel_tool_calls"] = parallel
    own = rest(said, *READ, "output_config")
    own |= {"output_config": dict(output)} if output else {}
    own |= {"thinking": dict(thinking)} if thinking else {}
    own |= {"tools": own_tools} if own_tools else {}
    own |= _said_in_headers(headers)
    ask = ask_of(
        model_of(said),
        _with(for_all, turns),
        parameters={**parameters, **_effort(thinking, output)},
        tools=tools,
        tool_choice=choice,
        response_format=_form(output),
        stream=flag_of(said, "stream"),
        session=headers.get(SESSION_HEADER) or headers.get("x-session-id"),
    )
    return Question(
        ask=ask,
        native=FORMAT,
        own=own,
        called=_called(thinking, output, own_tools),
        for_native={"messages": _with(for_claude, turns), "parameters": parameters, "response_format": None},
        only_native=_given_blocks(turns),
        losses=_unread(said),
        foreign_losses=(*losses, *_lost_blocks(turns)),
        shows_thoughts=thinking.get("type") in ("enabled", "adaptive"),
        said=said,
    )


def _turns(said: Mapping[str, Any]) -> tuple[Message, ...]:
    turns = list_in(said, "messages")
    if not turns:
        raise ParameterError("messages is empty: give at least one")
    for place, turn in enumerate(turns):
        content = turn.get("content")
        whole = isinstance(content, list) and all(isinstance(block, Mapping) for block in content)
        if not (isinstance(content, str) or whole):
            raise ParameterError(f"messages[{place}].content must be a string or a list of content blocks")
    messages = BLOCKS.messages_of(turns)
    for message in messages:
        for part in message.parts:
            if isinstance(part, ToolResultPart) and not part.tool_call_id:
                raise ParameterError("a tool_result needs the tool_use_id that it answers")
    for call in (call for message in messages for call in message.tool_calls):
        if not call.id or not call.name:
            raise ParameterError("a tool_use needs an id and a name")
    return messages


def _with(system: Message | None, turns: tuple[Message, ...]) -> tuple[Message, ...]:
    return turns if system is None else (system, *turns)


def _tools(said: Mapping[str, Any]) -> tuple[list[Tool], list[dict[str, Any]], list[str]]:
    """Tools for everybody; what of them, and which others, only servers of this dialect know; what others lose."""
    tools: list[Tool] = []
    own: list[dict[str, Any]] = []
    losses: list[str] = []
    for entry in list_in(said, "tools"):
        if kind_of(entry, "custom") != "custom":
            own.append(dict(entry))
            losses.append(f"a tool of type {entry.get('type')} was left out: only {CLAUDE} has it")
            continue
        name = text_of(entry, "name") or ""
        schema = object_in(entry, "input_schema")
        tools.append(Tool(name, entry.get("description"), schema, strict=entry.get("strict")))
        if more := rest(entry, *TOOL_FIELDS):
            own.append({"name": name, **more})
    return tools, own, losses


def _choice(choice: Mapping[str, Any], tools: list[Tool]) -> tuple[ToolChoice | None, bool | None]:
    if not choice or not tools:
        return None, None
    mode = MODES.get(str(choice.get("type")))
    if mode is None:
        raise ParameterError(f"tool_choice.type must be one of {', '.join(MODES)}, not {choice.get('type')!r}")
    single = flag_of(choice, "disable_parallel_tool_use")
    name = text_of(choice, "name") if mode == "tool" else None
    if mode == "tool" and name is None:
        raise ParameterError("tool_choice of type tool needs a name")
    return msgspec.convert({"mode": mode, "name": name}, ToolChoice), False if single else None


def _effort(thinking: Mapping[str, Any], output: Mapping[str, Any]) -> dict[str, Any]:
    """How much to think, for models elsewhere: an effort where one is named, else a budget."""
    if (effort := text_of(output, "effort")) is not None:
        return {"reasoning_effort": effort}
    if thinking.get("type") == "disabled":
        return {"reasoning_effort": "none"}
    budget = thinking.get("budget_tokens")
    return {} if budget is None else {"reasoning_budget": budget}


def _called(
    thinking: Mapping[str, Any], output: Mapping[str, Any], tools: list[dict[str, Any]]
) -> dict[str, tuple[str, ...]]:
    """What of this dialect's own fields is lost elsewhere: not a version, nor what the ask says in other words."""
    understood = {"type", "budget_tokens"} if _effort(thinking, output) else set()
    if text_of(output, "effort") is not None:
        understood.discard("budget_tokens")
    lost = {
        "thinking": beneath("thinking", rest(thinking, *understood)),
        "output_config": beneath("output_config", rest(output, "effort", *(["format"] if _form(output) else []))),
        "tools": tuple(
            f"{name} of tool {tool['name']!r}" for tool in tools if "type" not in tool for name in rest(tool, "name")
        ),
    }
    return {**lost, "api_version": (), "betas": ("anthropic-beta",)}


def _lost_of(tool: Mapping[str, Any]) -> list[str]:
    return [f"{name} of tool {tool['name']!r}" for name in rest(tool, "name")]


def _form(output: Mapping[str, Any]) -> ResponseFormat | None:
    form = object_in(output, "format")
    if form.get("type") != "json_schema":
        return None
    return ResponseFormat("json_schema", object_in(form, "schema"))


def _said_in_headers(headers: Mapping[str, str]) -> dict[str, Any]:
    """The client's own version and the features in trial that it asks for, for a server of this dialect."""
    said: dict[str, Any] = {}
    if version := headers.get("anthropic-version"):
        said["api_version"] = version
    if betas := [name.strip() for name in headers.get("anthropic-beta", "").split(",") if name.strip()]:
        said["betas"] = betas
    return said


def _unread(said: Mapping[str, Any]) -> tuple[str, ...]:
    """Fields beside those that a turn and a choice of tools have: nobody is sent them. Blocks and tools keep theirs."""
    names = [
        f"messages[{place}].{name}"
        for place, turn in enumerate(list_in(said, "messages"))
        for name in rest(turn, "role", "content")
    ]
    names += [f"tool_choice.{name}" for name in rest(object_in(said, "tool_choice"), *OF_CHOICES)]
    return (f"fields were not sent: {', '.join(names)}",) if names else ()


def _given_blocks(turns: tuple[Message, ...]) -> tuple[str, ...]:
    """Blocks that the model is given: what it did by itself may be left out elsewhere, these may not."""
    kinds = _kinds(turn for turn in turns if turn.role != "assistant")
    return tuple(f"{kind} blocks of this form" for kind in kinds if kind != POINTER)


def _lost_blocks(turns: tuple[Message, ...]) -> list[str]:
    done = _kinds(turn for turn in turns if turn.role == "assistant")
    kinds = [*done, *(kind for kind in _kinds(turns) if kind == POINTER)]
    return [f"content blocks that only {CLAUDE} reads were left out: {', '.join(kinds)}"] if kinds else []


def _kinds(messages: Iterable[Message]) -> list[str]:
    """Kinds of the blocks in some messages, and in the results of tools, that nobody else reads."""
    parts = (part for message in messages for whole in message.parts for part in (whole, *_inside(whole)))
    found = (part.value for part in parts if isinstance(part, ProviderPart) and part.provider == CLAUDE)
    return sorted({str(block.get("type")) for block in found})


def _inside(part: Part) -> list[Part]:
    if not isinstance(part, ToolResultPart):
        return []
    return BLOCKS.parts_of(mapping(part.provider_metadata.get(CLAUDE)).get("content"))
