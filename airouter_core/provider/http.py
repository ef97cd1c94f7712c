"""HttpProvider: a wire and a transport make a provider."""

from __future__ import annotations

import functools
import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic

import msgspec

from ..config.cleaning import Cleaner
from ..config.http import HttpConfig
from ..config.loading import require_api_key
from ..errors import AirouterError, ConfigurationError, ExecutionError, ProviderError, TransportError
from ..flow import steps as flows
from ..flow.endpoints import AsyncTransport, Endpoint, HttpResponse, Transport
from ..flow.exchange import Exchange, Policy
from ..flow.steps import Emit, Flow, delegated
from ..flow.threads import awaited
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.losses import Loss
from ..transports.unavailable import Unavailable
from ..values.ask import Ask
from ..values.calls import Identity
from ..values.catalog import ModelInfo
from ..values.events import StreamEvent, Warned
from ..values.request import Request
from ..wire.failures import error_inside
from ..wire.http import HttpRequest, Operation, Wire, completed, unsigned
from .facade import Provider
from .reading import fetched, streamed

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from ..plugins.registry import Plugins

    HttpConfigT = TypeVar("HttpConfigT", bound=HttpConfig, default=Any)
else:
    from typing import TypeVar

    HttpConfigT = TypeVar("HttpConfigT", bound=HttpConfig)
Result = TypeVar("Result")


