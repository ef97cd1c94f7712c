"""What a conversation in the terminal knows: what has been said, with whom, and what it has used."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from ..errors import AirouterError
from ..provider.facade import Provider
from ..values.messages import Message
from ..values.response import Response
from .answering import ending, show_stream
from .markdown import writer_for
from .output import note, warn
from .sending import Along, announce


@attrs.define(eq=False)
class Talk:
    """What has been said, and what it has used.

    Attributes:
        beside: goes with the next message.
        opening: makes the first question of what the user writes first: the prompt of a template.
        question: what was asked last, also when there was no answer; ``retry`` asks it again.
    """

    provider: Provider[Any]
    model: str
    parameters: dict[str, Any]
    provider_options: dict[str, Any]
    system: str | None = None
    opening: Callable[[str], str] | None = None
    messages: list[Message] = attrs.field(factory=list)
    beside: Along = attrs.field(factory=Along)
    question: Message | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Decimal | None = None
    warned: set[str] = attrs.field(factory=set)
    uncounted: int = 0
    markdown: bool = False

    def ask(self, text: str) -> None:
        """Send a message and show the answer. What fails, and what was stopped before it began, is not kept.

        Raises:
            AirouterError: there is no answer. Files that were refused are not sent again with the next message.
        """
        said = self.opening(text) if self.opening is not None and not self.messages else text
        self.question = Message.user(*self.beside.parts, said)
        try:
            announce(self.provider, self.model, self.question, self.parameters, self.beside.told)
            self._answer(self.question, self.messages)
        except AirouterError as error:
            if self.beside.parts and not getattr(error, "retryable", False):
                note(f"not with the next message any more: {', '.join(self.beside.told)}")
                self.beside = Along()
            raise

    def ask_instead(self, text: str) -> None:
        """Ask this in place of the last question, with the files that went with it; its answer is taken back.

        Raises:
            AirouterError: there is no answer; the earlier one is kept.
        """
        if self.question is None:
            note("nothing was asked yet")
            return
        before = self.messages[:-2] if self._is_answered() else self.messages
        files = self.question.parts[:-1]
        self.question = Message.user(*files, text)
        self._answer(self.question, before)

    def retry(self) -> None:
        """Ask the last question again, in place of the answer that there may be.

        Raises:
            AirouterError: there is no answer; an earlier one is kept.
        """
        if self.question is None:
            note("nothing was asked yet")
            return
        self._answer(self.question, self.messages[:-2] if self._is_answered() else self.messages)

    def _is_answered(self) -> bool:
        return len(self.messages) > 1 and self.messages[-2] == self.question

    def _answer(self, question: Message, before: list[Message]) -> None:
        system = [Message.system(self.system)] if self.system else []
        began = time.monotonic()
        with self.provider.stream_chat(
            self.model,
            [*system, *before, question],
            parameters=self.parameters,
            provider_options=self.provider_options,
        ) as stream:
            try:
                response = show_stream(stream, self.model, writer_for(markdown=self.markdown))
            except KeyboardInterrupt:
                response = stream.partial
                note("stopped")
                if not response.text:
                    return
        self.messages = [*before, question, response.message]
        self.beside = Along()
        self._count(response)
        for warning in response.warnings:
            if warning not in self.warned:  # what a history loses, it loses with each message again
                self.warned.add(warning)
                warn(warning)
        note(self._figures(response, time.monotonic() - began))

    def usage(self) -> str:
        """What the conversation has used."""
        cost = f", {self.cost} USD" if self.cost is not None else ""
        unknown = f" (answers without figures: {self.uncounted})" if self.uncounted else ""
        return f"{self.input_tokens} tokens in, {self.output_tokens} out{unknown}{cost}, {len(self.messages)} messages"

    def _count(self, response: Response) -> None:
        self.uncounted += response.usage.output_tokens is None
        self.input_tokens += response.usage.input_tokens or 0
        self.output_tokens += response.usage.output_tokens or 0
        if response.cost is not None:
            self.cost = (self.cost or Decimal(0)) + response.cost.amount

    def _figures(self, response: Response, seconds: float) -> str:
        parts = [f"{seconds:.1f} s"]
        if response.usage.output_tokens is not None:
            parts.append(f"{response.usage.input_tokens} in, {response.usage.output_tokens} out")
        if response.cost is not None:
            parts.append(f"{response.cost.amount} {response.cost.currency}, {self.cost} in all")
        parts += ending(response)
        return f"[{self.model}] " + ", ".join(parts)
