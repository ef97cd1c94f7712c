"""``--tool`` and ``--functions``: what a model may call, asking before each call, and what the rounds cost."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Self

import attrs
import click

from ..errors import ConfigurationError
from ..values.events import RefusalDelta, StreamEvent, TextDelta
from .output import note, waiting

if TYPE_CHECKING:
    from ..tools.loop import ToolLike
    from ..values.messages import ToolCallPart
    from ..values.response import Response
    from .markdown import TextWriter

SHOWN = 300
"""Characters of the arguments of a call that are shown."""
ANSWERS = ("y", "n", "a")

tool_option = click.option(
    "--tool",
    "tools",
    multiple=True,
    metavar="NAME",
    help="What the model may call: read_file, http_get, calculate, or MODULE:FUNCTION.",
)
functions_option = click.option(
    "--functions", "files", multiple=True, metavar="FILE", help="Python file whose functions the model may call."
)
yes_option = click.option("--yes-tools", "yes", is_flag=True, help="Run what the model calls without asking.")
rounds_option = click.option(
    "--max-rounds",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="COUNT",
    help="How often the model may be asked for one answer.",
)


def chosen_tools(names: Sequence[str], files: Sequence[str], *, yes: bool) -> list[ToolLike]:
    """The functions that the model may call.

    Raises:
        ConfigurationError: there is no such function, or nobody can be asked whether one may be run.
    """
    if not (names or files):
        return []
    if not yes and not can_ask():
        raise ConfigurationError(
            "tools run only when you say yes, and here is no terminal to ask you: give --yes-tools to run them unasked"
        )
    from .questions.named_tools import tool_named, tools_of_file

    return [*map(tool_named, names), *(function for path in files for function in tools_of_file(path))]


def can_ask() -> bool:
    """Whether somebody sits at a terminal and can answer."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


@attrs.frozen
class Consent:
    """What the user has said to calls.

    Attributes:
        yes: to all of them, before the first.
        always: tools that run without another question.
    """

    yes: bool = False
    always: set[str] = attrs.field(factory=set)


class Rounds:
    """Shows the rounds of a loop as they go by, and asks before each call.

    Args:
        model: what is waited for.
        consent: grows with what is said.
        writer: writes the text of the answers as it is made.

    Attributes:
        shown: whether a text was written.
    """

    def __init__(self, model: str, consent: Consent, writer: TextWriter | None = None) -> None:
        self.shown = False
        self._model = model
        self._consent = consent
        self._writer = writer
        self._writing = False
        self._waiting: contextlib.ExitStack | None = None
        self._number = 0
        self._cost: dict[str, Decimal] = {}

    def __enter__(self) -> Self:
        self._wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        with contextlib.suppress(OSError):  # what has failed so is on its way already
            self._end_text()

    def see(self, event: StreamEvent) -> None:
        """Write a piece of the text of an answer.

        Raises:
            OSError: it cannot be written.
        """
        if self._writer is not None and isinstance(event, TextDelta | RefusalDelta):
            self._stop()
            self._writing = self.shown = True
            self._writer.write(event.text)

    def watch(self, response: Response) -> None:
        """Say what a round has brought."""
        self._stop()
        self._end_text()
        self._number += 1
        if response.cost is not None:
            before = self._cost.get(response.cost.currency, Decimal(0))
            self._cost[response.cost.currency] = before + response.cost.amount
        if response.tool_calls:
            used = f", {response.usage.input_tokens} in, {response.usage.output_tokens} out"
            cost = "".join(f", {amount} {currency} so far" for currency, amount in self._cost.items())
            note(f"[round {self._number}] {', '.join(map(_called, response.tool_calls))}{used}{cost}")
            self._wait()

    def approve(self, call: ToolCallPart) -> bool:
        """Ask whether a call may be made."""
        if self._consent.yes or call.name in self._consent.always:
            return True
        self._stop()
        answer = _asked(f"run {_called(call)}?")
        self._wait()
        if answer == "a":
            self._consent.always.add(call.name)
        return answer in ("y", "a")

    def in_all(self) -> str:
        """What several rounds have taken; empty for one."""
        cost = "".join(f", {amount} {currency}" for currency, amount in self._cost.items())
        return f"{self._number} rounds{cost}" if self._number > 1 else ""

    def _wait(self) -> None:
        self._stop()
        self._waiting = contextlib.ExitStack()
        self._waiting.enter_context(waiting(f"{self._model} …"))

    def _end_text(self) -> None:
        if self._writer is not None and self._writing:
            self._writing = False
            self._writer.end()

    def _stop(self) -> None:
        if self._waiting is not None:
            self._waiting.close()
            self._waiting = None


def _called(call: ToolCallPart) -> str:
    shown = call.arguments_json if len(call.arguments_json) <= SHOWN else call.arguments_json[:SHOWN] + "…"
    return f"{call.name}({' '.join(shown.split())})"


def _asked(question: str) -> str:
    """Ask for one key: yes, no, or always; anything else is asked again, and the end of input is a no."""
    note(f"{question} [y]es, [n]o, [a]lways this tool")
    while True:
        try:
            key = click.getchar().lower()
        except EOFError:
            return "n"
        if key in ANSWERS:
            return key
        if key in ("\r", "\n"):
            return "n"
