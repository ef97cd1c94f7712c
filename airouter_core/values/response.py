"""One complete answer: the fold of its events."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from ..errors import ProtocolError
from . import events as e
from .messages import (
    Message,
    Metadata,
    ReasoningPart,
    RefusalPart,
    ToolCallPart,
)
from .record import Record, plain
from .usage import Cost, Usage
from .value import Value, hiding, metadata


class ParameterReceipt(Value, frozen=True):
    """What became of one parameter of the call.

    Attributes:
        name: the canonical name.
        given_as: the spelling in the call.
        outcome: ``"sent"`` as it was given, ``"translated"`` to what the provider takes, ``"emulated"``, ``"omitted"``.
        sent_as: the provider's name for it, or ``None`` when it was left out.
        sent_value: what was sent.
        reason: why it was translated, emulated or left out.
    """

    name: str
    given_as: str
    value: Any
    outcome: str
    sent_as: str | None = None
    sent_value: Any = None
    reason: str | None = None


class Attempt(Record, frozen=True):
    """One try at an answer: of whom, and what came of it.

    Attributes:
        target: the address that was asked, ``PROVIDER/MODEL``.
        outcome: ``"complete"``, ``"failed"``, ``"refused"`` (it was not asked, for the ``reason``), ``"cancelled"``.
        reason: the error, or why it was not asked; without keys and prompts.
        failure: the class of the failure (:class:`~airouter_core.errors.FailureClass`), where it is one.
        status: of the HTTP answer that refused, where there was one.
        seconds: from asking to its end.
        cost: what it cost, also when nothing came of it; ``None`` when that is unknown.
    """

    target: str
    outcome: Literal["complete", "failed", "refused", "cancelled"]
    reason: str | None = None
    failure: str | None = None
    status: int | None = None
    request_id: str | None = None
    seconds: float | None = None
    cost: Cost | None = None


class Response(Value, frozen=True, kw_only=True):
    """One complete answer, and what is known about how it came about.

    Attributes:
        finish_reason: ``"stop"``, ``"length"``, ``"tool_calls"``, ``"content_filter"``, ``"error"`` or ``"other"``.
        raw_finish_reason: the provider's own word for it.
        parameters: a receipt for each parameter given.
        warnings: what the caller should know.
        parsed: the answer as the object that ``response_format`` asked for, else ``None``.
        alternatives: the further answers when ``n`` > 1 was asked for.
        attempts: whom a router asked on the way to this answer, in order; empty where nothing routes.
        served_by: the address that a router had the answer from, ``PROVIDER/MODEL``.
    """

    message: Message
    finish_reason: e.FinishReason | None = None
    raw_finish_reason: str | None = None
    usage: Usage = msgspec.field(default_factory=Usage)
    cost: Cost | None = None
    model: str | None = None
    id: str | None = None
    request_id: str | None = None
    provider: str | None = None
    parameters: tuple[ParameterReceipt, ...] = ()
    warnings: tuple[str, ...] = ()
    provider_metadata: Metadata = metadata()
    parsed: Any = None
    alternatives: tuple[Response, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    served_by: str | None = None

    __repr__ = hiding("provider_metadata")

    @property
    def text(self) -> str:
        """The answer's text; empty when the model only called tools or refused."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        """The calls the model asks for, in its order."""
        return self.message.tool_calls

    @property
    def reasoning(self) -> str | None:
        """The reasoning, as far as the provider shows it; ``None`` when it shows none."""
        return "".join(part.text for part in self.message.parts if isinstance(part, ReasoningPart)) or None

    @property
    def refusal(self) -> str | None:
        """The model's words for not answering, where the provider tells them apart from text."""
        parts = [part.text for part in self.message.parts if isinstance(part, RefusalPart)]
        return "".join(parts) if parts else None

    if not TYPE_CHECKING:  # a type checker knows the names by itself

        def __getattr__(self, name: str) -> Any:
            from .habits import OF_RESPONSES, missing

            raise missing(self, name, OF_RESPONSES)

    def to_dict(self) -> dict[str, Any]:
        """All of it as dicts, lists and scalars that :func:`json.dumps` takes: bytes in base64, parts with a ``type``.

        ``msgspec.convert(value, Response)`` makes the response again; of ``parsed`` what was an instance stays a dict.
        """
        made: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self, enc_hook=plain))
        return made

    def json(self) -> Any:
        """The text, parsed as JSON.

        Raises:
            ProtocolError: it is none.
        """
        try:
            return json.loads(self.text)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(f"the answer is no valid JSON ({error}): {self.text[:80]!r}") from error
