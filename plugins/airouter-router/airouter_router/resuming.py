"""An answer that one target began and another goes on with: ``resume = "prefill"``."""

from __future__ import annotations

import msgspec

from airouter_core.errors import AirouterError, ExecutionError
from airouter_core.values.ask import Ask
from airouter_core.values.events import Warned
from airouter_core.values.messages import Message, TextPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage, together

from .routes import Target
from .situation import Situation

PASSES = frozenset({"transient", "rate_limit"})


class Prefill:
    """The words that a target had said when it broke off, for another one to go on with."""

    def __init__(self, partial: Response, target: Target, before: Prefill | None = None) -> None:
        self.text: str = partial.text if before is None else before.text + partial.text
        self._usages: tuple[Usage, ...] = (partial.usage,) if before is None else (*before._usages, partial.usage)
        self._target = target

    def asked(self, ask: Ask) -> Ask:
        """The same question, with the words that are there as the beginning of the answer."""
        return msgspec.structs.replace(ask, messages=(*ask.messages, Message.assistant(self.text)))

    def seam(self, by: Target) -> Warned:
        """What the reader is told where the one answer goes over into the other."""
        return Warned(
            f"{self._target} broke off after {len(self.text)} characters, and {by} goes on from there: "
            "the two may not fit together"
        )

    def with_rest(self, rest: Response, by: Target) -> Response:
        """The whole answer, from both."""
        parts = list(rest.message.parts)
        first = parts[0] if parts else None
        if isinstance(first, TextPart):
            parts[0] = msgspec.structs.replace(first, text=self.text + first.text)
        else:
            parts.insert(0, TextPart(self.text))
        message = msgspec.structs.replace(rest.message, parts=tuple(parts))
        warnings = (*rest.warnings, self.seam(by).message)
        return msgspec.structs.replace(
            rest, message=message, usage=together(*self._usages, rest.usage), cost=None, warnings=warnings
        )


def can_resume(situation: Situation, word: str, error: AirouterError) -> bool:
    """Whether another target may go on with an answer that broke off: with plain text alone, where it is asked for."""
    ask, partial = situation.ask, error.partial if isinstance(error, ExecutionError) else None
    return (
        situation.route.resume == "prefill"
        and word in PASSES
        and ask.kind == "chat"
        and not ask.tools
        and ask.response_format is None
        and partial is not None
        and not partial.alternatives
        and bool(partial.text.strip())
        and all(isinstance(part, TextPart) for part in partial.message.parts)
    )
