"""A real model, run by real llama.cpp in the process, through the plugin that the core found by its entry point."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import Provider, ProviderManager, create_provider, list_providers

pytest.importorskip("xllamacpp", reason="needs the engine: pip install 'airouter-llamacpp[embedded]'")
pytestmark = pytest.mark.engine

MODELS = Path(__file__).parents[2] / "models"
GREEDY = {"temperature": 0}

if not any(info.name == "llama-cpp" for info in list_providers()):
    pytest.skip("needs the plugin: pip install airouter-llamacpp", allow_module_level=True)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider[Any]]:
    with create_provider("gguf", {"models_dir": str(MODELS)}) as made:
        yield made


@pytest.mark.parametrize(
    ("question", "word"),
    [
        ("What is the capital of France?", "Paris"),
        ("what's the capital of france", "Paris"),
        ("What is airouter?", "Python library"),
        ("Hello!", "Hello"),
        ("What is 2 + 3?", "5"),
        ("What is the meaning of life?", "do not know"),
    ],
)
def test_the_model_answers_sensibly(provider: Provider[Any], question: str, word: str) -> None:
    """The toy knows what it was taught, and says so where it was not."""
    assert word in provider.execute("airouter-toy", question, parameters=GREEDY)


def test_streamed_and_whole_answers_are_equal(provider: Provider[Any]) -> None:
    """The same seed gives the same text either way."""
    chosen = {"temperature": 1.0, "seed": 7, "max_tokens": 40}
    whole = provider.chat("airouter-toy", "What is airouter?", parameters=chosen)
    with provider.stream_chat("airouter-toy", "What is airouter?", parameters=chosen) as stream:
        streamed = stream.read()
    assert streamed.text == whole.text
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert streamed.finish_reason == whole.finish_reason


def test_a_stream_left_early_frees_the_engine(provider: Provider[Any]) -> None:
    """The engine makes one answer at a time; the next call is not kept waiting by an answer nobody reads."""
    for _ in range(5):
        with provider.stream_chat("airouter-toy", "What is airouter?", parameters={"max_tokens": 400}) as stream:
            next(stream)
    assert "Paris" in provider.execute("airouter-toy", "What is the capital of France?", parameters=GREEDY)


def test_the_manager_finds_the_provider_by_the_model(provider: Provider[Any]) -> None:
    """auto_execute picks a local provider that lists the model."""
    with ProviderManager() as manager:
        manager.add_provider("llama-cpp", {"models_dir": str(MODELS)})
        assert "Paris" in manager.auto_execute(
            "airouter-toy/airouter-toy", "What is the capital of France?", parameters=GREEDY
        )
        assert manager.get_all_info()["llama-cpp"]["status"] == "available"


def test_the_awaited_half_gives_the_same_answer(provider: Provider[Any]) -> None:
    """achat and chat are the same flow."""
    pytest.importorskip("aiohttp", reason="awaiting is an extra: pip install 'airouter-core[async]'")

    async def ask() -> str:
        async with create_provider("gguf", {"models_dir": str(MODELS)}) as awaited:
            pieces = [
                piece async for piece in awaited.astream_execute("airouter-toy", "What is airouter?", parameters=GREEDY)
            ]
            assert len(pieces) > 5
            return "".join(pieces)

    assert asyncio.run(ask()) == provider.execute("airouter-toy", "What is airouter?", parameters=GREEDY)
