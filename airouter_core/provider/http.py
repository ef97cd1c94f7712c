"""HttpProvider: a wire and a transport make a provider."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from ..config.cleaning import Cleaner
from ..config.http import HttpConfig
from ..config.loading import require_api_key
from ..errors import ConfigurationError, ExecutionError, ProtocolError, ProviderError, TransportError
from ..flow import steps as flows
from ..flow.blocking import Driver
from ..flow.exchange import Exchange, Policy, broke_after_the_end
from ..flow.steps import Emit, Flow, HttpResponse, Transport, delegated
from ..flow.threads import awaited
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..values.catalog import ModelInfo, Ranked
from ..values.events import (
    CostReported,
    Finish,
    MetadataReported,
    StreamEvent,
    StreamStart,
    UsageReported,
    Warned,
)
from ..values.request import Request
from ..values.tokens import estimate_tokens
from ..version import VERSION
from ..wire.bounds import MOST, Collected, Measure
from ..wire.failures import error_inside
from ..wire.http import NDJSON, HttpRequest, Operation, StreamParser, Wire
from ..wire.json import after_prelude, begins_as_json, is_html, is_prelude, shown
from .facade import Provider, Surroundings

if TYPE_CHECKING:
    from ..flow.steps import AsyncTransport

HttpConfigT = TypeVar("HttpConfigT", bound=HttpConfig)
Result = TypeVar("Result")

BEFORE_THE_ANSWER = frozenset({StreamStart, UsageReported, CostReported, MetadataReported, Warned})
"""Events that say nothing of the answer itself: while there are only these, a call that fails can be made again."""
"""Bytes of an answer that is no stream."""


class HttpProvider(Provider[HttpConfigT], Generic[HttpConfigT]):
    """A provider reached over HTTP.

    A subclass sets :attr:`wire`, and :attr:`models` if the API lists its models in one answer; an object may set its
    own, where its configuration decides. What takes more than one request is written as a flow (see
    :mod:`airouter_core.flow.steps`), and run by :meth:`run`, or by :meth:`stream` if it emits events; :meth:`arun` and
    :meth:`astream` await the same flow.
    """

    wire: Wire
    models: Operation[list[ModelInfo]]

    def __init__(self, config: HttpConfigT, info: ProviderInfo, plugins: Surroundings | None = None) -> None:
        super().__init__(config, info, plugins)
        self._transport: Transport | None = None
        self._async_transport: AsyncTransport | None = None
        self._transport_lock = threading.Lock()
        self._closed = False
        self._policy = (config, Policy.of(config))
        self._cleaner = Cleaner(config.secrets)

    # What a subclass may say otherwise.

    def wire_for(self, request: Request) -> Wire:
        """The wire for this request, where a provider speaks more than one."""
        return self.wire

    def connect(self, model: str | None, request: Request | None, **options: Any) -> Flow[HttpConfigT]:
        """What must be there before a request can be built: a started engine, a fetched token.

        Args:
            request: the chat request, or ``None`` for other operations.
            options: as given to :meth:`operate`.

        The result is the configuration to build it with; :meth:`disconnect` gets it back at the end of the call.
        """
        return flows.given(self.config)

    def disconnect(self, config: HttpConfigT) -> None:
        """Give back what :meth:`connect` took. Runs once for each, however the call ends; must not block."""

    def explained(self, error: ExecutionError, config: HttpConfigT) -> Flow[ExecutionError]:
        """The error to raise when the network failed a call made with ``config``: the same, unless more is known."""
        return flows.given(error)

    def models_flow(self) -> Flow[list[ModelInfo]]:
        """List the models; overridden where that takes more than one request."""
        return (yield from self.operate(self.models))

    def embeddings_flow(self, texts: Sequence[str], model: str | None) -> Flow[list[list[float]]]:
        """Make embeddings; overridden by providers with the capability ``embeddings``."""
        raise self._lacks("embeddings")

    def ranking_flow(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> Flow[list[Ranked]]:
        """Order documents by how well they fit; overridden by providers with the capability ``rerank``."""
        raise self._lacks("rerank")

    def tokens_flow(self, text: str, model: str | None) -> Flow[int]:
        """Count tokens; an estimate unless overridden."""
        return flows.given(estimate_tokens(text))

    def check_flow(self) -> Flow[object]:
        """Ask whether a call could succeed; overridden where listing models does not tell."""
        return self.models_flow()

    def require_credentials(self) -> None:
        if self.config.needs_api_key:
            require_api_key(self.config.api_key, provider=self.info.name, variable=self.info.api_key_env)

    # What Provider asks for.

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        return self.stream(self.answer_flow(request, stream=stream))

    def support(self, request: Request) -> Iterable[ParameterSupport]:
        rows = self.wire_for(request).support(request, self.config)
        return self.info.parameters if rows is None else rows

    def list_models(self) -> list[ModelInfo]:
        """The models that can be used now.

        Raises:
            ExecutionError: they cannot be listed.
        """
        return self.run(self.models_flow())

    def embeddings(self, texts: Sequence[str], model: str | None) -> list[list[float]]:
        return self.run(self.embeddings_flow(texts, model))

    def rankings(self, query: str, documents: Sequence[str], model: str | None, limit: int | None) -> list[Ranked]:
        return self.run(self.ranking_flow(query, documents, model, limit))

    def count_tokens(self, text: str, model: str | None = None) -> int:
        """How many tokens a text is: exact where the provider can say, else an estimate.

        Raises:
            ExecutionError: the provider was asked and failed.
        """
        return self.run(self.tokens_flow(text, model))

    def check(self) -> None:
        """Ask the backend whether a call could succeed now.

        Raises:
            AirouterError: it could not; the message says why, and what to do.
        """
        self.run(self.check_flow())

    def aevents(self, request: Request, *, stream: bool) -> AsyncIterator[StreamEvent]:
        return self.astream(self.answer_flow(request, stream=stream))

    async def alist_models(self) -> list[ModelInfo]:
        """:meth:`list_models`, awaited."""
        return await self.arun(self.models_flow())

    async def aembeddings(self, texts: Sequence[str], model: str | None) -> list[list[float]]:
        """:meth:`embeddings`, awaited."""
        return await self.arun(self.embeddings_flow(texts, model))

    async def arankings(
        self, query: str, documents: Sequence[str], model: str | None, limit: int | None
    ) -> list[Ranked]:
        """:meth:`rankings`, awaited."""
        return await self.arun(self.ranking_flow(query, documents, model, limit))

    async def acount_tokens(self, text: str, model: str | None = None) -> int:
        """:meth:`count_tokens`, awaited."""
        return await self.arun(self.tokens_flow(text, model))

    async def acheck(self) -> None:
        """:meth:`check`, awaited."""
        await self.arun(self.check_flow())

    async def aclose(self) -> None:
        """Close all connections, those of this event loop included."""
        self._closed = True  # first, so that nobody makes another transport while this one is closed
        transport, self._async_transport = self._async_transport, None
        if transport is not None:
            await transport.close()
        await awaited(self.close)

    def close(self) -> None:
        """Close all connections."""
        self._closed = True
        with self._transport_lock:
            if self._transport is not None:
                self._transport.close()
                self._transport = None

    # What subclasses use.

    @property
    def transport(self) -> Transport:
        """The transport, made by the first use."""
        transport = self._transport
        if transport is None:
            transport = self._new_transport()
        return transport

    def run(self, flow: Flow[Result]) -> Result:
        """Drive a flow that emits no events."""
        result: Result = Driver(self._guarded(flow)).run()
        return result

    def stream(self, flow: Flow[Any]) -> Generator[StreamEvent, None, Any]:
        """Drive a flow, handing its events on as they come."""
        return Driver(self._guarded(flow)).events()

    @property
    def async_transport(self) -> AsyncTransport:
        """The awaited transport, made by the first use.

        Raises:
            ConfigurationError: the extra is not installed.
        """
        self._must_be_open()
        transport = self._async_transport
        if transport is None:
            from ..transports.awaited import AiohttpTransport

            with self._transport_lock:
                if self._async_transport is None:
                    self._async_transport = AiohttpTransport(self.config)
                transport = self._async_transport
        return transport

    async def arun(self, flow: Flow[Result]) -> Result:
        """:meth:`run`, awaited: how every operation written as a flow is awaited."""
        from ..flow.awaited import AsyncDriver

        result: Result = await AsyncDriver(self._guarded(flow)).run()
        return result

    def astream(self, flow: Flow[Any]) -> AsyncGenerator[StreamEvent, None]:
        """:meth:`stream`, awaited."""
        from ..flow.awaited import AsyncDriver

        return AsyncDriver(self._guarded(flow)).events()

    def operate(
        self, operation: Operation[Result], *arguments: Any, model: str | None = None, **options: Any
    ) -> Flow[Result]:
        """A flow that asks one endpoint and reads its answer. ``options`` go to :meth:`connect`."""
        config = yield from self.connect(model, None, **options)
        with Cleaner(config.secrets, self._cleaner) as cleaner:
            try:
                request = self._complete(operation.build(config, *arguments), config)
                exchange = self._exchange(request, self.wire, config, cleaner)

                def read(response: HttpResponse) -> Flow[Result]:
                    body = yield from exchange.read_all(response, operation.max_bytes)
                    if not operation.holds_error and error_inside(body):
                        raise self.wire.parse_error(response.status, response.headers, body)
                    return operation.parse(body)

                _, result = yield from exchange.begin(read)
                return result
            except TransportError as error:
                yield from self._explain(error, config)
                raise
            finally:
                self.disconnect(config)

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[None]:
        """The flow of one call: connect, send, read, parse."""
        config = yield from self.connect(request.model, request)
        with Cleaner(config.secrets, self._cleaner) as cleaner:
            try:
                wire = self.wire_for(request)
                if notes := tuple(map(Warned, wire.notes(request, config))):
                    yield Emit(notes)
                http_request = self._complete(wire.build_request(request, config, stream=stream), config)
                exchange = self._exchange(http_request, wire, config, cleaner)
                yield from (self._streamed(wire, exchange) if stream else self._fetched(wire, exchange))
            except TransportError as error:
                yield from self._explain(error, config)
                raise
            finally:
                self.disconnect(config)

    def _explain(self, error: TransportError, config: HttpConfigT) -> Flow[None]:
        explained = yield from self.explained(error, config)
        if explained is not error:
            raise explained from error

    def _fetched(self, wire: Wire, exchange: Exchange) -> Flow[None]:
        begun = _Begun()

        def read(response: HttpResponse) -> Flow[None]:
            begun.again(_start(response, wire, exchange.secrets))
            body = yield from exchange.read_all(response, MOST)
            begun.collect(wire.parse_body(body))

        try:
            yield from exchange.begin(read)
        except ExecutionError:
            yield Emit(begun.events)  # what there is of the answer belongs to the error
            raise
        yield Emit(begun.events)

    def _streamed(self, wire: Wire, exchange: Exchange) -> Flow[None]:
        begun = _Begun()
        try:
            response, _ = yield from exchange.begin(lambda response: self._begun(wire, exchange, response, begun))
        except ExecutionError:
            yield Emit(begun.events)
            raise
        yield Emit(begun.events)
        if begun.parser is not None:
            if not begun.ended:
                yield from self._parsed(exchange, response, begun)
            yield Emit(begun.parser.close())

    def _begun(self, wire: Wire, exchange: Exchange, response: HttpResponse, begun: _Begun) -> Flow[None]:
        """Read a stream until it says something."""
        begun.again(_start(response, wire, exchange.secrets))
        data = after_prelude((yield from exchange.read_some(response)))
        while is_prelude(data) and (more := (yield from exchange.read_some(response))):
            data = after_prelude(data + more)
        if is_html(data):
            raise ProtocolError(
                f"the provider sent a web page instead of a stream ({shown(data)}); check base_url and any proxy"
            )
        if wire.stream_type != NDJSON and begins_as_json(data):
            # Some servers do not stream, and some report their errors so. The content type tells less: streams have
            # been recorded that call themselves application/json.
            body = Collected(MOST)
            while data:
                body.add(data)
                data = yield from exchange.read_some(response)
            begun.collect(wire.parse_body(body.whole()))
            return
        begun.parser = wire.open_stream()
        while data:
            begun.collect(begun.parser.feed(data))
            if begun.says_something or begun.parser.done:
                return
            data = yield from exchange.read_some(response)
        begun.ended = True

    def _parsed(self, exchange: Exchange, response: HttpResponse, begun: _Begun) -> Flow[None]:
        parser, progress = begun.parser, _Progress(begun)
        assert parser is not None
        try:
            while not parser.done and (data := (yield from exchange.read_some(response))):
                yield Emit(progress.watched(parser.feed(data)))
            if parser.done:
                yield from exchange.drain(response)
        except TransportError as error:
            if not progress.finished:
                raise
            yield Emit((broke_after_the_end(error),))

    def _exchange(self, request: HttpRequest, wire: Wire, config: HttpConfigT, cleaner: Cleaner) -> Exchange:
        def sign(sent: HttpRequest, now: float) -> HttpRequest:
            return wire.sign(sent, config, now)

        return Exchange(request, wire.parse_error, self._policy_of(config), sign, cleaner)

    def _policy_of(self, config: HttpConfig) -> Policy:
        known, policy = self._policy
        return policy if config is known else Policy.of(config)

    def _complete(self, request: HttpRequest, config: HttpConfig) -> HttpRequest:
        headers = {"User-Agent": f"airouter/{VERSION}", **request.headers}
        if config.custom_headers:
            given = {name.lower() for name in config.custom_headers}
            headers = {name: value for name, value in headers.items() if name.lower() not in given}
            headers.update(config.custom_headers)
        return HttpRequest(request.method, request.url, headers, request.body)

    def _new_transport(self) -> Transport:
        from ..transports.blocking import RequestsTransport

        self._must_be_open()
        with self._transport_lock:
            if self._transport is None:
                self._transport = RequestsTransport(self.config)
            return self._transport

    def _must_be_open(self) -> None:
        if self._closed:
            raise ConfigurationError(f"this {self.info.name} provider was closed; create another one")

    def _guarded(self, flow: Flow[Result]) -> Flow[Result]:
        with self._cleaner:
            try:
                return (yield from delegated(flow, via=self))
            except ProviderError as error:
                if error.provider is None:
                    error.provider = self.info.name
                raise


class _Begun(msgspec.Struct, eq=False):
    """The beginning of an answer, which is handed on when it is known to be one."""

    events: list[StreamEvent] = msgspec.field(default_factory=list)
    parser: StreamParser | None = None
    ended: bool = False
    says_something: bool = False
    measure: Measure = msgspec.field(default_factory=Measure)

    def again(self, events: Iterable[StreamEvent]) -> None:
        """Forget what an earlier attempt has brought."""
        self.events, self.parser, self.says_something, self.measure = list(events), None, False, Measure()

    @property
    def finished(self) -> bool:
        return any(type(event) is Finish for event in self.events)

    def collect(self, events: Iterable[StreamEvent]) -> None:
        """Add events one by one: those before a failure are kept."""
        for event in events:
            self.measure.add(event)
            self.events.append(event)
            self.says_something = self.says_something or type(event) not in BEFORE_THE_ANSWER


class _Progress:
    """Notices whether the end of the answer has gone by, and that it is not too much."""

    def __init__(self, begun: _Begun) -> None:
        self.finished = begun.finished
        self._add = begun.measure.add

    def watched(self, events: Iterable[StreamEvent]) -> Iterator[StreamEvent]:
        for event in events:
            if type(event) is Finish:
                self.finished = True
            self._add(event)
            yield event


def _start(response: HttpResponse, wire: Wire, secrets: tuple[str, ...]) -> Iterable[StreamEvent]:
    headers: Mapping[str, str] = response.headers
    request_id = next((headers[name] for name in wire.request_id_headers if headers.get(name)), None)
    return () if request_id is None else (StreamStart(request_id=Cleaner(secrets).text(request_id)),)
