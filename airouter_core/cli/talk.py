"""What a conversation in the terminal knows: what has been said, with whom, and what it has used."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs

from ..errors import AirouterError
from ..provider.facade import Provider
from ..values.messages import Message
from ..values.response import Response
from .answering import ending, show_stream
from .markdown import writer_for
from .output import note, warn
from .sending import Along, announce
from .tooling import Consent, Rounds

if TYPE_CHECKING:
    from ..tools.loop import ToolLike

Said = tuple[Message, Response | None]
"""A message, and the response that it is the message of."""


@attrs.define(eq=False)
class Talk:
    """What has been said, and what it has used.

    Attributes:
        beside: goes with the next message.
        opening: makes the first question of what the user writes first: the prompt of a template.
        question: what was asked last, also when there was no answer; ``retry`` asks it again.
        place: how many messages stand before that question.
        tools: functions that the model may call.
        consent: what the user has said to that.
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
    place: int = 0
    tools: Sequence[ToolLike] = ()
    consent: Consent = attrs.field(factory=Consent)

    def ask(self, text: str) -> None:
        """Send a message and show the answer. What fails, and what was stopped before it began, is not kept.

        Raises:
            AirouterError: there is no answer. Files that were refused are not sent again with the next message.
        """
        said = self.opening(text) if self.opening is not None and not self.messages else text
        self.question, self.place = Message.user(*self.beside.parts, said), len(self.messages)
        try:
            announce(self.provider, self.model, self.question, self.parameters, self.beside.told)
            self._answer(self.question)
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
        self.question = Message.user(*self.question.parts[:-1], text)
        self._answer(self.question)

    def retry(self) -> None:
        """Ask the last question again, in place of the answer that there may be.

        Raises:
            AirouterError: there is no answer; an earlier one is kept.
        """
        if self.question is None:
            note("nothing was asked yet")
            return
        self._answer(self.question)

    def _answer(self, question: Message) -> None:
        """Ask a question after all that stood before it; its answer takes the place of what stood behind."""
        before = self.messages[: self.place]
        began = time.monotonic()
        said = self._said_with_tools([*before, question]) if self.tools else self._said([*before, question])
        if not said:
            return
        self.messages = [*before, question, *(message for message, _ in said)]
        self.beside = Along()
        responses = [response for _, response in said if response is not None]
        for response in responses:
            self._count(response)
            for warning in response.warnings:
                if warning not in self.warned:  # what a history loses, it loses with each message again
                    self.warned.add(warning)
                    warn(warning)
        note(self._figures(responses[-1], time.monotonic() - began))

    def _said(self, messages: list[Message]) -> list[Said]:
        """What is answered, shown as it is made; nothing where it was stopped before its first word."""
        with self.provider.stream_chat(self.model, self._whole(messages), **self._given()) as stream:
            try:
                response = show_stream(stream, self.model, writer_for(markdown=self.markdown))
            except KeyboardInterrupt:
                response = stream.partial
                note("stopped")
        return [(response.message, response)] if response.text or response.finish_reason else []

    def _said_with_tools(self, messages: list[Message]) -> list[Said]:
        """What is called, returned and answered in the end; nothing where it was stopped."""
        whole = self._whole(messages)
        try:
            with Rounds(self.model, self.consent, writer_for(markdown=self.markdown)) as rounds:
                ran = self.provider.run_tools(
                    self.model,
                    whole,
                    self.tools,
                    approve=rounds.approve,
                    watch=rounds.watch,
                    on_event=rounds.see,
                    **self._given(),
                )
        except KeyboardInterrupt:
            note("stopped")
            return []
        answers = iter(ran.responses)
        return [
            (message, next(answers) if message.role == "assistant" else None) for message in ran.messages[len(whole) :]
        ]

    def _whole(self, messages: list[Message]) -> list[Message]:
        return [Message.system(self.system), *messages] if self.system else messages

    def _given(self) -> dict[str, Any]:
        return {"parameters": self.parameters, "provider_options": self.provider_options}

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
