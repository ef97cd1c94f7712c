"""End to end against a real Ollama server, with the repository's own model."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from airouter_core.errors import (
    BadRequestError,
    ConnectionFailedError,
    ContextLengthError,
    ExecutionError,
    ModelNotFoundError,
    TruncatedStreamError,
)
from airouter_core.values.events import TextDelta
from airouter_core.values.messages import Message
from airouter_ollama.progress import Progress
from airouter_ollama.provider import OllamaProvider, TruncatedInputWarning

pytestmark = pytest.mark.engine

LONG: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "minItems": 500}
"""An answer that takes some seconds."""


@pytest.fixture
def provider(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> OllamaProvider:
    """A provider at the real server."""
    return provider_at(ollama.address)


def conversation(turns: int, more: int = 0) -> list[dict[str, str]]:
    """A long talk that ends in a question the model can answer, ``more`` words longer."""
    messages = [{"role": "system", "content": "Be brief."}]
    for number in range(turns):
        messages.append({"role": "user", "content": f"Tell me about item number {number}, please, and why it matters."})
        messages.append({"role": "assistant", "content": f"Item {number} matters for a number of reasons."})
    return [*messages, {"role": "user", "content": "please " * more + "What is the capital of France?"}]


def cuttable(provider: OllamaProvider, turns: int, parameters: dict[str, Any]) -> list[dict[str, str]]:
    """A conversation that the server cuts to what fits: its cut can be a token too long, and is then refused."""
    for more in range(8):
        try:
            provider.chat("toy", conversation(turns, more), parameters=parameters)
        except ContextLengthError:
            continue
        return conversation(turns, more)
    raise AssertionError("the server refused each of them")


def test_a_model_made_from_a_file_is_listed_and_shown(provider: OllamaProvider) -> None:
    """The list tells size, family, quantisation and context; showing tells what the model can do."""
    model = {model.id: model for model in provider.list_models()}["toy:latest"]
    assert model.context_length == 4096
    assert (model.family, model.quantization) == ("llama", "F16")
    assert model.size is not None
    assert model.size > 1_000_000
    details = provider.show_model("toy")
    assert details.context_length == 4096
    assert "chat" in (details.capabilities or ())
    assert "tools" in (details.capabilities or ())
    assert details.options == {"num_thread": 1, "temperature": 0}
    assert details.architecture == "llama"
    assert "embeddings" in (provider.show_model("toy-embedding:latest").capabilities or ())


def test_chat_and_stream_say_the_same(provider: OllamaProvider) -> None:
    """A whole answer and a stream add up to the same, counted alike, and nothing is warned of."""
    whole = provider.chat("toy", "What is the capital of France?")
    stream = provider.stream_chat("toy:latest", "What is the capital of France?")
    pieces = [event.text for event in stream if isinstance(event, TextDelta)]
    assert "Paris" in whole.text
    assert "".join(pieces) == whole.text == stream.response.text
    assert len(pieces) > 3
    assert whole.usage == stream.response.usage
    assert whole.usage.input_tokens
    assert whole.finish_reason == stream.response.finish_reason == "stop"
    assert whole.warnings == stream.response.warnings == ()
    assert whole.provider_metadata["ollama"]["total_duration"] > 0


def test_a_system_prompt_and_parameters_reach_the_model(provider: OllamaProvider) -> None:
    """Canonical parameters arrive as options: the answer is cut where it is told to be."""
    assert provider.execute("toy", "What is the capital of France?", "Be brief.", {"stop": ["Paris"]}).endswith("is ")
    short = provider.chat("toy", "Hello", parameters={"max_tokens": 3, "seed": 1, "top_k": 5, "min_p": 0.1})
    assert short.usage.output_tokens == 3
    assert short.finish_reason == "length"


def test_an_answer_follows_its_schema(provider: OllamaProvider) -> None:
    """A JSON Schema binds the answer, and the answer comes parsed."""
    schema = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
        "required": ["name", "age"],
    }
    answer = provider.chat("toy", "Who is Ada?", response_format=schema, parameters={"max_tokens": 200})
    assert set(answer.parsed) == {"name", "age"}
    assert isinstance(answer.parsed["age"], int)
    assert isinstance(provider.chat("toy", "Say yes.", response_format="json").parsed, dict)


def test_likelihoods_are_kept(provider: OllamaProvider) -> None:
    """top_logprobs alone is enough, and what comes is in the metadata."""
    answer = provider.chat("toy", "Hello", parameters={"top_logprobs": 2, "max_tokens": 3})
    likelihoods = answer.provider_metadata["ollama"]["logprobs"]
    assert len(likelihoods) == 3
    assert len(likelihoods[0]["top_logprobs"]) == 2


def test_tools_are_offered_and_their_results_taken(provider: OllamaProvider) -> None:
    """The server takes a tool without properties, a call sent back, and its result."""
    messages = [
        Message.user("What is the weather in Paris?"),
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city":"Paris"}'}}
            ],
        },
        Message.tool("c1", "sunny"),
    ]
    answer = provider.chat("toy", messages, tools=[{"name": "get_weather"}], parameters={"max_tokens": 20})
    assert answer.usage.input_tokens
    assert provider.chat("toy", "Hello", tools=[{"name": "x"}], tool_choice="none").text


def test_embeddings_one_and_many(provider: OllamaProvider) -> None:
    """One text gives a vector of length one, several give theirs in order; a model that cannot says so."""
    one = provider.create_embedding("a text", "toy-embedding")
    many = provider.create_embedding(["a text", "quite another one"], "toy-embedding")
    assert sum(number * number for number in one) == pytest.approx(1.0, abs=1e-3)
    assert many[0] == pytest.approx(one, abs=1e-4)
    assert many[1] != pytest.approx(one, abs=1e-2)
    with pytest.raises(ExecutionError, match=r"does not support embeddings.*show_model") as caught:
        provider.create_embedding("a text", "toy")
    assert not caught.value.retryable
    with pytest.raises(BadRequestError, match="does not support chat"):
        provider.chat("toy-embedding", "Hello")


def test_a_text_too_long_to_embed_is_told_of(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """A text that is cut before it is embedded gives a warning, or an error where that is wanted."""
    text = "word " * 5000
    with pytest.warns(TruncatedInputWarning, match="longer than toy-embedding takes"):
        assert provider_at(ollama.address).create_embedding(text, "toy-embedding")
    with pytest.raises(ContextLengthError):
        provider_at(ollama.address, on_truncation="error").create_embedding(text, "toy-embedding")


def test_loaded_models_are_listed_and_unloaded(provider: OllamaProvider) -> None:
    """A model is loaded by a call, with the context that was asked for, and gone after unload_model."""
    provider.chat("toy", "Hello", parameters={"context": 512, "keep_alive": "2m", "max_tokens": 2})
    loaded = {model.id: model for model in provider.list_running_models()}["toy:latest"]
    assert loaded.context_length == 512
    assert loaded.size is not None
    assert loaded.size_vram == 0
    assert loaded.expires_at is not None
    provider.create_embedding("a text", "toy-embedding")
    for name in ("toy", "toy-embedding", "toy"):
        provider.unload_model(name)
        assert f"{name}:latest" not in {model.id for model in provider.list_running_models()}


def test_tokens_are_estimated_or_counted(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """Counting asks nobody unless it is wanted; then the model says what it reads."""
    counting = provider_at(ollama.address, count_by_evaluation=True)
    counted = counting.count_tokens("Hello there, how are you today?", "toy")
    assert counted == counting.count_tokens("Hello there, how are you today?", "toy:latest")
    assert counted != counting.count_tokens("Hello there, how are you today? And you?", "toy")
    assert provider_at("http://127.0.0.1:9").count_tokens("Hello there", "toy") == 3


def test_copy_and_delete(provider: OllamaProvider) -> None:
    """A copy is a model, until it is deleted; what is not there cannot be copied or deleted."""
    provider.copy_model("toy", "copy:one")
    assert "copy:one" in {model.id for model in provider.list_models()}
    provider.delete_model("copy:one")
    assert "copy:one" not in {model.id for model in provider.list_models()}
    for attempt in (lambda: provider.delete_model("copy:one"), lambda: provider.copy_model("nope", "copy:two")):
        with pytest.raises(ModelNotFoundError):
            attempt()


def test_a_file_is_sent_once(provider: OllamaProvider, toy_files: dict[str, Path]) -> None:
    """A second model from the same file sends nothing, which the server would answer with a broken connection."""
    seen: list[Progress] = []
    provider.create_model("again", toy_files["toy"], system="Be kind.", on_progress=seen.append)
    assert seen[-1].status == "success"
    assert provider.show_model("again").system == "Be kind."
    provider.create_model("derived", from_model="again", parameters={"context": 1024, "stop": "END"})
    assert provider.show_model("derived").options == {"num_ctx": 1024, "stop": ("END",)}
    provider.delete_model("again")
    provider.delete_model("derived")


def test_a_file_that_is_no_model_is_refused(provider: OllamaProvider, tmp_path: Path) -> None:
    """The server's fault-finding under status 200 is an error."""
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(ExecutionError):
        provider.create_model("broken", broken)
    assert "broken:latest" not in {model.id for model in provider.list_models()}


