"""Tool calls of a history and their results, as vendors want them: each result behind its call.

A conversation that was interrupted while a tool ran has a call without a result, which most vendors refuse from then
on.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Sequence

import msgspec

from ..values.messages import Message, Part, ToolCallPart, ToolResultPart

SAME_IDS = "ids of tool calls that stand in the history more than once were made different"
NO_RESULT = "no result: this call was interrupted"


def with_results(messages: Sequence[Message], notes: list[str]) -> tuple[Message, ...]:
    """Each call that is not the last thing said has its result behind it: its own, which may stand later, or a word.

    What is called last is left alone: whoever sends it is about to say more, or wants to be told.
    """
    made: list[Message] = []
    moved: set[int] = set()
    calls: list[ToolCallPart] = []
    where = ""
    for position, message in enumerate(messages):
        if position in moved:
            continue
        made.append(message)
        if message.role == "assistant":
            calls += message.tool_calls
            where = f"messages[{position}]"
        following = _next(messages, position, moved)
        # Several messages of the assistant are one turn, and so are those with results behind them.
        turn = ("tool", "assistant") if message.role == "assistant" else ("tool",)
        if not calls or following is None or messages[following].role in turn:
            continue
        lacking = _lacking(calls, made)
        calls = []
        places = _later_results(messages, following, lacking)
        moved.update(places.values())
        if places:
            made += [messages[place] for place in dict.fromkeys(places.values())]
            notes.append(f"{where}: results were put behind the calls that they are of")
        later = set(_ids_of(messages[following:]))
        if nowhere := [call for call in lacking if call.id not in later]:
            results = (ToolResultPart(call.id, NO_RESULT, call.name, is_error=True) for call in nowhere)
            made.append(Message("tool", tuple(results)))
            names = ", ".join(call.name for call in nowhere)
            notes.append(f"{where}: the call of {names} has no result; {NO_RESULT!r} was sent as one")
    return tuple(made)


def _next(messages: Sequence[Message], position: int, moved: Container[int]) -> int | None:
    """The place of the message that follows, but for those that have been moved."""
    return next((place for place in range(position + 1, len(messages)) if place not in moved), None)


def _lacking(calls: Iterable[ToolCallPart], made: Sequence[Message]) -> list[ToolCallPart]:
    """The calls without a result among the results that were sent last."""
    behind = itertools.takewhile(lambda message: message.role == "tool", reversed(made))
    answered = set(_ids_of(behind))
    return [call for call in calls if call.id not in answered]


def _later_results(messages: Sequence[Message], start: int, calls: Iterable[ToolCallPart]) -> dict[str, int]:
    """Where results of these calls stand further on, by id: messages that hold results of these alone."""
    wanted = {call.id for call in calls}
    found: dict[str, int] = {}
    for place in range(start, len(messages)):
        ids = set(_ids_of((messages[place],)))
        if messages[place].role == "tool" and ids and ids <= wanted:
            found.update(dict.fromkeys(ids, place))
    return found


def _ids_of(messages: Iterable[Message]) -> Iterable[str]:
    return (part.tool_call_id for message in messages for part in message.parts if isinstance(part, ToolResultPart))


def with_different_ids(messages: Sequence[Message], written: Callable[[str], str]) -> Sequence[Message]:
    """Each call under an id of its own, and each result under its call's: some servers count from 0 each turn.

    For vendors that refuse a conversation in which an id stands twice.

    Args:
        written: an id as the vendor takes it.
    """
    if all(message.is_plain for message in messages):
        return messages
    ids = _Ids(written)
    return [
        message if message.is_plain else msgspec.structs.replace(message, parts=tuple(ids.of(message)))
        for message in messages
    ]


def have_same_ids(parts: Iterable[Part], written: Callable[[str], str]) -> bool:
    """Whether two calls of a conversation have one id, as a vendor takes it."""
    ids = [written(part.id) for part in parts if isinstance(part, ToolCallPart)]
    return len(set(ids)) < len(ids)


class _Ids:
    """The ids of a conversation as it is gone through."""

    def __init__(self, written: Callable[[str], str]) -> None:
        self._written = written
        self._taken: set[str] = set()
        self._waiting: dict[str, list[str]] = {}
        self._called: dict[str, list[str]] = {}

    def of(self, message: Message) -> Iterable[Part]:
        """The parts of the next message."""
        if message.role != "assistant":
            self._called = {}
        return [self._own(part) for part in message.parts]

    def _own(self, part: Part) -> Part:
        if isinstance(part, ToolCallPart):
            said = self._written(part.id)
            identity = self._free(said)
            self._taken.add(identity)
            self._called.setdefault(said, []).append(identity)
            self._waiting[said] = self._called[said]
            return msgspec.structs.replace(part, id=identity)
        if isinstance(part, ToolResultPart):
            # A result is of the newest call of its id; of several in one turn, of the first that has none.
            ids = self._waiting.get(said := self._written(part.tool_call_id), [said])
            return msgspec.structs.replace(part, tool_call_id=ids.pop(0) if len(ids) > 1 else ids[0])
        return part

    def _free(self, identity: str) -> str:
        number, free = 1, identity
        while free in self._taken:
            number += 1
            free = self._written(f"{identity}_{number}")
        return free
