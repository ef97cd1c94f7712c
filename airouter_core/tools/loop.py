"""The loop of asking a model, running the tools it calls, and giving it what they returned: a flow."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..errors import AirouterError, ExecutionError, ParameterError
from ..flow.layers import See, tapped
from ..flow.steps import Do, Flow, Gather, delegated, done
from ..values.ask import Ask
from ..values.messages import FilePart, Message, ToolCallPart, ToolResultPart
from ..values.record import plain
from ..values.response import Response
from ..values.tools import Tool
from ..values.value import Value
from . import schemas as structured

ToolLike = Callable[..., Any]


class ToolRun(Value, frozen=True):
    """How a loop ended.

    Attributes:
        response: the model's last answer, which calls no tool.
        messages: the whole conversation, to go on from.
        rounds: how often the model was asked.
        responses: the answers of all rounds; each has its usage and cost.
    """

    response: Response
    messages: tuple[Message, ...]
    rounds: int
    responses: tuple[Response, ...] = ()

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.text


class Toolbox:
    """Functions by the name that the model calls them by.

    Raises:
        ParameterError: two have the same name, or one cannot be described.
    """

    def __init__(self, functions: Iterable[ToolLike]) -> None:
        self._functions: dict[str, ToolLike] = {}
        tools = []
        if not isinstance(functions, Iterable):
            raise ParameterError(f"tools must be a list of functions, not {type(functions).__name__}")
        for function in functions:
            if isinstance(function, Tool | Mapping):
                raise ParameterError("run_tools() runs functions; give the function instead of its description")
            tool = structured.tool_of(function)
            if tool.name in self._functions:
                raise ParameterError(f"two tools are called {tool.name!r}")
            self._functions[tool.name] = function
            tools.append(tool)
        self.tools = tuple(tools)

    def run_call(self, call: ToolCallPart) -> Any:
        """Run one call. What the function returns, a coroutine included; what went wrong as an exception."""
        function = self._functions.get(call.name)
        if function is None:
            raise ParameterError(f"there is no tool {call.name!r}; there are {', '.join(self._functions)}")
        return structured.call(function, call.arguments)


Approve = Callable[[ToolCallPart], bool]
"""Whether a call may be made."""
Watch = Callable[[Response], Any]
"""Is shown each answer as it comes."""


def loop(
    ask: Ask,
    answer: Callable[[Ask], Flow[Any]],
    toolbox: Toolbox,
    limit: int,
    parse: Callable[[Response], Response] | None = None,
    approve: Approve | None = None,
    watch: Watch | None = None,
    on_event: See | None = None,
) -> Flow[ToolRun]:
    """Ask, run, give back, until an answer calls no tool; the calls of one turn at the same time.

    Args:
        parse: what is made of the last answer.

    Raises:
        ParameterError: there is no limit of at least 1.
        ExecutionError: after ``limit`` rounds the model still calls tools; ``partial`` is its last answer.
        ProtocolError: ``parse`` can make nothing of the last answer.
    """
    if not isinstance(limit, int) or limit < 1:
        raise ParameterError(f"max_rounds must be a whole number of at least 1, not {limit!r}")
    conversation = ask.messages
    responses: tuple[Response, ...] = ()
    choice = ask.tool_choice
    for number in range(1, limit + 1):
        asked = msgspec.structs.replace(ask, messages=conversation, tool_choice=choice, stream=on_event is not None)
        response = yield from delegated(answer(asked), through=None if on_event is None else tapped(on_event))
        responses = (*responses, response)
        if watch is not None:
            watch(response)
        conversation = (*conversation, response.message)
        if not response.tool_calls:
            last = response if parse is None else parse(response)
            return ToolRun(last, conversation, number, (*responses[:-1], last))
        if choice is not None and choice.mode in ("required", "tool"):
            choice = None  # held to it in every round, the model could never answer
        results = yield from _results(response.tool_calls, toolbox, approve)
        conversation = (*conversation, Message("tool", results))
    error = ExecutionError(f"the model still calls tools after {limit} rounds; raise max_rounds if that is right")
    error.partial = responses[-1]
    raise error


def _results(
    calls: tuple[ToolCallPart, ...], toolbox: Toolbox, approve: Approve | None
) -> Flow[tuple[ToolResultPart, ...]]:
    """What the calls of one turn gave: those that may be made, at the same time; asked about one after the other."""
    allowed = []
    for call in calls:
        allowed.append(approve is None or (yield from done(approve, call)))
    results: list[ToolResultPart] = yield Gather(
        [run_call(toolbox, call) for call, yes in zip(calls, allowed, strict=True) if yes]
    )
    made = iter(results)
    return tuple(next(made) if yes else result_of(call, REFUSED) for call, yes in zip(calls, allowed, strict=True))


REFUSED = ParameterError("the user has refused this call; do not try it again")


def run_call(toolbox: Toolbox, call: ToolCallPart) -> Flow[ToolResultPart]:
    """Run one call: a coroutine where somebody awaits, anything else in a thread."""
    try:
        value = yield Do(functools.partial(toolbox.run_call, call))
        if inspect.isawaitable(value):
            getattr(value, "close", lambda: None)()
            raise ParameterError(f"{call.name}() is asynchronous; use arun_tools()")
        return result_of(call, value)
    except Exception as error:  # the model reads what went wrong with its call, and may do better
        return result_of(call, error)


def result_of(call: ToolCallPart, value: Any) -> ToolResultPart:
    """What the model is told: text and files as they are, anything else as JSON; of an exception its message."""
    if isinstance(value, BaseException):
        said = str(value) if isinstance(value, AirouterError) else f"{type(value).__name__}: {value}"
        return ToolResultPart(call.id, said, name=call.name, is_error=True)
    if isinstance(value, FilePart):
        return ToolResultPart(call.id, (value,), name=call.name)
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return ToolResultPart(call.id, text, name=call.name)
