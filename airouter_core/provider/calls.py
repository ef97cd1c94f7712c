"""The innermost layer of every provider: one call, admitted, started, answered, ended; for all kinds and both halves.

It makes the request, lets the provider reply, folds the events of a chat into its response, and tells the hooks. What
it runs is one delegated flow, so that layers around it cost nothing for each event, and the end is told once, however
it comes about.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from ..errors import AirouterError, ExecutionError, ProviderError
from ..flow.endpoints import Endpoint
from ..flow.layers import See, Tap
from ..flow.steps import Delegate, Flow, done, replayed
from ..values.ask import Ask
from ..values.calls import Call, Identity, Outcome
from ..values.events import CostReported, MetadataReported, StreamEvent, StreamStart, UsageReported, Warned
from ..values.folding import ResponseBuilder
from ..values.request import Request
from ..values.response import Response
from ..values.usage import Cost, Usage, together
from .parsing import parsed_json
from .preparation import Caution, Prepared
from .streams import NO_RESPONSE

if TYPE_CHECKING:
    from ..plugins.calling import HookCalls


class Seam(Protocol):
    """What a provider implements, as its innermost layer needs it."""

    @property
    def endpoint(self) -> Endpoint | None: ...

    def deadline_of(self, ask: Ask) -> float | None: ...

    def prepare(self, ask: Ask) -> Prepared: ...

    def reply(self, ask: Ask, request: Request | None) -> Flow[Any]: ...

    def warn(self, cautions: Iterable[Caution]) -> None: ...

    def clean(self, error: AirouterError) -> None: ...


class Innermost:
    """A provider as what answers asks, with nothing around it but the hooks."""

    def __init__(self, seam: Seam, provider: Identity, hooks: HookCalls) -> None:
        self.provider = provider
        self._seam = seam
        self._hooks = hooks
        # Found out once: most programs have no hooks, and asking nobody for each call costs too.
        self._asks_hooks = any(map(hooks.hears, ("admit", "started", "answer")))
        self._tells_end = hooks.hears("ended") or hooks.hears("started")

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        seam = self._seam
        ready = ask.trace.prepared
        prepared: Prepared = ready[1] if ready is not None and ready[0] is seam else seam.prepare(ask)
        if prepared.cautions:
            # In here the driver is the caller, so that the warning points at the user's line and at no layer's.
            seam.warn(prepared.cautions)
        # A router's answer is folded where it comes from, and handed on as it is.
        builder = ResponseBuilder(**prepared.known) if prepared.request is not None or ask.kind != "chat" else None
        add = None if builder is None else builder.add if prepared.request is not None else _Reports(builder).add
        # One delegation holds the whole call: the driver counts its requests, keeps its deadline, and tells its end
        # exactly once, also where the reader has gone or the task was cancelled.
        if self._asks_hooks or self._tells_end:
            told = _Told(self._hooks, add)
            flow = self._hooked(told, ask, prepared.request, builder)
            told.scope = scope = Delegate(flow, told, seam.endpoint, seam.deadline_of(ask), told.end, builder=builder)
        else:
            flow = self._answered(ask, prepared.request, builder)
            scope = Delegate(
                flow, None if add is None else Tap(add), seam.endpoint, seam.deadline_of(ask), builder=builder
            )
        return (yield scope)

    def _answered(self, ask: Ask, request: Request | None, builder: ResponseBuilder | None) -> Flow[Any]:
        try:
            # The events go by the tap above, which folds them; here it is seen that they are complete.
            result = yield from self._seam.reply(ask, request)
            if builder is None or isinstance(result, Response) or request is None:
                return result
            response = builder.complete()
            return response if request.response_format is None else parsed_json(response)
        except AirouterError as error:
            self._complete(error, builder)
            raise

    def _complete(self, error: AirouterError, builder: ResponseBuilder | None) -> None:
        """Add to an error what had arrived, and hide what is secret."""
        if builder is not None and isinstance(error, ExecutionError) and error.partial is None:
            error.partial = builder.partial()
        if isinstance(error, ProviderError) and error.request_id is None and error.partial is not None:
            error.request_id = error.partial.request_id
        # Last, so that what has just been added is cleaned too.
        self._seam.clean(error)

    def _hooked(self, told: _Told, ask: Ask, request: Request | None, builder: ResponseBuilder | None) -> Flow[Any]:
        hooks = self._hooks
        call = told.begin(ask, self.provider, request)
        # The order is a promise to plugins (see `plugins/hookspecs.py`): who refuses is asked before anybody is told.
        if hooks.hears("admit"):
            yield from done(hooks.admit, call)
        yield from done(told.start) if hooks.hears("started") else told.start_unheard()
        if request is not None and hooks.hears("answer"):
            answer = yield from done(hooks.answer, call)
            if answer is not None:
                yield from replayed(answer)
                return answer if builder is None else builder.complete()
        return (yield from self._answered(ask, request, builder))


class _Reports:
    """Of what other kinds than chat emit, that which says something about the call."""

    def __init__(self, builder: ResponseBuilder) -> None:
        self._builder = builder
        self._usage: Usage | None = None
        self._cost: Cost | None = None

    def add(self, event: Any) -> None:
        """Fold what reports; the rest is the caller's. Each request of a call that makes several reports its own."""
        match event:
            case UsageReported(usage):
                self._usage = usage if self._usage is None else together(self._usage, usage)
                self._builder.add(UsageReported(self._usage))
            case CostReported(cost):
                self._cost = cost if self._cost is None else _sum(self._cost, cost)
                self._builder.add(CostReported(self._cost))
            case MetadataReported() | Warned():
                self._builder.add(event)


