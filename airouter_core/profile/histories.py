"""Tool calls of a history and their results, as vendors want them: each result behind its call.

A conversation that was interrupted while a tool ran has a call without a result, which most vendors refuse from then
on.
"""

from __future__ import annotations

import itertools
from collections.abc import Container, Iterable, Sequence

from ..values.messages import Message, ToolCallPart, ToolResultPart

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
