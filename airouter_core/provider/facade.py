"""Provider: what users hold. One set of methods, whatever answers; each also awaited, under its name with an ``a``.

Its methods make asks. An ask passes the layers around the provider, the innermost of which
(:mod:`airouter_core.provider.calls`) has it prepared, lets the provider reply, and folds what comes.
"""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, Protocol, Self, TypeVar, overload

import msgspec

from ..config.provider import ProviderConfig
from ..errors import AirouterError, ParameterError, UnsupportedFeatureError
from ..flow.layers import Answer, Layer, layered
from ..flow.steps import Endpoint, Flow, Pull, given
from ..flow.threads import awaited, awaited_iterator
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.resolving import DEFAULT_TABLE, ParameterTable
from ..values.ask import Ask
from ..values.calls import Call, Identity
from ..values.catalog import ModelInfo, ProviderStatus, Ranked
from ..values.events import StreamEvent
from ..values.labels import labels
from ..values.request import Request
from ..values.response import Response
from ..values.tokens import estimate_tokens
from ..values.tools import ResponseFormat
from ..values.vectors import one_for_each
from .asking import (
    ImageData,
    ImagePaths,
    ImageUrls,
    Messages,
    Parameters,
    ProviderOptions,
    ResponseFormatLike,
    ToolChoiceLike,
    Tools,
    ask_of,
    conversation,
    conversation_about_images,
    texts_of,
)
from .both import arguments_of, both, four_ways, four_ways_as_text, operation_of, takes
from .calls import CallHooks, Innermost
from .parsing import parsed_as
from .preparation import Caution, Prepared, Preparer
from .streams import words_of

if TYPE_CHECKING:
    from ..tools.loop import ToolLike, ToolRun

ConfigT = TypeVar("ConfigT", bound=ProviderConfig)
Result = TypeVar("Result")


class Surroundings(CallHooks, Protocol):
    """What a provider needs of the plugins around it; :class:`~airouter_core.plugins.registry.Plugins` is it."""

    def parameters(self, provider: str) -> ParameterTable: ...

    def layers(self) -> Sequence[Layer]: ...


class NoPlugins:
    """A provider on its own: no hooks, no layers, and the canonical parameters."""

    def hears(self, hook: str) -> bool:
        return False

    def admit(self, call: Call) -> None: ...

    def started(self, call: Call) -> None: ...

    def answer(self, call: Call) -> None: ...

    def ended(self, call: Call, outcome: object) -> None: ...

    def parameters(self, provider: str) -> ParameterTable:
        return DEFAULT_TABLE

    def layers(self) -> Sequence[Layer]:
        return ()


