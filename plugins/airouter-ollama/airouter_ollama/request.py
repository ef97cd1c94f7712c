"""From a request to the JSON of ``POST /api/chat``.

Source: Ollama, api/types.go (``ChatRequest``, ``Message``), fb307609.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from airouter_core.errors import UnsupportedFeatureError
from airouter_core.profile.losses import Loss
from airouter_core.profile.resolving import place
from airouter_core.values.arguments import arguments_object
from airouter_core.values.messages import (
    FilePart,
    Message,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from airouter_core.values.request import Request
from airouter_core.values.tools import ResponseFormat, Tool

from .config import OllamaConfig
from .options import UNCHECKED, check_own_options, sent_options, unknown_fields
from .plugin import PARAMETERS

Body = dict[str, Any]

LACKS = frozenset(
    {
        Loss.NAMES,
        Loss.TOOL_NAMES,
        Loss.ERRORS,
        Loss.SEALED_THOUGHTS,
        Loss.PICTURE_DETAIL,
        Loss.OWN_PARTS,
        Loss.ARGUMENTS,
    }
)
"""What the server has no place for."""

ALWAYS_THINKS = "gpt-oss"
"""Takes a level of thinking and ignores true and false (docs/capabilities/thinking.mdx)."""


def check_request(request: Request) -> None:
    """Refuse what Ollama would ignore without a word.

    Raises:
        UnsupportedFeatureError: a tool must be called, which Ollama cannot promise.
        ParameterError: the options meant for Ollama alone are wrong.
    """
    choice = request.tool_choice
    if choice is not None and choice.mode in ("required", "tool"):
        raise UnsupportedFeatureError(
            "ollama cannot make a model call a tool; leave tool_choice out and offer only the tools it may call, or "
            "ask for the arguments alone, with their schema as response_format"
        )
    check_own_options(request.provider_options, request.parameters)


def notes_on(request: Request) -> Iterator[str]:
    """What of this request the server has no place for."""
    if any(tool.strict for tool in offered_tools(request)):
        yield "strict tools were sent as plain ones: ollama does not hold a model to a tool's schema"
    if request.response_format is not None and offered_tools(request):
        yield "with a response format ollama lets the model call no tool; ask for one of the two"
    if request.parameter("reasoning_effort") == "none" and ALWAYS_THINKS in request.model:
        yield f"{request.model} cannot be told not to think, and ignores it; reasoning_effort='low' is its least"
    if fields := unknown_fields(request.provider_options):
        yield f"{', '.join(map(repr, fields))} went to ollama, which is not known to take it and may ignore it"
    if request.response_format is not None and request.response_format.description is not None:
        yield "the description of the response format was not sent: ollama shows a model nothing of the format"


def offered_tools(request: Request) -> tuple[Tool, ...]:
    """The tools that are sent: with ``tool_choice="none"`` there are none, since the server knows no such word."""
    choice = request.tool_choice
    return () if choice is not None and choice.mode == "none" else request.tools


def chat_body(request: Request, config: OllamaConfig, *, stream: bool) -> Body:
    """The body, with ``provider_options`` laid over it."""
    names = _names_of_calls(request)
    body: Body = {
        "model": request.model,
        "messages": [sent for message in request.messages for sent in _messages(message, names)],
        "stream": stream,
    }
    if tools := offered_tools(request):
        body["tools"] = [tool_body(tool) for tool in tools]
    if request.response_format is not None:
        body["format"] = _format(request.response_format)
    if config.keep_alive is not None:
        body["keep_alive"] = config.keep_alive
    place(body, request.parameters, PARAMETERS)  # the same for all models; the context may have come from elsewhere
    own = {name: value for name, value in request.provider_options.items() if name not in ("options", UNCHECKED)}
    body.update(own)
    if options := {**body.get("options", {}), **sent_options(request.provider_options)}:
        body["options"] = options
    if body.get("top_logprobs") is not None and "logprobs" not in body:
        body["logprobs"] = True  # without it the server leaves the alternatives out
    return body


def tool_body(tool: Tool) -> Body:
    """A tool; the runner refuses a schema without properties."""
    function: Body = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = {"type": "object", "properties": {}, **tool.input_schema}
    return {"type": "function", "function": function}


def _messages(message: Message, names: Mapping[str, str]) -> Iterator[Body]:
    if message.role == "tool":
        for part in message.parts:
            if isinstance(part, ToolResultPart):
                yield _tool_result(part, names)
        return
    sent: Body = {"role": message.role, "content": _said(message)}
    if images := _images(part for part in message.parts if isinstance(part, FilePart)):
        sent["images"] = images
    if message.role == "assistant":
        if thinking := "".join(part.text for part in message.parts if isinstance(part, ReasoningPart)):
            sent["thinking"] = thinking
        if message.tool_calls:
            sent["tool_calls"] = [_tool_call(call) for call in message.tool_calls]
    yield sent


def _said(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart | RefusalPart))


def _tool_result(part: ToolResultPart, names: Mapping[str, str]) -> Body:
    sent: Body = {"role": "tool", "content": part.text, "tool_call_id": part.tool_call_id}
    if name := part.name or names.get(part.tool_call_id):
        sent["tool_name"] = name
    if images := _images(item for item in part.content if isinstance(item, FilePart)):
        sent["images"] = images
    return sent


def _images(files: Iterable[FilePart]) -> list[str]:
    images = []
    for file in files:
        if not file.is_image:
            raise UnsupportedFeatureError(f"ollama takes images only, not {file.media_type}; send its text instead")
        if file.data is None:
            raise UnsupportedFeatureError(
                "ollama takes the bytes of an image, not its address: give image_path or image_data, or set "
                "fetch_images to have addresses of the open net fetched here"
            )
        images.append(file.base64)
    return images


def _tool_call(call: ToolCallPart) -> Body:
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments_object(call)}}


def _names_of_calls(request: Request) -> dict[str, str]:
    """Names by call id: the server wants a result to say whose it is."""
    return {call.id: call.name for message in request.messages for call in message.tool_calls}


def _format(response_format: ResponseFormat) -> str | Body:
    return "json" if response_format.kind == "json" else dict(response_format.schema or {})
