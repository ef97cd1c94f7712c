"""From an ask to a request to one provider: all that can be wrong with it is found before anything is sent."""

from __future__ import annotations

import logging
import os
import sys
import threading
import warnings
from collections.abc import Callable, Container, Iterable, Mapping
from types import FrameType
from typing import Any, Protocol

import msgspec

from ..config.provider import ProviderConfig
from ..errors import ParameterError, RetiredModelWarning, UnsupportedParameterWarning
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.losses import Loss, unsent
from ..profile.mending import mended
from ..profile.resolving import ParameterTable, Resolved, known_values, resolve
from ..values.ask import Ask
from ..values.messages import FilePart, ToolCallPart, ToolResultPart
from ..values.request import Request
from ..values.texts import with_texts_in_place
from ..values.value import Value

NOTHING_GIVEN = Resolved({}, (), {})
"""What an ask without parameters comes to."""

_PACKAGE = os.path.dirname(os.path.dirname(__file__)) + os.sep
_DRIVERS = os.path.join(_PACKAGE, "flow") + os.sep


class Caution(Value, frozen=True):
    """What the caller is to be warned of, in the program as well as in the response.

    Attributes:
        about: what it is about, in which model: each is told once.
    """

    category: type[Warning]
    about: tuple[str, str]
    message: str


class Prepared(Value, frozen=True):
    """An ask as one provider takes it.

    Attributes:
        request: ``None`` when this provider asks others, and of other kinds than chat.
        known: what the response is to hold beside the provider's answer: receipts, warnings, the provider's name.
        cautions: what is to be warned of.
    """

    request: Request | None
    known: Mapping[str, Any]
    cautions: tuple[Caution, ...] = ()


class Target(Protocol):
    """What a provider says of itself, as what prepares its requests needs it."""

    @property
    def info(self) -> ProviderInfo: ...

    @property
    def config(self) -> ProviderConfig: ...

    def require(self, capability: str) -> None: ...

    def support(self, request: Request) -> Iterable[ParameterSupport]: ...

    def successor_of(self, model: str) -> str | None: ...

    def takes_field(self, field: str) -> bool: ...

    def losses_of(self, request: Request) -> Container[Loss]: ...

    def speaks(self, request: Request) -> str: ...