def _sum(known: Cost, more: Cost) -> Cost:
    return msgspec.structs.replace(known, amount=known.amount + more.amount)  # one provider has one currency


class _Told(Tap):
    """What hooks are told of one call: its start, and once its end if it began; and when the answer began to come."""

    call: Call
    scope: Delegate

    def __init__(self, hooks: HookCalls, add: See | None) -> None:
        super().__init__(self._first)
        self._hooks = hooks
        self._add = add
        self._began: float | None = None
        self._first_at: float | None = None

    def begin(self, ask: Ask, provider: Identity, request: Request | None) -> Call:
        """The call, made for the nearest one around."""
        parent: Call | None = None
        # A router asks others on behalf of one call: they name it as their parent, so that a ledger can add them up.
        around = self.scope.around
        while parent is None and around is not None:
            parent, around = around.call, around.around
        # An ask that is handed on as it came is another call all the same, with an id of its own.
        if parent is not None and parent.id == ask.id:
            ask = ask.asked_as(attempt=ask.attempt)
        self.call = self.scope.call = Call(
            provider.name,
            request or Request(model=ask.model or "", messages=()),
            ask.stream,
            ask,
            provider,
            ask.parent if parent is None else parent.id,
        )
        return self.call

    def start(self) -> Any:
        """Tell the start."""
        self._began = time.monotonic()
        return self._hooks.started(self.call)

    def start_unheard(self) -> Flow[None]:
        """Where nobody is told."""
        self._began = time.monotonic()
        yield from ()

    def end(self, scope: Delegate) -> Any:
        """Tell the end, if there was a start."""
        if self._began is None:
            return None
        first = self._first_at if self.call.stream else None
        outcome = Outcome(
            scope.response or NO_RESPONSE,
            scope.error,
            scope.cancelled,
            time.monotonic() - self._began,
            scope.value,
            scope.requests,
            scope.retries,
            None if first is None else first - self._began,
        )
        return self._hooks.ended(self.call, outcome)

    def _first(self, event: StreamEvent) -> None:
        if self._add is not None:
            self._add(event)
        if type(event) not in (StreamStart, Warned):
            self._first_at = time.monotonic()
            self.see = self._add
            self.changed()
