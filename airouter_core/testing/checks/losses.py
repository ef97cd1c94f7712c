"""What a conversation holds: each thing is sent, or the caller is told, or the call is refused.

Every feature is said twice, with it and without it. What it adds must stand in the request, or a warning must come that
does not come without it. Where nothing else is said, a field that no model ever sees (the name of a picture or of a
sound, the name of a form) is no feature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
import msgspec

from ...errors import ConfigurationError
from ...provider.facade import Provider
from ...values.message_dicts import ANY_PROVIDER
from ...values.messages import (
    FilePart,
    Message,
    Part,
    ProviderPart,
    ReasoningPart,
    RefusalPart,
    Role,
    TextPart,
    ToolCallPart,
    ToolResultPart,
)
from ...values.tools import ResponseFormat, Tool
from ..server import LoopbackServer
from ..subject import Subject, none_of
from .features import PDF, PNG, SCHEMA

MARK = "KIT-MARK"
OTHER = "somebody-else"
CALL = ToolCallPart("kit_call", "kit_weather", '{"kit_city": "here"}')
SAID = (Message.system("KIT-SAID"), Message.user("KIT-SAID"), Message.assistant("KIT-SAID"))
FIRST, LAST = Message.user("KIT-FIRST"), Message.user("KIT-LAST")
PICTURE = FilePart("image/png", data=PNG)
DOCUMENT = FilePart("application/pdf", data=PDF)
ADDRESS = FilePart("application/pdf", url="https://kit.invalid/paper.pdf")


@attrs.frozen
class Feature:
    """One thing that a call may hold.

    Attributes:
        plain, marked: the arguments of a chat without it and with it.
        sign: a pattern that the request matches when it was sent; without one, the request must differ.
    """

    plain: Mapping[str, Any]
    marked: Mapping[str, Any]
    sign: str | None = MARK


Messages = tuple[Message, ...]


def _said(plain: Message | None, marked: Message, sign: str | None = MARK, before: Messages = ()) -> Feature:
    head = (FIRST, *before)
    plainly = (*head, LAST) if plain is None else (*head, plain, LAST)
    return Feature({"messages": plainly}, {"messages": (*head, marked, LAST)}, sign)


def _beside(message: Message, *parts: Part, sign: str | None = MARK) -> Feature:
    return _said(message, msgspec.structs.replace(message, parts=(*message.parts, *parts)), sign)


def _evolved(role: Role, part: Part, sign: str | None = MARK, **fields: Any) -> Feature:
    return _said(Message(role, part), Message(role, msgspec.structs.replace(part, **fields)), sign)


def _result(sign: str | None = MARK, **fields: Any) -> Feature:
    """A result of a tool, after its call."""
    plain = ToolResultPart(CALL.id, "KIT-RESULT")
    marked = Message("tool", msgspec.structs.replace(plain, **fields))
    return _said(Message("tool", plain), marked, sign, before=(Message.assistant(CALL),))


def _offered(sign: str | None = MARK, **fields: Any) -> Feature:
    tool = Tool("kit_weather")
    plain, marked = (
        {"messages": "Hello", "tools": [given]} for given in (tool, msgspec.structs.replace(tool, **fields))
    )
    return Feature(plain, marked, sign)


def _form(**fields: Any) -> Feature:
    form = ResponseFormat("json_schema", SCHEMA)
    plain, marked = (
        {"messages": "Hello", "response_format": it} for it in (form, msgspec.structs.replace(form, **fields))
    )
    return Feature(plain, marked)


def _features(own: str) -> Iterator[tuple[str, Feature]]:
    """All of them. ``own`` is the name of the provider."""
    for message in SAID:
        yield (
            f"the name of a message of role {message.role}",
            _said(message, msgspec.structs.replace(message, name=MARK)),
        )
        part = ProviderPart(own, {"type": "kit", "text": MARK})
        yield f"a part of its own in a message of role {message.role}", _beside(message, part)
    user, assistant = SAID[1:]
    yield "a part of another provider", _beside(assistant, ProviderPart(OTHER, {"type": "kit"}))
    yield "a word of the system in the middle", _said(None, Message.system(MARK), f"KIT-FIRST.*{MARK}")
    yield "a text beside another", _beside(user, TextPart(MARK))
    yield "a refusal", _said(None, Message.assistant(RefusalPart(MARK)))
    yield "a thought", _beside(assistant, ReasoningPart(MARK))
    yield "a thought of another model", _beside(assistant, ReasoningPart(MARK, {OTHER: {"signature": "kit"}}))
    yield "a thought that cannot be read", _beside(assistant, ReasoningPart("", {OTHER: {"data": "kit"}}))
    yield "the name of a document", _evolved("user", DOCUMENT, name=MARK)
    yield "the name of a document by its address", _evolved("user", ADDRESS, name=MARK)
    for kind, file in (("picture", PICTURE), ("document", DOCUMENT)):
        yield f"the detail of a {kind}", _evolved("user", file, None, detail="high")
        yield f"a {kind} of the assistant", _beside(assistant, file, sign=None)
        yield f"a {kind} in the result of a tool", _result(None, content=(TextPart("KIT-RESULT"), file))
    yield from _of_tools()
    yield from _of_fields()


def _of_tools() -> Iterator[tuple[str, Feature]]:
    yield "a text after a call", _beside(Message.assistant(CALL), TextPart(MARK))
    yield "the name of a call", _evolved("assistant", CALL, name=MARK)
    yield "the arguments of a call", _evolved("assistant", CALL, arguments_json=f'{{"kit": "{MARK}"}}')
    yield "arguments that are no JSON", _evolved("assistant", CALL, arguments_json=f"{{{MARK}")
    yield "the name of a result", _result(name=MARK)
    yield "a result that is an error", _result(None, is_error=True)
    yield "a text beside another in a result", _result(content=(TextPart("KIT-RESULT"), TextPart(MARK)))
    result = Message.tool(CALL.id, "KIT-RESULT")
    named = msgspec.structs.replace(result, name=MARK)
    yield "the name of a message of role tool", _said(result, named, before=(Message.assistant(CALL),))
    yield "the description of a tool", _offered(description=MARK)
    yield "the schema of a tool", _offered(input_schema={"type": "object", "properties": {MARK: {"type": "string"}}})
    yield "the strictness of a tool", _offered(None, strict=True)
    yield "the description of a form", _form(description=MARK)


def _of_fields() -> Iterator[tuple[str, Feature]]:
    """Fields of message dicts that the common format does not know."""
    for name in ("kit_field", "cache_control"):
        kept = {ANY_PROVIDER: {name: {"type": MARK}}}
        for message in SAID:
            where = f"of a message of role {message.role}"
            yield f"{name} {where}", _said(message, msgspec.structs.replace(message, provider_metadata=kept))
            yield f"{name} of a text {where}", _evolved(message.role, message.parts[0], provider_metadata=kept)
        yield f"{name} of a picture", _evolved("user", PICTURE, provider_metadata=kept)
        yield f"{name} of a call", _evolved("assistant", CALL, provider_metadata=kept)
        yield f"{name} of a result", _result(provider_metadata=kept)
        yield f"{name} of a text in a result", _result(content=TextPart("KIT-RESULT", kept))


class LossChecks(Subject):
    """What a call holds."""

    def test_nothing_is_lost_in_silence(self) -> None:
        """Each thing that a call can hold is sent, or told in a warning, or refused before anything is sent."""
        self.http_class()
        none_of(self._lost())

    def _lost(self) -> Iterator[str]:
        with self.serving() as server, self.provider(server) as provider:
            for name, feature in _features(self.info.name):
                bare, heard = self._sent_and_told(server, provider, feature.plain)
                sent, told = self._sent_and_told(server, provider, feature.marked)
                if sent is None or set(told) - set(heard):
                    continue
                if sent == bare or (feature.sign and not re.search(feature.sign, sent)):
                    yield f"{name} is not in the request, and no warning tells of it"

    def _sent_and_told(
        self, server: LoopbackServer, provider: Provider[Any], arguments: Mapping[str, Any]
    ) -> tuple[str | None, tuple[str, ...]]:
        """The body that was sent, and what was told; no body where the call was refused."""
        before = len(server.requests)
        try:
            told = provider.chat(self.model, **arguments).warnings
        except ConfigurationError:
            if len(server.requests) == before:
                return None, ()
            raise
        return server.requests[-1].body.decode(), told
