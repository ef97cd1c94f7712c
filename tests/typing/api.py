"""Every promised name, used as a typed program uses it. Never run: ``mypy --strict`` reads it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, assert_type

import airouter_core
from airouter_core import (
    AirouterError,
    Answer,
    Ask,
    AsyncResponseStream,
    Attempt,
    Call,
    CallVetoedError,
    Command,
    Comparison,
    ConfigurationError,
    Cost,
    Delegate,
    Do,
    Emit,
    ExecutionError,
    FilePart,
    Finish,
    Flow,
    Gate,
    Gather,
    HttpConfig,
    HttpProvider,
    Identity,
    Layer,
    LayerInfo,
    Message,
    ModelInfo,
    Open,
    Outcome,
    Parameter,
    ParameterReceipt,
    ParameterSupport,
    Plugins,
    Prepared,
    Pricing,
    Provider,
    ProviderConfig,
    ProviderError,
    ProviderInfo,
    ProviderManager,
    ProviderPart,
    ProviderStatus,
    Pull,
    Race,
    Ranked,
    ReadAll,
    ReadSome,
    ReasoningDelta,
    ReasoningPart,
    RefusalPart,
    Request,
    Response,
    ResponseFormat,
    ResponseStream,
    SettingsTable,
    Sleep,
    Slots,
    StreamEvent,
    StreamStart,
    Take,
    TextDelta,
    TextPart,
    Tool,
    ToolCallDelta,
    ToolCallEnd,
    ToolCallPart,
    ToolCallStart,
    ToolChoice,
    ToolResultPart,
    ToolRun,
    TransportTimeoutError,
    TruncatedStreamError,
    Usage,
    UsageReported,
    attachment,
    both,
    create_provider,
    delegated,
    done,
    fitted,
    fragment,
    given,
    hookimpl,
    labelled,
    list_providers,
    read_aliases,
    replayed,
    silent,
    tapped,
    validate_provider_config,
)
from airouter_core.wire.http import HttpRequest


def makes_providers() -> Provider[Any]:
    infos = list_providers()
    assert_type(infos, list[ProviderInfo])
    assert_type(infos[0].name, str)
    infos[0]["name"]
    valid, problem = validate_provider_config("example", {"timeout": 3})
    assert_type(valid, bool)
    assert_type(problem, str | None)
    provider = create_provider("example", {"api_key": "k"})
    assert_type(provider, Provider[Any])
    with create_provider("example") as held:
        assert_type(held.list_models(), list[ModelInfo])
    assert_type(airouter_core.__version__, str)
    return provider


def says(ask: Ask, response: Response) -> None:
    assert_type(Ask.from_json(ask.to_json()), Ask)
    assert_type(ask.asked_as(attempt=2, model="m"), Ask)
    assert_type(ask.fingerprint(), str)
    assert_type(response.attempts, tuple[Attempt, ...])
    assert_type(response.served_by, str | None)


def limits(slots: Slots) -> Layer:
    def limiter(ask: Ask, answer: Answer) -> Flow[Any]:
        assert_type(answer.provider, Identity)
        yield Take(slots)
        yield Sleep(0.1)
        try:
            gate = Gate(lambda event: isinstance(event, TextDelta))
            inner = delegated(answer(ask), through=gate, deadline=3.0, after=told)
            value = yield from delegated(inner, through=tapped(print))
            yield Emit(gate.open())
            yield from delegated(answer(ask), through=silent)
            yield Gather([given(1), done(len, "x")], enough=1)
            yield Race(given(1), lambda: given(2), after=3.0)
            yield Do(lambda: None)
            return value
        finally:
            slots.give_back()

    return limiter


def told(ended: Delegate) -> None:
    assert_type(ended.error, Exception | None)
    assert_type(ended.response, Response | None)
    assert_type(ended.requests, int)


class Routing(Provider[ProviderConfig]):
    """A provider that asks another."""

    target: Provider[Any]

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return given([])

    def prepare(self, ask: Ask) -> Prepared:
        return Prepared(None, {})

    def reply(self, ask: Ask, request: Request | None) -> Flow[Any]:
        return (yield from self.target.flow_of(ask.asked_as(model="m")))

    def twice_flow(self, number: int) -> Flow[int]:
        yield from replayed(Response(message=Message.assistant("x")))
        yield Pull(lambda: iter(()), lambda: self.aevents(Request(model="m", messages=()), stream=True))
        response = yield Open(HttpRequest("GET", "http://h"), 1, 1)
        yield ReadSome(response, 1)
        yield ReadAll(response, 1, 1)
        return number * 2

    twice, atwice = both(twice_flow, kind="doubling", name="twice")


async def doubles(routing: Routing) -> None:
    assert_type(routing.twice(2), int)
    assert_type(await routing.atwice(number=2), int)
    assert_type(await routing.acreate_embedding("x"), list[float])
    assert_type(await routing.alist_models(), list[ModelInfo])
    assert_type(await routing.arerank("q", ["a"]), list[Ranked])


LAYER = LayerInfo("limits", "example.layers:make", "limit")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def asks_whom(provider: Provider) -> str:
    return provider.execute("m", "hi")


def asks(provider: Provider[Any]) -> None:
    assert_type(provider.execute("m", "hi"), str)
    assert_type(provider.execute("m", "hi", "system", {"temperature": 0.2}), str)
    assert_type(provider.stream_execute("m", "hi", system_prompt="s", parameters={"temp": 1}), Iterator[str])
    messages: list[Message | dict[str, str]] = [Message.system("s"), {"role": "user", "content": "hi"}]
    response = provider.chat(
        "m",
        messages,
        parameters={"max_tokens": 3},
        tools=[Tool("f", "does f", {"type": "object"}), {"name": "g"}],
        tool_choice="auto",
        response_format="json",
        provider_options={"example": {"x": 1}},
    )
    assert_type(response, Response)
    assert_type(provider.chat("m", "hi", tool_choice=ToolChoice("none")), Response)
    assert_type(provider.chat_execute("m", messages), str)
    assert_type(provider.chat_execute("m", messages, {"seed": 1}, stream=False), str)
    assert_type(provider.chat_execute("m", messages, stream=True), Iterator[str])
    assert_type(provider.execute_with_vision("m", "what?", image_url="https://h/a.png"), str)
    assert_type(provider.execute_with_vision("m", "what?", image_path=["a", "b"], image_data=b"x"), str)
    assert_type(provider.count_tokens("text"), int)
    assert_type(provider.count_tokens("text", model="m"), int)
    assert_type(provider.create_embedding("text"), list[float])
    assert_type(provider.rerank("query", ["a", "b"], limit=1), list[Ranked])
    assert_type(provider.create_embedding(["a", "b"], model="m"), list[list[float]])
    assert_type(provider.validate_config(), bool)
    assert_type(fragment("notes.md"), TextPart)
    assert_type(attachment("picture.png"), FilePart)
    create_provider("example", layers=[fitted])
    run = provider.run_tools("m", "hi", [add], max_rounds=2, approve=lambda call: bool(call.id), watch=lambda _: None)
    provider.run_tools("m", "hi", [add], tool_choice="add", response_format=ToolRun, deadline=5.0)
    provider.run_tools("m", "hi", [add], on_event=lambda event: isinstance(event, TextDelta))
    assert_type(run.responses, tuple[Response, ...])
    assert_type(run, ToolRun)
    assert_type(run.response, Response)
    assert_type(run.messages, tuple[Message, ...])
    info = provider.get_info()
    assert_type(info, ProviderStatus)
    assert_type(info.available_models, tuple[str, ...])
    info["status"]
    provider.close()


def reads(provider: Provider[Any]) -> None:
    with provider.stream_chat("m", "hi") as stream:
        assert_type(stream, ResponseStream)
        for event in stream:
            reads_event(event)
    assert_type(stream.response, Response)
    assert_type(stream.partial, Response)
    assert_type(stream.read(), Response)
    assert_type(stream.texts(), Iterator[str])


def reads_event(event: StreamEvent) -> None:
    match event:
        case StreamStart(model=model):
            assert_type(model, str | None)
        case TextDelta(text=text) | ReasoningDelta(text=text):
            assert_type(text, str)
        case ToolCallStart(index=index, id=identity, name=name):
            assert_type((index, identity, name), tuple[int, str, str])
        case ToolCallDelta(arguments_json=fragment):
            assert_type(fragment, str)
        case ToolCallEnd(index=index):
            assert_type(index, int)
        case UsageReported(usage=usage):
            assert_type(usage, Usage)
        case Finish(raw_finish_reason=raw):
            assert_type(raw, str | None)
        case _:
            pass


def reads_response(response: Response) -> None:
    assert_type(response.text, str)
    assert_type(response.message, Message)
    assert_type(response.tool_calls, tuple[ToolCallPart, ...])
    assert_type(response.tool_calls[0].arguments, dict[str, Any])
    assert_type(response.reasoning, str | None)
    assert_type(response.raw_finish_reason, str | None)
    if response.finish_reason == "stop":
        pass
    assert_type(response.usage.input_tokens, int | None)
    assert_type(response.usage.output_tokens, int | None)
    assert_type(response.usage.raw, Mapping[str, Any])
    assert_type(response.cost, Cost | None)
    if response.cost is not None:
        assert_type(response.cost.amount, Decimal)
        assert_type(response.cost.source, str)
    assert_type(response.model, str | None)
    assert_type(response.id, str | None)
    assert_type(response.request_id, str | None)
    assert_type(response.provider, str | None)
    assert_type(response.parameters, tuple[ParameterReceipt, ...])
    assert_type(response.warnings, tuple[str, ...])
    assert_type(response.provider_metadata, Mapping[str, Any])
    assert_type(response.parsed, Any)
    assert_type(response.alternatives, tuple[Response, ...])
    parts = (TextPart("t"), ReasoningPart("r"), RefusalPart("n"), FilePart.from_url("https://h"), ProviderPart("p", {}))
    Message.assistant(*parts)
    Message("tool", ToolResultPart("1", "ok"))
    ResponseFormat("json_schema", {"type": "object"})


def reads_model(model: ModelInfo) -> None:
    assert_type(model.id, str)
    assert_type(model.name, str)
    assert_type(model.context_length, int | None)
    assert_type(model.pricing, Pricing | None)
    model["id"]
    if model.pricing is not None:
        assert_type(model.pricing.prompt, Decimal | None)
        model.pricing["prompt"]


async def awaits(provider: Provider[Any]) -> None:
    assert_type(await provider.achat("m", "hi"), Response)
    assert_type(await provider.aexecute("m", "hi"), str)
    assert_type(await provider.alist_models(), list[ModelInfo])
    assert_type(await provider.acount_tokens("text"), int)
    stream = provider.astream_chat("m", "hi")
    assert_type(stream, AsyncResponseStream)
    async for event in stream:
        reads_event(event)
    assert_type(provider.astream_execute("m", "hi"), AsyncIterator[str])
    async for text in provider.astream_execute("m", "hi"):
        assert_type(text, str)
    async with provider:
        pass


def labels_calls(provider: Provider[Any]) -> None:
    with labelled(session="s", user="eva", tags={"team": "a"}):
        assert_type(provider.execute("m", "hi"), str)


def manages() -> None:
    with ProviderManager.from_config("providers.toml") as manager:
        assert_type(manager.add_provider("example", {"timeout": 3}, as_name="mine"), Provider[Any])
        assert_type(manager.execute("mine", "m", "hi"), str)
        assert_type(manager.stream_execute("mine", "m", "hi"), Iterator[str])
        assert_type(manager.chat("mine", "m", "hi"), Response)
        assert_type(manager.stream_chat("mine", "m", "hi"), ResponseStream)
        assert_type(manager.auto_execute("m", "hi"), str)
        assert_type(manager.auto_chat("provider/m", "hi"), Response)
        assert_type(manager.resolve("provider/m").model, str)
        assert_type(manager.list_all_models(), dict[str, list[ModelInfo]])
        assert_type(manager.get_all_info(), dict[str, ProviderStatus])
        for compared in manager.compare("hi", [("mine", "m")]):
            assert_type(compared, Comparison)
            assert_type(compared.response, Response | None)
            assert_type(compared.error, AirouterError | None)
        manager.remove_provider("mine")
    ProviderManager(aliases=read_aliases()).close()


def handles(provider: Provider[Any]) -> None:
    try:
        provider.execute("m", "hi")
    except ConfigurationError as error:
        assert_type(error, ConfigurationError)
        wrong: ValueError = error
        del wrong
    except ProviderError as error:
        assert_type(error.provider, str | None)
        assert_type(error.status, int | None)
        assert_type(error.error_type, str | None)
        assert_type(error.request_id, str | None)
        assert_type(error.retryable, bool)
        assert_type(error.retry_after, float | None)
        assert_type(error.body, str | None)
    except (TransportTimeoutError, TruncatedStreamError) as error:
        assert_type(error.partial, Response | None)
    except ExecutionError as error:
        failed: RuntimeError = error
        del failed
    except AirouterError:
        pass


INFO = ProviderInfo(
    name="typed",
    aliases=("t",),
    target="package.module:Class",
    kind="local",
    parameters=(ParameterSupport("temperature", "temperature", maximum=1),),
)


class Plugin:
    """A plugin with every hook."""

    @hookimpl
    def airouter_providers(self) -> Iterable[ProviderInfo]:
        return (INFO,)

    @hookimpl
    def airouter_parameters(self, provider: str) -> Iterable[Parameter]:
        return (Parameter("mirostat", "integer"),)

    @hookimpl
    def airouter_tables(self) -> Iterable[SettingsTable]:
        return (SettingsTable(name="mine", harmless=True),)

    @hookimpl
    def airouter_commands(self) -> Iterable[Command]:
        return (Command(name="hello", target="package.cli:hello"),)

    @hookimpl
    def airouter_admit_call(self, call: Call) -> None:
        raise CallVetoedError(call.provider)

    @hookimpl
    def airouter_answer_call(self, call: Call) -> Response | None:
        return Response(message=Message.assistant(call.request.model), finish_reason="stop")

    @hookimpl
    def airouter_call_started(self, call: Call) -> None:
        call.notes["stream"] = call.stream

    @hookimpl
    def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
        assert_type(outcome.response, Response)
        assert_type(outcome.cancelled, bool)
        assert_type(outcome.seconds, float)


class Own(Provider[ProviderConfig]):
    """A provider without HTTP."""

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        yield TextDelta(request.system_text)
        yield Finish("stop")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        return [ModelInfo(id="m", name="M", provider=self.info.name)]


def brings_its_own() -> None:
    own = Own(ProviderConfig(), INFO, Plugins.of(Plugin()))
    assert_type(own.config, ProviderConfig)
    assert_type(own.execute("m", "hi"), str)


class OverHttp(HttpProvider[HttpConfig]):
    """A provider over HTTP."""

    def address(self) -> str:
        return self.config.base_url
