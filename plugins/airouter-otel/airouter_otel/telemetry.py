"""The layer: a span and figures around each call of a model.

It stands outside of everything but the hooks that admit calls, so a span covers waiting, caches, routing and retries. A
span is not made current: a flow is resumed wherever its driver runs, and a context that is entered in one task and left
in another is lost. A call that is made on behalf of another one has that one's span for a parent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context as contexts
from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from airouter_core.flow.layers import Answer, tapped
from airouter_core.flow.steps import Delegate, Flow, delegated
from airouter_core.values.ask import Ask
from airouter_core.values.canonical import NAMES
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage

from . import content
from . import conventions as names

SCOPE = "airouter"


class Telemetry:
    """The layer.

    Args:
        with_content: whether what was said is written into spans.
        tracers, meters: where they come from; what the program has set up unless given.
    """

    def __init__(
        self,
        *,
        with_content: bool = False,
        tracers: trace.TracerProvider | None = None,
        meters: metrics.MeterProvider | None = None,
    ) -> None:
        self._with_content = with_content
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracers)
        meter = metrics.get_meter(SCOPE, meter_provider=meters)
        self._duration = _histogram(meter, names.DURATION, names.SECONDS)
        self._tokens = _histogram(meter, names.TOKEN_USAGE, names.COUNTS)
        self._first = _histogram(meter, names.TIME_TO_FIRST_CHUNK, names.SECONDS)
        self._open: dict[str, Span] = {}
        self._lock = threading.Lock()

    def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
        operation = names.OPERATIONS.get(ask.kind)
        if operation is None:
            return answer(ask)
        return self._observed(ask, answer, operation)

    def _observed(self, ask: Ask, answer: Answer, operation: str) -> Flow[Any]:
        call = _Call(self, ask, answer, operation)
        return (yield from delegated(answer(ask), through=call.tap, after=call.ended))

    def begin(self, ask: Ask, operation: str, attributes: Mapping[str, Any]) -> Span:
        """Begin the span of a call."""
        with self._lock:
            parent = self._open.get(ask.parent or "")
        around = contexts.get_current() if parent is None else trace.set_span_in_context(parent)
        name = f"{operation} {ask.model}" if ask.model else operation
        span = self._tracer.start_span(name, around, SpanKind.CLIENT, dict(attributes))
        if self._with_content and span.is_recording() and ask.messages:
            span.set_attribute(names.SYSTEM_INSTRUCTIONS, content.instructions(ask.messages))
            span.set_attribute(names.INPUT_MESSAGES, content.sent(ask.messages))
        with self._lock:
            self._open[ask.id] = span
        return span

    def end(self, ask: Ask, span: Span, how: Delegate, seconds: float, told: dict[str, Any]) -> None:
        """End it, and count."""
        with self._lock:
            self._open.pop(ask.id, None)
        response = _response(how)
        usage = Usage() if response is None else response.usage
        if response is not None:
            _describe(span, response)
            if self._with_content and span.is_recording():
                span.set_attribute(names.OUTPUT_MESSAGES, content.received(response))
            if response.model:
                told[names.RESPONSE_MODEL] = response.model
        if how.error is not None:
            told[names.ERROR_TYPE] = type(how.error).__name__
            span.set_attribute(names.ERROR_TYPE, type(how.error).__name__)
            # The message of a provider may repeat what it was sent, so it goes where content goes.
            span.set_status(Status(StatusCode.ERROR, str(how.error) if self._with_content else None))
        span.end()
        self._duration.record(seconds, told)
        for kind, count in (("input", usage.input_tokens), ("output", usage.output_tokens)):
            if count is not None:
                self._tokens.record(count, {**told, names.TOKEN_TYPE: kind})

    def first(self, seconds: float, told: Mapping[str, Any]) -> None:
        """Count the time to the first piece of a stream."""
        self._first.record(seconds, dict(told))


class _Call:
    """One call, from its beginning to its end."""

    def __init__(self, telemetry: Telemetry, ask: Ask, answer: Answer, operation: str) -> None:
        self._telemetry = telemetry
        self._ask = ask
        self._began = time.perf_counter()
        self._seen = False
        provider = answer.provider
        self._told: dict[str, Any] = {
            names.OPERATION: operation,
            names.PROVIDER: names.PROVIDERS.get(provider.name, provider.name),
        }
        if ask.model:
            self._told[names.REQUEST_MODEL] = ask.model
        if provider.address:
            parts = urlsplit(provider.address)
            self._told[names.SERVER_ADDRESS] = parts.hostname or ""
            self._told[names.SERVER_PORT] = parts.port or (443 if parts.scheme == "https" else 80)
        self._span = telemetry.begin(ask, operation, {**self._told, **_asked(ask)})
        self.tap = tapped(self._see_first)

    def ended(self, how: Delegate) -> None:
        """Called once, however it has ended."""
        self._telemetry.end(self._ask, self._span, how, time.perf_counter() - self._began, self._told)

    def _see_first(self, _event: Any) -> None:
        if not self._seen:  # several may come at once
            self._seen = True
            if self._ask.stream:
                seconds = time.perf_counter() - self._began
                self._span.set_attribute(names.FIRST_CHUNK, seconds)
                self._telemetry.first(seconds, self._told)
        self.tap.see = _nothing
        self.tap.changed()


def _asked(ask: Ask) -> dict[str, Any]:
    """What the ask says of itself, as attributes."""
    found: dict[str, Any] = {names.REQUEST_STREAM: ask.stream}
    if ask.session:
        found[names.CONVERSATION] = ask.session
    if ask.response_format is not None:
        found[names.OUTPUT_TYPE] = "json"
    for name, value in ask.parameters.items():
        attribute = names.PARAMETERS.get(NAMES.get(name, name))
        if attribute is not None and isinstance(value, str | int | float | list):
            found[attribute] = [value] if attribute.endswith("stop_sequences") and isinstance(value, str) else value
    return found


def _describe(span: Span, response: Response) -> None:
    known = {names.RESPONSE_MODEL: response.model, names.RESPONSE_ID: response.id}
    known |= {attribute: getattr(response.usage, field) for field, attribute in names.TOKENS.items()}
    for attribute, value in known.items():
        if value is not None:
            span.set_attribute(attribute, value)
    reasons = [each.finish_reason for each in (response, *response.alternatives) if each.finish_reason]
    if reasons:
        span.set_attribute(names.FINISH_REASONS, reasons)


def _response(how: Delegate) -> Response | None:
    if isinstance(how.value, Response):
        return how.value
    partial = None if how.builder is None else how.builder.partial()
    return partial if isinstance(partial, Response) else None


def _histogram(meter: metrics.Meter, described: tuple[str, str, str], boundaries: tuple[float, ...]) -> Any:
    name, unit, description = described
    return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=boundaries)


def _nothing(_event: Any) -> None:
    """The first event was seen."""
