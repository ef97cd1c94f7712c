"""The provider for the tests of programs: a whole one, whose answers the test says."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from airouter_core.errors import ConfigurationError, ParameterError, RateLimitedError
from airouter_core.plugins.hookspecs import hookimpl
from airouter_core.plugins.registry import Plugins
from airouter_core.testing import fake_provider
from airouter_core.values.calls import Call
from airouter_core.values.messages import Message, ToolCallPart
from airouter_core.values.request import Request
from airouter_core.values.response import Response


def test_it_answers_and_remembers_what_it_was_asked() -> None:
    """Whole, streamed and awaited; with the parameters under their canonical names."""
    provider = fake_provider("The capital is Paris.")
    assert provider.execute("m", "Where?", "Be brief.", {"temp": 0}) == "The capital is Paris."
    assert "".join(provider.stream_execute("m", "Where?")) == "The capital is Paris."
    assert asyncio.run(provider.aexecute("m", "Where?")) == "The capital is Paris."
    assert len(provider.asked) == 3
    assert provider.asked[0].parameter("temperature") == 0
    assert [message.role for message in provider.asked[0].messages] == ["system", "user"]
    assert provider.chat("m", "x").usage.output_tokens


def test_several_answers_are_given_in_their_order() -> None:
    """Texts, responses, errors, functions; and one question more is an error, not an old answer."""

    def echoed(request: Request) -> str:
        return request.messages[-1].text

    call = ToolCallPart("1", "weather", '{"city": "Rome"}')
    provider = fake_provider(
        Response(message=Message("assistant", (call,)), finish_reason="tool_calls"), RateLimitedError("slowly"), echoed
    )
    assert provider.chat("m", "x").tool_calls == (call,)
    with pytest.raises(RateLimitedError, match="slowly"):
        provider.chat("m", "x")
    assert provider.execute("m", "echo this") == "echo this"
    with pytest.raises(ConfigurationError, match="has 3 answers"):
        provider.execute("m", "x")


def test_what_is_wrong_with_a_call_is_wrong_here_too() -> None:
    """A misspelt parameter does not pass a test."""
    with pytest.raises(ParameterError, match="did you mean 'temperature'"):
        fake_provider("x").execute("m", "x", parameters={"temprature": 1})


def test_functions_are_run() -> None:
    """The loop of tools needs no model."""
    call = ToolCallPart("1", "weather", '{"city": "Rome"}')

    def weather(city: str) -> str:
        """The weather in a city."""
        return f"sunny in {city}"

    provider = fake_provider(
        Response(message=Message("assistant", (call,)), finish_reason="tool_calls"),
        "It is fine.",
    )
    assert provider.run_tools("m", "x", [weather]).response.text == "It is fine."
    assert "sunny in Rome" in str(provider.asked[1].messages[-1])


def test_hooks_see_its_calls() -> None:
    """With the plugins of the test."""
    seen: list[str] = []

    class Watcher:
        @hookimpl
        def airouter_call_started(self, call: Call) -> None:
            seen.append(call.kind)

    fake_provider("x", plugins=Plugins.of(Watcher())).execute("m", "x")
    assert seen == ["chat"]


def test_vectors_are_the_same_for_the_same_text() -> None:
    """So that a program can look something up."""
    provider = fake_provider()
    one, other = provider.create_embedding(["a", "b"])
    assert one == provider.create_embedding("a")
    assert one != other


def test_it_needs_nothing_that_is_not_installed() -> None:
    """Neither pytest nor any other part of the extra."""
    code = (
        "import sys; sys.modules.update(pytest=None, hypothesis=None, vcr=None, click=None)\n"
        "from airouter_core.testing import fake_provider; print(fake_provider('yes').execute('m', 'x'))"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "yes\n"
