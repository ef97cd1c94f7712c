"""How a call is made ready: everything that can be wrong with it is found here, before anything is sent."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from ..config.provider import ProviderConfig
from ..errors import ParameterError, RetiredModelWarning, UnsupportedFeatureError, UnsupportedParameterWarning
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.mending import mended
from ..profile.resolving import ParameterTable, Resolved, known_values, resolve
from ..profile.unsent import notes_on
from ..values.message_dicts import MessageLike, messages_from, tool_choice_from, tools_from
from ..values.messages import FilePart, Message, ToolCallPart, ToolResultPart
from ..values.request import Request
from ..values.tools import ResponseFormat, Tool, ToolChoice, response_format_from
from ..values.value import Value

Parameters = Mapping[str, Any]
Messages = str | MessageLike | Iterable[MessageLike]
Tools = Iterable[Tool | Mapping[str, Any] | Callable[..., Any]]
ToolChoiceLike = str | Mapping[str, Any] | ToolChoice
ResponseFormatLike = str | Mapping[str, Any] | ResponseFormat | type
ProviderOptions = Mapping[str, Mapping[str, Any]]

NOTHING_GIVEN = Resolved({}, (), {})
"""What a call without parameters comes to."""


class ChatArguments(Value, frozen=True, kw_only=True):
    """The arguments of one chat, as they were given."""

    model: str
    messages: Messages
    parameters: Parameters | None = None
    tools: Tools | None = None
    tool_choice: ToolChoiceLike | None = None
    response_format: ResponseFormatLike | None = None
    provider_options: ProviderOptions | None = None


class Preparer:
    """Makes the calls of one provider ready.

    Args:
        table: gives the parameters that may be named; asked at each call, since plugins may add some.
        support: which of them are taken, for the model of a request.
        successor_of: the model to ask in place of a retired one.
        takes_field: whether a field of a message that the common format does not know is sent.
    """

    def __init__(
        self,
        info: ProviderInfo,
        config: ProviderConfig,
        table: Callable[[str], ParameterTable],
        support: Callable[[Request], Iterable[ParameterSupport]],
        successor_of: Callable[[str], str | None],
        takes_field: Callable[[str], bool],
    ) -> None:
        self._info = info
        self._config = config
        self._table = table
        self._support = support
        self._successor_of = successor_of
        self._takes_field = takes_field
        self._logger = logging.getLogger(f"airouter.{info.name}")
        self._warned: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def prepare(self, given: ChatArguments) -> tuple[Request, dict[str, Any]]:
        """The request, and what the response is to hold beside the provider's answer.

        Raises:
            ConfigurationError: something about the call is wrong.
        """
        if not isinstance(given.model, str) or not given.model.strip():
            raise ParameterError(f"model must be the name of a model, not {given.model!r}")
        options, notes = self._own_options(given.provider_options)
        model = given.model
        successor = self._successor_of(model)
        if successor is not None:
            notes.append(f"model {model!r} is retired; {successor!r} was asked in its place")
            self._warn_once(RetiredModelWarning, "model", model, f"{self._info.name}: {notes[-1]}")
            model = successor
        offered = _offered(given.tools)
        draft = Request(
            model=model,
            messages=messages_from(given.messages),
            tools=offered,
            tool_choice=tool_choice_from(given.tool_choice, offered),
            response_format=_format(given.response_format),
            provider_options=options,
        )
        self._require_features(draft)
        notes += notes_on(draft.messages, self._info.name, self._takes_field)
        resolved = self._resolved(draft, given.parameters)
        request = msgspec.structs.replace(draft, parameters=resolved.values) if resolved.values else draft
        request, made_good = mended(request)
        notes += made_good
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(
                "%s: %d messages, %d tools, parameters %s",
                model,
                len(draft.messages),
                len(offered),
                sorted(resolved.values),
            )
        notes += [f"parameter {name!r} was left out: {reason}" for name, reason in resolved.omitted.items()]
        return request, {"provider": self._info.name, "parameters": resolved.receipts, "warnings": tuple(notes)}

    def require(self, capability: str) -> None:
        """Refuse what the provider does not declare.

        Raises:
            UnsupportedFeatureError: it lacks the capability.
        """
        if capability not in self._info.capabilities:
            raise self.lacks(capability)

    def lacks(self, capability: str) -> UnsupportedFeatureError:
        """What to say of a capability that is not there."""
        return UnsupportedFeatureError(
            f"{self._info.name} cannot do {capability!r}; it can do {', '.join(self._info.capabilities)}"
        )

    def _resolved(self, draft: Request, parameters: Parameters | None) -> Resolved:
        if parameters is not None and not isinstance(parameters, Mapping):
            raise ParameterError(f"parameters must be a mapping, not {type(parameters).__name__}")
        if not parameters:
            next(iter(self._support(draft)), None)  # it may refuse the call, before its first row
            return NOTHING_GIVEN
        table = self._table(self._info.name)
        known = known_values(parameters, table, self._info.parameters)
        # What is taken may depend on other parameters: a model that thinks takes no temperature.
        support = tuple(self._support(msgspec.structs.replace(draft, parameters=known)))
        resolved = resolve(
            parameters, support, provider=self._info.name, table=table, unsupported=self._config.unsupported_parameters
        )
        for name, reason in resolved.omitted.items():
            self._warn_once(
                UnsupportedParameterWarning,
                name,
                draft.model,
                f"{self._info.name}: parameter {name!r} was left out: {reason}",
            )
        return resolved

    def _own_options(
        self, provider_options: Mapping[str, Mapping[str, Any]] | None
    ) -> tuple[Mapping[str, Any], list[str]]:
        own: dict[str, Any] = {}
        notes: list[str] = []
        if provider_options is None:
            return own, notes
        if not isinstance(provider_options, Mapping):
            raise ParameterError(f"provider_options must be a mapping, not {type(provider_options).__name__}")
        for name, options in provider_options.items():
            if not isinstance(options, Mapping):
                raise ParameterError(
                    f"provider_options is keyed by provider: {{{self._info.name!r}: {{{name!r}: {options!r}}}}}"
                )
            if name == self._info.name or name in self._info.aliases:
                own.update(options)
            else:
                notes.append(f"provider_options for {name!r} were not sent: this is {self._info.name!r}")
        return own, notes

    def _require_features(self, request: Request) -> None:
        self.require("chat")
        if request.tools:
            self.require("tools")
        if request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
            self.require("tool_choice")
        if any(message.role == "system" and message.text for message in request.messages):
            self.require("system_prompt")
        if request.response_format is not None:
            self.require(request.response_format.kind)
        for message in request.messages:
            for part in message.parts if not message.is_plain else ():
                if isinstance(part, FilePart):
                    kind = part.media_type.partition("/")[0]
                    self.require("vision" if kind == "image" else "audio_input" if kind == "audio" else "documents")
                elif isinstance(part, ToolCallPart | ToolResultPart):
                    self.require("tools")

    def _warn_once(self, category: type[Warning], name: str, model: str, message: str) -> None:
        with self._lock:
            if (name, model) in self._warned:
                return
            self._warned.add((name, model))
        warnings.warn(message, category, stacklevel=_callers_level())


def _callers_level() -> int:
    """The stack level of the first frame outside this package, so that a warning points at the user's line."""
    package = os.path.dirname(__file__)
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    return level


