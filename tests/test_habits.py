"""Where a habit from elsewhere meets a name of ours, the error says which."""

from __future__ import annotations

import asyncio
import copy
import pickle
from typing import Any

import pytest

import airouter_core
from airouter_core.errors import ParameterError, TransportTimeoutError
from airouter_core.testing import fake_provider
from airouter_core.testing.server import Connection, LoopbackServer, ReceivedRequest
from airouter_core.values.message_dicts import messages_from
from airouter_core.values.response import Response
from airouter_core.values.usage import Usage


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (lambda response: response.choices[0].message.content, r"response\.text"),
        (lambda response: response.model_dump(), r"to_dict\(\)"),
        (lambda response: response.usage.prompt_tokens, r"usage\.input_tokens"),
        (lambda response: response.nonsense, r"no attribute 'nonsense'$"),
    ],
)
def test_attributes_of_elsewhere(read: Any, said: str) -> None:
    """An AttributeError as ever, with the name to use."""
    with pytest.raises(AttributeError, match=said):
        read(fake_provider("x").chat("m", "x"))


def test_values_are_copied_and_kept_as_before() -> None:
    """What looks for special methods finds that there are none."""
    response = fake_provider("x").chat("m", "x")
    assert copy.deepcopy(response) == response == pickle.loads(pickle.dumps(response))
    assert not hasattr(response, "__html__")
    assert isinstance(response, Response)
    assert Usage(input_tokens=1).input_tokens == 1
    assert messages_from([response.message])[0].text == "x"


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"temperature": 0.5}, r"chat\(\).*'temperature'; .*parameters=\{'temperature': 0\.5\}"),
        ({"max_length": 5}, r"parameters=\{'max_length': 5\}"),
        ({"stream": True}, r"stream_chat\(\)"),
        ({"timeout": 5}, r"deadline="),
        ({"nonsense": 5}, r"argument 'nonsense'$"),
    ],
)
def test_keywords_of_elsewhere(keywords: Any, said: str) -> None:
    """A TypeError as ever, with what to write; blocking, streamed and awaited."""
    provider: Any = fake_provider("x")
    with pytest.raises(TypeError, match=said):
        provider.chat("m", "x", **keywords)
    with pytest.raises(TypeError, match=r"unexpected keyword"):
        provider.stream_execute("m", "x", **keywords)
    with pytest.raises(TypeError, match=said):
        asyncio.run(provider.achat("m", "x", **keywords))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda provider: provider.chat("m"), r"^chat\(\) missing a required argument: 'messages'$"),
        (lambda provider: provider.execute("m", "a", "b", {}, 5), r"^execute\(\) too many positional arguments$"),
        (lambda provider: provider.run_tools("m", "x", [], temperature=1), r"^run_tools\(\) .*parameters=\{'temp"),
        (
            lambda provider: provider.list_models(base_url="x"),
            r"^list_models\(\) .*create_provider\('PROVIDER', \{'base",
        ),
        (lambda provider: provider.create_embedding(input="x"), r"^create_embedding\(\) .*text_or_list"),
        (lambda provider: provider.execute_with_vision("m", "x", image="x"), r"^execute_with_vision\(\) got an unexp"),
        (lambda _: airouter_core.create_provider("p", api_key="sk-1"), r"create_provider\('p', \{'api_key': …\}\)$"),
    ],
)
def test_wrong_arguments_are_told_under_the_name_that_was_called(call: Any, said: str) -> None:
    """Behind a method there are others, which nobody has called; a key that was given is not repeated."""
    with pytest.raises(TypeError, match=said):
        call(fake_provider("x"))


def test_what_a_tool_raises_while_it_is_described_is_its_own() -> None:
    """Only wrong arguments of the method itself are told as such."""
    with pytest.raises(ParameterError, match="list of functions"):
        fake_provider("x").run_tools("m", "x", 5)


def test_methods_of_elsewhere() -> None:
    """A provider tells which of its methods does what the client of a vendor has another name for."""
    provider: Any = fake_provider("x")
    with pytest.raises(AttributeError, match=r"'embeddings'; create_embedding\("):
        provider.embeddings.create(input="x")
    assert not hasattr(provider, "nonsense")


def test_dir_shows_what_is_public() -> None:
    """Completion offers names to use, and nothing that Python has loaded on the way."""
    assert dir(airouter_core) == sorted(airouter_core.__all__)


def test_a_deadline_for_one_call() -> None:
    """A server that says nothing is left after it, whatever the settings of the provider say."""
    if not any(info.name == "openai" for info in airouter_core.list_providers()):
        pytest.skip("asks through openai: pip install airouter-openai")

    def silent(request: ReceivedRequest, connection: Connection) -> None:
        connection.wait(30)

    with LoopbackServer(silent) as server:
        config = {"base_url": f"http://127.0.0.1:{server.port}", "api": "chat", "max_retries": 0}
        with airouter_core.create_provider("openai", config) as provider:
            with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.2 s"):
                provider.execute("m", "x", deadline=0.2)
            with pytest.raises(TransportTimeoutError, match=r"deadline of 0\.2 s"):
                list(provider.stream_chat("m", "x", deadline=0.2))


@pytest.mark.parametrize("deadline", [0, -1, float("nan"), float("inf"), True, "5"])
def test_a_deadline_is_a_time(deadline: Any) -> None:
    """Anything else is told before anything is sent."""
    with pytest.raises(ParameterError, match="seconds above 0"):
        fake_provider("x").execute("m", "x", deadline=deadline)
