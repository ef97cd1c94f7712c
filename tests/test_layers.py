"""Layers and hooks around providers: where they stand, what they are told, and what happens when one cannot be had."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import types
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from airouter_core import Answer, Ask, Call, Flow, Outcome, ProviderManager, Response, create_provider, hookimpl
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import ConfigurationError, ParameterError, PluginLoadError, TransportTimeoutError
from airouter_core.flow.steps import Do, Sleep, delegated, given
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import LayerInfo, ProviderInfo
from airouter_core.provider.both import both
from airouter_core.provider.facade import Provider
from airouter_core.provider.preparation import Prepared
from airouter_core.testing.halves import AWAITED, BLOCKING, Half
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.request import Request

INFO = ProviderInfo(
    name="local",
    target="layered_example:Local",
    config_target="layered_example:Config",
    capabilities=("chat", "stream"),
)


class Local(Provider[ProviderConfig]):
    """A provider without HTTP."""

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        yield TextDelta(f"{request.model} says {request.messages[-1].text}")
        yield Finish("stop")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return given([ModelInfo(id="m", name="M", provider="local")])

    def doubled_flow(self, number: int, model: str | None = None) -> Flow[int]:
        """Twice the number."""
        return (yield Do(lambda: number * 2))

    doubled, adoubled = both(doubled_flow, kind="doubling", name="doubled")


class Brings:
    """A plugin with the provider."""

    @hookimpl
    def airouter_providers(self) -> tuple[ProviderInfo, ...]:
        return (INFO,)


@pytest.fixture(params=(BLOCKING, AWAITED), ids=lambda half: half.name)
def half(request: pytest.FixtureRequest) -> Half:
    return request.param  # type: ignore[no-any-return]  # as above


@pytest.fixture(autouse=True)
def example(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that targets are imported from."""
    module: Any = types.ModuleType("layered_example")
    module.Local, module.Config = Local, ProviderConfig
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module  # type: ignore[no-any-return]  # as above


def marking(log: list[str], name: str) -> Any:
    def layer(ask: Ask, answer: Answer) -> Flow[Any]:
        log.append(f"{name} {ask.kind} {answer.provider.kept_as}")
        return (yield from answer(ask))

    return layer


def test_layers_stand_in_their_positions(half: Half, example: Any) -> None:
    """Whatever was installed or given first; a program's own before those of plugins; for every kind."""
    log: list[str] = []
    example.make_limit = lambda settings: marking(log, f"limit of {settings['who']}")
    example.make_cache = lambda settings: marking(log, "cache")

    class Plugin:
        @hookimpl
        def airouter_layers(self, settings: Mapping[str, Any]) -> Iterator[LayerInfo]:
            yield LayerInfo("a", "layered_example:make_limit", "limit")
            yield LayerInfo("b", "layered_example:make_cache", "cache")

    plugins = Plugins.of(Plugin(), Brings()).with_settings({"Plugin": {"who": "mine"}})
    layers = [("route", marking(log, "route")), marking(log, "outermost"), ("limit", marking(log, "own limit"))]
    provider = half.of(create_provider("local", plugins=plugins, layers=layers))
    order = ["outermost", "cache", "own limit", "limit of mine", "route"]
    with provider:
        assert provider.execute("m", "hi") == "m says hi"
        assert log == [f"{name} chat local" for name in order]
        log.clear()
        assert provider.doubled(4) == 8
        assert log == [f"{name} doubling local" for name in order]
        log.clear()
        assert provider.list_models()[0].id == "m"
        assert log == [f"{name} models local" for name in order]


def test_a_manager_puts_layers_around_all_its_providers() -> None:
    """The same layer, which is told under which name the provider is kept."""
    log: list[str] = []
    with ProviderManager(plugins=Plugins.of(Brings()), layers=[marking(log, "all")]) as manager:
        manager.add_provider("local", as_name="one")
        manager.add_provider("local", as_name="two")
        manager.execute("one", "m", "hi")
        list(manager.stream_execute("two", "m", "hi"))
        manager.list_all_models()
    assert sorted(log) == ["all chat one", "all chat two", "all models one", "all models two"]


def test_a_layer_may_change_what_is_asked_and_answered(half: Half) -> None:
    """Another model, another answer, or none at all."""

    def layer(ask: Ask, answer: Answer) -> Flow[Any]:
        if ask.kind == "doubling":
            value = yield from answer(ask)
            return value + 1
        response: Response = yield from answer(ask.asked_as(model="other"))
        return response

    with half.of(create_provider("local", plugins=Plugins.of(Brings()), layers=[layer])) as provider:
        assert provider.execute("m", "hi") == "other says hi"
        assert provider.stream_chat("m", "hi").read().text == "other says hi"
        assert provider.doubled(1) == 3


