"""Provider: what users hold. One set of methods, whatever answers; each also awaited, under its name with an ``a``."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar, overload

import msgspec

from ..config.cleaning import Cleaner
from ..config.provider import ProviderConfig
from ..errors import AirouterError, ParameterError, ProtocolError, UnsupportedFeatureError
from ..flow.threads import all_awaited, at_once, awaited, awaited_iterator
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.resolving import DEFAULT_TABLE, ParameterTable
from ..values.catalog import ModelInfo, ProviderStatus, Ranked
from ..values.events import StreamEvent
from ..values.message_dicts import messages_from
from ..values.messages import FilePart, Message
from ..values.request import Request
from ..values.response import Response
from ..values.tokens import estimate_tokens
from ..values.tools import ResponseFormat
from ..values.vectors import one_for_each
from .calls import AsyncResponseStream, Call, CallHooks, CallRun, ResponseStream
from .preparation import (
    ChatArguments,
    Messages,
    Parameters,
    Preparer,
    ProviderOptions,
    ResponseFormatLike,
    ToolChoiceLike,
    Tools,
    conversation,
    system_messages,
)

if TYPE_CHECKING:
    from ..tools.loop import ToolLike, ToolRun

ConfigT = TypeVar("ConfigT", bound=ProviderConfig)

ImageUrls = str | Sequence[str]
ImagePaths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
ImageData = bytes | str | Sequence[bytes | str]


class Surroundings(CallHooks, Protocol):
    """What a provider needs of the plugins around it; :class:`~airouter_core.plugins.registry.Plugins` is it."""

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

    A plugin that speaks HTTP derives from :class:`~airouter_core.provider.http.HttpProvider` and gives it a wire; one
    that does not implements :meth:`events` and :meth:`list_models` here. For many threads and event loops at once; a
    stream is for one reader.

    Args:
        config: an instance of the class that ``info.config_target`` names.
        plugins: whose hooks see the calls; none unless given.
    """

    def __init__(self, config: ConfigT, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        self.config = config
        self.info = info
        self._plugins: Surroundings = plugins or NoPlugins()
        self._cleaner = Cleaner()
        self._logger = logging.getLogger(f"airouter.{info.name}")
        self._preparer = Preparer(
            info, config, self._plugins.parameters, self.support, self.successor_of, self.takes_field
        )

    # What a provider implements. The blocking methods are enough: awaited, they run in threads.

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

    def successor_of(self, model: str) -> str | None:
        """The model to ask in place of one that the provider has retired; ``None`` for all others.

        The caller is warned, in the response and by a ``RetiredModelWarning``.
        """
        return None

    def takes_field(self, field: str) -> bool:
        """Whether a field of a message dict that the common format does not know is sent; the caller is told if not.

        Such fields are under ``"*"`` in the ``provider_metadata`` of messages and parts.
        """
        return False

    def require_credentials(self) -> None:
        """Refuse a call that cannot succeed for want of a key.

        Raises:
            MissingApiKeyError: there is none; the message says where to put it.
        """

    def close(self) -> None:
        """Free connections, processes and memory. The provider cannot be used afterwards."""

    def embeddings(self, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """One vector for each text; overridden by providers with the capability ``embeddings``."""
        raise self._lacks("embeddings")

    def rankings(self, query: str, documents: Sequence[str], model: str | None, limit: int | None) -> list[Ranked]:
        """Order documents by how well they fit; overridden by providers with the capability ``rerank``."""
        raise self._lacks("rerank")

    def count_tokens(self, text: str, model: str | None = None) -> int:
        """How many tokens a text is: exact where the provider can say, else an estimate.

        This one is the estimate: see :func:`~airouter_core.values.tokens.estimate_tokens`.
        """
        return estimate_tokens(text)

    def check(self) -> None:
        """Ask the backend whether a call could succeed now.

        Raises:
            AirouterError: it could not; the message says why, and what to do.
        """
        self.list_models()

    def details(self) -> Mapping[str, Any]:
        """What only this provider has to say about its state, for :meth:`get_info`. Must not block."""
        return {}

    def aevents(self, request: Request, *, stream: bool) -> AsyncIterator[StreamEvent]:
        """:meth:`events`, awaited."""
        return awaited_iterator(functools.partial(self.events, request, stream=stream))

    async def alist_models(self) -> list[ModelInfo]:
        """:meth:`list_models`, awaited."""
        return await awaited(self.list_models)

    async def aembeddings(self, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """:meth:`embeddings`, awaited."""
        return await awaited(self.embeddings, texts, model)

    async def arankings(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> list[Ranked]:
        """:meth:`rankings`, awaited."""
        return await awaited(self.rankings, query, documents, model, limit)

    async def acount_tokens(self, text: str, model: str | None = None) -> int:
        """:meth:`count_tokens`, awaited."""
        return await awaited(self.count_tokens, text, model)

    async def acheck(self) -> None:
        """:meth:`check`, awaited."""
        await awaited(self.check)

    async def aclose(self) -> None:
        """:meth:`close`, awaited."""
        await awaited(self.close)

    # What users call.

    def chat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> Response:
        """Ask with a conversation, and get the whole answer with all that is known about it.

        Args:
            messages: values, dicts in the chat-completions shape, or one string.
            parameters: by canonical name or alias; see ``airouter params``.
            tools: values, dicts, or plain typed functions.
            response_format: ``"json"``, a JSON Schema, a class whose instance ``response.parsed`` is to be, or a
                :class:`~airouter_core.values.tools.ResponseFormat`.
            provider_options: what only one provider understands, keyed by its name; others' are not sent.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        given = _given(model, messages, parameters, tools, tool_choice, response_format, provider_options)
        return self._stream(given, stream=False).read()

    def stream_chat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> ResponseStream:
        """As :meth:`chat`, event by event; the request is sent when the first one is asked for.

        Raises:
            ConfigurationError: at once; the call is wrong.
            ExecutionError: while reading; ``partial`` holds what had arrived.
        """
        given = _given(model, messages, parameters, tools, tool_choice, response_format, provider_options)
        return self._stream(given, stream=True)

    async def achat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> Response:
        """:meth:`chat`, awaited."""
        given = _given(model, messages, parameters, tools, tool_choice, response_format, provider_options)
        return await self._astream(given, stream=False).read()

    def astream_chat(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> AsyncResponseStream:
        """:meth:`stream_chat`, awaited: ``async for event in provider.astream_chat(...)``."""
        given = _given(model, messages, parameters, tools, tool_choice, response_format, provider_options)
        return self._astream(given, stream=True)

    def execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> str:
        """Ask, and get the answer's text.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        return self.chat(model, conversation(prompt, system_prompt), parameters=parameters).text

    async def aexecute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> str:
        """:meth:`execute`, awaited."""
        return (await self.achat(model, conversation(prompt, system_prompt), parameters=parameters)).text

    def stream_execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> Iterator[str]:
        """Ask, and get the answer's text as it is made. Closing the iterator stops the answer.

        Raises:
            ConfigurationError: at once; the call is wrong.
            ExecutionError: while reading; ``partial`` holds what had arrived.
        """
        return self.stream_chat(model, conversation(prompt, system_prompt), parameters=parameters).texts()

    def astream_execute(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> AsyncIterator[str]:
        """:meth:`stream_execute`, awaited: ``async for text in provider.astream_execute(...)``."""
        return self.astream_chat(model, conversation(prompt, system_prompt), parameters=parameters).texts()

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
        image_url: ImageUrls | None = None,
        image_path: ImagePaths | None = None,
        image_data: ImageData | None = None,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> str:
        """Ask about images: by address, by path, or by content (bytes, or base64 in a string); each one or several.

        Raises:
            ConfigurationError: the call is wrong (no image, a file that cannot be read); nothing was sent.
            ExecutionError: the call failed.
        """
        messages = _with_images(prompt, image_url, image_path, image_data, system_prompt)
        return self.chat(model, messages, parameters=parameters).text

    async def aexecute_with_vision(
        self,
        model: str,
        prompt: str,
        image_url: ImageUrls | None = None,
        image_path: ImagePaths | None = None,
        image_data: ImageData | None = None,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> str:
        """:meth:`execute_with_vision`, awaited."""
        messages = _with_images(prompt, image_url, image_path, image_data, system_prompt)
        return (await self.achat(model, messages, parameters=parameters)).text

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
        texts = self._texts(text_or_list)
        vectors = one_for_each(texts, self.embeddings(texts, model))
        return vectors[0] if isinstance(text_or_list, str) else vectors

    async def acreate_embedding(
        self, text_or_list: str | Sequence[str], model: str | None = None
    ) -> list[float] | list[list[float]]:
        """:meth:`create_embedding`, awaited."""
        texts = self._texts(text_or_list)
        vectors = one_for_each(texts, await self.aembeddings(texts, model))
        return vectors[0] if isinstance(text_or_list, str) else vectors

    def rerank(
        self, query: str, documents: Sequence[str], model: str | None = None, *, limit: int | None = None
    ) -> list[Ranked]:
        """Order documents by how well they fit a query, the best first.

        Args:
            limit: how many of the best are wanted; all unless given.

        Raises:
            UnsupportedFeatureError: this provider has no model for it.
            ParameterError: there is no query, or no document.
            ExecutionError: the call failed.
        """
        given = self._documents(query, documents)
        return _best(self.rankings(query, given, model, limit), limit)

    async def arerank(
        self, query: str, documents: Sequence[str], model: str | None = None, *, limit: int | None = None
    ) -> list[Ranked]:
        """:meth:`rerank`, awaited."""
        given = self._documents(query, documents)
        return _best(await self.arankings(query, given, model, limit), limit)

    def run_tools(
        self,
        model: str,
        messages: Messages,
        tools: Iterable[ToolLike],
        *,
        max_rounds: int = 10,
        parameters: Parameters | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> ToolRun:
        """Ask, run the functions that the model calls, give it what they returned, until it has an answer.

        The calls of one turn run at the same time, in threads. A function's exception goes back to the model.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: a call failed, or the model still calls tools after ``max_rounds``.
        """
        from ..tools.loop import Toolbox, driven, loop, run_blocking

        toolbox = Toolbox(tools)
        given: dict[str, Any] = {"parameters": parameters, "provider_options": provider_options}
        return driven(
            loop(messages_from(messages), max_rounds),
            lambda step: self.chat(model, step.messages, tools=toolbox.tools, **given),
            lambda step: at_once(functools.partial(run_blocking, toolbox), step.calls),
        )

    async def arun_tools(
        self,
        model: str,
        messages: Messages,
        tools: Iterable[ToolLike],
        *,
        max_rounds: int = 10,
        parameters: Parameters | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> ToolRun:
        """:meth:`run_tools`, awaited; functions may be coroutines."""
        from ..tools.loop import Toolbox, awaited_driven, loop, run_awaited

        toolbox = Toolbox(tools)
        given: dict[str, Any] = {"parameters": parameters, "provider_options": provider_options}
        return await awaited_driven(
            loop(messages_from(messages), max_rounds),
            lambda step: self.achat(model, step.messages, tools=toolbox.tools, **given),
            lambda step: all_awaited(run_awaited(toolbox, call, awaited) for call in step.calls),
        )

    def validate_config(self) -> bool:
        """Whether a call could succeed now: the key is good, the server is up. The log says why not."""
        with _failures() as found:
            self.check()
        return self._is_usable(found)

    async def avalidate_config(self) -> bool:
        """:meth:`validate_config`, awaited."""
        with _failures() as found:
            await self.acheck()
        return self._is_usable(found)

    def get_info(self) -> ProviderStatus:
        """How the provider is doing; a provider that is down is reported, not raised."""
        models: list[ModelInfo] = []
        with _failures() as found:
            models = self.list_models()
        return self._status(models, found)

    async def aget_info(self) -> ProviderStatus:
        """:meth:`get_info`, awaited."""
        models: list[ModelInfo] = []
        with _failures() as found:
            models = await self.alist_models()
        return self._status(models, found)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name!r}>"

    # What the methods above share.

    def _run(self, given: ChatArguments, *, stream: bool) -> tuple[Request, CallRun]:
        if stream:
            self._preparer.require("stream")
        self.require_credentials()
        request, known = self._preparer.prepare(given)
        finish = None
        if request.response_format is not None:
            given_as = given.response_format
            described = given_as is None or isinstance(given_as, str | Mapping | ResponseFormat)
            finish = _parse_json if described else functools.partial(_parse_as, given_as)
        return request, CallRun(
            Call(self.info.name, request, stream), self._plugins, known, finish, self._cleaner.value
        )

    def _stream(self, given: ChatArguments, *, stream: bool) -> ResponseStream:
        request, run = self._run(given, stream=stream)
        return ResponseStream(run, functools.partial(self.events, request, stream=stream))

    def _astream(self, given: ChatArguments, *, stream: bool) -> AsyncResponseStream:
        request, run = self._run(given, stream=stream)
        return AsyncResponseStream(run, functools.partial(self.aevents, request, stream=stream))

    def _texts(self, text_or_list: str | Sequence[str]) -> list[str]:
        self._preparer.require("embeddings")
        several = isinstance(text_or_list, Iterable) and not isinstance(text_or_list, str)
        texts: list[Any] = list(text_or_list) if several else [text_or_list]
        if not texts or not all(isinstance(text, str) and text for text in texts):
            raise ParameterError("create_embedding takes a text or a list of texts, none of them empty")
        return texts

    def _documents(self, query: str, documents: Sequence[str]) -> list[str]:
        self._preparer.require("rerank")
        if not isinstance(query, str) or not query:
            raise ParameterError("rerank needs a query")
        given = [documents] if isinstance(documents, str) else list(documents)
        if not given or not all(isinstance(document, str) for document in given):
            raise ParameterError("rerank needs documents, each a string")
        return given

    def _is_usable(self, failures: list[AirouterError]) -> bool:
        for error in failures:
            self._logger.warning("%s cannot be used: %s", self.info.name, error)
        return not failures

    def _status(self, models: Iterable[ModelInfo], failures: list[AirouterError]) -> ProviderStatus:
        return ProviderStatus(
            name=self.info.name,
            status="unavailable" if failures else "available",
            kind=self.info.kind,
            description=self.info.description,
            capabilities=self.info.capabilities,
            available_models=tuple(model.id for model in models),
            problem=str(failures[0]) if failures else None,
            details=self.details(),
        )

    def _lacks(self, capability: str) -> UnsupportedFeatureError:
        return self._preparer.lacks(capability)


@contextlib.contextmanager
def _failures() -> Iterator[list[AirouterError]]:
    """Of what is done inside: reported instead of raised."""
    found: list[AirouterError] = []
    try:
        yield found
    except AirouterError as error:
        found.append(error)


def _given(
    model: str,
    messages: Messages,
    parameters: Parameters | None,
    tools: Tools | None,
    tool_choice: ToolChoiceLike | None,
    response_format: ResponseFormatLike | None,
    provider_options: ProviderOptions | None,
) -> ChatArguments:
    return ChatArguments(
        model=model,
        messages=messages,
        parameters=parameters,
        tools=tools,
        tool_choice=tool_choice,
        response_format=response_format,
        provider_options=provider_options,
    )


def _with_images(
    prompt: str,
    image_url: ImageUrls | None,
    image_path: ImagePaths | None,
    image_data: ImageData | None,
    system_prompt: str | None,
) -> tuple[Message, ...]:
    if not isinstance(prompt, str):
        raise ParameterError(f"prompt must be a string, not {type(prompt).__name__}; chat() takes messages")
    images = [FilePart.from_url(url) for url in _each(image_url)]
    images += [FilePart.from_path(path) for path in _each(image_path)]
    images += [FilePart.from_data(data) for data in _each(image_data)]
    if not images:
        raise ParameterError("give an image: image_url, image_path or image_data")
    for image in images:
        if not image.is_image:
            raise ParameterError(f"{image.name or 'image_data'} is no image that is known ({image.media_type})")
    return (*system_messages(system_prompt), Message.user(*images, prompt))


def _each(value: Any) -> Sequence[Any]:
    if value is None:
        return ()
    several = isinstance(value, Iterable) and not isinstance(value, str | bytes)
    return tuple(value) if several else (value,)


def _parse_as(kind: Any, response: Response) -> Response:
    from ..tools.schemas import instance_of

    if response.refusal is not None or (response.tool_calls and not response.text):
        return response
    try:
        return msgspec.structs.replace(response, parsed=instance_of(kind, response.text))
    except ProtocolError as error:
        error.partial = response
        if response.finish_reason == "length":
            raise _because_of_the_limit(error) from error
        raise


def _because_of_the_limit(error: ProtocolError) -> ProtocolError:
    cut = ProtocolError(f"the answer was cut by its limit; raise max_tokens. {error}")
    cut.partial = error.partial
    return cut


def _best(ranked: Iterable[Ranked], limit: int | None) -> list[Ranked]:
    best = sorted(ranked, key=lambda document: document.score, reverse=True)
    return best if limit is None else best[:limit]


def _parse_json(response: Response) -> Response:
    if not response.text:
        return response
    try:
        return msgspec.structs.replace(response, parsed=json.loads(response.text))
    except (ValueError, RecursionError) as error:
        note = f"the answer is no valid JSON, although it was asked for ({error})"
        return msgspec.structs.replace(response, warnings=(*response.warnings, note))
