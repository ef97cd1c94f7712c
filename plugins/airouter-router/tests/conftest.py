"""A world of scripted providers and a clock that only moves when somebody waits."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import OverloadedError, TransportTimeoutError
from airouter_core.flow.layers import Gate
from airouter_core.flow.steps import Delegate, Do, Emit, Flow, Gather, Open, Sleep
from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ParameterSupport, ProviderInfo
from airouter_core.provider.asking import ask_of
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, StreamStart, TextDelta, UsageReported
from airouter_core.values.notes import Note
from airouter_core.values.request import Request
from airouter_core.values.usage import Usage
from airouter_core.wire.http import HttpRequest
from airouter_router.config import RouterConfig
from airouter_router.plugin import ROUTER
from airouter_router.provider import RouterProvider

CAPABILITIES = ("chat", "stream", "system_prompt", "tools", "tool_choice", "json", "vision", "embeddings")
TAKEN = (ParameterSupport("max_tokens", "max_tokens"), ParameterSupport("reasoning_effort", "effort"))
CLOUD = ProviderInfo(name="scripted", target="nowhere:Nothing", capabilities=CAPABILITIES, parameters=TAKEN)


class Scripted(Provider[ProviderConfig]):
    """Does what its script says for each model in turn: an error, a number of seconds, or events; then it answers."""

    def __init__(self, world: World, info: ProviderInfo, name: str) -> None:
        super().__init__(ProviderConfig(), info, world.plugins)
        self.kept_as = name
        self.world = world

    def models_flow(self) -> Flow[list[ModelInfo]]:
        self.world.listed.append(self.kept_as)
        yield Sleep(0)
        if self.kept_as not in self.world.models:
            raise OverloadedError("no list today")
        return list(self.world.models[self.kept_as])

    def answer_flow(self, request: Request, *, stream: bool) -> Flow[Any]:
        world, address = self.world, f"{self.kept_as}/{request.model}"
        world.asked.append(address)
        world.requests.append(request)
        world.asked_at.append((address, world.now))
        world.at_work(address, 1)
        try:
            if world.headers.get(address):
                yield Open(HttpRequest("GET", address), 1, 1)
            script = world.scripts.get(address)
            actions = script() if callable(script) else script.pop(0) if script else ()
            for action in actions if isinstance(actions, list | tuple) else (actions,):
                if isinstance(action, Exception):
                    raise action
                if isinstance(action, threading.Event):
                    while not action.is_set():
                        yield Sleep(0.002)
                elif isinstance(action, int | float):
                    yield Sleep(action)
                else:
                    yield Emit((action,))
                    if isinstance(action, Finish):
                        return
            yield Emit((StreamStart(request.model), TextDelta(f"from {address}"), UsageReported(Usage(10, 5))))
            yield Emit((Finish("stop"),))
        finally:
            world.at_work(address, -1)

    def embeddings_flow(self, texts: Any, model: str | None) -> Flow[list[list[float]]]:
        self.world.asked.append(f"{self.kept_as}/{model}")
        script = self.world.scripts.get(f"{self.kept_as}/{model}")
        if script:
            raise script.pop(0)
        yield from ()
        return [[float(len(text))] for text in texts]


class World:
    """Providers, what was asked of them, and the time."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.requests: list[Request] = []
        self.asked_at: list[tuple[str, float]] = []
        self.slept: list[float] = []
        self.busy: dict[str, int] = {}
        self.busiest: dict[str, int] = {}
        self.scripts: dict[str, Any] = {}
        self.lots: Callable[[], float] = lambda: 0.0
        self.hour = 12
        self.models: dict[str, list[ModelInfo]] = {}
        self.listed: list[str] = []
        self.headers: dict[str, dict[str, str]] = {}
        self.plugins = Plugins.of()
        self.scope: Delegate | None = None
        self._lock = threading.Lock()

    def at_work(self, address: str, change: int) -> None:
        """One more is at work there, or one less; from any thread."""
        with self._lock:
            self.busy[address] = self.busy.get(address, 0) + change
            self.busiest[address] = max(self.busiest.get(address, 0), self.busy[address])

    def wall(self) -> float:
        """Seconds since 1970."""
        return 1_700_000_000.0 + self.now

    def router(
        self,
        routes: Mapping[str, Any],
        targets: Mapping[str, Any] | None = None,
        *,
        providers: Iterable[str] = "abcde",
        infos: Mapping[str, ProviderInfo] | None = None,
        prices: Mapping[str, Any] | None = None,
        clock: Callable[[], float] | None = None,
    ) -> RouterProvider:
        """A router over providers of one letter each."""
        given = {name: Scripted(self, (infos or {}).get(name, CLOUD), name) for name in providers}
        config = RouterConfig(routes=routes, targets=targets or {}, prices=prices or {})
        return RouterProvider(
            config,
            ROUTER,
            self.plugins,
            wall=self.wall,
            clock=clock or (lambda: self.now),
            chance=lambda: self.lots(),
            hour=lambda: self.hour,
            given=given,
        )

    def chat(self, router: RouterProvider, model: str = "r", messages: Any = "hello", **options: Any) -> Any:
        """Ask on the fake clock; the response, and the events that a reader saw."""
        ask = (
            ask_of(model, messages, stream=True, **options)
            if "stream" not in options
            else ask_of(model, messages, **options)
        )
        self.events: list[StreamEvent] = []
        return self.drive(router.flow_of(ask), self.events.extend, None)

    def served_by(self, router: RouterProvider, model: str = "r", messages: Any = "hello", **fields: Any) -> str:
        """Who answers an ask that has further fields."""
        ask = msgspec.structs.replace(ask_of(model, messages), **fields)
        return self.drive(router.flow_of(ask), lambda events: None, None).served_by

    def drive(self, flow: Flow[Any], emit: Callable[[Any], Any], until: Callable[[], float | None] | None) -> Any:
        """A driver whose waits take no time."""
        outcome: Any = None
        error: Exception | None = None
        while True:
            try:
                step = flow.send(outcome) if error is None else flow.throw(error)
            except StopIteration as end:
                return end.value
            outcome, error = None, None
            try:
                outcome = self._perform(step, emit, until)
            except Exception as failure:
                error = failure

    def _perform(self, step: Any, emit: Callable[[Any], Any], until: Callable[[], float | None] | None) -> Any:
        if isinstance(step, Delegate):
            return self._delegated(step, emit, until)
        if isinstance(step, Gather):
            return [self._gathered(flow) for flow in step.flows]
        if isinstance(step, Open):
            return self._opened(step)
        if isinstance(step, Emit):
            return emit(list(step.events))
        if isinstance(step, Do):
            return step.function()
        assert isinstance(step, Sleep), step
        end = until() if until else None
        if end is not None and self.now + step.seconds >= end:
            self.now = max(self.now, end)
            raise TransportTimeoutError("too late")
        self.now += step.seconds
        self.slept.append(step.seconds)
        return None

    def _delegated(self, step: Any, emit: Callable[[Any], Any], until: Callable[[], float | None] | None) -> Any:
        outer, self.scope = self.scope, step
        step.around = outer
        try:
            return self.drive(step.flow, self._through(step, emit), self._until(step, until))
        finally:
            self.scope = outer

    def _gathered(self, flow: Flow[Any]) -> Any:
        try:
            return self.drive(flow, lambda _: None, None)
        except Exception as error:
            return error

    def _opened(self, step: Open) -> Any:
        head = SimpleNamespace(status=200, headers=self.headers[step.request.url])
        scope = self.scope
        while scope is not None:
            scope.head, scope = head, scope.around
        return head

    def _through(self, step: Delegate, emit: Callable[[Any], Any]) -> Callable[[Any], Any]:
        through = step.through
        return emit if through is None else lambda events: emit(list(through(events)))

    def _until(self, step: Delegate, outer: Callable[[], float | None] | None) -> Callable[[], float | None]:
        began = self.now

        def end() -> float | None:
            ends = [outer() if outer else None, None if step.deadline is None else began + step.deadline]
            if step.opens_within is not None and isinstance(step.through, Gate) and not step.through.is_open:
                ends.append(began + step.opens_within)
            return min((at for at in ends if at is not None), default=None)

        return end


