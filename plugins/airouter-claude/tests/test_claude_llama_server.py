"""Against a real server of the same format: llama.cpp's /v1/messages, with a toy model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airouter_claude.provider import ClaudeProvider
from airouter_core import create_provider
from airouter_core.errors import AuthenticationError, ContextLengthError, ProviderError
from airouter_core.values.messages import Message
from airouter_core.values.tools import Tool

MODEL = Path(__file__).parents[3] / "models" / "airouter-toy" / "airouter-toy.gguf"
KEY = "sk-test-of-the-engine"
CONTEXT = 512
WEATHER = Tool(
    "get_weather",
    "Get the weather",
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
)
QUESTION = "What is the weather in Paris?"

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(not MODEL.is_file(), reason=f"there is no model at {MODEL}"),
]


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A server of llama.cpp on loopback, behind a key."""
    engine = pytest.importorskip("xllamacpp", reason="xllamacpp is not installed")
    params = engine.CommonParams()
    params.model.path = os.fspath(MODEL)
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.verbosity = 0
    params.api_keys = [KEY]
    server: Any = engine.Server(params)
    yield server.listening_address
    del server


@pytest.fixture
def provider(address: str) -> Iterator[ClaudeProvider]:
    with create_provider("claude", {"base_url": address, "api_key": KEY, "max_retries": 0}) as made:
        assert isinstance(made, ClaudeProvider)
        yield made


def test_text(provider: ClaudeProvider) -> None:
    """A whole answer and a streamed one are answers, with usage and a reason to end."""
    parameters = {"max_tokens": 8, "temperature": 0, "seed": 1}
    with pytest.warns(match="'seed' was left out"):
        whole = provider.chat("toy", "Hello", parameters=parameters)
    streamed = provider.stream_chat("toy", "Hello", parameters=parameters).read()
    assert whole.text
    assert streamed.text == whole.text
    assert whole.finish_reason == streamed.finish_reason == "length"
    assert whole.usage.input_tokens == streamed.usage.input_tokens
    assert whole.usage.output_tokens == streamed.usage.output_tokens == 8


def test_stop(provider: ClaudeProvider) -> None:
    """Stop sequences end the answer."""
    text = provider.execute("toy", "Hello", parameters={"max_tokens": 24, "temperature": 0})
    word = text.split()[1]
    short = provider.execute("toy", "Hello", parameters={"max_tokens": 24, "temperature": 0, "stop": [word]})
    assert text.startswith(short)
    assert word not in short


@pytest.mark.parametrize("choice", ["auto", "required"])
def test_tools(provider: ClaudeProvider, choice: str) -> None:
    """A tool is called, streamed or not, and the conversation with its result goes on."""
    ask = {"tools": [WEATHER], "tool_choice": choice, "parameters": {"max_tokens": 200, "temperature": 0}}
    whole = provider.chat("toy", QUESTION, **ask)
    streamed = provider.stream_chat("toy", QUESTION, **ask).read()
    for answer in (whole, streamed):
        assert {call.name for call in answer.tool_calls} == {"get_weather"}
        assert all(set(call.arguments) == {"city"} for call in answer.tool_calls)
        assert answer.finish_reason == "tool_calls"
    results = [Message.tool(call.id, "sunny") for call in whole.tool_calls]
    after = provider.chat("toy", [Message.user(QUESTION), whole.message, *results], tools=[WEATHER])
    assert after.text


def test_count_tokens(provider: ClaudeProvider) -> None:
    """Tokens are counted by the server: more text is more tokens."""
    short, long = provider.count_tokens("Hello", "toy"), provider.count_tokens("Hello there, how are you?", "toy")
    assert 0 < short < long
    asked = provider.chat("toy", "Hello", parameters={"max_tokens": 1}).usage.input_tokens
    assert short == asked


def test_errors(provider: ClaudeProvider, address: str) -> None:
    """Errors in llama.cpp's shape are told apart as the vendor's are."""
    with pytest.raises(ContextLengthError):
        provider.execute("toy", "word " * CONTEXT, parameters={"max_tokens": 1})
    with pytest.raises(ContextLengthError):
        provider.stream_chat("toy", "word " * CONTEXT, parameters={"max_tokens": 1}).read()
    other = create_provider("claude", {"base_url": address, "api_key": "sk-test-wrong", "max_retries": 0})
    with other, pytest.raises(AuthenticationError):
        other.execute("toy", "Hello")
    with pytest.raises(ProviderError):
        provider.chat(
            "toy",
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}],
                }
            ],
            parameters={"max_tokens": 1},
        )


def test_models(provider: ClaudeProvider) -> None:
    """The server's models are listed, as far as it describes them."""
    assert len(provider.list_models()) == 1
    assert provider.validate_config()
