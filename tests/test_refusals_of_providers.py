"""What providers and managers do not do is said in words of ours; and closing them closes whatever they hold."""

from __future__ import annotations

import asyncio
import copy
import functools
import pickle
import warnings
from typing import Any

import pytest

from airouter_core import ProviderManager
from airouter_core.errors import ConfigurationError, ParameterError, RetiredModelWarning
from airouter_core.provider.facade import Provider
from airouter_core.testing.fakes import FakeProvider, fake_provider


class Renamed(FakeProvider):
    """One of its models is retired."""

    def successor_of(self, model: str) -> str | None:
        return "new" if model == "old" else None


def test_a_retired_model_has_its_successor_asked() -> None:
    """The response says so, and so does a warning, once; other models are asked as they are."""
    provider = Renamed(("hi",), fake_provider().info, None)
    with pytest.warns(RetiredModelWarning, match="fake: model 'old' is retired; 'new' was asked in its place"):
        response = provider.chat("old", "hello")
    assert provider.asked[0].model == "new"
    assert response.warnings == ("model 'old' is retired; 'new' was asked in its place",)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert provider.chat("other", "hello").warnings == ()
    assert provider.asked[1].model == "other"


@pytest.mark.parametrize("model", ["", "  ", None, 5])
def test_a_model_is_named(model: Any) -> None:
    """By a text with something in it."""
    with pytest.raises(ParameterError, match="model must be the name of a model, not"):
        fake_provider().chat(model, "hello")


def test_an_operation_that_is_none() -> None:
    """It is named, whatever it would have been given."""
    with pytest.raises(ParameterError, match="fake has no operation 'create_film'"):
        fake_provider().run(fake_provider().operation_flow("create_film", "a cat"))


def test_a_provider_without_an_answer_says_what_it_lacks() -> None:
    """Whoever writes one is told which method is missing."""

    class Silent(FakeProvider):
        events = Provider.events

    with pytest.raises(NotImplementedError, match=r"Silent must implement events\(\), or reply\(\) as a flow"):
        Silent(("hi",), fake_provider().info, None).chat("m", "hello")


@pytest.mark.parametrize("taken", [pickle.dumps, copy.copy, copy.deepcopy])
def test_what_holds_connections_is_not_copied(taken: Any) -> None:
    """Neither providers nor managers; what to do in another process is said."""
    with pytest.raises(TypeError, match=r"cannot be pickled or copied: create one in each process, with create_provid"):
        taken(fake_provider())
    with ProviderManager() as manager, pytest.raises(TypeError, match="a manager holds connections and cannot be"):
        taken(manager)


def test_a_name_is_a_text() -> None:
    """Under which a manager keeps a provider."""
    wrong: Any = 5
    with ProviderManager() as manager, pytest.raises(ConfigurationError, match="as_name must be a string, not int"):
        manager.add_provider("fake", as_name=wrong)


@pytest.mark.parametrize("half", ["blocking", "awaited"])
def test_all_providers_are_closed_though_one_cannot_be(half: str) -> None:
    """The failure of one is told once the others are closed."""
    closed: list[str] = []

    def close(name: str) -> None:
        closed.append(name)
        if name == "b":
            raise OSError("it hangs")

    async def aclose(name: str) -> None:
        close(name)

    manager = ProviderManager()
    for name in "abc":
        made: Any = fake_provider(name=name)
        made.close, made.aclose = functools.partial(close, name), functools.partial(aclose, name)
        manager._providers[name] = made
    with pytest.raises(OSError, match="it hangs"):
        manager.close() if half == "blocking" else asyncio.run(manager.aclose())
    assert sorted(closed) == ["a", "b", "c"]
