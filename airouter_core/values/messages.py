"""Messages and their parts: what was said, by whom.

``provider_metadata`` and :class:`ProviderPart` carry what only one provider understands (a signature, an encrypted
thought, a search result): keyed by that provider's name, kept unread, and sent back to it unchanged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from ..errors import ParameterError, ProtocolError
from .files import FilePart as FilePart  # noqa: PLC0414  # one of the parts
from .value import NO_METADATA, Value, hiding, metadata

Role = Literal["system", "user", "assistant", "tool"]
Metadata = Mapping[str, Any]
ROLES: tuple[Role, ...] = ("system", "user", "assistant", "tool")


class TextPart(Value, frozen=True, tag=True):
    """Words."""

    text: str
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")


class ReasoningPart(Value, frozen=True, tag=True):
    """What the model thought on the way; ``text`` is empty where the provider shows no more than that it thought."""

    text: str
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")


class RefusalPart(Value, frozen=True, tag=True):
    """The model's words for not answering, where the provider tells them apart from an answer."""

    text: str


class ToolCallPart(Value, frozen=True, tag=True):
    """The model asks for a tool.

    Attributes:
        id: what the result refers to.
        arguments_json: the arguments as the model wrote them; may be invalid JSON, above all when cut by a limit.
    """

    id: str
    name: str
    arguments_json: str = "{}"
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments, parsed; blank ones and ``null`` are none.

        Raises:
            ProtocolError: the model wrote no JSON object.
        """
        if self.arguments_json.strip() in ("", "null"):
            return {}
        try:
            # Models write line breaks as they are into texts; what is meant is beyond doubt.
            arguments = json.loads(self.arguments_json, strict=False)
        except (ValueError, RecursionError) as error:
            raise ProtocolError(
                f"the model's arguments for tool {self.name!r} are no valid JSON ({error}); "
                "the text is in .arguments_json"
            ) from error
        if not isinstance(arguments, dict):
            raise ProtocolError(f"the model's arguments for tool {self.name!r} are no JSON object")
        return arguments


def _content(value: str | TextPart | FilePart | Iterable[TextPart | FilePart]) -> tuple[TextPart | FilePart, ...]:
    if isinstance(value, str):
        return (TextPart(value),)
    if not isinstance(value, TextPart | FilePart | Iterable):
        raise ParameterError(f"a tool result holds text and files, not {type(value).__name__}")
    parts: tuple[Any, ...] = (value,) if isinstance(value, TextPart | FilePart) else tuple(value)
    if not all(isinstance(part, TextPart | FilePart) for part in parts):
        raise ParameterError("a tool result holds text and files only")
    return parts


class ToolResultPart(Value, frozen=True, tag=True):
    """What a tool gave back."""

    tool_call_id: str
    content: tuple[TextPart | FilePart, ...]
    name: str | None = None
    is_error: bool = False
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")

    if TYPE_CHECKING:

        def __init__(
            self,
            tool_call_id: str,
            content: str | TextPart | FilePart | Iterable[TextPart | FilePart],
            name: str | None = None,
            is_error: bool = False,
            provider_metadata: Metadata = NO_METADATA,
        ) -> None: ...

    def __post_init__(self) -> None:
        content = _content(self.content)
        if content is not self.content:
            msgspec.structs.force_setattr(self, "content", content)

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class ProviderPart(Value, frozen=True, tag=True):
    """A part that only one provider understands; sent back to it unchanged, and to no other."""

    provider: str
    value: Mapping[str, Any]


Part = TextPart | ReasoningPart | RefusalPart | FilePart | ToolCallPart | ToolResultPart | ProviderPart
PART_TYPES = frozenset(get_args(Part))


def _parts(value: str | Part | Iterable[Part | str]) -> tuple[Part, ...]:
    if isinstance(value, str):
        return (TextPart(value),)
    if type(value) is tuple and PART_TYPES.issuperset(map(type, value)):
        return value  # nearly always; each message that is made comes by here
    if not isinstance(value, Part | Iterable):
        raise ParameterError(f"a message is made of texts and parts, not of {type(value).__name__}")
    parts: tuple[Any, ...] = (value,) if isinstance(value, Part) else tuple(value)
    return tuple(TextPart(part) if isinstance(part, str) else _part(part) for part in parts)


def _part(value: Any) -> Part:
    # Providers look for the parts they know; anything else would be lost there without a word.
    if not isinstance(value, Part):
        raise ParameterError(f"a message is made of texts and parts, not of {type(value).__name__}")
    return value


class Message(Value, frozen=True):
    """One turn of a conversation. A string for ``parts``, or among them, means a text."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    provider_metadata: Metadata = metadata()

    __repr__ = hiding("provider_metadata")

    if TYPE_CHECKING:

        def __init__(
            self,
            role: Role,
            parts: str | Part | Iterable[Part | str],
            name: str | None = None,
            provider_metadata: Metadata = NO_METADATA,
        ) -> None: ...

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ParameterError(f"the role of a message is one of {', '.join(ROLES)}, not {self.role!r}")
        parts = _parts(self.parts)
        if parts is not self.parts:
            msgspec.structs.force_setattr(self, "parts", parts)

    @property
    def text(self) -> str:
        """All text parts, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, TextPart))

    @property
    def tool_calls(self) -> tuple[ToolCallPart, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCallPart))

    @property
    def is_plain(self) -> bool:
        """Whether it is a role and words, and nothing else that a provider might have no place for."""
        if self.name is not None or self.provider_metadata is not NO_METADATA:
            return False
        for part in self.parts:
            if type(part) is not TextPart or type(part.text) is not str or part.provider_metadata is not NO_METADATA:
                return False
        return True

    @classmethod
    def system(cls, text: str) -> Message:
        return cls("system", text)

    @classmethod
    def user(cls, *parts: Part | str) -> Message:
        return cls("user", parts)

    @classmethod
    def assistant(cls, *parts: Part | str) -> Message:
        return cls("assistant", parts)

    @classmethod
    def tool(cls, tool_call_id: str, content: str, *, name: str | None = None, is_error: bool = False) -> Message:
        return cls("tool", (ToolResultPart(tool_call_id, content, name=name, is_error=is_error),))