class Provider(ABC, Generic[ConfigT]):
    """Something that answers questions with a model. Made by :func:`airouter_core.create_provider`.

    A plugin that speaks HTTP derives from :class:`~airouter_core.provider.http.HttpProvider` and gives it a wire. One
    that does not implements :meth:`models_flow` here, and either :meth:`events`, or :meth:`reply` if it is better told
    as a flow: a router is. For many threads and event loops at once; a stream is for one reader.

    Args:
        config: an instance of the class that ``info.config_target`` names.
        plugins: whose hooks see the calls, and whose layers stand around them; none unless given.
    """

    def __init__(self, config: ConfigT, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        self.config = config
        self.info = info
        self.kept_as = info.name
        self.logger = logging.getLogger(f"airouter.{info.name}")
        self._plugins: Surroundings = plugins or NoPlugins()
        self._preparer = Preparer(
            info, config, self._plugins.parameters, self.support, self.successor_of, self.takes_field
        )
        self._answer: Answer | None = None
        self._innermost: Answer | None = None

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a provider holds connections and cannot be pickled or copied: create one in each process, with "
            f"create_provider({self.info.name!r}, ...)"
        )

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        for name in vars(cls).keys() & FLOW_OF_OLD.keys():
            if operation_of(cls, name) is None:
                raise TypeError(
                    f"{cls.__name__}.{name} was written for an older airouter-core: implement {FLOW_OF_OLD[name]} "
                    "in its place, a generator; both halves are made of it (docs/write-a-provider.md)"
                )

    # What a provider implements.

    @abstractmethod
    def models_flow(self) -> Flow[list[ModelInfo]]:
        """The models that can be used now.

        Raises:
            ExecutionError: they cannot be listed.
        """

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        """Answer, event by event, up to and including :class:`~airouter_core.values.events.Finish`.

        Args:
            request: checked, with the parameters that :meth:`support` takes.
            stream: whether somebody reads along. What is yielded must add up to the same either way.

        Closing the iterator must free at once whatever makes the answer.
        """
        raise NotImplementedError(f"{type(self).__name__} must implement events(), or reply() as a flow")

    def aevents(self, request: Request, *, stream: bool) -> AsyncIterator[StreamEvent]:
        """:meth:`events`, awaited: in threads, unless a provider can do better."""
        return awaited_iterator(functools.partial(self.events, request, stream=stream))

    def prepare(self, ask: Ask) -> Prepared:
        """The ask as this provider takes it. A provider that asks others answers with ``Prepared(None, {})``.

        Raises:
            ConfigurationError: it cannot be asked so.
        """
        if ask.kind != "chat":
            return NOTHING_TO_PREPARE
        if not isinstance(ask.model, str) or not ask.model.strip():
            raise ParameterError(f"model must be the name of a model, not {ask.model!r}")
        if ask.stream:
            self.require("stream")
        self.require_credentials()
        return self._preparer.prepare(ask)

    def request_of(self, ask: Ask) -> Request:
        """What a chat would be asked as: for what is not an answer, such as counting it.

        Raises:
            ConfigurationError: it cannot be asked so.
        """
        self.require_credentials()
        request = self._preparer.prepare(ask).request
        assert request is not None
        return request

    def reply(self, ask: Ask, request: Request | None) -> Flow[Any]:
        """What is behind all layers.

        Args:
            request: what :meth:`prepare` has made of the ask.

        A chat emits its events. The result is a :class:`~airouter_core.values.response.Response` where it was folded
        already, and of other kinds what the operation gives.
        """
        return self.answer_flow(request, stream=ask.stream) if request is not None else self._operation(ask)

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[Any]:
        """Answer one chat: as a flow what :meth:`events` is as an iterator."""
        yield Pull(
            functools.partial(self.events, request, stream=stream),
            functools.partial(self.aevents, request, stream=stream),
        )

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        """One vector for each text; overridden by providers with the capability ``embeddings``.

        Further arguments by name, such as ``dimensions``, are then arguments of :meth:`create_embedding` too.
        """
        raise self.lacks("embeddings")

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit; overridden by providers with the capability ``rerank``."""
        raise self.lacks("rerank")

    def tokens_flow(self, text: str, model: str | None = None) -> Flow[int]:
        """How many tokens a text is: exact where the provider can say, else an estimate.

        The estimate is that of :func:`~airouter_core.values.tokens.estimate_tokens`.

        Raises:
            ExecutionError: the provider was asked and failed.
        """
        return given(estimate_tokens(text))

    def check_flow(self) -> Flow[object]:
        """Ask the backend whether a call could succeed now.

        Raises:
            AirouterError: it could not; the message says why, and what to do.
        """
        return self.models_flow()

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

    def details(self) -> Mapping[str, Any]:
        """What only this provider has to say about its state, for :meth:`get_info`. Must not block."""
        return {}

    def clean(self, error: AirouterError) -> None:
        """Hide in an error what must not be shown."""

    async def aclose(self) -> None:
        """:meth:`close`, awaited."""
        await awaited(self.close)

    # What plugins, layers, routers, gateways use.

    @property
    def endpoint(self) -> Endpoint | None:
        """Whose connections the requests go through; ``None`` where there are none."""
        return None

    def deadline_of(self, ask: Ask) -> float | None:
        """Seconds for the whole answer, with everything that is tried for it; ``None`` for as long as it takes."""
        return ask.deadline

    @property
    def identity(self) -> Identity:
        """Who this is, without a key."""
        return Identity(self.info.name, self.kept_as)

    @property
    def parameter_table(self) -> ParameterTable:
        """The parameters that may be named."""
        return self._plugins.parameters(self.info.name)

    def flow_of(self, ask: Ask) -> Flow[Any]:
        """The flow that answers an ask, through all layers."""
        return (self._answer or self._outermost())(ask)

    def _outermost(self) -> Answer:
        if self._answer is None:
            # Layers are imported by the first call, not by whoever makes a provider.
            self._innermost = Innermost(self, self.identity, self._plugins)
            self._answer = layered(self._innermost, self._plugins.layers())
        return self._answer

    def operation_flow(self, operation: str, /, *arguments: Any, **named: Any) -> Flow[Any]:
        """The flow of a method that :func:`~airouter_core.provider.both.both` has made of one, through all layers."""
        known = operation_of(type(self), operation)
        if known is None or known.kind is None:
            raise ParameterError(f"{self.info.name} has no operation {operation!r}")
        given = arguments_of(getattr(type(self), known.flow), arguments, named)
        asked = Ask(kind=known.kind, model=given.get("model"), operation=operation, arguments=given, **labels())
        return self.flow_of(asked)

    def make_ready(self, ask: Ask) -> None:
        """Find out now what is wrong with an ask that is driven later, where nobody further out may answer it."""
        if self._outermost() is self._innermost:
            prepared = self.prepare(ask)
            self.warn(prepared.cautions)
            ask.trace.prepared = self, msgspec.structs.replace(prepared, cautions=())

    def bare(self, flow: Flow[Any]) -> Flow[Any]:
        """A flow of this provider's, through none of the layers."""
        return flow

    def require(self, capability: str) -> None:
        """Refuse what the provider does not declare.

        Raises:
            UnsupportedFeatureError: it lacks the capability.
        """
        if capability not in self.info.capabilities:
            raise self.lacks(capability)

    def lacks(self, capability: str) -> UnsupportedFeatureError:
        """What to say of a capability that is not there."""
        return self._preparer.lacks(capability)

    def warn(self, cautions: Iterable[Caution]) -> None:
        """Warn at the caller's line, once for each thing there is to warn of."""
        self._preparer.warn(cautions)

    # What users call.

    def chat_asked(
        self,
        model: str,
        messages: Messages,
        *,
        parameters: Parameters | None = None,
        tools: Tools | None = None,
        tool_choice: ToolChoiceLike | None = None,
        response_format: ResponseFormatLike | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> Asked:
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
        given = {
            "parameters": parameters,
            "tools": tools,
            "tool_choice": tool_choice,
            "response_format": response_format,
            "provider_options": provider_options,
        }
        return Asked(self, model, messages, given)

    chat, achat, stream_chat, astream_chat = four_ways(chat_asked, name="chat")

    def prompt_asked(
        self, model: str, prompt: str, system_prompt: str | None = None, parameters: Parameters | None = None
    ) -> Asked:
        """Ask, and get the answer's text.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: the call failed.
        """
        return Asked(self, model, conversation(prompt, system_prompt), {"parameters": parameters})

    execute, aexecute, stream_execute, astream_execute = four_ways_as_text(prompt_asked, name="execute")

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
        return words_of(self.chat(model, messages, parameters=parameters))

    def vision_flow(
        self,
        model: str,
        prompt: str,
        image_url: ImageUrls | None = None,
        image_path: ImagePaths | None = None,
        image_data: ImageData | None = None,
        system_prompt: str | None = None,
        parameters: Parameters | None = None,
    ) -> Flow[str]:
        """Ask about images: by address, by path, or by content (bytes, or base64 in a string); each one or several.

        Raises:
            ConfigurationError: the call is wrong (no image, a file that cannot be read); nothing was sent.
            ExecutionError: the call failed.
        """
        messages = conversation_about_images(prompt, image_url, image_path, image_data, system_prompt)
        response = yield from self.flow_of(ask_of(model, messages, parameters=parameters))
        text: str = words_of(response)
        return text

    execute_with_vision, aexecute_with_vision = both(vision_flow, name="execute_with_vision")

    def vectors_flow(
        self, text_or_list: str | Sequence[str], model: str | None = None, **options: Any
    ) -> Flow[list[float] | list[list[float]]]:
        """A vector for a text, or a list of vectors for a list of texts, in its order.

        Args:
            model: the provider's usual one unless given, where it has one.
            options: what else this provider takes, such as ``dimensions``: numbers in a vector.

        Raises:
            UnsupportedFeatureError: this provider makes none.
            ParameterError: a text is empty, there is none, or an option is none of this provider's.
            ExecutionError: the call failed.
        """
        self.require("embeddings")
        texts = texts_of(text_or_list)
        for name in options:
            if not takes(self.embeddings_flow, name):
                raise ParameterError(f"{self.info.name} takes no {name!r} for embeddings")
        vectors = yield from self.embeddings_flow(texts, model, **options)
        one_for_each(texts, vectors)
        return vectors[0] if isinstance(text_or_list, str) else vectors

    if TYPE_CHECKING:
        # What a flow cannot say: the result is a vector or a list of them, as the argument is a text or several.

        @overload
        def create_embedding(self, text_or_list: str, model: str | None = None, **options: Any) -> list[float]: ...  # pyright: ignore[reportOverlappingOverload]  # a str is a Sequence[str]

        @overload
        def create_embedding(
            self, text_or_list: Sequence[str], model: str | None = None, **options: Any
        ) -> list[list[float]]: ...

        def create_embedding(self, text_or_list: Any, model: str | None = None, **options: Any) -> Any: ...

        @overload
        async def acreate_embedding(
            self, text_or_list: str, model: str | None = None, **options: Any
        ) -> list[float]: ...

        @overload
        async def acreate_embedding(
            self, text_or_list: Sequence[str], model: str | None = None, **options: Any
        ) -> list[list[float]]: ...

        async def acreate_embedding(self, text_or_list: Any, model: str | None = None, **options: Any) -> Any: ...
    else:
        create_embedding, acreate_embedding = both(vectors_flow, kind="embedding", name="create_embedding")

    def rerank_flow(
        self, query: str, documents: Sequence[str], model: str | None = None, *, limit: int | None = None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit a query, the best first.

        Args:
            limit: how many of the best are wanted; all unless given.

        Raises:
            UnsupportedFeatureError: this provider has no model for it.
            ParameterError: there is no query, or no document.
            ExecutionError: the call failed.
        """
        self.require("rerank")
        if not isinstance(query, str) or not query:
            raise ParameterError("rerank needs a query")
        given = [documents] if isinstance(documents, str) else list(documents)
        if not given or not all(isinstance(document, str) for document in given):
            raise ParameterError("rerank needs documents, each a string")
        ranked = yield from self.ranking_flow(query, given, model, limit)
        best = sorted(ranked, key=lambda document: document.score, reverse=True)
        return best if limit is None else best[:limit]

    rerank, arerank = both(rerank_flow, kind="rerank", name="rerank")

    def tools_flow(
        self,
        model: str,
        messages: Messages,
        tools: Iterable[ToolLike],
        *,
        max_rounds: int = 10,
        parameters: Parameters | None = None,
        provider_options: ProviderOptions | None = None,
    ) -> Flow[ToolRun]:
        """Ask, run the functions that the model calls, give it what they returned, until it has an answer.

        The calls of one turn run at the same time, in threads; awaited, a function may be a coroutine. What a function
        raises goes back to the model.

        Raises:
            ConfigurationError: the call is wrong; nothing was sent.
            ExecutionError: a call failed, or the model still calls tools after ``max_rounds``.
        """
        from ..tools.loop import Toolbox, loop

        toolbox = Toolbox(tools)
        ask = ask_of(model, messages, parameters=parameters, tools=toolbox.tools, provider_options=provider_options)
        return loop(ask, self.flow_of, toolbox, max_rounds)

    run_tools, arun_tools = both(tools_flow, name="run_tools")
    list_models, alist_models = both(models_flow, kind="models", name="list_models")
    count_tokens, acount_tokens = both(tokens_flow, kind="tokens", name="count_tokens")
    check, acheck = both(check_flow, kind="check", name="check")

    def usable_flow(self) -> Flow[bool]:
        """Whether a call could succeed now: the key is good, the server is up. The log says why not."""
        try:
            yield from self.operation_flow("check")
        except AirouterError as error:
            self.logger.warning("%s cannot be used: %s", self.info.name, error)
            return False
        return True

    validate_config, avalidate_config = both(usable_flow, name="validate_config")

    def status_flow(self) -> Flow[ProviderStatus]:
        """How the provider is doing; a provider that is down is reported, not raised."""
        models: list[ModelInfo] = []
        problem: str | None = None
        try:
            models = yield from self.operation_flow("list_models")
        except AirouterError as error:
            self.logger.debug("%s: models cannot be listed: %s", self.info.name, error)
            problem = str(error)
        return ProviderStatus(
            name=self.info.name,
            status="available" if problem is None else "unavailable",
            kind=self.info.kind,
            description=self.info.description,
            capabilities=self.info.capabilities,
            available_models=tuple(model.id for model in models),
            problem=problem,
            details=self.details(),
        )

    get_info, aget_info = both(status_flow, name="get_info")

    def run_flow(self, flow: Flow[Result]) -> Flow[Result]:
        """Drive a flow of this provider's, such as one of :meth:`flow_of`, to its result."""
        return self.bare(flow)

    run, arun = both(run_flow, name="run")

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

    def _operation(self, ask: Ask) -> Flow[Any]:
        """The flow of an ask of another kind than chat."""
        known = operation_of(type(self), ask.operation)
        # An ask may come from a file or over a network: it names a published operation, or nothing is called.
        if known is None or known.kind != ask.kind:
            raise ParameterError(f"{self.info.name} has no operation {ask.operation!r} of kind {ask.kind!r}")
        method = getattr(self, known.flow)
        arguments = dict(ask.arguments)
        if ask.model is not None and takes(method, "model"):
            arguments["model"] = ask.model
        flow: Flow[Any] = method(**arguments)
        return flow


class Asked:
    """One chat of one provider that is to be made."""

    def __init__(self, provider: Provider[Any], model: str, messages: Messages, given: Mapping[str, Any]) -> None:
        self._provider = provider
        self._model = model
        self._messages = messages
        self._given = given

    def whole(self) -> Flow[Response]:
        """The flow of the answer that nobody reads along."""
        return self._finished(ask_of(self._model, self._messages, **self._given))

    def streamed(self) -> Flow[Response]:
        """The flow of the answer that somebody reads along; what is wrong with it is said now."""
        ask = ask_of(self._model, self._messages, **self._given, stream=True)
        self._provider.make_ready(ask)
        return self._finished(ask)

    def _finished(self, ask: Ask) -> Flow[Response]:
        flow = self._provider.flow_of(ask)
        if ask.response_format is None:
            return flow
        given = self._given["response_format"]
        described = isinstance(given, str | Mapping | ResponseFormat)
        return flow if described else parsed_as(given, flow)


FLOW_OF_OLD: Mapping[str, str] = {
    "list_models": "models_flow()",
    "alist_models": "models_flow()",
    "embeddings": "embeddings_flow()",
    "aembeddings": "embeddings_flow()",
    "count_tokens": "tokens_flow()",
    "acount_tokens": "tokens_flow()",
    "check": "check_flow()",
    "acheck": "check_flow()",
    "get_info": "status_flow()",
    "aget_info": "status_flow()",
}
"""What providers of the first interface implemented, and what is implemented now."""

NOTHING_TO_PREPARE = Prepared(None, {})