def test_a_model_that_is_not_there(provider: OllamaProvider) -> None:
    """The error says how to get it, for a stream too."""
    for attempt in (
        lambda: provider.chat("nope", "Hello"),
        lambda: provider.stream_chat("nope", "Hello").read(),
        lambda: provider.create_embedding("Hello", "nope"),
    ):
        with pytest.raises(ModelNotFoundError, match=r"airouter ollama pull nope.*pull_model"):
            attempt()


def test_a_dropped_conversation_is_told_of(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """Messages that do not fit are dropped by the server in silence; the response says so, with both numbers."""
    small = {"context": 256, "max_tokens": 8}
    messages = cuttable(provider_at(ollama.address, on_truncation="ignore"), 30, small)
    for stream in (False, True):
        provider = provider_at(ollama.address)
        ask = provider.stream_chat if stream else provider.chat
        answer = ask("toy", messages, parameters=small)
        response = answer.read() if hasattr(answer, "read") else answer
        assert any("left out the oldest messages" in warning and "256 fit" in warning for warning in response.warnings)
        assert response.usage.input_tokens is not None
        assert response.usage.input_tokens < 260
    with pytest.raises(ContextLengthError, match=r"256 tokens.*auto"):
        provider_at(ollama.address, on_truncation="error").chat("toy", messages, parameters=small)
    assert provider_at(ollama.address, on_truncation="ignore").chat("toy", messages, parameters=small).warnings == ()


def test_a_dropped_conversation_is_seen_in_the_counts(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """A server that cuts although it need not have is found out by comparing counts, as with servers before 0.12.6."""
    cut = {"ollama": {"truncate": True}}
    small = {"context": 256, "max_tokens": 2}
    messages = cuttable(provider_at(ollama.address, on_truncation="ignore"), 40, small)
    answer = provider_at(ollama.address).chat("toy", messages, parameters=small, provider_options=cut)
    assert any("probably cut" in warning for warning in answer.warnings)
    strict = provider_at(ollama.address, on_truncation="error")
    with pytest.raises(ContextLengthError, match="probably cut") as caught:
        strict.chat("toy", messages, parameters=small, provider_options=cut)
    assert caught.value.partial is not None
    assert strict.chat("toy", "Hello", parameters=small, provider_options=cut).warnings == ()


def test_one_message_too_long_is_an_error(provider: OllamaProvider) -> None:
    """What cannot be cut is refused by the server, and the error says what to do."""
    with pytest.raises(ContextLengthError, match=r"512 tokens.*larger context"):
        provider.chat("toy", "word " * 3000, parameters={"context": 512})


def test_an_answer_that_overflows_is_told_of(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """An answer that fills the context pushes the prompt out: a warning, or an end by length where it must not."""
    parameters = {"context": 256, "max_tokens": 400}
    answer = provider_at(ollama.address).chat("toy", "List.", parameters=parameters, response_format=LONG)
    assert any("dropped the front of the prompt" in warning for warning in answer.warnings)
    strict = provider_at(ollama.address, on_truncation="error")
    answer = strict.chat("toy", "List.", parameters=parameters, response_format=LONG)
    assert answer.finish_reason == "length"
    assert (answer.usage.total_tokens or 0) <= 256


def test_a_context_is_found(ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """context="auto" takes the smallest that fits, keeps the loaded one, and grows when the estimate was too low."""
    provider = provider_at(ollama.address)
    provider.unload_model("toy")
    few = {"context": "auto", "max_tokens": 4}
    small = provider.chat("toy", "Hello", parameters=few)
    assert small.provider_metadata["ollama"]["context"] == 2048
    (receipt,) = (receipt for receipt in small.parameters if receipt.name == "context")
    assert (receipt.outcome, receipt.value) == ("emulated", "auto")
    large = provider.chat("toy", conversation(55), parameters=few)
    assert large.provider_metadata["ollama"]["context"] == 4096
    assert large.warnings == ()
    again = provider_at(ollama.address, context="auto").chat("toy", "Hello", parameters={"max_tokens": 4})
    assert again.provider_metadata["ollama"]["context"] == 4096, "the loaded one is kept"
    with pytest.raises(ContextLengthError, match="4096 tokens"):
        provider.chat("toy", "word " * 20_000, parameters=few)


def test_a_pull_of_a_name_that_does_not_exist(provider: OllamaProvider, registry: Any) -> None:
    """A registry without the model, and a name that leads nowhere, are errors although the status is 200."""
    with pytest.raises(ModelNotFoundError, match="registry has no model of this name"):
        provider.pull_model(registry.name("nope"), insecure=True)
    with pytest.raises(ExecutionError):
        provider.pull_model("127.0.0.1:9/library/nope", insecure=True)


def test_a_pull_from_a_registry(another_ollama: Any, provider_at: Callable[..., OllamaProvider], registry: Any) -> None:
    """Every layer is reported, the last report is success, and the model answers."""
    provider = provider_at(another_ollama.address)
    seen: list[Progress] = []
    name = registry.name("toy-two:latest")
    assert provider.pull_model(name, seen.append, insecure=True).status == "success"
    assert seen[0].status == "pulling manifest"
    assert any(progress.digest and progress.total for progress in seen)
    assert "Paris" in provider.execute(name, "What is the capital of France?")


def test_an_interrupted_pull_goes_on_where_it_stopped(
    another_ollama: Any, provider_at: Callable[..., OllamaProvider], registry: Any
) -> None:
    """A reader that stops stops the download; the next one asks for the rest alone."""
    provider = provider_at(another_ollama.address)
    registry.hold = 500_000
    name = registry.name("toy-two:latest")

    class StopError(Exception):
        """What a caller does in the middle."""

    def stop(progress: Progress) -> None:
        if progress.completed and progress.completed > 400_000:
            raise StopError

    with pytest.raises(StopError):
        provider.pull_model(name, stop, insecure=True)
    assert "toy-two" not in json.dumps([model.id for model in provider.list_models()])
    registry.hold = 0
    before = len(registry.ranges)
    seen: list[Progress] = []
    provider.pull_model(name, seen.append, insecure=True)
    assert any(start > 300_000 for start in registry.ranges[before:]), registry.ranges
    assert seen[-1].status == "success"


def test_the_command_line_pulls_and_is_stopped(another_ollama: Any, registry: Any) -> None:
    """On a terminal there is a bar; Ctrl-C ends the command with 130 and the way to go on, which then succeeds."""
    name = registry.name("toy-two:latest")
    hearing = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "  # whatever our parent ignores
    program = f"{hearing}from airouter_core.cli import main; raise SystemExit(main())"
    command = [
        sys.executable, "-c", program, "ollama", "--host", another_ollama.address, "pull", "--insecure", name
    ]  # fmt: skip
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "200"}

    def run(*, until: bytes | None) -> tuple[int, bytes]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(command, stderr=theirs, stdout=theirs, stdin=theirs, env=environment)
        os.close(theirs)
        shown = b""
        with contextlib.suppress(OSError):  # Linux ends a terminal so
            while data := os.read(ours, 4096):
                shown += data
                if until is not None and until in shown:
                    process.send_signal(signal.SIGINT)
                    until = None
        os.close(ours)
        return process.wait(120), shown

    registry.hold = 500_000
    code, shown = run(until=b"/2.0 MB")
    assert code == 130, shown.decode("utf-8", "replace")
    assert f"airouter ollama pull {name}".encode() in shown
    registry.hold = 0
    code, shown = run(until=None)
    assert code == 0, shown.decode("utf-8", "replace")
    assert b"success" in shown


def test_a_server_that_stops_in_a_pull(
    another_ollama: Any, provider_at: Callable[..., OllamaProvider], registry: Any
) -> None:
    """The error says how far it was, and that pulling again goes on there."""
    registry.hold = 500_000
    provider = provider_at(another_ollama.address)

    def stop(progress: Progress) -> None:
        if progress.completed:
            another_ollama.stop()

    with pytest.raises((ConnectionFailedError, TruncatedStreamError), match="it goes on where it stopped"):
        provider.pull_model(registry.name("toy-two:latest"), stop, insecure=True)


def test_a_missing_model_is_pulled_first(
    another_ollama: Any, provider_at: Callable[..., OllamaProvider], registry: Any
) -> None:
    """With auto_pull a call pulls what it lacks; what cannot be pulled is an error all the same."""
    provider = provider_at(another_ollama.address, auto_pull=True)
    with pytest.raises(ExecutionError, match="pull model manifest"):
        provider.chat("127.0.0.1:9/library/nope", "Hello")


def test_a_server_that_stops_in_a_stream(another_ollama: Any, provider_at: Callable[..., OllamaProvider]) -> None:
    """What had arrived is kept with the error."""
    stream = provider_at(another_ollama.address).stream_chat(
        "toy", "List.", response_format=LONG, parameters={"max_tokens": 4000, "context": 4096}
    )
    arrived = 0
    for event in stream:
        arrived += isinstance(event, TextDelta)
        if arrived == 5:
            break
    another_ollama.stop()
    with pytest.raises((ConnectionFailedError, TruncatedStreamError)) as caught:
        stream.read()
    assert caught.value.partial is not None
    assert caught.value.partial.text
    with pytest.raises(ConnectionFailedError, match="is the server running"):
        provider_at(another_ollama.address, max_retries=0).chat("toy", "Hello")


def test_a_reader_that_leaves_stops_the_model(provider: OllamaProvider) -> None:
    """After an early close the next answer does not wait for the rest of the one before."""
    parameters = {"max_tokens": 4000, "context": 4096}
    provider.chat("toy", "Hello", parameters={"context": 4096})

    def leaves_at_once() -> bool:
        started = time.monotonic()
        provider.chat("toy", "List.", response_format=LONG, parameters={**parameters, "max_tokens": 600})
        with provider.stream_chat("toy", "List.", response_format=LONG, parameters=parameters) as stream:
            next(event for event in stream if isinstance(event, TextDelta))
        left = time.monotonic()
        assert provider.chat("toy", "Hello", parameters={"context": 4096, "max_tokens": 20}).text
        # The rest of the answer would take six times as long as a part of it, however slow the machine is.
        return time.monotonic() - left < 3 * (left - started)

    assert any(leaves_at_once() for _ in range(3))  # a machine with other things to do may stop in the middle


def test_two_models_and_sixteen_threads(provider: OllamaProvider) -> None:
    """Sixteen readers at once of two models: every answer whole, none mixed with another."""
    questions = [f"What is {number} plus {number + 1}?" for number in range(8)]
    models = ("toy", "toy-two")
    parameters = {"context": 4096, "max_tokens": 24}
    jobs = [(model, question) for question in questions for model in models]
    alone = {job: provider.chat(*job, parameters=parameters).text for job in jobs}
    together = threading.Barrier(len(jobs))

    def ask(job: tuple[str, str]) -> tuple[str, str | None]:
        together.wait(120)
        stream = provider.stream_chat(*job, parameters=parameters)
        text = "".join(event.text for event in stream if isinstance(event, TextDelta))
        assert stream.response.text == text
        return text, stream.response.model

    with ThreadPoolExecutor(len(jobs)) as pool:
        answers = dict(zip(jobs, pool.map(ask, jobs), strict=True))
    assert {job: text for job, (text, _) in answers.items()} == alone
    assert all(model == job[0] for job, (_, model) in answers.items())
    loaded = {model.id for model in provider.list_running_models()}
    assert {"toy:latest", "toy-two:latest"} <= loaded


def test_information_about_a_server(provider: OllamaProvider, provider_at: Callable[..., OllamaProvider]) -> None:
    """A server that is up is available with its models; one that is down is reported."""
    info = provider.get_info()
    assert info["status"] == "available"
    assert "toy:latest" in info["available_models"]
    assert provider.validate_config()
    assert provider_at("127.0.0.1:9", max_retries=0).get_info()["status"] == "unavailable"
