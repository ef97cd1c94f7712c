"""From a request to the JSON of the Messages API, and the headers that go with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from airouter_core.config.loading import require_api_key
from airouter_core.errors import ParameterError
from airouter_core.profile.histories import SAME_IDS, have_same_ids, with_different_ids
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import overlaid, place
from airouter_core.profile.schemas import with_one_object_at_the_top
from airouter_core.values.messages import Message, ProviderPart, TextPart
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool
from airouter_core.wire.json import items, mapping

from .blocks import Block, Sending, is_unsent_thought, message_blocks, sent_id
from .caching import mark_stable_prefix
from .config import ClaudeConfig
from .models import ADAPTIVE, ENABLED, MODEST_MAX_TOKENS, ModelFacts
from .parts import KEY
from .plugin import CLAUDE
from .profile import api_version, is_forced
from .schemas import as_words, binding

Body = dict[str, Any]

NOT_IN_THE_BODY = frozenset({"betas", "api_version", "workspace_id", "user_profile_id", "cache_prompt", "cache_ttl"})
"""Options that are said in headers, or decide how the body is made."""
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "speed", "cache_control")
"""What ``count_tokens`` takes of a body."""
LACKS = frozenset(
    {Loss.NAMES, Loss.TOOL_NAMES, Loss.RESULT_NAMES, Loss.PICTURE_DETAIL, Loss.FILE_DETAIL, Loss.ARGUMENTS}
)
"""What this API has no place for."""
MODES = {"auto": "auto", "none": "none", "required": "any", "tool": "tool"}
JSON_WISH = "Answer with one JSON object and nothing else: no words around it, and no ```json fence."
JSON_NOTE = (
    "JSON mode was emulated by a sentence in the system prompt, as this API has none; a JSON Schema as "
    "response_format binds the model"
)


def message_body(request: Request, config: ClaudeConfig, facts: ModelFacts, *, stream: bool) -> Body:
    """The body, with ``provider_options`` laid over it."""
    options = {name: value for name, value in request.provider_options.items() if name not in NOT_IN_THE_BODY}
    sending = Sending(facts.line, api_version(request, config, facts))
    body: Body = {"model": request.model, "max_tokens": _max_tokens(request, facts)}
    if system := _system(request, sending):
        body["system"] = system
    body["messages"] = _conversation(request, sending)
    _add_tools(body, request, options.pop("tools", None))
    place(body, request.parameters, request.rows)
    if "stop_sequences" in body:
        body["stop_sequences"] = [text for text in body["stop_sequences"] if text.strip()]
    if "tool_choice" in body:
        body["tool_choice"].setdefault("type", "auto")
    _add_thinking(body, request, facts, options.pop("thinking", None))
    if request.response_format is not None and request.response_format.kind == "json_schema":
        schema = binding(request.response_format.schema or {})
        if schema is not None:
            if request.response_format.description is not None:
                schema = {"description": request.response_format.description, **schema}
            body.setdefault("output_config", {})["format"] = {"type": "json_schema", "schema": schema}
    if stream:
        body["stream"] = True
    body = overlaid(body, options)
    if request.provider_options.get("cache_prompt", config.cache_prompt):
        mark_stable_prefix(body, request.provider_options.get("cache_ttl", config.cache_ttl))
    return body


def _add_tools(body: Body, request: Request, own: Any) -> None:
    tools = _tools(request, own)
    if not tools:
        return
    body["tools"] = tools
    if request.tool_choice is not None:
        body["tool_choice"] = {"type": MODES[request.tool_choice.mode]}
        if request.tool_choice.name is not None:
            body["tool_choice"]["name"] = request.tool_choice.name


def request_headers(request: Request, config: ClaudeConfig, facts: ModelFacts) -> dict[str, str]:
    """The headers of a call: who asks, and for which version and features."""
    options = request.provider_options
    headers = common_headers(config, api_version(request, config, facts), items_of(options.get("betas")))
    for name in ("workspace_id", "user_profile_id"):
        if options.get(name):
            headers[f"anthropic-{name.replace('_', '-')}"] = str(options[name])
    return headers


def common_headers(config: ClaudeConfig, version: str, betas: Iterable[str] = ()) -> dict[str, str]:
    """The headers of any request: one credential, never two.

    Raises:
        MissingApiKeyError: the vendor is asked without one.
    """
    headers = {"anthropic-version": version}
    if asked := tuple(dict.fromkeys((*config.betas, *betas))):
        headers["anthropic-beta"] = ",".join(asked)
    if config.own_credential:
        return headers
    if config.auth_token:
        return {**headers, "Authorization": f"Bearer {config.auth_token}"}
    if config.needs_api_key:
        require_api_key(config.api_key, provider=CLAUDE.name, variable=CLAUDE.api_key_env)
    return {**headers, "x-api-key": config.api_key} if config.api_key else headers


def notes(request: Request, facts: ModelFacts) -> tuple[str, ...]:
    """What the caller should know about how this request is said."""
    found = []
    wanted = request.response_format
    if wanted is not None and wanted.schema is None:
        found.append(JSON_NOTE)
    elif _wish(wanted):
        found.append(
            "the schema stands in the system prompt: this API holds the model to none that refers to itself, or whose "
            "objects take what they do not name"
        )
    found += [
        f"tool {tool.name!r} was sent without strict: this API cannot hold the model to its schema"
        for tool in request.tools
        if tool.strict and binding(tool.input_schema) is None
    ]
    stays = [_is_in_place(message) for message in request.messages]
    if not all(stays[stays.index(True) :] if True in stays else ()):
        found.append("system messages inside the conversation were put at its beginning, where this API takes them")
    sending = Sending(facts.line, "")
    parts = [part for message in request.messages for part in message.parts]
    if any(is_unsent_thought(part, sending) for part in parts):
        found.append("thoughts of another model in the history were left out, as models take only their own")
    if have_same_ids(parts, sent_id):
        found.append(SAME_IDS)
    if _ends_in_blanks(request.messages[-1]):
        found.append("blanks at the end of the assistant's last words were not sent: this API refuses them")
    if any(not text.strip() for text in items_of(request.parameter("stop"))):
        found.append("blank texts in stop were not sent: this API refuses them")
    return tuple(found)


def _ends_in_blanks(message: Message) -> bool:
    last = message.parts[-1] if message.role == "assistant" and message.parts else None
    return isinstance(last, TextPart) and last.text != last.text.rstrip()


def counted_body(body: Mapping[str, Any]) -> Body:
    """What of a body ``count_tokens`` takes."""
    return {name: body[name] for name in COUNTED if name in body}


def items_of(value: Any) -> tuple[str, ...]:
    """One string, several, or none."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(map(str, value))