class Preparer:
    """Makes requests to one provider of asks.

    Args:
        table: gives the parameters that may be named; asked at each call, since plugins may add some.
    """

    def __init__(self, target: Target, table: Callable[[str], ParameterTable]) -> None:
        self._target = target
        self._info = target.info
        self._table = table
        self._logger = logging.getLogger(f"airouter.{target.info.name}")
        self._warned: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def prepare(self, ask: Ask) -> Prepared:
        """The request, and what the response is to hold beside the provider's answer. Warns of nothing yet.

        Raises:
            ConfigurationError: this provider cannot be asked so.
        """
        target, model = self._target, ask.model or ""
        notes: list[str] = []
        cautions: list[Caution] = []
        successor = target.successor_of(model)
        if successor is not None:
            notes.append(f"model {model!r} is retired; {successor!r} was asked in its place")
            cautions.append(Caution(RetiredModelWarning, ("model", model), f"{self._info.name}: {notes[-1]}"))
            model = successor
        messages = ask.messages
        if "documents" not in self._info.capabilities:
            messages, placed = with_texts_in_place(messages)
            notes += [f"{name} was put in as text: {self._info.name} takes no documents" for name in placed]
        # A draft, without parameters: which of them are taken may depend on all else that is asked.
        draft = Request(
            model=model,
            messages=messages,
            tools=ask.tools,
            tool_choice=ask.tool_choice,
            response_format=ask.response_format,
        )
        if ask.provider_options:
            options, others = self._own_options(ask.provider_options, target.speaks(draft))
            notes += others
            draft = msgspec.structs.replace(draft, provider_options=options)
        is_plain = all(message.is_plain for message in draft.messages)  # then there is nothing to lose or to put right
        self._require_features(draft, is_plain=is_plain)
        if not is_plain:
            lacks, speaks = target.losses_of(draft), target.speaks(draft)
            notes += unsent(draft.messages, self._info.name, lacks, takes_field=target.takes_field, speaks=speaks)
        # Once: the rows travel with the request and the receipts with the response, and nobody resolves anything again.
        resolved = self._resolved(draft, ask.parameters)
        request = draft
        if resolved.values:
            request = msgspec.structs.replace(draft, parameters=resolved.values, rows=resolved.rows)
        if not is_plain or resolved.values:
            request, made_good = mended(request)
            notes += made_good
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug(
                "%s: %d messages, %d tools, parameters %s",
                model,
                len(draft.messages),
                len(draft.tools),
                sorted(resolved.values),
            )
        # Told twice on purpose: the response says it to the program, the warning to whoever writes the program.
        for name, reason in resolved.omitted.items():
            notes.append(f"parameter {name!r} was left out: {reason}")
            cautions.append(Caution(UnsupportedParameterWarning, (name, model), f"{self._info.name}: {notes[-1]}"))
        known = {"provider": self._info.name, "parameters": resolved.receipts, "warnings": tuple(notes)}
        return Prepared(request, known, tuple(cautions))

    def warn(self, cautions: Iterable[Caution]) -> None:
        """Warn at the caller's line, once for each thing there is to warn of."""
        for caution in cautions:
            with self._lock:
                if caution.about in self._warned:
                    continue
                self._warned.add(caution.about)
            warnings.warn(caution.message, caution.category, stacklevel=_callers_level())

    def _resolved(self, draft: Request, parameters: Mapping[str, Any]) -> Resolved:
        if not parameters:
            next(iter(self._target.support(draft)), None)  # it may refuse the call, before its first row
            return NOTHING_GIVEN
        table = self._table(self._info.name)
        known = known_values(parameters, table, self._info.parameters)
        # What is taken may depend on other parameters: a model that thinks takes no temperature.
        support = tuple(self._target.support(msgspec.structs.replace(draft, parameters=known)))
        return resolve(
            parameters,
            support,
            provider=self._info.name,
            table=table,
            unsupported=self._target.config.unsupported_parameters,
        )

    def _own_options(
        self, provider_options: Mapping[str, Mapping[str, Any]], speaks: str
    ) -> tuple[Mapping[str, Any], list[str]]:
        own: dict[str, Any] = {}
        notes: list[str] = []
        for name, options in provider_options.items():
            if not isinstance(options, Mapping):
                raise ParameterError(
                    f"provider_options is keyed by provider: {{{self._info.name!r}: {{{name!r}: {options!r}}}}}"
                )
            if name in (self._info.name, speaks) or name in self._info.aliases:
                own.update(options)
            elif options:
                fields = ", ".join(map(str, options))
                notes.append(f"provider_options for {name!r} were not sent ({fields}): this is {self._info.name!r}")
        return own, notes

    def _require_features(self, request: Request, *, is_plain: bool) -> None:
        require = self._target.require
        require("chat")
        if request.tools:
            require("tools")
        if request.tool_choice is not None and request.tool_choice.mode in ("required", "tool"):
            require("tool_choice")
        for message in request.messages:
            if message.role == "system" and message.text:
                require("system_prompt")
        if request.response_format is not None:
            require(request.response_format.kind)
        for message in () if is_plain else request.messages:
            for part in message.parts:
                if isinstance(part, FilePart):
                    kind = part.media_type.partition("/")[0]
                    require("vision" if kind == "image" else "audio_input" if kind == "audio" else "documents")
                elif isinstance(part, ToolCallPart | ToolResultPart):
                    require("tools")


def _callers_level() -> int:
    """The stack level of the user's line: of the first frame outside this package, below whoever drives a flow.

    Flows of others, such as a router's, are resumed by the driver: their lines are not where somebody called.
    """
    level = 1
    found: int | None = None
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_DRIVERS):
            found = None
        elif found is None and not file.startswith(_PACKAGE):
            found = level
        level, frame = level + 1, frame.f_back
    return found or level
