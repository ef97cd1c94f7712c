"""The manager's compare: the same question to several models, answers as they come."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import types
from typing import Any

import pytest

from airouter_core import hookimpl
from airouter_core.errors import ParameterError, ServerError, UnknownProviderError
from airouter_core.manager import ProviderManager
from airouter_core.plugins.registry import Plugins
from airouter_core.profile.declarations import ProviderInfo


@pytest.fixture
def manager(serve: Any) -> Any:
    """Two providers on one server: `quick` answers, `slow` waits until `quick` was read, `broken` fails."""
    read = threading.Event()

    def answer(peer: Any, received: Any) -> None:
        model = json.loads(received.body)["model"]
        if model == "broken":
            peer.answer(500, b"{}")
            return
        if model == "slow":
            read.wait(120)
        choice = {"index": 0, "message": {"content": f"I am {model}"}, "finish_reason": "stop"}
        peer.answer(200, json.dumps({"choices": [choice]}).encode())

    server = serve(answer)

    class Plugin:
        @hookimpl
        def airouter_providers(self) -> Any:
            return [_info()]

    made = ProviderManager(plugins=Plugins.of(Plugin()))
    for name in ("one", "two"):
        made.add_provider("example", {"base_url": server.url, "max_retries": 0}, as_name=name)
    yield made, read
    made.close()


def _info() -> ProviderInfo:
    return ProviderInfo(name="example", target="airouter_core_compare_example:Example")


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch, make_provider: Any) -> None:
    """The plugin's target can be imported, as an installed one can."""
    module = types.ModuleType("airouter_core_compare_example")
    module.Example = type(make_provider("http://127.0.0.1:1"))  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_answers_come_as_they_are_ready(manager: Any) -> None:
    """A slow model keeps no quick one waiting; an error is a comparison too."""
    compared, read = manager
    found = []
    for comparison in compared.compare("hi", [("one", "slow"), ("two", "quick"), ("one", "broken")]):
        found.append(comparison)
        if len(found) == 2:
            read.set()
    assert {item["model"] for item in found[:2]} == {"quick", "broken"}
    assert found[2].text == "I am slow"
    errors = [item.error for item in found if item.error]
    assert [type(error) for error in errors] == [ServerError]


def test_the_awaited_one_does_the_same(manager: Any) -> None:
    """acompare gives each as it comes."""
    pytest.importorskip("aiohttp", reason="awaiting is an extra: pip install 'airouter-core[async]'")
    compared, read = manager

    async def ask() -> list[str]:
        texts = []
        async with compared:
            async for comparison in compared.acompare("hi", [("one", "slow"), ("two", "quick")]):
                texts.append(comparison.text)
                read.set()
        return texts

    assert asyncio.run(ask()) == ["I am quick", "I am slow"]


@pytest.mark.parametrize("candidates", [[("one",)], ["one/quick"], [3], 3, ("one", "quick")])
def test_candidates_are_pairs(manager: Any, candidates: Any) -> None:
    """What else they are is told, with the one that is none."""
    with pytest.raises(ParameterError, match="candidates are pairs of a provider and a model"):
        manager[0].compare("hi", candidates)


def test_a_provider_that_was_not_added_is_refused_at_once(manager: Any) -> None:
    """Nothing is asked."""
    with pytest.raises(UnknownProviderError, match="add_provider"):
        manager[0].compare("hi", [("nobody", "quick")])
