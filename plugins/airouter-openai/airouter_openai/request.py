"""From a request to the JSON of the Responses API.

Source: ``types/responses/response_create_params.py`` and ``response_input_param.py`` of the vendor's SDK 3.54.0.

What the model said before is sent back as it was said: reasoning with its encrypted content, messages and calls with
their ids and their phase, and items that only this vendor understands. All of that travels as provider metadata of
the parts, where :mod:`.reader` has put it; parts from elsewhere are sent in the plain form.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.profile.resolving import place
from airouter_core.values.arguments import arguments_text
from airouter_core.values.messages import (
    FilePart,
    Message,
    Metadata,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool, ToolChoice
from airouter_core.wire.json import mapping

from .plugin import LOGPROBS, OPENAI
from .strict import arguments_as_sent, as_sent

ENCRYPTED_REASONING = "reasoning.encrypted_content"

JOINED = ("tools", "include")
"""Lists to which ``provider_options`` add; all else they replace."""

LONGEST_ID = 64
"""Of a call, by the vendor's schema; over chat completions it is shorter."""

Item = dict[str, Any]


def sent_id(identity: str, longest: int = LONGEST_ID) -> str:
    """A call's id as the vendor takes it: servers of others have longer ones, vLLM of 46 characters."""
    if len(identity) <= longest:
        return identity
    return f"{identity[: longest - 17]}_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"


RESULTS = ("function_call_output", "custom_tool_call_output")


def responses_body(request: Request, *, reasons: bool, store: bool, summary: str | None) -> dict[str, Any]:
    """The body, without ``stream`` and without ``provider_options``.

    Args:
        reasons: whether the model thinks before it answers.
        store: whether the vendor may keep request and answer.
        summary: how to sum the reasoning up, if at all.
    """
    body: dict[str, Any] = {"model": request.model, "input": input_items(request.messages, reasons, stored=store)}
    if request.tools:
        body["tools"] = [_tool(tool) for tool in request.tools]
    if request.tool_choice is not None and (request.tools or "tools" in request.provider_options):
        body["tool_choice"] = _tool_choice(request.tool_choice)
    if request.response_format is not None:
        body["text"] = {"format": _format(request.response_format)}
    place(body, request.parameters, request.rows)
    body["store"] = store
    if "top_logprobs" in body:
        _include(body, LOGPROBS)
    if reasons and not store:
        # Nothing is kept there, so the thoughts travel with the conversation, readable to the vendor alone.
        _include(body, ENCRYPTED_REASONING)
    if reasons and summary is not None:
        body.setdefault("reasoning", {})["summary"] = summary
    return body


def _include(body: dict[str, Any], name: str) -> None:
    body["include"] = list(dict.fromkeys([*body.get("include", ()), name]))


def input_items(messages: Iterable[Message], reasons: bool, *, stored: bool) -> list[Item]:
    """The conversation as items.

    Raises:
        UnsupportedFeatureError: it holds something that this API does not take.
    """
    writer = _ItemWriter("developer" if reasons else "system", stored)
    made: list[Item] = []
    for message in messages:
        for item in writer.items(message):
            if item.get("role", "assistant") != "assistant" or item.get("type") in RESULTS:
                _drop_hanging_thoughts(made)
            made.append(item)
    _drop_hanging_thoughts(made)
    return made


def _drop_hanging_thoughts(made: list[Item]) -> None:
    # A thought is refused without what it led to, as where the limit was used up by thinking.
    while made and made[-1].get("type") == "reasoning":
        made.pop()


def ends_in_thought(message: Message, *, stored: bool) -> bool:
    """Whether the last part is a thought that would be sent, and led to nothing."""
    last = message.parts[-1] if message.parts else None
    return isinstance(last, ReasoningPart) and not is_unsent_thought(last, stored=stored)


def is_unsent_thought(part: Part, *, stored: bool) -> bool:
    """Whether this is a thought of another provider, or one without its content: there is nothing to look up."""
    if not isinstance(part, ReasoningPart):
        return False
    own = _own(part.provider_metadata)
    return own.get("type") != "reasoning" or not (stored or own.get("encrypted_content"))


def is_named_address(part: FilePart) -> bool:
    """Whether this is a document whose address goes out without its name."""
    return part.url is not None and part.name is not None and not part.is_image