def conversation(prompt: str, system_prompt: str | None) -> tuple[Message, ...]:
    """The messages of a prompt with its system prompt.

    Raises:
        ParameterError: the prompt is no string.
    """
    if not isinstance(prompt, str):
        raise ParameterError(f"prompt must be a string, not {type(prompt).__name__}; chat() takes messages")
    return (*system_messages(system_prompt), Message("user", prompt))


def system_messages(system_prompt: str | None) -> tuple[Message, ...]:
    """The system message, if there is one.

    Raises:
        ParameterError: it is no string.
    """
    if system_prompt is None:
        return ()
    if not isinstance(system_prompt, str):
        raise ParameterError(f"system_prompt must be a string, not {type(system_prompt).__name__}")
    return (Message.system(system_prompt),) if system_prompt else ()


def _offered(tools: Tools | None) -> tuple[Tool, ...]:
    if tools is None:
        return ()
    if not isinstance(tools, Iterable):
        raise ParameterError(f"tools must be a list of tools, not {type(tools).__name__}")
    return tools_from(map(_described, tools))


def _described(tool: Tool | Mapping[str, Any] | Callable[..., Any]) -> Tool | Mapping[str, Any]:
    if isinstance(tool, Tool | Mapping) or not callable(tool):
        return tool
    from ..tools.schemas import tool_of

    return tool_of(tool)


def _format(value: ResponseFormatLike | None) -> ResponseFormat | None:
    if value is None or isinstance(value, str | Mapping | ResponseFormat):
        return response_format_from(value)
    from ..tools.schemas import format_of

    return format_of(value)
