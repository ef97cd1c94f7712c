"""Spans and figures, as OpenTelemetry's own SDK receives them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.trace import SpanKind, StatusCode

from airouter_core.errors import ConfigurationError, ServerError
from airouter_core.flow.blocking import Driver
from airouter_core.flow.layers import Identity, layered
from airouter_core.flow.steps import Emit, Flow, delegated
from airouter_core.values import events as e
from airouter_core.values.ask import Ask
from airouter_core.values.messages import FilePart, Message, ToolCallPart, ToolResultPart
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage
from airouter_otel import conventions, making
from airouter_otel.making import telemetry
from airouter_otel.telemetry import Telemetry

SECRET = "the secret of the prompt"


class Answering:
    """An answer by a script."""

    def __init__(self, script: Callable[[Ask], Flow[Any]], name: str = "claude") -> None:
        self.provider = Identity(name, name, "https://api.example.com/v1")
        self._script = script

    def __call__(self, ask: Ask, /) -> Flow[Any]:
        return self._script(ask)


def says(ask: Ask) -> Flow[Any]:
    yield Emit((e.StreamStart("m-1"), e.TextDelta("he"), e.TextDelta("llo"), e.Finish("stop", "end_turn")))
    return Response(
        message=Message("assistant", "hello"), finish_reason="stop", model="m-1", id="r1", usage=Usage(10, 5, 3, 2, 1)
    )


def fails(ask: Ask) -> Flow[Any]:
    yield from ()
    raise ServerError(f"cannot do: {SECRET}")


class Collected:
    """Where spans and figures go to."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def layer(self, *, with_content: bool = False) -> Telemetry:
        return Telemetry(with_content=with_content, tracers=self.tracers, meters=self.meters)

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def points(self) -> dict[str, list[Any]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        (resource,) = data.resource_metrics
        (scope,) = resource.scope_metrics
        return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


@pytest.fixture
def collected() -> Iterator[Collected]:
    found = Collected()
    yield found
    found.tracers.shutdown()
    found.meters.shutdown()


def run(layer: Telemetry, script: Callable[[Ask], Flow[Any]] = says, **more: Any) -> Any:
    ask = Ask(**{"model": "m", "messages": (Message.system("be brief"), Message("user", SECRET)), **more})
    driver = Driver(layered(Answering(script), [layer])(ask))
    for _ in driver.events():
        pass
    return driver.result


def test_a_call_is_a_span(collected: Collected) -> None:
    """Named by what is done and the model, with what was asked and answered, and nothing of what was said."""
    run(collected.layer(), session="s", parameters={"temp": 0.5, "max_length": 9, "stop": "x"}, stream=True)
    (span,) = collected.spans()
    assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
    found = dict(span.attributes or {})
    assert found.pop("gen_ai.response.time_to_first_chunk") > 0  # type: ignore[operator]  # a number
    assert found == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "m",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.5,
        "gen_ai.request.max_tokens": 9,
        "gen_ai.request.stop_sequences": ("x",),
        "gen_ai.conversation.id": "s",
        "gen_ai.response.model": "m-1",
        "gen_ai.response.id": "r1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 5,
        "gen_ai.usage.cache_read.input_tokens": 3,
        "gen_ai.usage.cache_creation.input_tokens": 2,
        "gen_ai.usage.reasoning.output_tokens": 1,
        "server.address": "api.example.com",
        "server.port": 443,
    }


def test_figures(collected: Collected) -> None:
    """Seconds and tokens, by operation, provider and models."""
    run(collected.layer(), stream=True)
    points = collected.points()
    assert set(points) == {conventions.DURATION[0], conventions.TOKEN_USAGE[0], conventions.TIME_TO_FIRST_CHUNK[0]}
    tokens = {point.attributes["gen_ai.token.type"]: point.sum for point in points[conventions.TOKEN_USAGE[0]]}
    assert tokens == {"input": 10, "output": 5}
    (duration,) = points[conventions.DURATION[0]]
    assert duration.attributes["gen_ai.response.model"] == "m-1"
    assert duration.explicit_bounds == conventions.SECONDS


def test_a_failure(collected: Collected) -> None:
    """Is an error of its class; its message, which may repeat the prompt, is written only where content is."""
    for with_content in (False, True):
        with pytest.raises(ServerError):
            run(collected.layer(with_content=with_content), fails)
    silent, telling = collected.spans()
    assert (silent.status.status_code, silent.status.description) == (StatusCode.ERROR, None)
    assert SECRET in (telling.status.description or "")
    assert dict(silent.attributes or {})["error.type"] == "ServerError"


def test_a_reader_who_leaves(collected: Collected) -> None:
    """Ends the span, once."""
    driver = Driver(layered(Answering(says), [collected.layer()])(Ask(model="m", stream=True)))
    events = driver.events()
    next(events)
    events.close()
    assert [span.name for span in collected.spans()] == ["chat m"]


