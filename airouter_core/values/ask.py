"""What was asked, before anybody is asked: bound to no provider, so that it may be routed, cached, counted and kept.

A provider makes a :class:`~airouter_core.values.request.Request` of it late, when it is that provider's turn.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from ..errors import ParameterError
from .messages import Message
from .record import plain
from .tools import ResponseFormat, Tool, ToolChoice
from .value import Value, hiding

if TYPE_CHECKING:
    from typing import Self


NOTHING: Mapping[str, Any] = {}

_numbers = itertools.count(secrets.randbits(96))


def _begin_numbers() -> None:
    global _numbers  # noqa: PLW0603  # one count for each process
    _numbers = itertools.count(secrets.randbits(96))


if hasattr(os, "register_at_fork"):
    # A forked process would give the ids that its parent gives.
    os.register_at_fork(after_in_child=_begin_numbers)


def _number() -> str:
    return f"{next(_numbers):x}"


def _nothing() -> Mapping[str, Any]:
    return NOTHING


class Trace:
    """What becomes of one ask while it is answered, for whoever holds the ask: no part of its value.

    Attributes:
        prepared: what somebody made ready ahead of time, and who.
    """

    __slots__ = ("prepared",)

    def __init__(self) -> None:
        self.prepared: tuple[object, Any] | None = None


class Ask(Value, frozen=True, kw_only=True, dict=True):
    """One thing asked, bound to nobody. A value: it can be compared, pickled, and said in JSON and read back.

    Attributes:
        id: the same for one ask wherever it is told of; every new one has another.
        kind: ``"chat"``, ``"embedding"``, ``"rerank"``, ``"image"``, ``"moderation"``, ``"models"``, ``"tokens"``,
            ``"batch"``, ``"management"``, or a word of a plugin's own.
        model: as the caller named it; ``None`` where the provider has a default, or the kind has no model.
        parameters: as they were spelt. Lists in place of tuples, since JSON has no other.
        provider_options: of all providers, keyed by name.
        stream: whether somebody reads along.
        deadline: seconds for the whole answer, with everything that is tried for it.
        tags: whose call this is and what for, for layers; nobody is sent them.
        session: which conversation it belongs to; for layers.
        user: on whose behalf; for layers.
        operation: of other kinds than chat the name of the provider's flow that answers.
        arguments: what that flow takes.
        parent: the ``id`` of the ask on whose behalf this one is made, by a router for instance.
        attempt: which try at that this is, from 1.
    """

    kind: str = "chat"
    model: str | None = None
    messages: tuple[Message, ...] = ()
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    parameters: Mapping[str, Any] = msgspec.field(default_factory=_nothing)
    provider_options: Mapping[str, Mapping[str, Any]] = msgspec.field(default_factory=_nothing)
    stream: bool = False
    deadline: float | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=_nothing)
    session: str | None = None
    user: str | None = None
    operation: str = ""
    arguments: Mapping[str, Any] = msgspec.field(default_factory=_nothing)
    parent: str | None = None
    attempt: int = 1
    id: str = msgspec.field(default_factory=_number)

    __repr__ = hiding("provider_options", "arguments")

    def __post_init__(self) -> None:
        # Copied, so that a caller who goes on to fill the same dict changes nothing that was asked.
        if self.parameters is not NOTHING:
            msgspec.structs.force_setattr(self, "parameters", _kept(self.parameters))
        if self.provider_options is not NOTHING:
            msgspec.structs.force_setattr(self, "provider_options", _kept(self.provider_options))
        if self.tags is not NOTHING:
            msgspec.structs.force_setattr(self, "tags", dict(self.tags))
        if self.arguments is not NOTHING:
            msgspec.structs.force_setattr(self, "arguments", _kept(self.arguments))

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def trace(self) -> Trace:
        """What becomes of it. A copy, a changed one too, begins a trace of its own."""
        try:
            trace: Trace = self.__dict__["trace"]
        except KeyError:
            trace = self.__dict__["trace"] = Trace()
        return trace

    def asked_as(self, *, attempt: int = 1, **changes: Any) -> Self:
        """The same asked on behalf of this one, perhaps of another model: with an ``id`` of its own.

        Args:
            attempt: which try this is, from 1.
            changes: fields that are to differ.
        """
        return msgspec.structs.replace(self, **{"id": _number(), "parent": self.id, "attempt": attempt, **changes})

    def fingerprint(self) -> str:
        """The same for all asks that would be sent the same, whoever asks, when, how long it may take, streamed or not.

        Spellings of a parameter are one, as far as the core knows them.
        """
        from .canonical import NAMES

        sent = {
            "kind": self.kind,
            "model": self.model,
            "messages": self.messages,
            "tools": self.tools,
            "tool_choice": self.tool_choice,
            "response_format": self.response_format,
            # Of one that has no value, nothing is sent; 1 and 1.0 are one number to whoever reads JSON.
            "parameters": {
                NAMES.get(name, name): int(value) if isinstance(value, float) and value.is_integer() else value
                for name, value in self.parameters.items()
                if value is not None
            },
            "provider_options": {name: options for name, options in self.provider_options.items() if options},
            "operation": self.operation,
            "arguments": self.arguments,
        }
        said = msgspec.json.encode(sent, order="deterministic", enc_hook=plain)
        return hashlib.sha256(said).hexdigest()

    def to_json(self) -> bytes:
        """The ask as JSON; what JSON cannot say among ``arguments`` is said as text."""
        return msgspec.json.encode(self, enc_hook=plain)

    @classmethod
    def from_json(cls, text: bytes | str) -> Self:
        """Read what :meth:`to_json` has written.

        Raises:
            ParameterError: it is no ask; the message says where it goes wrong.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise ParameterError(f"this is no ask: {error}") from error


def _kept(value: Any) -> Any:
    """A copy in the forms that JSON gives back, so that an ask that was written down and read is the same ask."""
    if type(value) is dict:
        return {name: _kept(item) for name, item in value.items()}
    if isinstance(value, Mapping) and not isinstance(value, msgspec.Struct):
        return {name: _kept(item) for name, item in value.items()}
    return [_kept(item) for item in value] if isinstance(value, list | tuple) else value
