"""A compatible server that is real: llama.cpp's, started in this process, over both of its OpenAI APIs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_core import create_provider
from airouter_core.errors import (
    AuthenticationError,
    BadRequestError,
    ConnectionFailedError,
    ContextLengthError,
    ExecutionError,
)
from airouter_core.values.messages import Message
from airouter_core.values.tools import Tool

pytestmark = pytest.mark.engine

MODEL = Path(__file__).resolve().parents[3] / "models" / "airouter-toy" / "airouter-toy.gguf"
KEY = "sk-local-0123456789"
WEATHER = Tool(
    "weather",
    "Tell the weather of a city",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
SHORT = {"max_tokens": 48, "temperature": 0}


def start(*, embedding: bool = False) -> Any:
    engine = pytest.importorskip("xllamacpp", reason="the engine's wheel (xllamacpp) is not installed")
    if not MODEL.exists():
        pytest.skip(f"no model at {MODEL}")
    settings = engine.CommonParams()
    settings.model.path = str(MODEL)
    settings.model_alias = {"toy"}
    settings.n_ctx = 1024
    settings.n_parallel = 2
    settings.port = 0
    settings.hostnames = ["127.0.0.1"]
    settings.cpuparams.n_threads = 1
    settings.verbosity = 0
    settings.api_keys = [KEY]
    if embedding:
        settings.embedding = True
        settings.pooling_type = engine.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return engine.Server(settings)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = start()
    yield f"{server.listening_address}/v1"
    del server


@pytest.fixture(params=["auto", "responses"])
def provider(request: pytest.FixtureRequest, address: str) -> Iterator[Any]:
    """The same server, spoken to over chat completions (what auto means here) and over responses."""
    with create_provider("openai", {"base_url": address, "api_key": KEY, "api": request.param}) as made:
        yield made


def test_it_answers(provider: Any) -> None:
    """A question has an answer, with its usage, its model and its end."""
    response = provider.chat("toy", "What is the capital of France?", parameters=SHORT)
    assert "Paris" in response.text
    assert response.finish_reason == "stop"
    assert response.usage.input_tokens
    assert response.usage.output_tokens
    assert response.model == "toy"
    assert response.warnings == ()


def test_it_streams_what_it_answers(provider: Any) -> None:
    """The pieces of a stream add up to the whole answer."""
    whole = provider.execute("toy", "Hello!", parameters=SHORT)
    pieces = list(provider.stream_execute("toy", "Hello!", parameters=SHORT))
    assert len(pieces) > 3
    assert "".join(pieces) == whole


def test_it_stops_at_the_limit(provider: Any) -> None:
    """An answer cut by max_tokens says so."""
    response = provider.chat("toy", "Tell me a long story.", parameters={"max_tokens": 16, "temperature": 0})
    assert response.usage.output_tokens <= 16
    assert response.finish_reason in ("length", "stop")


@pytest.mark.parametrize("stream", [False, True])
def test_it_calls_a_tool_and_takes_its_result(provider: Any, stream: bool) -> None:
    """A call that is required comes with its arguments, and the conversation goes on with the result."""
    messages = [Message.user("What is the weather in Paris?")]
    call = {"tools": [WEATHER], "tool_choice": "required", "parameters": SHORT}
    response = (
        provider.stream_chat("toy", messages, **call).read() if stream else provider.chat("toy", messages, **call)
    )
    assert response.finish_reason == "tool_calls"
    assert response.tool_calls[0].name == "weather"
    assert isinstance(response.tool_calls[0].arguments["city"], str)
    messages += [response.message, Message.tool(response.tool_calls[0].id, "Sunny, 21 degrees")]
    assert provider.chat("toy", messages, tools=[WEATHER], parameters=SHORT).text


def test_it_answers_in_the_form_of_a_schema(address: str) -> None:
    """Over chat completions the server holds the model to the schema. Over responses llama.cpp does not."""
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    with create_provider("openai", {"base_url": address, "api_key": KEY}) as provider:
        response = provider.chat("toy", "Give me a person.", response_format=schema, parameters={"max_tokens": 100})
    assert isinstance(response.parsed["name"], str)


def test_it_makes_several_answers(address: str) -> None:
    """``n`` gives alternatives."""
    with create_provider("openai", {"base_url": address, "api_key": KEY}) as provider:
        response = provider.chat("toy", "Hello!", parameters={**SHORT, "n": 2})
    assert response.text
    assert len(response.alternatives) == 1


def test_it_lists_its_model_with_its_context(provider: Any) -> None:
    """The context is the server's own, not a table's."""
    models = provider.list_models()
    assert [model.id for model in models] == ["toy"]
    assert models[0].context_length
    assert provider.validate_config() is True


def test_it_makes_embeddings() -> None:
    """One vector for each text, all of one length."""
    server = start(embedding=True)
    address = f"{server.listening_address}/v1"
    with create_provider("openai", {"base_url": address, "api_key": KEY}) as provider:
        vectors = provider.create_embedding(["Hello", "What is the capital of France?"])
        assert len(vectors) == 2
        assert len(vectors[0]) == len(vectors[1]) > 0
        assert provider.create_embedding("Hello") == pytest.approx(vectors[0], rel=1e-3, abs=1e-4)
    del server


def test_its_errors_are_told_apart(address: str, provider: Any) -> None:
    """Too long a prompt, a wrong key, something it cannot do, and no server at all."""
    with pytest.raises(ContextLengthError):
        provider.execute("toy", "word " * 5000)
    with pytest.raises(BadRequestError, match="does not support embeddings"):
        provider.create_embedding("Hello")
    with (
        create_provider("openai", {"base_url": address, "api_key": "sk-wrong-0123456789"}) as wrong,
        pytest.raises(AuthenticationError) as caught,
    ):
        wrong.execute("toy", "Hello!")
    assert "sk-wrong" not in str(caught.value)
    with (
        create_provider("openai", {"base_url": "http://127.0.0.1:9/v1", "max_retries": 0}) as nobody,
        pytest.raises(ConnectionFailedError) as refused,
    ):
        nobody.execute("toy", "Hello!")
    assert isinstance(refused.value, ExecutionError)