def test_layers_that_pass_everything_on_delay_no_error() -> None:
    """What is wrong with a stream is told when it is asked for, unless a layer may yet change it."""

    class Watching:
        passes_on = True

        def __call__(self, ask: Ask, answer: Answer) -> Flow[Any]:
            return answer(ask)

    def mending(ask: Ask, answer: Answer) -> Flow[Any]:
        return answer(ask.asked_as(parameters={}))

    plugins = Plugins.of(Brings())
    wrong = {"temprature": 1}
    with create_provider("local", plugins=plugins.with_layers([Watching(), Watching()])) as provider:
        with pytest.raises(ParameterError, match="did you mean 'temperature'"):
            provider.stream_chat("m", "hi", parameters=wrong)
        assert provider.stream_chat("m", "hi").read().text == "m says hi"
    with create_provider("local", plugins=plugins.with_layers([Watching(), mending])) as provider:
        assert provider.stream_chat("m", "hi", parameters=wrong).read().text == "m says hi"


def test_what_cannot_be_a_layer_is_refused(example: Any) -> None:
    """By name, with its distribution and the cure; a declared layer that cannot be made refuses the call."""
    with pytest.raises(ConfigurationError, match="stands at one of admit, ledger"):
        create_provider("local", plugins=Plugins.of(Brings()), layers=[("nowhere", print)])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match="a function of an ask and an answer"):
        create_provider("local", plugins=Plugins.of(Brings()), layers=[3])  # type: ignore[list-item]  # the mistake
    with pytest.raises(ValueError, match="position must be one of"):
        LayerInfo("x", "a:b", "nowhere")  # type: ignore[arg-type]  # the mistake is the point

    class Plugin:
        @hookimpl
        def airouter_layers(self) -> tuple[LayerInfo, ...]:
            return (LayerInfo("budget", "layered_example:missing", "admit"),)

    provider = create_provider("local", plugins=Plugins.of(Plugin(), Brings()))
    with pytest.raises(PluginLoadError, match=r"layer 'budget' of Plugin .* AIROUTER_DISABLED_PLUGINS=Plugin"):
        provider.execute("m", "hi")


def test_a_plugin_that_cannot_say_its_layers_takes_nothing_down() -> None:
    """It is named among the problems, and calls go on."""

    class Broken:
        @hookimpl
        def airouter_layers(self) -> Any:
            raise ValueError("no")

    class Wrong:
        @hookimpl
        def airouter_layers(self) -> Any:
            return (print,)

    plugins = Plugins.of(Broken(), Wrong(), Brings()).with_settings({})
    assert create_provider("local", plugins=plugins).execute("m", "hi") == "m says hi"
    assert [problem.source.name for problem in plugins.problems] == ["Broken", "Wrong"]


def test_an_operation_is_called_by_its_published_name_only(half: Half) -> None:
    """An ask may come from a file or over a network: nothing else of a provider can be called by it."""
    with create_provider("local", plugins=Plugins.of(Brings())) as provider:
        assert provider.run(provider.flow_of(Ask(kind="doubling", operation="doubled", arguments={"number": 2}))) == 4
        for operation, kind in (("close", "management"), ("doubled", "models"), ("run", ""), ("_operation", "x")):
            with pytest.raises(ConfigurationError, match="has no operation"):
                provider.run(provider.flow_of(Ask(kind=kind, operation=operation)))


def test_a_provider_of_the_first_interface_is_told_what_to_change() -> None:
    """Overriding a method that blocks would leave the awaited half and the layers out."""
    with pytest.raises(TypeError, match=r"Old.list_models was written for an older .* implement models_flow\(\)"):
        type("Old", (Local,), {"list_models": lambda self: []})


def test_both_halves_look_like_methods() -> None:
    """Their signatures, names and docstrings are those of the flow."""
    import inspect

    assert str(inspect.signature(Local.doubled)) == "(self, number: 'int', model: 'str | None' = None) -> 'int'"
    assert (Local.doubled.__doc__, Local.adoubled.__doc__) == ("Twice the number.", ":meth:`doubled`, awaited.")
    assert Local.adoubled.__qualname__ == "Local.adoubled"
    assert "whole answer" in (Provider.chat.__doc__ or "")
    assert "response_format" in inspect.signature(Provider.astream_chat).parameters
    assert inspect.iscoroutinefunction(Local.adoubled)


