"""Routes in a settings file, for programs that read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from airouter_core import ProviderManager, create_provider
from airouter_core.errors import ConfigurationError, MissingApiKeyError, UnsupportedFeatureError
from airouter_core.provider.asking import ask_of
from airouter_core.testing.server import Answer, LoopbackServer
from airouter_router.provider import RouterProvider


def test_a_manager_has_the_routes_of_its_file(routes_file: Path) -> None:
    """A table of routes is enough: the router is there, with the providers of the file, and tells its plan."""
    with ProviderManager.from_config(routes_file) as manager:
        assert manager.resolve("route:chat") == ("router", "chat")
        plan = manager.plan("route:chat", "word " * 30)
        text = plan.explain()
        assert "main/gpt-5  not asked: about" in text
        assert "ollama/llama  number 2 in order; at most 0.002" in text
        with pytest.raises(UnsupportedFeatureError, match="only routes have a plan"):
            manager.plan("ollama/llama", "hello")


def test_a_wrong_route_of_a_file(routes_file: Path) -> None:
    """What is wrong with a route is said when the file is read."""
    routes_file.write_text(routes_file.read_text().replace('"ollama/llama"]\n[[', '"olama/llama"]\n[['))
    with pytest.raises(ConfigurationError, match="did you mean 'ollama'"):
        ProviderManager.from_config(routes_file)


@pytest.mark.usefixtures("_no_keys")
def test_a_target_without_a_key_is_passed_over() -> None:
    """A provider that cannot be made costs its own targets alone; where nobody is left each reason is told."""
    answer = {"id": "1", "model": "m", "choices": [{"index": 0, "finish_reason": "stop"}]}
    answer["choices"][0]["message"] = {"role": "assistant", "content": "hi"}  # type: ignore[index]
    with LoopbackServer(lambda _, peer: peer.answer(Answer.of_json(answer))) as server:
        here = {"provider": "openai", "api_key": "k", "base_url": f"{server.url}/v1"}
        routes = {"r": {"targets": ["openai/gpt-5", "here/m"]}, "known": {"targets": ["openai/gpt-5"]}}
        with create_provider("router", {"providers": {"openai": {}, "here": here}, "routes": routes}) as router:
            assert isinstance(router, RouterProvider)
            plan = router.plan(ask_of("r", "hello"))
            assert "OPENAI_API_KEY" in (plan.candidates[0].refused or "")
            assert plan.candidates[1].refused is None
            assert server.requests == []
            response = router.chat("r", "hello")
            assert [attempt.outcome for attempt in response.attempts] == ["refused", "complete"]
            with pytest.raises(MissingApiKeyError, match="OPENAI_API_KEY"):
                router.chat("known", "hello")


@pytest.fixture
def _no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def test_a_misspelt_provider_is_told_of_those_that_there_are() -> None:
    """Also where nothing was set up: those that are installed are proposed."""
    with pytest.raises(ConfigurationError, match="did you mean 'ollama'"):
        create_provider("router", {"routes": {"r": {"targets": ["olama/llama3"]}}})


@pytest.mark.usefixtures("_no_keys")
def test_a_provider_that_nobody_has_set_up_is_made_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A route may name any that is installed: its key and its address are looked for as everywhere."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
    with create_provider("router", {"routes": {"r": {"targets": ["openai/gpt-5"]}}}) as router:
        assert isinstance(router, RouterProvider)
        made = router.target_provider("openai")
        assert (made.info.name, made.kept_as, made.config.max_retries) == ("openai", "openai", 0)
        assert made.config.api_key == "sk-planted"