class Place:
    """Notes in memory, on the clock of a world, and a plugin that offers them."""

    where = "here"

    def __init__(self, world: Any) -> None:
        self._world = world
        self._notes: dict[tuple[str, str], Note] = {}
        self.broken = False
        self.reads = 0

    @hookimpl
    def airouter_shared_notes(self) -> Place:
        return self

    def put(self, topic: str, name: str, note: Note) -> None:
        if self.broken:
            raise OSError("the disk is full")
        known = self._notes.get((topic, name))
        if known is None or known.until <= note.until:
            self._notes[topic, name] = note

    def remove(self, topic: str, name: str) -> None:
        self._notes.pop((topic, name), None)

    def read(self, topic: str) -> Mapping[str, Note]:
        self.reads += 1
        return {
            name: note for (at, name), note in self._notes.items() if at == topic and note.until > self._world.wall()
        }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def place(world: Any) -> Place:
    found = Place(world)
    world.plugins = Plugins.of(found)
    return found


@pytest.fixture(scope="session")
def worlds() -> type[World]:
    """Makes worlds, for tests that need many."""
    return World


@pytest.fixture(params=["blocking", "awaited"])
def ask(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Asks a router through the real driver of either half."""

    def asked(router: RouterProvider, model: str = "r", messages: Any = "hello", *, stream: bool = True) -> Any:
        if request.param == "blocking":
            if not stream:
                return router.chat(model, messages)
            with router.stream_chat(model, messages) as answer:
                list(answer)
            return answer.response

        async def awaiting() -> Any:
            if not stream:
                return await router.achat(model, messages)
            answer = router.astream_chat(model, messages)
            async with answer:
                _ = [event async for event in answer]
            return answer.response

        return asyncio.run(awaiting())

    return asked


FILE = """
[main]
provider = "openai"
api_key = "sk-planted"

[ollama]
base_url = "http://127.0.0.1:9"

[routes.chat]
targets = ["main/gpt-5", "ollama/llama"]
[[routes.chat.when]]
if = { tag = "team=blue" }
targets = ["ollama/llama"]

[targets."main/gpt-5"]
context = 5

[prices]
"ollama/llama" = { input = 1, output = 2 }
"""


@pytest.fixture
def routes_file(tmp_path: Path) -> Path:
    """A settings file with a route over two providers, of which nobody is asked."""
    path = tmp_path / "airouter.toml"
    path.write_text(FILE)
    path.chmod(0o600)
    return path
