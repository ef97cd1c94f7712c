"""From events to the response that they add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, ClassVar

import msgspec

from ..errors import ExecutionError, ProtocolError, ServerError, TruncatedStreamError
from . import events as e
from .characters import with_whole_characters
from .messages import (
    Message,
    Metadata,
    Part,
    ReasoningPart,
    RefusalPart,
    TextPart,
    ToolCallPart,
)
from .response import Response
from .usage import Cost, Usage
from .value import NO_METADATA, metadata

DELTA_PARTS: dict[type, type[TextPart | ReasoningPart | RefusalPart]] = {
    e.TextDelta: TextPart,
    e.ReasoningDelta: ReasoningPart,
    e.RefusalDelta: RefusalPart,
}


NOT_STARTED = e.StreamStart()


class ResponseBuilder:
    """Folds events into a :class:`Response`."""

    def __init__(self, **known: Any) -> None:
        self._known = known
        self._parts: list[Part | _OpenCall] = []
        self._open: type[TextPart | ReasoningPart | RefusalPart] | None = None
        self._texts: list[str] = []
        self._calls: dict[int, _OpenCall] = {}
        self._finish: e.Finish | None = None
        self._usage: Usage | None = None
        self._cost: Cost | None = None
        self._start = NOT_STARTED
        self._metadata: dict[str, Any] = {}
        self._warnings: list[str] = []
        self._alternatives: dict[int, ResponseBuilder] = {}

    @property
    def finished(self) -> bool:
        """Whether the provider has said that the answer, and each further one, is complete."""
        if self._finish is None:
            return False
        return not self._alternatives or all(builder.finished for builder in self._alternatives.values())

    def add(self, event: e.StreamEvent) -> None:
        """Take the next event.

        Raises:
            ProtocolError: it does not fit those before it.
        """
        kind = DELTA_PARTS.get(type(event))
        if kind is not None:
            if kind is not self._open:
                self._close_part(NO_METADATA)
                self._open = kind
            self._texts.append(event.text)  # type: ignore[union-attr]  # the three delta types have a text
        else:
            take = self._takes.get(type(event))
            if take is None:
                raise ProtocolError(f"the provider gave what is no event: {repr(event)[:80]}")
            take(self, event)

    def complete(self) -> Response:
        """The whole answer.

        Raises:
            TruncatedStreamError: the provider never said that it was complete; ``partial`` holds what came.
            ServerError: it ended in an error, and nothing came: that is no answer of no words.
        """
        if not self.finished:
            error = TruncatedStreamError(
                "the answer stopped before the provider said that it was complete; "
                "what arrived is in .partial, and the call can be made again"
            )
            error.partial = self.partial()
            raise error
        response = self.partial()
        if response.finish_reason == "error" and not response.message.parts:
            failure = ServerError(
                "; ".join((f"the answer came to nothing ({response.raw_finish_reason})", *self._warnings))
            )
            failure.partial = response
            raise failure
        return response

    def partial(self) -> Response:
        """What has arrived so far, as a response."""
        # The open part stays open: whoever looks in the middle changes nothing.
        parts = [part.part() if isinstance(part, _OpenCall) else part for part in self._parts]
        parts += self._open_part(NO_METADATA)
        known = dict(self._known)
        warnings = known.pop("warnings", ())
        if self._warnings:
            # A cached answer brings the warnings of its own call, which may be those of this one.
            warnings = (*warnings, *(warning for warning in self._warnings if warning not in warnings))
        metadata = {**known.pop("provider_metadata", {}), **self._metadata}
        return Response(
            message=Message("assistant", tuple(parts)),
            finish_reason=self._finish.finish_reason if self._finish else None,
            raw_finish_reason=self._finish.raw_finish_reason if self._finish else None,
            usage=Usage() if self._usage is None else self._usage,
            cost=self._cost,
            model=self._start.model,
            id=self._start.id,
            request_id=self._start.request_id,
            warnings=warnings,
            provider_metadata=metadata,
            alternatives=self._answered() if self._alternatives else (),
            **known,
        )

    def _answered(self) -> tuple[Response, ...]:
        return tuple(builder.partial() for _, builder in sorted(self._alternatives.items()))

    def _end_part(self, event: e.PartEnd) -> None:
        self._close_part(event.provider_metadata)

    def _add_part(self, event: e.PartAdded) -> None:
        self._close_part(NO_METADATA)
        self._parts.append(event.part)

    def _start_call(self, event: e.ToolCallStart) -> None:
        self._close_part(NO_METADATA)
        call = self._calls[event.index] = _OpenCall(event.id, event.name)
        self._parts.append(call)

    def _extend_call(self, event: e.ToolCallDelta) -> None:
        self._call(event.index).fragments.append(event.arguments_json)

    def _end_call(self, event: e.ToolCallEnd) -> None:
        self._call(event.index).provider_metadata = event.provider_metadata

    def _take_usage(self, event: e.UsageReported) -> None:
        self._usage = event.usage

    def _take_cost(self, event: e.CostReported) -> None:
        self._cost = event.cost

    def _take_start(self, event: e.StreamStart) -> None:
        self._start = event if self._start is NOT_STARTED else _both(self._start, event)

    def _take_metadata(self, event: e.MetadataReported) -> None:
        merge_metadata(self._metadata, event.provider_metadata)

    def _take_warning(self, event: e.Warned) -> None:
        self._warnings.append(event.message)

    def _take_finish(self, event: e.Finish) -> None:
        self._finish = event

    def _add_alternative(self, event: e.Alternative) -> None:
        self._alternatives.setdefault(event.index, ResponseBuilder()).add(event.event)

    _takes: ClassVar[Mapping[type, Callable[[ResponseBuilder, Any], None]]] = {
        e.PartEnd: _end_part,
        e.PartAdded: _add_part,
        e.ToolCallStart: _start_call,
        e.ToolCallDelta: _extend_call,
        e.ToolCallEnd: _end_call,
        e.UsageReported: _take_usage,
        e.CostReported: _take_cost,
        e.StreamStart: _take_start,
        e.MetadataReported: _take_metadata,
        e.Warned: _take_warning,
        e.Finish: _take_finish,
        e.Alternative: _add_alternative,
    }
    """What to do with an event that is no delta; looked up, since going through a dozen cases costs each event."""

    def _call(self, index: int) -> _OpenCall:
        try:
            return self._calls[index]
        except KeyError:
            raise ProtocolError(f"arguments arrived for tool call {index}, which has not begun") from None

    def _close_part(self, metadata: Metadata) -> None:
        self._parts.extend(self._open_part(metadata))
        self._open = None
        self._texts = []

    def _open_part(self, metadata: Metadata) -> Iterator[Part]:
        kind = self._open
        if kind is None and not metadata:
            return
        text = with_whole_characters("".join(self._texts))
        if kind is RefusalPart:
            yield RefusalPart(text)
        elif kind is not None and (text or metadata):
            yield kind(text, metadata)  # type: ignore[call-arg]  # refusals were handled above
        elif kind is None:
            yield TextPart("", metadata)


class _OpenCall(msgspec.Struct, eq=False):
    id: str
    name: str
    fragments: list[str] = msgspec.field(default_factory=list)
    provider_metadata: Metadata = metadata()

    def part(self) -> ToolCallPart:
        return ToolCallPart(self.id, self.name, with_whole_characters("".join(self.fragments)), self.provider_metadata)


def fold(events: Iterable[e.StreamEvent], **known: Any) -> Response:
    """Make the response that these events add up to.

    Raises:
        TruncatedStreamError: they have no :class:`~airouter_core.values.events.Finish`.
        ExecutionError: as raised by the events' source, with ``partial`` set to what came before.
    """
    builder = ResponseBuilder(**known)
    try:
        for event in events:
            builder.add(event)
    except ExecutionError as error:
        if error.partial is None:
            error.partial = builder.partial()
        raise
    return builder.complete()


def _both(earlier: e.StreamStart, later: e.StreamStart) -> e.StreamStart:
    return e.StreamStart(later.model or earlier.model, later.id or earlier.id, later.request_id or earlier.request_id)


def merge_metadata(target: dict[str, Any], more: Metadata) -> None:
    """Add to what providers have said what they say in addition: their fields, not their names, replace each other."""
    for provider, values in more.items():
        target[provider] = {**target.get(provider, {}), **values}