def test_attempts_are_below_the_call(collected: Collected) -> None:
    """A call that is made on behalf of another one has that one's span for a parent; and the program's own above."""
    layer = collected.layer()

    def routes(ask: Ask) -> Flow[Any]:
        inner = layered(Answering(says), [layer])
        return (yield from delegated(inner(ask.asked_as(model="target"))))

    tracer = trace.get_tracer("program", tracer_provider=collected.tracers)
    with tracer.start_as_current_span("program"):
        run(layer, routes)
    target, route, program = collected.spans()
    assert (target.name, route.name, program.name) == ("chat target", "chat m", "program")
    assert target.parent is not None
    assert route.parent is not None
    assert target.parent.span_id == route.context.span_id  # type: ignore[union-attr]  # a finished span has one
    assert route.parent.span_id == program.context.span_id  # type: ignore[union-attr]  # as above


def test_other_kinds(collected: Collected) -> None:
    """Embeddings are calls of a model; lists of models are not."""

    def vectors(ask: Ask) -> Flow[Any]:
        yield from ()
        return [[0.5]]

    for kind in ("embedding", "models"):
        run(collected.layer(), vectors, kind=kind, messages=())
    assert [span.name for span in collected.spans()] == ["embeddings m"]


def test_content_where_it_is_asked_for(collected: Collected) -> None:
    """System messages, messages with all kinds of parts, and the answer, as JSON by the conventions."""
    messages = (
        Message.system("be brief"),
        Message.user("see", FilePart.from_data(b"\x89PNG\r\n\x1a\n", media_type="image/png")),
        Message("assistant", (ToolCallPart("c1", "f", "{}"),)),
        Message("tool", (ToolResultPart("c1", "ok"),)),
    )
    run(collected.layer(with_content=True), messages=messages)
    (span,) = collected.spans()
    found = {name: str(value) for name, value in (span.attributes or {}).items()}
    assert json.loads(found["gen_ai.system_instructions"]) == [{"type": "text", "content": "be brief"}]
    said = json.loads(found["gen_ai.input.messages"])
    assert [message["role"] for message in said] == ["user", "assistant", "tool"]
    assert [part["type"] for part in said[0]["parts"]] == ["text", "blob"]
    assert said[1]["parts"] == [{"type": "tool_call", "id": "c1", "name": "f", "arguments": "{}"}]
    assert said[2]["parts"] == [{"type": "tool_call_response", "id": "c1", "response": "ok"}]
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "hello"}], "finish_reason": "stop"}
    assert json.loads(found["gen_ai.output.messages"]) == [answer]


def test_without_an_sdk_the_layer_steps_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is set up the call is the provider's own flow; what is set up later is noticed."""
    layer, answer = telemetry({}), Answering(says)

    def is_own(flow: Any) -> bool:
        flow.close()
        return flow.gi_code is says.__code__

    assert is_own(layer(Ask(model="m"), answer))
    monkeypatch.setattr(trace, "get_tracer_provider", TracerProvider)
    assert Driver(layered(answer, [layer])(Ask(model="m"))).run().text == "hello"
    assert not is_own(layer(Ask(model="m"), answer))


def test_a_program_that_does_not_use_it_does_not_import_it() -> None:
    """Neither for the layer nor for a call; a variable that sets it up does."""
    program = (
        "import sys; from airouter_otel import making; layer = making.telemetry({});"
        "print(making.is_set_up(asked_for=making.is_asked_for()), 'opentelemetry' in sys.modules)"
    )
    for variable, said in (("", "False False"), ("sdk_tracer_provider", "True True")):
        environment = {**os.environ, making.SET_UP[0]: variable}
        done = subprocess.run(
            [sys.executable, "-c", program], check=True, env=environment, capture_output=True, text=True
        )
        assert done.stdout.strip() == said, done.stderr


def test_the_names_are_the_conventions() -> None:
    """Every name of ours is one of those that OpenTelemetry's own package lists."""
    listed = {value for name, value in vars(gen_ai_attributes).items() if name.startswith("GEN_AI")}
    ours = {value for value in vars(conventions).values() if isinstance(value, str) and value.startswith("gen_ai.")}
    ours |= {*conventions.PARAMETERS.values(), *conventions.TOKENS.values()}
    assert ours <= listed
    figures = {value for value in vars(gen_ai_metrics).values() if isinstance(value, str)}
    assert {conventions.DURATION[0], conventions.TOKEN_USAGE[0], conventions.TIME_TO_FIRST_CHUNK[0]} <= figures
    operations = {item.value for item in gen_ai_attributes.GenAiOperationNameValues}
    assert set(conventions.OPERATIONS.values()) <= operations
    providers = {item.value for item in gen_ai_attributes.GenAiProviderNameValues}
    assert set(conventions.PROVIDERS.values()) <= providers


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table counts before the environment; what it cannot say is named."""
    monkeypatch.setenv(conventions.CONTENT_VARIABLE, "true")
    assert telemetry({}).with_content
    assert not telemetry({"content": False}).with_content
    with pytest.raises(ConfigurationError, match="takes on, content"):
        telemetry({"contents": True})
    with pytest.raises(ConfigurationError, match="must be true or false"):
        telemetry({"content": "yes"})
