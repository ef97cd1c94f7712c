"""The awaited half of providers without HTTP, and of the manager: the blocking methods, in threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.config.provider import ProviderConfig
from airouter_core.errors import AirouterError, ConnectionFailedError
from airouter_core.flow.steps import Flow, done
from airouter_core.manager import ProviderManager
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo
from airouter_core.provider.facade import Provider
from airouter_core.values.catalog import ModelInfo
from airouter_core.values.events import Finish, StreamEvent, TextDelta
from airouter_core.values.messages import Message
from airouter_core.values.request import Request
from airouter_core.values.response import Response

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)


def info(name: str, **more: Any) -> ProviderInfo:
    capabilities: Any = ("chat", "stream", "system_prompt", "vision", "embeddings")
    return ProviderInfo(name=name, target="nowhere:Nothing", capabilities=capabilities, **more)


class Local(Provider[ProviderConfig]):
    """A provider that blocks, and remembers in which thread."""

    def __init__(self, name: str = "local", plugins: Plugins | None = None, **more: Any) -> None:
        super().__init__(ProviderConfig(), info(name, **more), plugins)
        self.threads: set[int] = set()
        self.down: AirouterError | None = None
        self.closed = False

    def events(self, request: Request, *, stream: bool) -> Iterator[StreamEvent]:
        self.threads.add(threading.get_ident())
        yield TextDelta("he")
        yield TextDelta("llo")
        yield Finish("stop")

    def models_flow(self) -> Flow[list[ModelInfo]]:
        return done(self.listed)

    def listed(self) -> list[ModelInfo]:
        self.threads.add(threading.get_ident())
        if self.down is not None:
            raise self.down
        return [ModelInfo(id=f"{self.info.name}-m", name="M", provider=self.info.name)]

    def embeddings_flow(self, texts: Any, model: str | None) -> Flow[list[list[float]]]:
        return done(self.vectors_of, texts)

    def vectors_of(self, texts: Any) -> list[list[float]]:
        return [[float(len(text))] for text in texts]

    def close(self) -> None:
        self.closed = True


def test_every_awaited_method_gives_what_the_blocking_one_does() -> None:
    """Awaited, the same answers come, and the event loop's own thread does none of the work."""
    provider = Local()

    async def ask() -> None:
        async with provider as same:
            assert same is provider
            assert await provider.aexecute("m", "hi", "system") == "hello"
            assert (await provider.achat("m", "hi")).text == "hello"
            assert [text async for text in provider.astream_execute("m", "hi")] == ["he", "llo"]
            assert await provider.aexecute_with_vision("m", "hi", image_data=PNG) == "hello"
            assert await provider.acreate_embedding("abc") == [3.0]
            assert await provider.acreate_embedding(["a", "bc"]) == [[1.0], [2.0]]
            assert await provider.acount_tokens("abcd") == 1
            assert [model.id for model in await provider.alist_models()] == ["local-m"]
            assert await provider.avalidate_config() is True
            assert (await provider.aget_info()).status == "available"
            provider.down = ConnectionFailedError("is the server running?")
            assert await provider.avalidate_config() is False
            assert (await provider.aget_info()).problem == "is the server running?"
        assert provider.closed
        assert threading.get_ident() not in provider.threads

    asyncio.run(ask())


def test_a_plugins_answer_is_awaited_too() -> None:
    """A plugin that answers in the provider's place does so for awaited calls as well."""

    class Cache:
        @hookimpl
        def airouter_answer_call(self) -> Response:
            return Response(message=Message.assistant("cached"), finish_reason="stop")

    provider = Local(plugins=Plugins.of(Cache()))

    async def ask() -> tuple[str, list[str]]:
        said = await provider.aexecute("m", "hi")
        return said, [text async for text in provider.astream_execute("m", "hi")]

    assert asyncio.run(ask()) == ("cached", ["cached"])
    assert provider.threads == set()


@pytest.fixture
def manager() -> Iterator[ProviderManager]:
    with ProviderManager(plugins=Plugins()) as held:
        held._providers = {"one": Local("one", model_patterns=("one-*",)), "two": Local("two", kind="local")}
        yield held


def test_the_manager_awaited(manager: ProviderManager) -> None:
    """Each way to ask through the manager, awaited."""

    async def ask() -> None:
        assert await manager.aexecute("one", "m", "hi") == "hello"
        assert (await manager.achat("one", "m", "hi")).text == "hello"
        assert [text async for text in manager.astream_execute("one", "m", "hi")] == ["he", "llo"]
        assert (await manager.astream_chat("one", "m", "hi").read()).text == "hello"
        assert await manager.aauto_execute("one-m", "hi") == "hello"
        assert await manager.aauto_execute("two-m", "hi") == "hello"
        assert (await manager.alist_all_models()).keys() == {"one", "two"}
        assert {info.status for info in (await manager.aget_all_info()).values()} == {"available"}

    asyncio.run(ask())


def test_one_that_is_down_costs_only_its_own_entry(manager: ProviderManager, caplog: pytest.LogCaptureFixture) -> None:
    """Awaited as blocking: the others are as ever, and the log names it."""
    broken: Any = manager.provider("two")
    broken.down = ConnectionFailedError("is the server running?")

    async def ask() -> tuple[Any, Any]:
        return await manager.alist_all_models(), await manager.aget_all_info()

    models, infos = asyncio.run(ask())
    assert [len(models["one"]), len(models["two"])] == [1, 0]
    assert (infos["one"].status, infos["two"].status) == ("available", "unavailable")
    assert "two: models cannot be listed" in caplog.text
