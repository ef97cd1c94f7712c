"""A real server of one's own: llama.cpp's, started in this process, asked as a llamafile and without a row."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import AuthenticationError, ContextLengthError

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[3] / "models" / "airouter-toy" / "airouter-toy.gguf"
KEY = "sk-local-0123456789"
SHORT = {"max_tokens": 48, "temperature": 0}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    engine = pytest.importorskip("xllamacpp", reason="the engine's wheel (xllamacpp) is not installed")
    if not MODEL.exists():
        pytest.skip(f"no model at {MODEL}")
    settings = engine.CommonParams()
    settings.model.path = str(MODEL)
    settings.model_alias = {"toy"}
    settings.n_ctx = 1024
    settings.port = 0
    settings.hostnames = ["127.0.0.1"]
    settings.cpuparams.n_threads = 1
    settings.verbosity = 0
    settings.api_keys = [KEY]
    server = engine.Server(settings)
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(params=["llamafile", "compatible"])
def provider(request: pytest.FixtureRequest, address: str) -> Iterator[Any]:
    with create_provider(request.param, {"base_url": address, "api_key": KEY}) as made:
        yield made


def test_it_answers_whole_and_streamed(provider: Any) -> None:
    """The pieces of a stream add up to the whole answer, with usage and an end."""
    asked = "toy", "What is the capital of France?"
    whole = provider.chat(*asked, parameters=SHORT)
    streamed = provider.stream_chat(*asked, parameters=SHORT).read()
    assert "Paris" in whole.text
    assert (streamed.text, streamed.finish_reason) == (whole.text, whole.finish_reason)
    assert streamed.usage.output_tokens == whole.usage.output_tokens
    assert whole.warnings == streamed.warnings == ()


def test_its_parameters_have_their_effect(provider: Any) -> None:
    """What the row says that it takes, the server takes."""
    taken = {"top_k": 1, "min_p": 0.1, "repeat_penalty": 1.05, "seed": 7, "stop": ["."], "max_tokens": 8}
    response = provider.chat("toy", "What is the capital of France?", parameters=taken)
    assert {receipt.outcome for receipt in response.parameters} == {"sent"}
    assert "." not in response.text
    assert response.usage.output_tokens <= 8


def test_its_models_and_its_refusals(provider: Any, address: str) -> None:
    """Models are listed; a wrong key and a prompt that is too long are errors of their classes."""
    (model,) = provider.list_models()
    assert model.id == "toy"
    with pytest.raises(ContextLengthError):
        provider.chat("toy", "word " * 3000)
    with create_provider(provider.info.name, {"base_url": address, "api_key": "sk-wrong-0123"}) as other:
        with pytest.raises(AuthenticationError):
            other.chat("toy", "Hello")
        assert other.validate_config() is False


def test_it_is_awaited(address: str) -> None:
    """The awaited half gets the same answer."""

    async def asked() -> str:
        provider = create_provider("llamafile", {"base_url": address, "api_key": KEY})
        try:
            return (await provider.achat("toy", "What is the capital of France?", parameters=SHORT)).text
        finally:
            await provider.aclose()

    assert "Paris" in asyncio.run(asked())
