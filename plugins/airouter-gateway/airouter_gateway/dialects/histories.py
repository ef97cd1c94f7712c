"""Conversations as servers of other dialects take them."""

from __future__ import annotations

import msgspec

from airouter_core.values.messages import FilePart, Message, Part, TextPart, ToolResultPart

ELSEWHERE = "The file stands in the next message."


def with_one_beginning(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], bool]:
    """The messages with one system message, which leads them; and whether that changes anything.

    Templates of local models refuse a second one, and one that stands later.
    """
    places = [place for place, message in enumerate(messages) if message.role == "system"]
    if places in ([], [0]):
        return messages, False
    texts = "\n\n".join(messages[place].text for place in places)
    return (Message.system(texts), *(message for message in messages if message.role != "system")), True


def with_files_said(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], bool]:
    """The messages with the files of tools' results in what the user says next; and whether that changes anything.

    Chat completions take only text as a result, and a conversation that has looked at one picture goes on with it.
    """
    if not any(_files(message) for message in messages):
        return messages, False
    made: list[Message] = []
    waiting: list[Part] = []
    for message in messages:
        if message.role == "tool":
            waiting += _files(message)
            made.append(_without_files(message))
            continue
        if waiting:
            made.append(Message("user", (*waiting, *(message.parts if message.role == "user" else ()))))
            waiting = []
            if message.role == "user":
                continue
        made.append(message)
    if waiting:
        made.append(Message("user", tuple(waiting)))
    return tuple(made), True


def _files(message: Message) -> list[FilePart]:
    results = (part for part in message.parts if isinstance(part, ToolResultPart))
    return [item for result in results for item in result.content if isinstance(item, FilePart)]


def _without_files(message: Message) -> Message:
    parts = tuple(_as_text(part) if isinstance(part, ToolResultPart) else part for part in message.parts)
    return msgspec.structs.replace(message, parts=parts)


def _as_text(result: ToolResultPart) -> ToolResultPart:
    texts = tuple(item for item in result.content if isinstance(item, TextPart))
    if len(texts) == len(result.content):
        return result
    return msgspec.structs.replace(result, content=texts or (TextPart(ELSEWHERE),))