class HttpProvider(Provider[HttpConfigT], Generic[HttpConfigT]):
    """A provider reached over HTTP.

    A subclass sets :attr:`wire`, and :attr:`models` if the API lists its models in one answer; an object may set its
    own, where its configuration decides. What takes more than one request is written as a flow (see
    :mod:`airouter_core.flow.steps`), and published by :func:`~airouter_core.provider.both.both`.
    """

    wire: Wire
    models: Operation[list[ModelInfo]]

    def __init__(self, config: HttpConfigT, info: ProviderInfo, plugins: Plugins | None = None) -> None:
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
        """The models that can be used now; overridden where listing them takes more than one request.

        Raises:
            ExecutionError: they cannot be listed.
        """
        return (yield from self.operate(self.models))

    def require_credentials(self) -> None:
        if self.config.needs_api_key:
            require_api_key(self.config.api_key, provider=self.info.name, variable=self.info.api_key_env)

    # What Provider asks for.

    def speaks(self, request: Request) -> str:
        return self.wire_for(request).speaks

    def support(self, request: Request) -> Iterable[ParameterSupport]:
        rows = self.wire_for(request).support(request, self.config)
        return self.info.parameters if rows is None else rows

    def losses_of(self, request: Request) -> Container[Loss]:
        return self.wire_for(request).lacks

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
        """The transport, made by the first use. That of a closed provider says so when it is used."""
        transport = self._transport
        if transport is None:
            transport = self._new_transport()
        return transport

    @property
    def async_transport(self) -> AsyncTransport:
        """The awaited transport, made by the first use. Where there can be none, its requests say why."""
        transport = self._async_transport
        if transport is None:
            if self._closed:
                return Unavailable(self._was_closed())
            try:
                from ..transports.awaited import AiohttpTransport
            except ConfigurationError as error:  # the extra is not installed
                return Unavailable(error)
            with self._transport_lock:
                if self._async_transport is None:
                    self._async_transport = AiohttpTransport(self.config)
                transport = self._async_transport
        return transport

    @property
    def endpoint(self) -> Endpoint:
        return self

    def deadline_of(self, ask: Ask) -> float | None:
        own = self.config.deadline if ask.kind == "chat" else None  # other kinds: for each request, see `operate`
        return own if ask.deadline is None else ask.deadline if own is None else min(own, ask.deadline)

    @property
    def identity(self) -> Identity:
        # A base_url with credentials or a query is refused by its configuration.
        return Identity(self.info.name, self.kept_as, self.config.base_url or None)

    def bare(self, flow: Flow[Result]) -> Flow[Result]:
        """A flow of this provider's, through its connections and none of its layers; its errors show no secret."""
        try:
            return (yield from delegated(flow, via=self))
        except AirouterError as error:
            self.clean(error)
            raise

    def clean(self, error: AirouterError) -> None:
        self._cleaner.error(error)
        if isinstance(error, ProviderError) and error.provider is None:
            error.provider = self.info.name

    def operate(
        self, operation: Operation[Result], *arguments: Any, model: str | None = None, **options: Any
    ) -> Flow[Result]:
        """A flow that asks one endpoint and reads its answer. ``options`` go to :meth:`connect`."""
        flow = self._operated(operation, arguments, model, options)
        return delegated(flow, deadline=self.config.deadline) if self.config.deadline is not None else flow

    def _operated(
        self, operation: Operation[Result], arguments: tuple[Any, ...], model: str | None, options: Mapping[str, Any]
    ) -> Flow[Result]:
        config = yield from self.connect(model, None, **options)
        with Cleaner(self._policy_of(config).secrets, self._cleaner) as cleaner:
            try:
                request = operation.build(config, *arguments)
                exchange = self.exchange(request, config, once=operation.once, cleaner=cleaner)

                def read(response: HttpResponse) -> Flow[tuple[Result, Sequence[StreamEvent]]]:
                    body = yield from exchange.read_all(response, operation.max_bytes)
                    if not operation.holds_error and error_inside(body):
                        raise self.wire.parse_error(response.status, response.headers, body)
                    return operation.parse(body), operation.report(body)

                _, (result, events) = yield from exchange.begin(read)
            except TransportError as error:
                yield from self._explain(error, config)
                raise
            finally:
                self.disconnect(config)
        if events:
            yield Emit(events)
        return result

    def exchange(
        self,
        request: HttpRequest,
        config: HttpConfigT | None = None,
        wire: Wire | None = None,
        *,
        once: bool = False,
        cleaner: Cleaner | None = None,
    ) -> Exchange:
        """One request of this provider's, with its headers, its signature, its patience and its way to read failures.

        Args:
            config: from :meth:`connect`; the provider's own unless given.
            wire: whose format it has; the provider's own unless given.
            once: do not repeat it when it fails: its body can be read once only, or it would be done twice.
            cleaner: learns what is sent; the provider's own unless given.
        """
        config, wire = config or self.config, wire or self.wire
        sign = None if wire.sign is unsigned else functools.partial(_signed, wire, config)
        policy = self._policy_of(config)
        if once:
            policy = msgspec.structs.replace(policy, max_retries=0)
        return Exchange(completed(request, config), wire.parse_error, policy, sign, cleaner or self._cleaner)

    def http_request(self, ask: Ask) -> HttpRequest:
        """What a chat would be sent as, without sending it: not signed yet, and of an engine that is not started yet
        without its address.

        Raises:
            ConfigurationError: this provider cannot be asked so.
        """
        request = self.request_of(ask)
        wire = self.wire_for(request)
        return completed(wire.build_request(request, self.config, stream=ask.stream), self.config)

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[Any]:
        """The flow of one call: connect, send, read, parse."""
        # The configuration of this one call: its address and token may be those of an engine that was just started.
        config = yield from self.connect(request.model, request)
        with Cleaner(self._policy_of(config).secrets, self._cleaner) as cleaner:
            try:
                # The wire is pure: what can go wrong in it is the format alone. The exchange does the rest.
                wire = self.wire_for(request)
                if notes := tuple(map(Warned, wire.notes(request, config))):
                    yield Emit(notes)
                sent = wire.build_request(request, config, stream=stream)
                exchange = self.exchange(sent, config, wire, cleaner=cleaner)
                yield from (streamed if stream else fetched)(wire, exchange)
            except TransportError as error:
                yield from self._explain(error, config)
                raise
            finally:
                self.disconnect(config)

    def _explain(self, error: TransportError, config: HttpConfigT) -> Flow[None]:
        explained = yield from self.explained(error, config)
        if explained is not error:
            raise explained from error

    def _policy_of(self, config: HttpConfig) -> Policy:
        known, policy = self._policy
        return policy if config is known else Policy.of(config)

    def _new_transport(self) -> Transport:
        from ..transports.blocking import RequestsTransport

        if self._closed:
            return Unavailable(self._was_closed())
        with self._transport_lock:
            if self._transport is None:
                self._transport = RequestsTransport(self.config)
            return self._transport

    def must_be_open(self) -> None:
        """Refuse to go on once it was closed.

        Raises:
            ConfigurationError: it was.
        """
        if self._closed:
            raise self._was_closed()

    def _was_closed(self) -> ConfigurationError:
        return ConfigurationError(f"this {self.info.name} provider was closed; create another one")


def _signed(wire: Wire, config: HttpConfig, request: HttpRequest, now: float) -> HttpRequest:
    return wire.sign(request, config, now)
