"""Messages as plain dicts in the chat-completions shape, which most Python programs already hold."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from ..errors import ParameterError
from .messages import (
    FilePart,
    Message,
    Metadata,
    Part,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from .value import NO_METADATA

MessageLike = Message | Mapping[str, Any]

KNOWN_FIELDS = frozenset({"role", "content", "name", "refusal", "tool_calls", "reasoning", "reasoning_content"})
"""What is read of a message; the rest is kept for the provider that understands it."""
TOOL_FIELDS = frozenset({"role", "content", "name", "tool_call_id"})
CALL_FIELDS = frozenset({"id", "type", "function", "index"})
PART_FIELDS: Mapping[str, frozenset[str]] = {
    "text": frozenset({"text"}),
    "input_text": frozenset({"text"}),
    "output_text": frozenset({"text", "annotations", "logprobs"}),
    "image_url": frozenset({"image_url", "detail"}),
    "input_image": frozenset({"image_url", "detail"}),
    "input_audio": frozenset({"input_audio"}),
    "file": frozenset({"file"}),
}
"""By the type of a part, as above."""
INNER_FIELDS: Mapping[str, frozenset[str]] = {
    "image_url": frozenset({"url", "detail"}),
    "input_audio": frozenset({"data", "format"}),
    "file": frozenset({"file_data", "filename"}),
    "function": frozenset({"name", "arguments"}),
}
"""By the object inside a part or a call, as above."""
ANY_PROVIDER = "*"
"""Key in ``provider_metadata`` of messages and parts: the fields that only some provider knows."""
NO_PROVIDER = "-"
"""The same for fields inside of objects, by name of both; no provider is known to take any."""

ROLE_NAMES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "function": "tool",
}


def messages_from(values: str | MessageLike | Iterable[MessageLike]) -> tuple[Message, ...]:
    """Take messages in any accepted form: values, dicts, or one string for one user message.

    Raises:
        ParameterError: there is none, or one cannot be understood; the message says which and why.
    """
    if isinstance(values, str):
        return (Message.user(values),)
    if not isinstance(values, list | tuple):  # nearly always one of these, and cheap to tell
        if isinstance(values, Message | Mapping):
            values = (values,)
        if not isinstance(values, Iterable):
            raise ParameterError(f"messages must be a string or a list of messages, not {type(values).__name__}")
    messages = tuple(_message(value, position) for position, value in enumerate(values))
    if not messages:
        raise ParameterError("messages is empty: give at least one")
    return messages


def _message(value: MessageLike, position: int) -> Message:
    where = f"messages[{position}]"
    message = value if isinstance(value, Message) else _from_dict(value, where)
    if message.is_plain and message.role != "tool":
        return message  # there is nothing to look at
    # Providers send what stands in its place, and nothing else; so what does not is refused here, not lost there.
    if not isinstance(message.name, str | None):
        raise ParameterError(f"{where}: the name must be a string, not {type(message.name).__name__}")
    if not isinstance(message.provider_metadata, Mapping):
        raise ParameterError(f"{where}: provider_metadata must be a mapping, keyed by provider")
    for part in message.parts:
        _check(part, where)
        if isinstance(part, ToolCallPart | ReasoningPart | RefusalPart) and message.role != "assistant":
            raise ParameterError(
                f"{where}: a {type(part).__name__} belongs in a message of role assistant, not {message.role}"
            )
        is_result = isinstance(part, ToolResultPart)
        if is_result and message.role != "tool":
            raise ParameterError(f"{where}: a tool result belongs in a message of role tool, not {message.role}")
        if message.role == "tool" and not is_result:
            raise ParameterError(f"{where}: a message of role tool holds tool results only; see Message.tool()")
    return message


FIELDS: Mapping[type, Mapping[str, Any]] = {
    TextPart: {"text": str},
    ReasoningPart: {"text": str},
    RefusalPart: {"text": str},
    FilePart: {"media_type": str, "data": bytes | None, "url": str | None, "name": str | None},
    ToolCallPart: {"id": str, "name": str, "arguments_json": str},
    ToolResultPart: {"tool_call_id": str, "name": str | None},
}
"""What the fields of a part must be; whoever makes one by hand may have taken another for it."""


def _check(part: Part, where: str) -> None:
    for field, kind in FIELDS.get(type(part), {}).items():
        if not isinstance(value := getattr(part, field), kind):
            named = type(part).__name__
            raise ParameterError(f"{where}: {field} of a {named} has the wrong type, {type(value).__name__}")
    if isinstance(part, ToolResultPart):
        for item in part.content:
            _check(item, where)


def _from_dict(value: Mapping[str, Any], where: str) -> Message:
    if not isinstance(value, Mapping):
        raise ParameterError(f"{where} must be a Message or a dict, not {type(value).__name__}")
    role = ROLE_NAMES.get(str(value.get("role")))
    if role is None:
        raise ParameterError(f"{where}: role must be one of {', '.join(ROLE_NAMES)}, not {value.get('role')!r}")
    if role == "tool":
        return _tool_message(value, where)
    parts: list[Part] = []
    if isinstance(reasoning := value.get("reasoning_content") or value.get("reasoning"), str):
        parts.append(ReasoningPart(reasoning))
    parts.extend(_content_parts(value.get("content"), where))
    if isinstance(refusal := value.get("refusal"), str):
        parts.append(RefusalPart(refusal))
    parts.extend(_tool_call(call, where) for call in _calls(value.get("tool_calls"), where))
    if not parts and role != "assistant" and value.get("content") is None:
        raise ParameterError(f"{where}: a {role} message needs content")
    return Message(role, tuple(parts), name=value.get("name"), provider_metadata=_rest(value, KNOWN_FIELDS))


def _rest(value: Mapping[str, Any], known: Container[str]) -> Metadata:
    """The fields that this format does not know, kept for the provider that does."""
    rest = {str(field): kept for field, kept in value.items() if field not in known and kept is not None}
    return {ANY_PROVIDER: rest} if rest else NO_METADATA


def _inner_rest(item: Mapping[str, Any]) -> Metadata:
    rest = {
        f"{name}.{field}": kept
        for name, known in INNER_FIELDS.items()
        if isinstance(inner := item.get(name), Mapping)
        for field, kept in inner.items()
        if field not in known and kept is not None
    }
    return {NO_PROVIDER: rest} if rest else NO_METADATA


def _tool_message(value: Mapping[str, Any], where: str) -> Message:
    call_id = value.get("tool_call_id") or value.get("name")
    if not isinstance(call_id, str):
        raise ParameterError(f"{where}: a tool message needs the tool_call_id that it answers")
    said = tuple(_content_parts(value.get("content"), where))
    content = [part for part in said if isinstance(part, TextPart | FilePart)]
    if len(content) < len(said):
        raise ParameterError(f"{where}: a tool result holds text and files only")
    kept = _rest(value, TOOL_FIELDS)
    return Message("tool", (ToolResultPart(call_id, content, name=value.get("name"), provider_metadata=kept),))


def _content_parts(content: Any, where: str) -> Iterable[Part]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (TextPart(content),)
    if isinstance(content, Part):
        return (content,)
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        raise ParameterError(f"{where}: content must be a string or a list of parts, not {type(content).__name__}")
    return [_part(item, f"{where}.content[{index}]") for index, item in enumerate(content)]


def _part(item: Any, where: str) -> Part:
    if isinstance(item, Part):
        return item
    if isinstance(item, str):
        return TextPart(item)
    if not isinstance(item, Mapping):
        raise ParameterError(f"{where} must be a part or a dict, not {type(item).__name__}")
    try:
        if (part := _known_part(item)) is not None:
            kept = {**_rest(item, PART_FIELDS.get(str(item.get("type")), item.keys()) | {"type"}), **_inner_rest(item)}
            if kept and isinstance(part, TextPart | FilePart):
                return msgspec.structs.replace(part, provider_metadata=kept)
            return part
    except ParameterError as error:
        raise ParameterError(f"{where}: {error}") from error
    except KeyError as error:
        raise ParameterError(f"{where}: a part of type {item.get('type')!r} lacks {error}") from error
    raise ParameterError(
        f"{where}: unknown part type {item.get('type')!r}; known are text, image_url, input_audio, file and refusal"
    )


def _known_part(item: Mapping[str, Any]) -> Part | None:
    match item.get("type"):
        case "text" | "input_text" | "output_text":
            return TextPart(_text(item, "text"))
        case "refusal":
            return RefusalPart(_text(item, "refusal"))
        case "image_url" | "input_image":
            if isinstance(item["image_url"], str):
                return FilePart.from_url(item["image_url"], detail=item.get("detail"))
            image = _mapping(item, "image_url")
            return FilePart.from_url(_text(image, "url"), detail=image.get("detail"))
        case "input_audio":
            audio = _mapping(item, "input_audio")
            return FilePart.from_data(_text(audio, "data"), media_type=f"audio/{_text(audio, 'format')}")
        case "file":
            return _file(_mapping(item, "file"))
    return None


def _file(file: Mapping[str, Any]) -> FilePart:
    data = _text(file, "file_data")
    name = file.get("filename")
    if data.startswith(("data:", "http://", "https://")):
        part = FilePart.from_url(data)
        return FilePart(part.media_type, data=part.data, url=part.url, name=name)
    return FilePart.from_data(data, name=name)


def _text(item: Mapping[str, Any], field: str) -> str:
    if not isinstance(value := item[field], str):
        raise ParameterError(f"{field} must be a string, not {type(value).__name__}")
    return value


def _mapping(item: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    if not isinstance(value := item[field], Mapping):
        raise ParameterError(f"{field} must be a dict, not {type(value).__name__}")
    return value


def _calls(value: Any, where: str) -> Iterable[Any]:
    if not isinstance(value, list | tuple | None):
        raise ParameterError(f"{where}: tool_calls must be a list, not {type(value).__name__}")
    return value or ()


def _tool_call(call: Any, where: str) -> ToolCallPart:
    if isinstance(call, ToolCallPart):
        return call
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str):
        raise ParameterError(f"{where}: a tool call needs a function with a name")
    arguments = function.get("arguments")
    try:
        text = arguments if isinstance(arguments, str) else json.dumps({} if arguments is None else arguments)
    except (TypeError, ValueError) as error:
        raise ParameterError(
            f"{where}: the arguments of tool call {name!r} cannot be written as JSON: {error}"
        ) from error
    kept = {**_rest(call, CALL_FIELDS), **_inner_rest(call)}
    return ToolCallPart(str(call.get("id") or name), name, text, kept or NO_METADATA)
