"""One question to a model: values only, already checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from .messages import Message
from .parameters import ParameterSupport
from .tools import ResponseFormat, Tool, ToolChoice
from .value import Value


class Request(Value, frozen=True, kw_only=True):
    """What is asked, without a word on how a provider wants it said.

    Attributes:
        parameters: values by canonical name; only those this provider and model take.
        rows: how they take them; of those given and no others, found out once, when the request was made.
        provider_options: what only one provider understands; already reduced to this provider's own.
    """

    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    response_format: ResponseFormat | None = None
    parameters: Mapping[str, Any] = msgspec.field(default_factory=dict)
    provider_options: Mapping[str, Any] = msgspec.field(default_factory=dict)
    rows: tuple[ParameterSupport, ...] = ()

    def parameter(self, name: str, default: Any = None) -> Any:
        """The value of a canonical parameter, or ``default`` when it was not given."""
        return self.parameters.get(name, default)

    @property
    def system_text(self) -> str:
        """All system messages, joined by blank lines."""
        return "\n\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def conversation(self) -> tuple[Message, ...]:
        """All messages but the system's."""
        return tuple(message for message in self.messages if message.role != "system")
