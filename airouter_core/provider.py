"""Provider: what users hold. One set of methods, whatever answers."""

from __future__ import annotations

import functools
import json
import logging
import os
import sys
import threading
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Literal, Protocol, Self, TypeVar, overload

import attrs

from .calls import Call, CallHooks, CallRun, ResponseStream
from .config import ProviderConfig
from .declarations import ParameterSupport, ProviderInfo
from .errors import AirouterError, ParameterError, UnsupportedFeatureError, UnsupportedParameterWarning
from .parameters.resolve import DEFAULT_TABLE, ParameterTable, Resolved, resolve
from .tokens import estimate_tokens
from .values.catalog import ModelInfo, ProviderStatus
from .values.events import StreamEvent
from .values.message_dicts import MessageLike, messages_from, tool_choice_from, tools_from
from .values.messages import FilePart, Message
from .values.request import Request
from .values.response import Response
from .values.tools import ResponseFormat, Tool, ToolChoice, response_format_from

ConfigT = TypeVar("ConfigT", bound=ProviderConfig)

Parameters = Mapping[str, Any]
Messages = str | MessageLike | Iterable[MessageLike]
Images = str | bytes | os.PathLike[str] | Sequence[Any]


class Surroundings(CallHooks, Protocol):
    """What a provider needs of the plugins around it; :class:`~airouter_core.plugins.Plugins` is it."""

    def parameters(self, provider: str) -> ParameterTable: ...


class NoPlugins:
    """A provider on its own: no hooks, and the canonical parameters."""

    def admit(self, call: Call) -> None: ...

    def started(self, call: Call) -> None: ...

    def answer(self, call: Call) -> Response | None:
        return None

    def ended(self, call: Call, outcome: object) -> None: ...

    def parameters(self, provider: str) -> ParameterTable:
        return DEFAULT_TABLE


