"""The loop of asking a model, running the tools it calls, and giving it what they returned.

The order is a generator, as flows are: it yields what is to be done next and receives how that went.
:class:`~airouter_core.provider.facade.Provider` does it, blocking (calls of one turn in threads) or awaited (as tasks).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from typing import Any

from ..errors import AirouterError, ExecutionError, ParameterError
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
    """

    response: Response
    messages: tuple[Message, ...]
    rounds: int

    @property
    def text(self) -> str:
        """The text of the last answer."""
        return self.response.text


class Ask(Value, frozen=True):
    """Ask the model; the result is its :class:`~airouter_core.values.response.Response`."""

    messages: tuple[Message, ...]


class RunCalls(Value, frozen=True):
    """Run calls, all at the same time; the result is the list of what :func:`run_call` gave for each."""

    calls: tuple[ToolCallPart, ...]


Loop = Generator[Ask | RunCalls, Any, ToolRun]


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


def loop(messages: Sequence[Message], limit: int) -> Loop:
    """Ask, run, give back, until an answer calls no tool.

    Raises:
        ParameterError: there is no limit of at least 1.
        ExecutionError: after ``limit`` rounds the model still calls tools; ``partial`` is its last answer.
    """
    if not isinstance(limit, int) or limit < 1:
        raise ParameterError(f"max_rounds must be a whole number of at least 1, not {limit!r}")
    conversation = tuple(messages)
    response = None
    for number in range(1, limit + 1):
        response = yield Ask(conversation)
        conversation = (*conversation, response.message)
        if not response.tool_calls:
            return ToolRun(response, conversation, number)
        results = yield RunCalls(response.tool_calls)
        conversation = (*conversation, Message("tool", tuple(results)))
    error = ExecutionError(f"the model still calls tools after {limit} rounds; raise max_rounds if that is right")
    error.partial = response
    raise error


def driven(steps: Loop, ask: Callable[[Ask], Response], run: Callable[[RunCalls], Any]) -> ToolRun:
    """Do what the loop says, to its end."""
    outcome: Any = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # typed by Loop
        outcome = ask(step) if isinstance(step, Ask) else run(step)


async def awaited_driven(
    steps: Loop, ask: Callable[[Ask], Awaitable[Response]], run: Callable[[RunCalls], Awaitable[Any]]
) -> ToolRun:
    """:func:`driven`, awaited."""
    outcome: Any = None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]  # typed by Loop
        outcome = await (ask(step) if isinstance(step, Ask) else run(step))


def result_of(call: ToolCallPart, value: Any) -> ToolResultPart:
    """What the model is told: text and files as they are, anything else as JSON; of an exception its message."""
    if isinstance(value, BaseException):
        said = str(value) if isinstance(value, AirouterError) else f"{type(value).__name__}: {value}"
        return ToolResultPart(call.id, said, name=call.name, is_error=True)
    if isinstance(value, FilePart):
        return ToolResultPart(call.id, (value,), name=call.name)
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False)
    return ToolResultPart(call.id, text, name=call.name)


def run_blocking(toolbox: Toolbox, call: ToolCallPart) -> ToolResultPart:
    """Run one call and wait for it."""
    try:
        value = toolbox.run_call(call)
        if inspect.isawaitable(value):
            close = getattr(value, "close", lambda: None)
            close()
            raise ParameterError(f"{call.name}() is asynchronous; use arun_tools()")
        return result_of(call, value)
    except Exception as error:  # the model reads what went wrong with its call, and may do better
        return result_of(call, error)


async def run_awaited(toolbox: Toolbox, call: ToolCallPart, in_thread: Callable[..., Any]) -> ToolResultPart:
    """Run one call: a coroutine on the loop, anything else in a thread."""
    try:
        value = await in_thread(toolbox.run_call, call)
        if inspect.isawaitable(value):
            value = await value
        return result_of(call, value)
    except Exception as error:  # as above
        return result_of(call, error)