# Hooks.


class Watch:
    """Hooks that are coroutines, and one that blocks; they write down who heard what, and in which thread."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.threads: set[int] = set()
        self.calls: list[Call] = []
        self.outcomes: list[Outcome] = []

    @hookimpl
    async def airouter_admit_call(self, call: Call) -> None:
        await asyncio.sleep(0)
        self.log.append(f"admit {call.kind}")

    @hookimpl
    def airouter_call_started(self, call: Call) -> None:
        self.threads.add(threading.get_ident())
        self.calls.append(call)
        self.log.append(f"started {call.kind}")

    @hookimpl
    async def airouter_call_ended(self, call: Call, outcome: Outcome) -> None:
        await asyncio.sleep(0)
        self.outcomes.append(outcome)
        self.log.append(f"ended {call.kind}")


def test_hooks_may_be_coroutines_and_run_off_the_loop(half: Half) -> None:
    """In either half, for every kind, in their order; what blocks is in no event loop's thread."""
    watch = Watch()
    with half.of(create_provider("local", plugins=Plugins.of(watch, Brings()))) as provider:
        provider.execute("m", "hi")
        list(provider.stream_execute("m", "hi"))
        provider.doubled(2)
        loop_threads = {id(None)} if half is BLOCKING else {provider._loop._thread.ident}
    assert watch.log == [
        f"{what} {kind}" for kind in ("chat", "chat", "doubling") for what in ("admit", "started", "ended")
    ]
    assert not watch.threads & loop_threads
    chat, streamed, doubled = watch.outcomes
    assert (chat.response.text, chat.first, chat.requests) == ("m says hi", None, 0)
    assert streamed.first is not None
    assert (doubled.result, doubled.response.text) == (4, "")
    assert watch.calls[0].identity.name == "local"
    assert watch.calls[0].request.model == "m"


def test_calls_made_for_another_call_know_it(half: Half) -> None:
    """A provider made of providers: its call is the parent of those it makes, and its answer is handed on as it is."""
    watch = Watch()
    plugins = Plugins.of(watch, Brings())
    target = create_provider("local", plugins=plugins)

    class Router(Local):
        def prepare(self, ask: Ask) -> Prepared:
            return Prepared(None, {})

        def reply(self, ask: Ask, request: Request | None) -> Flow[Any]:
            for attempt in (1, 2):
                response = yield from target.flow_of(ask.asked_as(model="t", attempt=attempt))
            return response

    with half.of(Router(ProviderConfig(), INFO, plugins)) as router:
        response = router.chat("route", "hi")
    assert response.text == "t says hi"
    router_call, first, second = watch.calls
    assert router_call.parent is None
    assert first.parent == second.parent == router_call.id
    assert (first.attempt, second.attempt) == (1, 2)
    assert len({call.id for call in watch.calls}) == 3
    assert watch.outcomes[-1].response.text == "t says hi"


def test_retries_are_told(half: Half, serve: Any, make_provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many requests a call took, and how many of them repeated one that had failed."""
    monkeypatch.setattr("airouter_core.flow.exchange.FIRST_DELAY", 0.001)
    answers = [503, 200]
    choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}

    def script(peer: Any, received: Any) -> None:
        peer.answer(answers.pop(0), json.dumps({"choices": [choice]}).encode())

    watch = Watch()
    with half.of(make_provider(serve(script).url, Plugins.of(watch))) as provider:
        provider.execute("m", "hi")
    (outcome,) = watch.outcomes
    assert (outcome.requests, outcome.retries) == (2, 1)
    assert watch.calls[0].identity.address is not None
    assert "://127.0.0.1" in watch.calls[0].identity.address


def test_the_deadline_of_an_ask_holds_for_all_that_is_tried(half: Half) -> None:
    """Over layers, waits and targets; also when the layer further in would rather wait."""

    def waiting(ask: Ask, answer: Answer) -> Flow[Any]:
        yield Sleep(60)
        return (yield from answer(ask))

    def hurried(ask: Ask, answer: Answer) -> Flow[Any]:
        return (yield from delegated(answer(ask), deadline=5))

    layers = [hurried, ("limit", waiting)]
    with (
        half.of(create_provider("local", plugins=Plugins.of(Brings()), layers=layers)) as provider,
        pytest.raises(TransportTimeoutError, match="deadline of 5 s"),
    ):
        provider.execute("m", "hi")