class _ItemWriter:
    """Writes messages as items; remembers which calls were not of functions, since their results differ."""

    def __init__(self, system_role: str, stored: bool) -> None:
        self._system_role = system_role
        self._stored = stored
        self._custom_calls: set[str] = set()

    def items(self, message: Message) -> Iterator[Item]:
        if message.role == "assistant":
            # The vendor ties thoughts to what they led to by ids: where a thought is left out, the ids are too.
            bare = any(is_unsent_thought(part, stored=self._stored) for part in message.parts)
            for identity, parts in groupby(message.parts, _identity):
                made = self._said(identity, list(parts))
                yield from map(_without_identity, made) if bare else made
            return
        content = [part for part in message.parts if isinstance(part, TextPart | FilePart)]
        own = [part.value for part in message.parts if isinstance(part, ProviderPart) and part.provider == OPENAI.name]
        if content or (message.role != "tool" and not own):
            role = self._system_role if message.role == "system" else "user"
            yield {"role": role, "content": _content(content)}
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                yield self._result(part)
        yield from map(dict, own)

    def _said(self, identity: tuple[str, object], parts: list[Part]) -> Iterator[Item]:
        match identity[0], parts[0]:
            case "message", TextPart() as first:
                yield _message(_own(first.provider_metadata), parts)
            case "text", _:
                yield {"role": "assistant", "content": "".join(part.text for part in parts if hasattr(part, "text"))}
            case _, ReasoningPart() as part:
                yield from self._reasoning(part)
            case _, ToolCallPart() as part:
                yield self._call(part)
            case _, FilePart() as part:
                yield _image_made(part)
            case _, ProviderPart(OPENAI.name, value):
                yield dict(value)
            case _:
                return

    def _reasoning(self, part: ReasoningPart) -> Iterator[Item]:
        if not is_unsent_thought(part, stored=self._stored):
            yield {name: value for name, value in _own(part.provider_metadata).items() if value is not None}

    def _call(self, part: ToolCallPart) -> Item:
        own = _own(part.provider_metadata)
        if own.get("type") == "custom_tool_call":
            self._custom_calls.add(part.id)
            return {**own, "call_id": sent_id(part.id), "name": part.name, "input": part.arguments_json}
        own = own if own.get("type") == "function_call" else {"type": "function_call"}
        return {**own, "call_id": sent_id(part.id), "name": part.name, "arguments": arguments_text(part)}

    def _result(self, part: ToolResultPart) -> Item:
        kind = "custom_tool_call_output" if part.tool_call_id in self._custom_calls else "function_call_output"
        return {"type": kind, "call_id": sent_id(part.tool_call_id), "output": _content(list(part.content))}


def _identity(part: Part) -> tuple[str, object]:
    """What one item is made of: parts of one message of the vendor's, texts from elsewhere, or one other part."""
    if isinstance(part, TextPart):
        own = _own(part.provider_metadata)
        return ("message", own["id"]) if own.get("type") == "message" and own.get("id") else ("text", None)
    return ("text", None) if isinstance(part, RefusalPart) else ("other", id(part))


def _message(own: Metadata, parts: Iterable[Part]) -> Item:
    texts = [
        {"type": "output_text", "text": part.text, "annotations": []} for part in parts if isinstance(part, TextPart)
    ]
    message = {"type": "message", "id": own["id"], "role": "assistant", "status": "completed", "content": texts}
    return {**message, "phase": own["phase"]} if own.get("phase") else message


def _without_identity(item: Item) -> Item:
    match item.get("type"):
        case "message":
            texts = "".join(part["text"] for part in item["content"])
            phase = {"phase": item["phase"]} if "phase" in item else {}
            return {"role": "assistant", "content": texts, **phase}
        case "function_call" | "custom_tool_call":
            return {name: value for name, value in item.items() if name != "id"}
    return item


def _image_made(part: FilePart) -> Item:
    own = _own(part.provider_metadata)
    if own.get("type") == "image_generation_call":
        return {**own, "result": part.base64}
    raise UnsupportedFeatureError(
        f"{OPENAI.name}: the Responses API takes files only from the user; put this one into a user message"
    )


def _content(parts: list[TextPart | FilePart]) -> str | list[Item]:
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return parts[0].text
    return [{"type": "input_text", "text": part.text} if isinstance(part, TextPart) else _file(part) for part in parts]


def _file(part: FilePart) -> Item:
    file_id = _own(part.provider_metadata).get("file_id")
    if part.is_image:
        address = {"file_id": file_id} if file_id else {"image_url": part.data_url}
        return {"type": "input_image", "detail": part.detail or "auto", **address}
    if part.media_type.startswith("audio/"):
        raise UnsupportedFeatureError(
            f'{OPENAI.name}: the Responses API takes no sound; set api="chat" and take a model that hears (gpt-audio)'
        )
    file: Item = {"type": "input_file"} if part.detail is None else {"type": "input_file", "detail": part.detail}
    if file_id:
        return {**file, "file_id": file_id}
    if part.url is not None:
        return {**file, "file_url": part.url}
    return {**file, "filename": part.name or "document.pdf", "file_data": part.data_url}


def _tool(tool: Tool) -> Item:
    # This API is strict unless told otherwise, and then refuses schemas with optional properties; chat completions is
    # not. A tool means the same over both.
    function: Item = {
        "type": "function",
        "name": tool.name,
        **arguments_as_sent(tool.arguments_schema, strict=bool(tool.strict)),
    }
    if tool.description is not None:
        function["description"] = tool.description
    return function


def _tool_choice(choice: ToolChoice) -> str | Item:
    return {"type": "function", "name": choice.name} if choice.mode == "tool" else choice.mode


def _format(response_format: ResponseFormat) -> Item:
    if response_format.kind == "json":
        return {"type": "json_object"}
    described: Item = {
        "type": "json_schema",
        "name": response_format.name,
        "schema": as_sent(response_format.schema, strict=response_format.strict),
    }
    if response_format.description is not None:
        described["description"] = response_format.description
    if response_format.strict is not None:
        described["strict"] = response_format.strict
    return described


def _own(metadata: Metadata) -> Metadata:
    return mapping(metadata.get(OPENAI.name))