class Provider(ABC, Generic[ConfigT]):
    """Something that answers questions with a model. Made by :func:`airouter_core.create_provider`.

    A plugin that speaks HTTP derives from :class:`~airouter_core.http_provider.HttpProvider` and gives it a wire; one
    that does not implements :meth:`events` and :meth:`list_models` here. For many threads at once; a stream is for
    one reader.

    Args:
        config: an instance of the class that ``info.config_target`` names.
        plugins: whose hooks see the calls; none unless given.
    """

    def __init__(self, config: ConfigT, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        self.config = config
        self.info = info
        self._plugins: Surroundings = plugins or NoPlugins()
        self._logger = logging.getLogger(f"airouter.{info.name}")
        self._warned: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    # What a provider implements.

    @abstractmethod
    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        """Answer, event by event, up to and including :class:`~airouter_core.values.events.Finish`.

        Args:
            request: checked, with the parameters that :meth:`support` takes.
            stream: whether somebody reads along. What is yielded must add up to the same either way.

        Closing the iterator must free at once whatever makes the answer.
        """

    @abstractmethod
    def list_models(self) -> list[ModelInfo]:
        """The models that can be used now."""

    def support(self, request: Request) -> Iterable[ParameterSupport]:
        """Which parameters are taken, and as what, for the model of this request. As declared, unless overridden."""
        return self.info.parameters

    def close(self) -> None:
        """Free connections, processes and memory. The provider cannot be used afterwards."""

    def embeddings(self, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """One vector for each text; overridden by providers with the capability ``embeddings``."""
        raise self._lacks("embeddings")

    def count_tokens(self, text: str, model: str | None = None) -> int:
        """How many tokens a text is: exact where the provider can say, else an estimate.

        This one is the estimate: see :func:`~airouter_core.tokens.estimate_tokens`.
        """
        return estimate_tokens(text)

    def check(self) -> None:
        """Ask the backend whether a call could succeed now.

        Raises:
            AirouterError: it could not; the message says why, and what to do.
        """
        self.list_models()

    def details(self) -> Mapping[str, Any]:
        """What only this provider has to say about its state, for :meth:`get_info`."""
        return {}

    # What users call.

    def execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> str:
        """Ask, and get the answer's text.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        return self.chat(model, _messages(prompt, system_prompt), parameters=parameters).text

    def stream_execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> Iterator[str]:
        """Ask, and get the answer's text as it is made. Closing the iterator stops the answer.

        Raises:
            ConfigurationError: at once; the call is wrong.
            ExecutionError: while reading; ``partial`` holds what had arrived.
        """
        return self.stream_chat(model, _messages(prompt, system_prompt), parameters=parameters).texts()

    def chat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Iterable[Tool | Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | ToolChoice | None = None,
        response_format: str | Mapping[str, Any] | ResponseFormat | None = None,
        provider_options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> Response:
        """Ask with a conversation, and get the whole answer with all that is known about it.

        Args:
            messages: values, dicts in the chat-completions shape, or one string.
            parameters: by canonical name or alias; see ``airouter params``.
            response_format: ``"json"``, a JSON Schema, or a :class:`~airouter_core.values.tools.ResponseFormat`.
            provider_options: what only one provider understands, keyed by its name; others' are not sent.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        return self._stream(
            False, model, messages, parameters, tools, tool_choice, response_format, provider_options
        ).read()

    def stream_chat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Iterable[Tool | Mapping[str, Any]] | None = None,
        tool_choice: str | Mapping[str, Any] | ToolChoice | None = None,
        response_format: str | Mapping[str, Any] | ResponseFormat | None = None,
        provider_options: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> ResponseStream:
        """As :meth:`chat`, event by event; the request is sent when the first one is asked for.

        Raises:
            ConfigurationError: at once; the call is wrong.
            ExecutionError: while reading; ``partial`` holds what had arrived.
        """
        return self._stream(True, model, messages, parameters, tools, tool_choice, response_format, provider_options)

    @overload
    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, stream: Literal[False] = False
    ) -> str: ...

    @overload
    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, *, stream: Literal[True]
    ) -> Iterator[str]: ...

    def chat_execute(
        self, model: str, messages: Messages, parameters: Parameters | None = None, stream: bool = False
    ) -> str | Iterator[str]:
        """Ask with a conversation, and get the answer's text: whole, or with ``stream`` as it is made.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        if stream:
            return self.stream_chat(model, messages, parameters=parameters).texts()
        return self.chat(model, messages, parameters=parameters).text

    def execute_with_vision(
        self,
        model: str,
        prompt: str,
        image_url: str | Sequence[str] | None = None,
        image_path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
        image_data: bytes | str | Sequence[bytes | str] | None = None,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> str:
        """Ask about images: by address, by path, or by content (bytes, or base64 in a string); each one or several.

        Raises:
            ConfigurationError: the call is wrong (no image, a file that cannot be read); nothing was sent.
            ExecutionError: the call failed.
        """
        images = [FilePart.from_url(url) for url in _each(image_url)]
        images += [FilePart.from_path(path) for path in _each(image_path)]
        images += [FilePart.from_data(data) for data in _each(image_data)]
        if not images:
            raise ParameterError("give an image: image_url, image_path or image_data")
        for image in images:
            if not image.is_image:
                raise ParameterError(f"{image.name or 'image_data'} is no image that is known ({image.media_type})")
        messages = (*_system(system_prompt), Message.user(*images, prompt))
        return self.chat(model, messages, parameters=parameters).text

    @overload
    def create_embedding(self, text_or_list: str, model: str | None = None) -> list[float]: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str] to the type system

    @overload
    def create_embedding(self, text_or_list: Sequence[str], model: str | None = None) -> list[list[float]]: ...

    def create_embedding(
        self, text_or_list: str | Sequence[str], model: str | None = None
    ) -> list[float] | list[list[float]]:
        """A vector for a text, or a list of vectors for a list of texts, in its order.

        Raises:
            UnsupportedFeatureError: this provider makes none.
            ExecutionError: the call failed.
        """
        self._require("embeddings")
        texts = [text_or_list] if isinstance(text_or_list, str) else list(text_or_list)
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise ParameterError("create_embedding takes a text or a list of texts, none of them empty")
        vectors = self.embeddings(texts, model)
        return vectors[0] if isinstance(text_or_list, str) else vectors

    def validate_config(self) -> bool:
        """Whether a call could succeed now: the key is good, the server is up. The log says why not."""
        try:
            self.check()
        except AirouterError as error:
            self._logger.warning("%s cannot be used: %s", self.info.name, error)
            return False
        return True

    def get_info(self) -> ProviderStatus:
        """How the provider is doing; a provider that is down is reported, not raised."""
        models: tuple[str, ...] = ()
        problem = None
        try:
            models = tuple(model.id for model in self.list_models())
        except AirouterError as error:
            problem = str(error)
        return ProviderStatus(
            name=self.info.name,
            status="available" if problem is None else "unavailable",
            kind=self.info.kind,
            description=self.info.description,
            capabilities=self.info.capabilities,
            available_models=models,
            problem=problem,
            details=self.details(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name!r}>"

    # How a call is made ready.

    def _stream(
        self,
        stream: bool,
        model: str,
        messages: Messages,
        parameters: Parameters | None,
        tools: Iterable[Tool | Mapping[str, Any]] | None,
        tool_choice: str | Mapping[str, Any] | ToolChoice | None,
        response_format: str | Mapping[str, Any] | ResponseFormat | None,
        provider_options: Mapping[str, Mapping[str, Any]] | None,
    ) -> ResponseStream:
        request, known = self._prepared(
            model, messages, parameters, tools, tool_choice, response_format, provider_options
        )
        run = CallRun(
            Call(self.info.name, request, stream),
            self._plugins,
            known,
            _parse_json if request.response_format is not None else None,
        )
        return ResponseStream(run, functools.partial(self.events, request, stream=stream))

    def _prepared(
        self,
        model: str,
        messages: Messages,
        parameters: Parameters | None,
        tools: Iterable[Tool | Mapping[str, Any]] | None,
        tool_choice: str | Mapping[str, Any] | ToolChoice | None,
        response_format: str | Mapping[str, Any] | ResponseFormat | None,
        provider_options: Mapping[str, Mapping[str, Any]] | None,
    ) -> tuple[Request, dict[str, Any]]:
        if not isinstance(model, str) or not model.strip():
            raise ParameterError(f"model must be the name of a model, not {model!r}")
        options, notes = self._own_options(provider_options)
        offered = tools_from(tools)
        draft = Request(
            model=model,
            messages=messages_from(messages),
            tools=offered,
            tool_choice=tool_choice_from(tool_choice, offered),
            response_format=response_format_from(response_format),
            provider_options=options,
        )
        self._require_features(draft)
        resolved = self._resolved(draft, parameters)
        request = attrs.evolve(draft, parameters=resolved.values)
        self._logger.debug(
            "%s: %d messages, %d tools, parameters %s", model, len(draft.messages), len(offered), dict(resolved.values)
        )
        notes += [f"parameter {name!r} was left out: {reason}" for name, reason in resolved.omitted.items()]
        return request, {"provider": self.info.name, "parameters": resolved.receipts, "warnings": tuple(notes)}

    def _resolved(self, draft: Request, parameters: Parameters | None) -> Resolved:
        if not isinstance(parameters, Mapping | None):
            raise ParameterError(f"parameters must be a mapping, not {type(parameters).__name__}")
        table = self._plugins.parameters(self.info.name)
        known = {table.find(name).name: value for name, value in (parameters or {}).items() if value is not None}
        # What is taken may depend on other parameters: a model that thinks takes no temperature.
        support = tuple(self.support(attrs.evolve(draft, parameters=known)))
        resolved = resolve(
            parameters, support, provider=self.info.name, table=table, unsupported=self.config.unsupported_parameters
        )
        for name, reason in resolved.omitted.items():
            self._warn_once(name, draft.model, f"{self.info.name}: parameter {name!r} was left out: {reason}")
        return resolved

    def _own_options(
        self, provider_options: Mapping[str, Mapping[str, Any]] | None
    ) -> tuple[Mapping[str, Any], list[str]]:
        own: dict[str, Any] = {}
        notes = []
        for name, options in (provider_options or {}).items():
            if not hasattr(options, "keys"):
                raise ParameterError(
                    f"provider_options is keyed by provider: {{{self.info.name!r}: {{{name!r}: {options!r}}}}}"
                )
            if name == self.info.name or name in self.info.aliases:
                own.update(options)
            else:
                notes.append(f"provider_options for {name!r} were not sent: this is {self.info.name!r}")
        return own, notes

    def _require_features(self, request: Request) -> None:
        if request.tools:
            self._require("tools")
        if request.response_format is not None:
            self._require(request.response_format.kind)
        for message in request.messages:
            for part in message.parts:
                if isinstance(part, FilePart):
                    kind = part.media_type.partition("/")[0]
                    self._require("vision" if kind == "image" else "audio_input" if kind == "audio" else "documents")

    def _require(self, capability: str) -> None:
        if capability not in self.info.capabilities:
            raise self._lacks(capability)

    def _lacks(self, capability: str) -> UnsupportedFeatureError:
        return UnsupportedFeatureError(
            f"{self.info.name} cannot do {capability!r}; it can do {', '.join(self.info.capabilities)}"
        )

    def _warn_once(self, name: str, model: str, message: str) -> None:
        with self._lock:
            if (name, model) in self._warned:
                return
            self._warned.add((name, model))
        warnings.warn(message, UnsupportedParameterWarning, stacklevel=_callers_level())


def _messages(prompt: str, system_prompt: str | None) -> tuple[Message, ...]:
    if not isinstance(prompt, str):
        raise ParameterError(f"prompt must be a string, not {type(prompt).__name__}; chat() takes messages")
    return (*_system(system_prompt), Message.user(prompt))


def _system(system_prompt: str | None) -> tuple[Message, ...]:
    return (Message.system(system_prompt),) if system_prompt else ()


def _each(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str | bytes | os.PathLike) else tuple(value)


def _parse_json(response: Response) -> Response:
    if not response.text:
        return response
    try:
        return attrs.evolve(response, parsed=json.loads(response.text))
    except ValueError as error:
        note = f"the answer is no valid JSON, although it was asked for ({error})"
        return attrs.evolve(response, warnings=(*response.warnings, note))


def _callers_level() -> int:
    """The stack level of the first frame outside this package, so that a warning points at the user's line."""
    package = os.path.dirname(__file__)
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(package):
        level, frame = level + 1, frame.f_back
    return level
