"""From a request to the JSON of the Converse API."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.errors import ParameterError
from airouter_core.profile.histories import SAME_IDS, have_same_ids, with_different_ids
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.profile.schemas import with_one_object_at_the_top
from airouter_core.values.arguments import has_object
from airouter_core.values.messages import FilePart, Message, Part, TextPart, ToolCallPart, ToolResultPart
from airouter_core.values.request import Request
from airouter_core.values.tools import NO_ARGUMENTS, ResponseFormat, Tool
from airouter_core.wire.json import items, mapping

from .blocks import (
    Block,
    is_known_mark,
    is_renamed,
    is_unsent_thought,
    mark_of,
    message_blocks,
    sent_id,
    sent_name,
)
from .caching import mark_stable_prefix
from .config import BedrockConfig
from .profile import FIELDS, Family, family_of

Body = dict[str, Any]

NOT_IN_THE_BODY = frozenset({"cache_prompt", "cache_ttl"})
"""Options that decide how the body is made."""
COUNTED = ("messages", "system", "toolConfig", FIELDS)
"""What counting tokens takes of a body."""
LACKS = frozenset({Loss.NAMES, Loss.TOOL_NAMES, Loss.RESULT_NAMES, Loss.PICTURE_DETAIL, Loss.FILE_DETAIL})
"""What this API has no place for."""
CLAUDE = "anthropic.claude"
"""In the names of models that refuse what others take."""
SILENCE = "…"
"""What the user says before the assistant, where the conversation began with the assistant."""
CHOICES: Mapping[str, str] = {"auto": "auto", "required": "any"}
JSON_WISH = "Answer with one JSON object and nothing else: no words around it, and no ```json fence."
JSON_NOTE = (
    "JSON mode was emulated by a sentence in the system prompt, as this API has none; a JSON Schema as "
    "response_format binds the model"
)


def converse_body(request: Request, config: BedrockConfig) -> Body:
    """The body, with ``provider_options`` laid over it."""
    options = {name: value for name, value in request.provider_options.items() if name not in NOT_IN_THE_BODY}
    body: Body = {"messages": _conversation(request)}
    if system := _system(request):
        body["system"] = system
    if tools := _tools(request):
        body["toolConfig"] = tools
    if request.parameters:
        place(body, request.parameters, request.rows)
        _add_what_belongs(body, request, family_of(request.model))
    if CLAUDE in request.model:
        _leave_out_blanks(body)
    if request.response_format is not None and request.response_format.kind == "json_schema":
        body["outputConfig"] = {"textFormat": _text_format(request.response_format)}
    if config.guardrail:
        body["guardrailConfig"] = dict(config.guardrail)
    own_tools = mapping(options.get("toolConfig")).get("tools")
    body = overlaid(body, options)
    if own_tools and tools:
        body["toolConfig"]["tools"] = [*tools["tools"], *own_tools]
    if request.provider_options.get("cache_prompt", config.cache_prompt):
        mark_stable_prefix(body, request.provider_options.get("cache_ttl", config.cache_ttl))
    return body


def _leave_out_blanks(body: Body) -> None:
    """Leave out what Claude refuses: blanks at the end of an answer that is to be gone on with, and as a stop."""
    last = body["messages"][-1]
    if last["role"] == "assistant" and "text" in last["content"][-1]:
        last["content"][-1] = {**last["content"][-1], "text": last["content"][-1]["text"].rstrip()}
    limits = mapping(body.get("inferenceConfig"))
    if stops := items(limits.get("stopSequences")):
        kept = [text for text in stops if text.strip()]
        others = {name: value for name, value in limits.items() if name != "stopSequences"}
        body["inferenceConfig"] = {**others, "stopSequences": kept} if kept else others


def _notes_on_blanks(request: Request) -> Iterator[str]:
    last = request.messages[-1]
    ending = last.parts[-1] if last.role == "assistant" and last.parts else None
    if isinstance(ending, TextPart) and ending.text != ending.text.rstrip():
        yield "blanks at the end of the assistant's last words were not sent: this model refuses them"
    if any(not text.strip() for text in request.parameter("stop") or ()):
        yield "blank texts in stop were not sent: this model refuses them"


def counted_body(body: Mapping[str, Any]) -> Body:
    """What of a body counting tokens takes."""
    return {"input": {"converse": {name: body[name] for name in COUNTED if name in body}}}


def notes(request: Request) -> Iterator[str]:
    """What the caller should know about how this request is said."""
    if request.response_format is not None and request.response_format.kind == "json":
        yield JSON_NOTE
    roles = [message.role for message in request.messages]
    if "system" in roles[sum(role == "system" for role in roles) :]:
        yield "system messages inside the conversation were put at its beginning, where this API takes them"
    if next((message.role for message in request.conversation), None) == "assistant":
        yield f"a turn of the user ({SILENCE!r}) was put before the assistant's first, as conversations begin so here"
    parts = list(_parts(request.messages))
    if any(map(is_unsent_thought, parts)):
        yield "thoughts in the history that bear no signature of this service were not sent: models here take no others"
    for part in parts:
        if isinstance(part, ToolCallPart) and not has_object(part):
            yield f"arguments of the call {part.id} in the history are no JSON object and were sent wrapped in one"
        if isinstance(part, FilePart) and is_renamed(part):
            yield f"the document {part.name!r} was sent as {sent_name(part.name)!r}: names have few characters here"
    marks = (mark_of(getattr(one, "provider_metadata", {})) for one in (*request.messages, *parts))
    if any(mark is not None and not is_known_mark(mark) for mark in marks):
        yield "a cache_control of a kind that is not known here was not sent"
    if CLAUDE in request.model:
        yield from _notes_on_blanks(request)
    yield from _notes_on_tools(request)


def _notes_on_tools(request: Request) -> Iterator[str]:
    used = _used(request.messages)
    if have_same_ids(_parts(request.messages), sent_id):
        yield SAME_IDS
    if request.tools and _says_none(request) and used:
        yield (
            'tool_choice "none" was not sent: this API has no word for it, and wants the tools declared where the '
            "history holds calls; the model may call one"
        )
    if used and not request.tools:
        yield (
            f"the tools of the history ({', '.join(used)}) were declared without their schemas, as this API takes no "
            "calls of tools that are not; give tools= to declare them yourself"
        )


def _parts(messages: Iterable[Message]) -> Iterator[Part]:
    for message in messages:
        for part in message.parts:
            yield part
            if isinstance(part, ToolResultPart):
                yield from part.content


def _system(request: Request) -> list[Block]:
    said = [message for message in request.messages if message.role == "system"]
    blocks = [block for message in said for block in message_blocks(message, "system")]
    if request.response_format is not None and request.response_format.kind == "json":
        blocks.append({"text": JSON_WISH})
    return blocks


def _conversation(request: Request) -> list[Body]:
    """The turns. What follows each other from one side is one turn, since the two must alternate."""
    sent: list[Body] = []
    for message in with_different_ids(request.conversation, sent_id):
        role = "assistant" if message.role == "assistant" else "user"
        blocks = message_blocks(message, role)
        if not blocks:
            continue
        if sent and sent[-1]["role"] == role:
            sent[-1]["content"] += blocks
        else:
            sent.append({"role": role, "content": blocks})
    if not sent:
        raise ParameterError("bedrock needs a message of the user that says something")
    if sent[0]["role"] == "assistant":
        sent.insert(0, {"role": "user", "content": [{"text": SILENCE}]})
    _tell_apart(block["document"] for turn in sent for block in turn["content"] if "document" in block)
    return sent


def _tell_apart(documents: Iterable[Block]) -> None:
    """Number documents of one name, which the service refuses."""
    seen: dict[str, int] = {}
    for document in documents:
        name = document["name"]
        seen[name] = seen.get(name, 0) + 1
        if seen[name] > 1:
            document["name"] = f"{name} ({seen[name]})"


def _used(messages: Iterable[Message]) -> list[str]:
    """Names of the tools that the history calls, each once."""
    calls = (part.name for part in _parts(messages) if isinstance(part, ToolCallPart))
    return list(dict.fromkeys(calls))


def _says_none(request: Request) -> bool:
    return request.tool_choice is not None and request.tool_choice.mode == "none"


def _tools(request: Request) -> Body:
    used = _used(request.messages)
    if not request.tools or (_says_none(request) and not used):
        # Calls in the history need their tools declared.
        return {"tools": [_tool(Tool(name)) for name in used]} if used else {}
    made: Body = {"tools": [_tool(tool) for tool in request.tools]}
    if request.tool_choice is not None and not _says_none(request):
        if request.tool_choice.name is not None:
            made["toolChoice"] = {"tool": {"name": request.tool_choice.name}}
        else:
            made["toolChoice"] = {CHOICES[request.tool_choice.mode]: {}}
    return made


def _tool(tool: Tool) -> Block:
    specification: Block = {"name": tool.name}
    if tool.description:
        specification["description"] = tool.description
    specification["inputSchema"] = {
        "json": {"type": "object", **with_one_object_at_the_top(tool.input_schema or NO_ARGUMENTS)}
    }
    if tool.strict is not None:
        specification["strict"] = tool.strict
    return {"toolSpec": specification}


def _text_format(wanted: ResponseFormat) -> Block:
    described: Block = {"schema": json.dumps(wanted.schema, ensure_ascii=False), "name": wanted.name}
    if wanted.description:
        described["description"] = wanted.description
    return {"type": "json_schema", "structure": {"jsonSchema": described}}


def _add_what_belongs(body: Body, request: Request, family: Family) -> None:
    """What must stand beside a wish to think, unless it is said already."""
    effort = request.parameter("reasoning_effort")
    beside: Mapping[str, str] = {}
    if effort not in (None, "none") and family.effort is not None and "reasoning_budget" not in request.parameters:
        beside = family.beside
    elif "reasoning_budget" in request.parameters and family.budget:
        beside = {f"{FIELDS}.thinking.type": "enabled"}
    for path, word in beside.items():
        *steps, last = path.split(".")
        target = body
        for step in steps:
            target = target.setdefault(step, {})
        target.setdefault(last, word)
