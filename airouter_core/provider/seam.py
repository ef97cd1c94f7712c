"""What a provider implements, and how its asks are answered: the half of :class:`Provider` that users do not call.

An ask passes the layers around the provider, the innermost of which (:mod:`airouter_core.provider.calls`) has it
prepared, lets the provider reply, and folds what comes.
"""

from __future__ import annotations

import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Container, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Generic, NoReturn

import msgspec

from ..config.provider import ProviderConfig
from ..errors import AirouterError, ParameterError, UnsupportedFeatureError
from ..flow.endpoints import Endpoint
from ..flow.layers import Answer, layered
from ..flow.steps import Flow, Pull, given
from ..flow.threads import awaited, awaited_iterator
from ..profile.declarations import ParameterSupport, ProviderInfo
from ..profile.losses import Loss
from ..profile.resolving import ParameterTable
from ..values.ask import Ask
from ..values.calls import Identity
from ..values.catalog import ModelInfo
from ..values.events import StreamEvent
from ..values.labels import labels
from ..values.request import Request
from ..values.tokens import estimate_tokens
from .calls import Innermost
from .operations import arguments_of, flow_of_operation, operation_of, refuse_first_interface
from .preparation import Caution, Prepared, Preparer

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # type checkers bring it; with a default, a bare ``Provider`` is no error

    from ..plugins.registry import Plugins

    ConfigT = TypeVar("ConfigT", bound=ProviderConfig, default=Any)
else:
    from typing import TypeVar

    ConfigT = TypeVar("ConfigT", bound=ProviderConfig)
Result = TypeVar("Result")


# The order in which a provider is asked: `flow_of` goes through the layers to the innermost one (`calls.py`), which
# comes back here twice: `prepare` makes the request or refuses the ask, `reply` answers. A provider overrides as little
# as it can: a wire, a flow, or a plain iterator of events.


class ProviderSeam(ABC, Generic[ConfigT]):
    """What stands behind the methods that users call; see :class:`~airouter_core.provider.facade.Provider`."""

    def __init__(self, config: ConfigT, info: ProviderInfo, plugins: Plugins | None = None) -> None:
        self.config = config
        self.info = info
        self.kept_as = info.name
        self.logger = logging.getLogger(f"airouter.{info.name}")
        self._plugins = plugins or no_plugins()
        self._preparer = Preparer(self, self._plugins.parameters)
        self._answer: Answer | None = None
        self._is_asked_as_given = True

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"a provider holds connections and cannot be pickled or copied: create one in each process, with "
            f"create_provider({self.info.name!r}, ...)"
        )

    def __init_subclass__(cls, **named: Any) -> None:
        super().__init_subclass__(**named)
        refuse_first_interface(cls)

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
        return self.answer_flow(request, stream=ask.stream) if request is not None else flow_of_operation(self, ask)

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[Any]:
        """Answer one chat: as a flow what :meth:`events` is as an iterator."""
        yield Pull(
            functools.partial(self.events, request, stream=stream),
            functools.partial(self.aevents, request, stream=stream),
        )

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

    def speaks(self, request: Request) -> str:
        """The format in which this request is sent, where several vendors speak it; empty where it is one's own."""
        return ""

    def losses_of(self, request: Request) -> Container[Loss]:
        """What of a conversation the API that answers has no place for; the caller is told where it holds some."""
        return ()

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
    def plugins(self) -> Plugins:
        """Those whose hooks see its calls, and whose layers stand around them."""
        return self._plugins

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
            layers = self._plugins.layers()
            self._answer = layered(Innermost(self, self.identity, self._plugins), layers)
            self._is_asked_as_given = all(getattr(layer, "passes_on", False) for layer in layers)
        return self._answer

    def operation_flow(self, operation: str, /, *arguments: Any, **named: Any) -> Flow[Any]:
        """The flow of a method that :func:`~airouter_core.provider.both.both` has made of one, through all layers."""
        # Any operation as an ask: so layers see embeddings, images and lists of models as they see chats.
        known = operation_of(type(self), operation)
        if known is None or known.kind is None:
            raise ParameterError(f"{self.info.name} has no operation {operation!r}")
        given = arguments_of(getattr(type(self), known.flow), arguments, named)
        asked = Ask(kind=known.kind, model=given.get("model"), operation=operation, arguments=given, **labels())
        return self.flow_of(asked)

    def make_ready(self, ask: Ask) -> None:
        """Find out now what is wrong with an ask that is driven later, unless a layer may answer or change it."""
        self._outermost()
        if self._is_asked_as_given:
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
        return UnsupportedFeatureError(
            f"{self.info.name} cannot do {capability!r}; it can do {', '.join(self.info.capabilities)}"
        )

    def warn(self, cautions: Iterable[Caution]) -> None:
        """Warn at the caller's line, once for each thing there is to warn of."""
        self._preparer.warn(cautions)


NOTHING_TO_PREPARE = Prepared(None, {})


def no_plugins() -> Plugins:
    """For a provider on its own: no hooks, no layers, and the canonical parameters."""
    from ..plugins.registry import Plugins

    return Plugins()