def _max_tokens(request: Request, facts: ModelFacts) -> int:
    limit: int = request.parameter("max_tokens", facts.default_max_tokens)
    budget: int = request.parameter("reasoning_budget", 0)
    return limit if limit > budget or "max_tokens" in request.parameters else budget + MODEST_MAX_TOKENS


def _is_in_place(message: Message) -> bool:
    """Whether a system message stays where it stands, which some models take, instead of leading the prompt."""
    if message.role != "system":
        return True
    return mapping(message.provider_metadata.get(KEY)).get("in_place") is True or any(
        isinstance(part, ProviderPart) for part in message.parts
    )


def _wish(wanted: ResponseFormat | None) -> str | None:
    """What the prompt says of the answer's form, where nothing binds the model to it."""
    if wanted is None:
        return None
    if wanted.schema is None:
        return JSON_WISH
    return None if binding(wanted.schema) is not None else f"{JSON_WISH} {as_words(wanted.schema)}"


def _system(request: Request, sending: Sending) -> str | list[Block]:
    messages = [message for message in request.messages if not _is_in_place(message)]
    blocks = [block for message in messages for block in message_blocks(message, "system", sending)]
    if wish := _wish(request.response_format):
        blocks.append({"type": "text", "text": wish})
    plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return str(blocks[0]["text"]) if plain else blocks


def _conversation(request: Request, sending: Sending) -> list[Body]:
    sent: list[Body] = []
    answers: list[Block] | None = None
    for message in with_different_ids([*filter(_is_in_place, request.messages)], sent_id):
        role = "user" if message.role == "tool" else message.role
        blocks = message_blocks(message, role, sending)
        if role == "user" and answers is not None:
            # The results of parallel calls, and what the user says to them, are one turn of the user.
            answers += blocks
        elif blocks:
            sent.append({"role": role, "content": blocks})
            answers = blocks
        if message.role != "tool":
            answers = None
    _strip_end(sent)
    if not sent:
        raise ParameterError("Claude needs a message of the user that says something")
    return sent


def _strip_end(sent: list[Body]) -> None:
    """Leave out blanks at the end of an answer that is to be gone on with."""
    if not sent or sent[-1]["role"] != "assistant":
        return
    last = sent[-1]["content"][-1]
    if last.get("type") == "text":
        sent[-1]["content"][-1] = {**last, "text": last["text"].rstrip()}


def _tools(request: Request, more: Any) -> list[Block]:
    """The tools of the call, then the vendor's own from the options; an option of a tool's name is laid over it."""
    tools = {tool.name: _tool(tool) for tool in request.tools}
    added = []
    for entry in map(mapping, items(more) or list(more or ())):
        if entry.get("name") in tools:
            tools[entry["name"]].update(entry)
        elif not {"type", "input_schema"} & entry.keys():
            raise ParameterError(f"provider_options: tool {entry.get('name')!r} has no type, and is not among tools=")
        else:
            added.append(dict(entry))
    return [*tools.values(), *added]


def _tool(tool: Tool) -> Block:
    made: Block = {"name": tool.name}
    if tool.description is not None:
        made["description"] = tool.description
    schema = with_one_object_at_the_top(tool.input_schema)
    schema.setdefault("type", "object")
    bound = binding(schema) if tool.strict else None
    made["input_schema"] = schema if bound is None else bound
    if tool.strict is not None:
        made["strict"] = bound is not None
    return made


def _add_thinking(body: Body, request: Request, facts: ModelFacts, wished: Any) -> None:
    thinking = mapping(body.pop("thinking", None))
    if "budget_tokens" in thinking:
        thinking = {"type": ENABLED, **thinking}
    elif not thinking and body.get("output_config") and ADAPTIVE in facts.thinking and not is_forced(request):
        # Where thinking is off unless asked for, an effort asks for it.
        thinking = {"type": ADAPTIVE}
    wished = mapping(wished)
    if "type" in wished:
        thinking = dict(wished)
    elif wished and thinking.get("type", ADAPTIVE) in (ADAPTIVE, ENABLED):
        # Thinking that is turned off has nothing to display.
        if not thinking and ADAPTIVE not in facts.thinking:
            raise ParameterError(f"provider_options: thinking of {request.model} needs a type, such as 'enabled'")
        thinking = {**(thinking or {"type": ADAPTIVE}), **wished}
    if thinking:
        body["thinking"] = dict(thinking)
